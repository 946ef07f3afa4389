use jangteo_loadtest::{Summary, Word};

use crate::sale::honest;

#[test]
fn a_summary_counts_customers_units_and_instants() {
    let mut sale = honest();
    sale.record.customers = 9;
    sale.record.empty_handed = 4;
    let summary = Summary::new(&sale.record, Some(4));
    assert_eq!((summary.customers, summary.granted, summary.refused), (9, 5, 4));
    assert_eq!((summary.confirmed, summary.returned, summary.sold_again), (4, 1, 1));
    assert_eq!(summary.units_confirmed, 4);
    assert_eq!(Summary::new(&sale.record, None).sold_again, 0, "there is always another");
    assert_eq!(summary.first_grant_after_open_ms, Some(2.0));
    assert_eq!(summary.sold_out_after_open_ms, Some(5.5));
    assert_eq!(summary.first_return_after_open_ms, Some(500.0));
    assert_eq!(summary.last_grant_after_open_ms, Some(601.0));
}

#[test]
fn rows_tell_words_and_wires_apart() {
    let mut sale = honest();
    let http = &mut sale.record.http;
    http.offered = 20;
    http.granted = 2;
    http.lost = 1;
    http.refused.extend([(Word::SoldOut, 10), (Word::LimitReached, 3), (Word::Expired, 2)]);
    for latency_us in 1..=1_000 {
        http.latency_us.record(latency_us * 1_000).unwrap();
    }
    let [resp, http] = Summary::new(&sale.record, Some(4)).wires;
    assert_eq!(resp.offered, 0);
    assert_eq!((http.sold_out, http.limit_reached, http.not_open, http.other), (10, 3, 0, 3));
    for (found, expected) in [
        (http.latency_ms.p50, 500.0),
        (http.latency_ms.p99, 990.0),
        (http.latency_ms.p999, 999.0),
        (http.latency_ms.max, 1_000.0),
    ] {
        assert!((found / expected - 1.0).abs() < 0.002, "{found} is not {expected}");
    }
}

#[test]
fn a_run_without_grants_has_no_instants() {
    let mut sale = honest();
    sale.record.grants.clear();
    sale.record.sold_out.clear();
    let summary = Summary::new(&sale.record, Some(4));
    assert_eq!(summary.first_grant_after_open_ms, None);
    assert_eq!(summary.sold_out_after_open_ms, None);
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["granted"], 0);
    assert_eq!(json["wires"][0]["wire"], "resp");
}
