//! `rehearse`, run as an operator would: every campaign file there is, and what is no-go.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::clients::http;
use crate::process::jangteo;
use crate::shop::{campaign_file, items};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// As many people as show that the goods, limits and areas of a file are met.
const PEOPLE: &str = "300";

/// `jangteo rehearse` with these arguments: how it ended, what it said, and what it complained of.
fn rehearse(args: &[&str]) -> (i32, String, String) {
    ended(jangteo().arg("rehearse").args(args))
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn campaign(name: &str) -> String {
    format!("{}/../docs/campaigns/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// What the list says of each point.
fn answers(told: &Value) -> Vec<(&str, &str)> {
    let points = told["list"].as_array().unwrap().iter();
    points.map(|one| (one["check"].as_str().unwrap(), one["answer"].as_str().unwrap())).collect()
}

fn answer<'a>(told: &'a Value, check: &str) -> &'a str {
    let found = answers(told).into_iter().find(|(one, _)| *one == check);
    found.unwrap_or_else(|| panic!("{check} is not in {told}")).1
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// Rehearses one file with a small crowd: it is go, and nothing is left behind.
fn is_go(name: &str, drop: Option<u32>) -> Value {
    let under = tempfile::tempdir().unwrap();
    let (file, number) = (campaign(name), drop.unwrap_or(1).to_string());
    let mut args = vec![file.as_str(), "--at", "+5s", "--crowd", PEOPLE, "--json", "--under"];
    args.push(under.path().to_str().unwrap());
    if drop.is_some() {
        args.extend(["--drop", &number]);
    }
    let (code, out, err) = rehearse(&args);
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{name}: {e} {err}"));
    assert_eq!((code, &told["go"]), (0, &json!(true)), "{name}: {told}");
    assert_eq!(told["drop"], format!("{name}-{number}"));
    let checks: Vec<&str> = answers(&told).into_iter().map(|(check, _)| check).collect();
    let all = ["file", "clock", "disk", "connections", "stock", "witnesses", "headroom"];
    assert_eq!(checks, all, "{name}");
    for check in ["connections", "stock", "witnesses", "headroom"] {
        assert_eq!(answer(&told, check), "go", "{name}: {told}");
    }
    let sale = &told["sale"];
    assert_eq!((&sale["ok"], &sale["audit_ok"]), (&json!(true), &json!(true)), "{name}");
    assert_eq!(sale["customers"], 300);
    assert!(sale["granted"].as_u64().unwrap() > 0, "{name}: nothing was granted: {sale}");
    for wire in 0..2 {
        let wire = &sale["wires"][wire];
        assert!(wire["offered"].as_u64().unwrap() > 0, "{name}: {sale}");
        assert_eq!(wire["other"], 0, "{name}: neither granted nor refused as it may be: {sale}");
    }
    assert!(is_empty(under.path()), "{name}: the directory is thrown away");
    told
}

#[test]
fn every_campaign_file_rehearses_and_is_go() {
    let units = |told: &Value| told["sale"]["units_confirmed"].as_u64();
    let orders = |told: &Value| told["sale"]["confirmed"].as_u64();
    let pairs: [&(dyn Fn() + Sync); 3] = [
        &|| {
            assert_eq!(is_go("uroad-2020", None)["sale"]["units"], 2_000);
            assert_eq!(is_go("happy-credit-2019", None)["sale"]["units"], Value::Null, "endless");
        },
        &|| {
            for told in [is_go("live-market-2020", Some(2)), is_go("street-coupons-2020", None)] {
                assert!(units(&told) > orders(&told), "people buy baskets: {told}");
            }
        },
        &|| {
            let told = is_go("performances-2020", Some(3));
            assert_eq!(told["sale"]["granted"], 300, "there is always another");
            assert_eq!(told["sale"]["confirmed"], 300, "and nobody pays");
            let told = is_go("try-it", None);
            assert!(told["sale"]["sold_out_after_open_ms"].is_number(), "ten onions for 300");
        },
    ];
    // Three at a time: each writes the first segments of a journal of its own.
    std::thread::scope(|scope| pairs.map(|pair| scope.spawn(pair)).map(|one| one.join().unwrap()));
}

#[test]
fn a_drop_without_goods_and_a_crowd_beyond_the_open_files_are_no_go() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.toml");
    let goods = items(&[("a", 9)]).replace("stock", "drops = [2]\nstock");
    std::fs::write(&empty, campaign_file("", &goods)).unwrap();
    let empty = empty.to_str().unwrap();
    let (code, out, _) = rehearse(&[empty, "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["go"], &told["sale"]), (1, &json!(false), &Value::Null), "{told}");
    assert_eq!((answer(&told, "stock"), &told["drop"]), ("no_go", &json!("t-1")), "{told}");
    let (code, out, _) = rehearse(&[empty]);
    assert_eq!(code, 1);
    assert!(out.contains("NO-GO  stock        t-1 has no items\n"), "{out}");
    assert!(out.ends_with("\nNO-GO: stock\n"), "{out}");

    // The shell lets the process have 400 open files: enough for this crowd, not for one each.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 400 && exec \"$0\" rehearse \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_jangteo"));
    command.args([&campaign("try-it"), "--crowd", "350", "--at", "+5s", "--json"]);
    let (code, out, err) = ended(&mut command);
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} {err}"));
    assert_eq!((code, &told["go"]), (1, &json!(false)), "{told}");
    assert_eq!(answer(&told, "connections"), "no_go", "{told}");
    assert_eq!(answer(&told, "witnesses"), "go", "the sale itself was right: {told}");
}

#[test]
fn a_faulty_file_is_told_as_check_tells_it() {
    let directory = tempfile::tempdir().unwrap();
    let bad = directory.path().join("bad.toml");
    let text = campaign_file("", &items(&[("a", 9)])).replace("price = 1000", "price = -1");
    std::fs::write(&bad, text).unwrap();
    let bad = bad.to_str().unwrap();
    let (code, out, _) = rehearse(&[bad]);
    assert_eq!((code, out.as_str()), (65, &*ended(jangteo().args(["check", bad])).1));
    assert!(out.contains("items[0].price: "), "{out}");
    let (code, out, _) = rehearse(&[bad, "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["go"]), (65, &json!(false)));
    assert_eq!(told["faults"][0]["key"], "items[0].price");
}

#[test]
fn misuse_of_rehearse_is_named() {
    let file = campaign("try-it");
    let table: [(&[&str], i32, &str); 6] = [
        (&[], 64, "<FILE>"),
        (&[&file, "--drop", "9"], 64, "has no drop 9"),
        (&[&file, "--at", "10s"], 64, "--at"),
        (&[&file, "--at", "+1s"], 64, "needs 3 s to gather"),
        (&["/nowhere/at-all.toml"], 74, "/nowhere/at-all.toml"),
        (&[&file, "--under", "/nowhere/at-all"], 74, "/nowhere/at-all"),
    ];
    for (args, code, said) in table {
        let (found, _, err) = rehearse(args);
        assert_eq!(found, code, "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let (code, help, _) = rehearse(&["--help"]);
    assert!(
        code == 0 && help.contains("Examples:") && help.contains("jangteo rehearse "),
        "{help}"
    );
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

/// The file of a campaign that opened long ago, and opens again years from now: with other goods.
fn opens_again() -> String {
    let goods = items(&[("a", 9)]) + &items(&[("b", 9)]);
    campaign_file("areas = [\"gangbuk\"]", &goods)
        .replace("FREQ=DAILY;COUNT=2", "FREQ=YEARLY;INTERVAL=80;COUNT=2")
        .replacen("stock", "drops = [1]\nstock", 1)
        .replacen("title = \"b\"", "title = \"b\"\ndrops = [2]", 1)
}

#[test]
fn without_a_crowd_the_next_drop_stands_until_interrupted_and_may_be_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("again.toml");
    std::fs::write(&file, opens_again()).unwrap();
    let mut command = jangteo();
    command.arg("rehearse").arg(&file).args(["--crowd", "0", "--at", "+1s", "--keep", "--under"]);
    let mut child =
        command.arg(directory.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains("  -d '") {
        assert!(out.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(told.contains("rehearsal of t-2\n") && told.contains("\nGO\n"), "{told}");
    let address = between(&told, "curl -s http://", "/");
    let body = between(&told, "  -d '", "'");
    assert!(body.contains("\"sku\":\"b\"") && body.contains("gangbuk"), "{body}");
    let line = format!("POST {}", between(&told, address, " \\"));
    let asked = Instant::now();
    let hold = loop {
        let answer = http(address.parse().unwrap(), &line, &["Idempotency-Key: order-1"], body);
        if answer.status == 201 {
            break answer.json();
        }
        assert_eq!(answer.code(), "not_open", "what is printed to try is right");
        assert!(asked.elapsed() < PATIENCE, "it opens a second after the start");
    };
    assert_eq!((&hold["drop"], &hold["number"]), (&json!("t-1"), &json!(1)));

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    out.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
    let kept = between(&told, "kept: ", ",").to_owned();
    let (code, audit, _) = ended(jangteo().args(["audit", &kept, "--json"]));
    let audit: Value = serde_json::from_str(&audit).unwrap();
    assert_eq!((code, &audit["drops"][0]["holds"]["held"]), (0, &json!(1)), "{audit}");
}
