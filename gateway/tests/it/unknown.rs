//! When a flush fails: nothing that waited is acknowledged, and everybody is told so.

use std::sync::Arc;

use jangteo::Engine;

use crate::clients::{Resp, http};
use crate::faulty::Faulty;
use crate::shop::{OPENS_MS, Shop, campaign_file, items};

fn failing_shop(directory: &std::path::Path) -> (Shop, Arc<Faulty>) {
    let storage = Arc::new(Faulty::new(directory));
    let options = Engine::options().storage(storage.clone()).segment_bytes(1 << 20);
    let shop = Shop::with(options, OPENS_MS, &campaign_file("", &items(&[("a", 9)])));
    (shop, storage)
}

#[test]
fn resp_answers_unknown_in_the_place_of_what_waited() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, storage) = failing_shop(directory.path());
    let mut client = Resp::connect(shop.service.resp());
    let durable = client.one("DROP.HOLD t-1 c-0 1 a 1 KEY k BRIEF");
    storage.fail();
    let commands = [
        "PING",
        "DROP.HOLD t-1 c-1 1 a 1 KEY k BRIEF",
        "DROP.HOLD t-1 c-1 1 z 1 BRIEF",
        "DROP.HOLD t-1 c-0 1 a 1 KEY k BRIEF",
        "DROP.FIND t-1 c-1",
        "ECHO x",
    ];
    let expected = format!("+PONG -UNKNOWN $5 NOSKU {durable} -UNKNOWN $1 x");
    assert_eq!(client.all(&commands), expected);
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 1 BRIEF"), "-UNAVAILABLE");
    assert_eq!(client.one("DROP.HOLD nope c-2 1 a 1 BRIEF"), "-UNAVAILABLE");
    assert_eq!(client.one("DROP.HOLD nope c-2 1 a 0 BRIEF"), "-ERR malformed: quantity");
}

#[test]
fn http_answers_503_and_is_no_longer_ready() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, storage) = failing_shop(directory.path());
    let address = shop.service.http();
    assert_eq!(http(address, "GET /readyz", &[], "").status, 200);
    storage.fail();
    let body = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;
    let answer = http(address, "POST /v1/drops/t-1/holds", &[], body);
    assert_eq!((answer.status, answer.code().as_str()), (503, "outcome_unknown"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["retryable"], true);
    let answer = http(address, "POST /v1/drops/t-1/holds", &[], body);
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    let ready = http(address, "GET /readyz", &[], "");
    assert_eq!((ready.status, ready.code().as_str()), (503, "unavailable"));
    assert!(ready.json()["detail"].as_str().unwrap().contains("planted"));
    assert_eq!(http(address, "GET /livez", &[], "").status, 200);
}
