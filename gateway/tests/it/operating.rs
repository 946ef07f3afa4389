//! What surrounds the service: its manager, its log, its warnings, and the files in the documents.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use jangteo::{Durability, Engine};
use jangteo_gateway::Webhooks;
use jangteo_gateway::access::{Access, Key, Keyring, Scope};
use jangteo_gateway::webhooks::{Wanted, Webhook};
use rustix::process::Signal;

use crate::clients::{Resp, http};
use crate::process::{Served, serve};
use crate::receiver::nobody_listens;
use crate::shop::{OPENS_MS, Shop, campaign_file, items};

#[test]
fn the_service_manager_is_told_how_the_service_stands() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let told = || {
        let mut buffer = [0; 1024];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = serve(&directory.path().join("data"), &[]);
    command.env("NOTIFY_SOCKET", &socket);
    let served = Served::run(command);
    assert_eq!(told(), "READY=1\n");
    served.signal(Signal::HUP);
    let reloading = told();
    let (first, second) = reloading.trim_end().split_once('\n').unwrap();
    assert_eq!(first, "RELOADING=1");
    let since = second.strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(since.parse::<u64>().unwrap() > 0, "{reloading}");
    assert_eq!(told(), "READY=1\n");
    served.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn a_log_in_json_has_requests_at_debug_and_none_at_info() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let directory = tempfile::tempdir().unwrap();
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    for level in ["info", "debug"] {
        let mut command =
            serve(&directory.path().join(level), &["--log-format", "json", "--log", level]);
        command.stderr(Stdio::piped());
        let served = Served::run(command);
        let find = "GET /v1/drops/none/holds?customer=pseudonym-of-somebody";
        http(served.http, find, &["X-Request-Id: r-77", &parent], "");
        http(served.http, "GET /v1/drops", &["X-Request-Id: not one"], "");
        Resp::connect(served.resp).until_close(&[Some("PING"), Some("QUIT")]);
        let (code, log) = served.terminate_and_listen();
        assert_eq!(code, Some(0));
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["timestamp"].is_string()), "{log}");
        let requests: Vec<_> =
            lines.iter().filter(|line| line["target"] == "jangteo::requests").collect();
        assert!(!log.contains("pseudonym"), "{log}");
        if level == "info" {
            assert!(requests.is_empty() && lines.iter().any(|line| line["message"] == "stopping"));
            continue;
        }
        let one = requests.iter().find(|line| line["id"] == "r-77").unwrap();
        assert_eq!((&one["trace"], &one["call"]), (&TRACE.into(), &"find".into()), "{one}");
        assert_eq!((&one["status"], &one["level"]), (&404.into(), &"DEBUG".into()), "{one}");
        let other = requests.iter().find(|line| line["call"] == "drops").unwrap();
        assert!(other["id"].as_str().unwrap().contains('-') && other["trace"].is_null(), "{other}");
        assert!(requests.iter().any(|line| line["message"] == "resp" && line["commands"] == 2));
    }
}

#[test]
fn the_next_drop_without_goods_is_warned_about_and_only_to_operators() {
    let only_second = items(&[("a", 9)]).replace("stock", "drops = [2]\nstock");
    let file = campaign_file("", &only_second);
    let (key, secret) = Key::generate("boss", Scope::Operate).unwrap();
    let access = Access::by(Keyring::new(vec![key], Vec::new()).unwrap());
    let options = Engine::options().durability(Durability::Memory);
    let shop = Shop::guarded(options, OPENS_MS - 25 * 3_600_000, &file, access, None);
    let bearer = format!("Authorization: Bearer {secret}");
    let warnings = |headers: &[&str]| {
        let answer = http(shop.service.http(), "GET /readyz", headers, "");
        assert_eq!(answer.status, 200);
        answer.json()["warnings"].to_string()
    };
    assert!(!warnings(&[&bearer]).contains("no_goods"), "more than a day before");
    shop.clock.advance(2 * 3_600_000);
    assert!(warnings(&[&bearer]).contains("no_goods: t-1 opens at "));
    assert!(!warnings(&[]).contains("no_goods"), "to strangers nothing of a sealed drop");
    let figures = http(shop.service.http(), "GET /metrics", &[&bearer], "").body;
    assert!(figures.contains("jangteo_next_open_without_goods 1\n"));
    shop.clock.advance(23 * 3_600_000);
    shop.engine.tick();
    assert!(!warnings(&[&bearer]).contains("no_goods"), "the next one has items");
}

/// Names of series in a text, as Prometheus would ask for them.
fn asked_for(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let ours = |word: &&str| word.starts_with("jangteo_") || word.starts_with("process_");
    text.split(word).filter(ours).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_documented_and_every_dashboard_and_alert_asks_for_one_that_exists() {
    let directory = tempfile::tempdir().unwrap();
    let goods = items(&[("a", 9)]).replace("stock", "gift = { sku = \"g\", quantity = 1 }\nstock")
        + "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 5\n";
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 20);
    let shop = Shop::with(options, OPENS_MS, &campaign_file("", &goods));
    Resp::connect(shop.service.resp()).one("DROP.HOLD t-1 c-1 1 a 1");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let webhook = Webhook {
        address: format!("http://{}/", nobody_listens()).parse().unwrap(),
        secrets: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap(),
        wanted: Wanted::everything(),
    };
    let webhooks = {
        let _within = runtime.enter();
        Webhooks::start(shop.engine.clone(), directory.path(), vec![webhook]).unwrap()
    };
    shop.service.measure(&webhooks);
    // It shows as soon as somebody is on the way.
    let text = (0..1_000)
        .map(|_| http(shop.service.http(), "GET /metrics", &[], "").body)
        .find(|text| text.contains("jangteo_webhook_lag_events{"))
        .expect("a webhook is measured");
    runtime.block_on(webhooks.stop());
    let series: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect();
    let grafana = include_str!("../../../docs/operating/grafana.json");
    let alerts = include_str!("../../../docs/operating/alerts.yaml");
    for (name, file) in [("grafana.json", grafana), ("alerts.yaml", alerts)] {
        let asked = asked_for(file);
        assert!(asked.len() >= 10, "{name}: {asked:?}");
        assert!(asked.is_subset(&series), "{name}: {:?}", asked.difference(&series));
    }
    let dashboard: serde_json::Value = serde_json::from_str(grafana).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 10);

    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told: BTreeSet<&str> = types.map(|rest| rest.split(' ').next().unwrap()).collect();
    let documents = include_str!("../../../docs/operating.md");
    let table = documents.split("\n### Every metric\n").nth(1).expect("the section is there");
    let rows = table.split("\n#").next().unwrap().lines();
    let cells = rows.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<&str> = cells.map(|(name, _)| name).collect();
    assert_eq!(documented, told);
}

#[test]
fn every_file_for_operators_is_named_in_the_documents() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating");
    let documents = include_str!("../../../docs/operating.md");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(documents.contains(&format!("(operating/{name})")), "{name}");
        seen += 1;
    }
    assert!(seen >= 5);
}
