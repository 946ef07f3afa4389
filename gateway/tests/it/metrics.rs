//! `GET /metrics`: what it tells, and what it does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jangteo::{Engine, Refusal};

use crate::clients::{Resp, http};
use crate::shop::{OPENS_MS, Shop, items};

/// The value of every series, by name and labels as they stand there.
pub(crate) fn scrape(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = http(address, "GET /metrics", &[], "");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
    assert!(answer.body.ends_with("\n# EOF\n"), "{}", answer.body);
    let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}")));
    let mut found = BTreeMap::new();
    for (name, value) in series {
        let before = found.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(before, None, "{name} is there twice");
    }
    found
}

#[test]
fn what_happened_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "hold_ttl = \"10m\"", &[("a", 2)]);
    let mut client = Resp::connect(shop.service.resp());
    let hold = client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k BRIEF").replace("$26 ", "");
    for command in ["DROP.HOLD t-1 c-1 1 a 1 KEY k", "DROP.HOLD none c-1 1 a 1", "PING"] {
        client.one(command);
    }
    client.one(&format!("DROP.CONFIRM {hold} p"));
    let body = r#"{"customer":"c-2","lines":[{"sku":"a","quantity":1}]}"#;
    for _ in 0..3 {
        http(shop.service.http(), "POST /v1/drops/t-1/holds", &[], body);
    }
    for _ in 0..2 {
        client.one("DROP.HOLD t-1 c-3 1 a 1 KEY k WAIT");
    }
    shop.clock.advance(600_000 + 5_000);
    let seen = scrape(shop.service.http());
    let table = [
        ("jangteo_holds_total{campaign=\"t\",outcome=\"granted\"}", 2.0),
        ("jangteo_holds_total{campaign=\"t\",outcome=\"replayed\"}", 2.0),
        ("jangteo_holds_total{campaign=\"t\",outcome=\"waiting\"}", 1.0),
        ("jangteo_holds_total{campaign=\"t\",outcome=\"sold_out\"}", 2.0),
        ("jangteo_holds_total{campaign=\"\",outcome=\"unknown_drop\"}", 1.0),
        ("jangteo_units{drop=\"t-1\",sku=\"a\",state=\"available\"}", 0.0),
        ("jangteo_units{drop=\"t-1\",sku=\"a\",state=\"held\"}", 1.0),
        ("jangteo_units{drop=\"t-1\",sku=\"a\",state=\"sold\"}", 1.0),
        ("jangteo_request_seconds_count{wire=\"resp\",call=\"hold\"}", 5.0),
        ("jangteo_request_seconds_count{wire=\"resp\",call=\"confirm\"}", 1.0),
        ("jangteo_request_seconds_count{wire=\"http\",call=\"hold\"}", 3.0),
        ("jangteo_request_seconds_bucket{le=\"+Inf\",wire=\"http\",call=\"hold\"}", 3.0),
        ("jangteo_journal_latched", 0.0),
        ("jangteo_disk_short", 0.0),
        ("jangteo_expiry_lag_seconds", 5.0),
        ("jangteo_watchers", 0.0),
        ("jangteo_replies_waiting", 0.0),
        ("jangteo_connections", 2.0),
        ("jangteo_next_open_timestamp_seconds", (OPENS_MS / 1_000 + 86_400) as f64),
        ("jangteo_turned_away_total{reason=\"overloaded\"}", 0.0),
        (concat!("jangteo_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ];
    for (name, value) in table {
        assert_eq!(seen.get(name), Some(&value), "{name}: {seen:#?}");
    }
    // Three changes at least, some of them perhaps together.
    let flushes = seen["jangteo_journal_flush_seconds_count"];
    assert!(flushes >= 1.0 && seen["jangteo_journal_batch_records_sum"] >= 3.0);
    assert_eq!(seen["jangteo_journal_batch_records_count"], flushes);
    assert_eq!(seen["jangteo_journal_flush_seconds_bucket{le=\"+Inf\"}"], flushes);
    for name in ["jangteo_disk_free_bytes", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(seen[name] > 1.0, "{name}");
    }
    shop.engine.tick();
    let seen = scrape(shop.service.http());
    assert_eq!(seen["jangteo_expiry_lag_seconds"], 0.0);
    let units = ["available", "held", "sold"]
        .map(|state| seen[&format!("jangteo_units{{drop=\"t-1\",sku=\"a\",state=\"{state}\"}}")]);
    assert_eq!(units, [0.0, 1.0, 1.0], "the unit that expired is c-3's, who waited");
}

#[test]
fn nothing_is_told_of_a_drop_before_its_reveal_and_nobody_is_ever_named() {
    let shop = Shop::at(OPENS_MS - 60_000, "", &items(&[("secret-onion", 9)]));
    let text = || http(shop.service.http(), "GET /metrics", &[], "").body;
    let before = text();
    let mut client = Resp::connect(shop.service.resp());
    let buy = |sku: &str| format!("DROP.HOLD t-1 somebody-1 1 {sku} 1 KEY order-number-77 BRIEF");
    assert_eq!(client.one(&buy("secret-onion")), client.one(&buy("no-such-onion")));
    let sealed = text();
    for hidden in ["t-1", "t-2", "onion", "somebody", "order-number"] {
        assert!(!before.contains(hidden) && !sealed.contains(hidden), "{hidden}: {sealed}");
    }
    assert!(sealed.contains("jangteo_holds_total{campaign=\"t\",outcome=\"not_open\"} 2\n"));

    shop.clock.advance(60_000);
    shop.engine.tick();
    let hold = client.one(&buy("secret-onion")).replace("$26 ", "");
    client.one(&format!("DROP.CONFIRM {hold} payment-of-somebody"));
    let open = text();
    assert!(open.contains("jangteo_units{drop=\"t-1\",sku=\"secret-onion\",state=\"sold\"} 1\n"));
    for hidden in ["t-2", "somebody", "order-number", "payment", &hold] {
        assert!(!open.contains(hidden), "{hidden}: {open}");
    }
}

#[test]
fn a_drop_without_a_disk_has_no_figures_of_one() {
    let engine = Engine::in_memory();
    let figures = engine.figures();
    assert_eq!((figures.disk_free_bytes, figures.expiry_lag_ms), (None, 0));
    assert_eq!(figures.flushes, Default::default());
    assert!(matches!(engine.admits_holds(), Ok::<(), Refusal>(())));
}
