//! When a flush fails: nothing that waited is acknowledged, and everybody is told so.

use std::sync::Arc;

use jangteo::Engine;

use crate::clients::{Resp, http};
use crate::faulty::Faulty;
use crate::shop::{OPENS_MS, Shop, campaign_file, items};

const RULES: &str = "limit_per_customer = 1";

fn failing_shop(directory: &std::path::Path) -> (Shop, Arc<Faulty>) {
    let storage = Arc::new(Faulty::new(directory));
    let options = Engine::options().storage(storage.clone()).segment_bytes(1 << 20);
    let shop = Shop::with(options, OPENS_MS, &campaign_file(RULES, &items(&[("a", 9)])));
    (shop, storage)
}

#[test]
fn resp_answers_unknown_in_the_place_of_what_waited() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, storage) = failing_shop(directory.path());
    let mut client = Resp::connect(shop.service.resp());
    let before: Vec<String> = (0..5).map(|n| client.one(&resp_hold(n))).collect();
    let [durable, confirmed, released, extended] =
        [0, 1, 2, 3].map(|n| before[n].strip_prefix("$26 ").unwrap().to_owned());
    shop.clock.advance(1_000);
    storage.fail();
    let commands = [
        "PING".to_owned(),
        resp_hold(5),
        "DROP.HOLD t-1 c-5 1 z 1 BRIEF".to_owned(),
        resp_hold(0),
        "DROP.FIND t-1 c-5".to_owned(),
        "ECHO x".to_owned(),
        resp_hold(5),
        "DROP.HOLD t-1 c-5 1 a 1 KEY other BRIEF".to_owned(),
        "DROP.HOLD t-1 c-5 1 a 1 KEY other".to_owned(),
        format!("DROP.CONFIRM {confirmed} p"),
        format!("DROP.CONFIRM {confirmed} p"),
        format!("DROP.CONFIRM {confirmed} other"),
        format!("DROP.RELEASE {released}"),
        format!("DROP.EXTEND {extended}"),
        format!("DROP.GET {extended}"),
        "DROP.FIND t-1 c-1".to_owned(),
        "DROP.HOLD t-1 c-6 1 a 99 BRIEF".to_owned(),
    ];
    let expected = format!(
        "+PONG -UNKNOWN $5 NOSKU $26 {durable} -UNKNOWN $1 x -UNKNOWN -UNKNOWN -UNKNOWN \
         -UNKNOWN -UNKNOWN -CONFLICT -UNKNOWN -UNKNOWN -UNKNOWN -UNKNOWN $5 LIMIT"
    );
    assert_eq!(client.all(&commands), expected);
    assert_eq!(client.one("DROP.HOLD t-1 c-7 1 a 1 BRIEF"), "-UNAVAILABLE");
    assert_eq!(client.one("DROP.HOLD nope c-7 1 a 1 BRIEF"), "-UNAVAILABLE");
    assert_eq!(client.one("DROP.HOLD nope c-7 1 a 0 BRIEF"), "-ERR malformed: quantity");
    assert_eq!(client.one(&format!("DROP.CONFIRM {durable} p")), "-UNAVAILABLE");
    assert_eq!(client.one(&format!("DROP.GET {confirmed}")), "-UNKNOWN");
    assert!(client.one(&format!("DROP.GET {durable}")).contains("$5 state $4 held"));
    assert!(client.one("DROP.STOCK t-1 a").contains("$5 total :9"));
}

fn resp_hold(customer: usize) -> String {
    format!("DROP.HOLD t-1 c-{customer} 1 a 1 KEY k BRIEF")
}

#[test]
fn http_answers_unknown_to_whatever_waited_for_the_flush_that_failed() {
    for change in ["hold", "confirm", "release", "extend"] {
        let directory = tempfile::tempdir().unwrap();
        let (shop, storage) = failing_shop(directory.path());
        let address = shop.service.http();
        let mut resp = Resp::connect(shop.service.resp());
        let ids: Vec<String> = (0..2).map(|n| resp.one(&resp_hold(n))).collect();
        let [durable, changed] = [0, 1].map(|n| ids[n].strip_prefix("$26 ").unwrap());
        shop.clock.advance(1_000);
        let get = |path: &str| http(address, &format!("GET {path}"), &[], "");
        let hold = r#"{"customer":"c-5","lines":[{"sku":"a","quantity":1}]}"#;
        let (path, body, customer) = match change {
            "hold" => ("/v1/drops/t-1/holds".to_owned(), hold, "c-5"),
            "confirm" => (format!("/v1/holds/{changed}/confirm"), r#"{"payment":"p"}"#, "c-1"),
            other => (format!("/v1/holds/{changed}/{other}"), "", "c-1"),
        };
        storage.fail();
        let key = ["Idempotency-Key: k"];
        assert_eq!(http(address, &format!("POST {path}"), &key, body).code(), "outcome_unknown");
        // What names it waits for its last record too; what was durable before is told.
        let found = get(&format!("/v1/drops/t-1/holds?customer={customer}"));
        assert_eq!(found.code(), "outcome_unknown", "{change}");
        if change != "hold" {
            assert_eq!(get(&format!("/v1/holds/{changed}")).code(), "outcome_unknown", "{change}");
        }
        assert_eq!(get(&format!("/v1/holds/{durable}")).status, 200, "{change}");
        let confirm = format!("POST /v1/holds/{durable}/confirm");
        assert_eq!(http(address, &confirm, &[], r#"{"payment":"p"}"#).code(), "unavailable");
        assert_eq!(get("/v1/drops/t-1").status, 200, "{change}");
    }
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
