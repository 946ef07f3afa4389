//! When a flush fails: nothing that waited is acknowledged, and everybody is told so.

use std::io::{Read, Write};
use std::sync::Arc;

use jangteo::Engine;

use crate::clients::{Resp, connect, http, read_to_end};
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

/// HTTP answers one request of a connection at a time, so what is to share a batch comes over as
/// many connections, while the worker stands in the flush before.
#[test]
fn http_answers_unknown_to_everybody_whose_batch_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, storage) = failing_shop(directory.path());
    let address = shop.service.http();
    let mut resp = Resp::connect(shop.service.resp());
    let ids: Vec<String> = (0..4).map(|n| resp.one(&resp_hold(n))).collect();
    let [durable, confirmed, released, extended] =
        [0, 1, 2, 3].map(|n| ids[n].strip_prefix("$26 ").unwrap());
    shop.clock.advance(1_000);
    let hold = |customer: &str, key: &str| {
        let body = format!(r#"{{"customer":"{customer}","lines":[{{"sku":"a","quantity":1}}]}}"#);
        ("POST /v1/drops/t-1/holds".to_owned(), format!("Idempotency-Key: {key}"), body)
    };
    let call = |line: String, body: &str| (line, "X-None: 1".to_owned(), body.to_owned());
    let payment = r#"{"payment":"p"}"#;
    let calls = [
        (hold("c-5", "k"), "outcome_unknown"),
        (call(format!("POST /v1/holds/{confirmed}/confirm"), payment), "outcome_unknown"),
        (call(format!("POST /v1/holds/{released}/release"), ""), "outcome_unknown"),
        (call(format!("POST /v1/holds/{extended}/extend"), ""), "outcome_unknown"),
        (hold("c-5", "k"), "outcome_unknown"),
        (hold("c-5", "other"), "outcome_unknown"),
        (call(format!("POST /v1/holds/{confirmed}/confirm"), payment), "outcome_unknown"),
        (call(format!("GET /v1/holds/{extended}"), ""), "outcome_unknown"),
        (call("GET /v1/drops/t-1/holds?customer=c-2".to_owned(), ""), "outcome_unknown"),
        (call(format!("GET /v1/holds/{durable}"), ""), ""),
        (hold("c-0", "other"), "limit_reached"),
    ];
    // Every connection is served once before, so that nothing but the request is left to arrive.
    let mut streams: Vec<_> = calls.iter().map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
    }
    storage.stand();
    resp.0.write_all(&Resp::encoded(&[resp_hold(8)])).unwrap();
    storage.stood();
    storage.fail();
    for (stream, ((line, header, body), _)) in streams.iter_mut().zip(&calls) {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
    }
    storage.go_on();
    for (mut stream, (call, code)) in streams.into_iter().zip(&calls) {
        let text = read_to_end(&mut stream);
        let seen = if code.is_empty() { "200 OK".to_owned() } else { format!("{code:?}") };
        assert!(text.contains(&seen), "{call:?} was answered {text}, and not {code}");
    }
    assert_eq!(http(address, &format!("GET /v1/holds/{durable}"), &[], "").status, 200);
    let confirm = format!("POST /v1/holds/{durable}/confirm");
    assert_eq!(http(address, &confirm, &[], payment).code(), "unavailable");
    assert_eq!(http(address, "GET /v1/drops/t-1", &[], "").status, 200);
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
