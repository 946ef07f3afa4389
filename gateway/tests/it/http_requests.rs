//! HTTP requests that are not what they should be.

use std::io::{Read, Write};

use crate::clients::{connect, http, http_raw, read_to_end};
use crate::shop::Shop;

const HOLDS: &str = "POST /v1/drops/t-1/holds";
const GOOD: &str = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;

#[test]
fn a_malformed_body_is_told_its_member_and_has_no_effect() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!(r#"{{"customer":"c-1","lines":{nested}}}"#);
    let secret = r#"{"customer":"secret","lines":[{"sku":"a","quantity":"secret"}]}"#;
    let table = [
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        (&GOOD[..GOOD.len() - 1], "the body is not JSON"),
        ("[]", "the body is not an object"),
        ("null", "the body is not an object"),
        (&nested, "the body is not JSON"),
        (&deep, "the body is not JSON"),
        ("{}", "lines"),
        (r#"{"lines":[{"sku":"a","quantity":1}]}"#, "customer"),
        (r#"{"customer":1,"lines":[]}"#, "customer"),
        (r#"{"customer":"c-1"}"#, "lines"),
        (r#"{"customer":"c-1","lines":{}}"#, "lines"),
        (r#"{"customer":"c-1","lines":[]}"#, "lines"),
        (r#"{"customer":"c-1","lines":[1]}"#, "lines[0]"),
        (r#"{"customer":"c-1","lines":[["a",1]]}"#, "lines[0]: not an object"),
        (r#"["c-1",[{"sku":"a","quantity":1}],null,null]"#, "the body is not an object"),
        (r#"{"customer":"c-1","lines":[{"quantity":1}]}"#, "lines[0].sku"),
        (r#"{"customer":"c-1","lines":[{"sku":"a"}]}"#, "lines[0].quantity"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1.5}]}"#, "lines[0].quantity"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":-1}]}"#, "lines[0].quantity"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":0}]}"#, "quantity"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":4294967297}]}"#, "quantity"),
        (
            r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1,"x":1}]}"#,
            "lines[0]: unknown member x",
        ),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}],"x":1}"#, "unknown member x"),
        (r#"{"customer":"c-1","customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#, "twice"),
        (r#"{"customer":"c 1","lines":[{"sku":"a","quantity":1}]}"#, "customer"),
        (r#"{"customer":"","lines":[{"sku":"a","quantity":1}]}"#, "customer"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}],"area":1}"#, "area"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}],"area":""}"#, "area"),
        (r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}],"wait":1}"#, "wait"),
        (secret, "lines[0].quantity"),
    ];
    for (body, detail) in table {
        let answer = http(address, HOLDS, &["Content-Type: application/json"], body);
        let shown = body.chars().take(80).collect::<String>();
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{shown}");
        let json = answer.json();
        assert!(json["detail"].as_str().unwrap().contains(detail), "{shown}: {json}");
        assert!(!answer.body.contains("secret"), "{json}");
    }
    assert_eq!(shop.units("a"), (9, 0, 0));
    let null = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}],"area":null,"wait":false}"#;
    assert_eq!(http(address, HOLDS, &[], null).status, 201);
    let whole = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1.0}]}"#;
    assert_eq!(http(address, HOLDS, &[], whole).status, 201);
}

#[test]
fn bytes_that_are_no_request_have_no_effect() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let with = |length: usize, body: &[u8]| {
        let head = format!(
            "{HOLDS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        http_raw(address, &[head.as_bytes(), body].concat())
    };
    let not_utf8: Vec<u8> =
        GOOD.bytes().map(|byte| if byte == b'1' { 0xff } else { byte }).collect();
    let answer = with(not_utf8.len(), &not_utf8);
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"));
    let answer = with((64 << 10) + 1, b"");
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));

    let chunk = format!("{:x}\r\n{}\r\n", 1 << 14, " ".repeat(1 << 14)).repeat(5);
    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = http_raw(address, format!("{HOLDS} {head}{chunk}0\r\n\r\n").as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));

    // Cut: the client is gone before its body has come.
    let mut stream = connect(address);
    let head = format!("{HOLDS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let body = &GOOD[..GOOD.len() - 2];
    stream.write_all(format!("{head}Content-Length: 99\r\n\r\n{body}").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    read_to_end(&mut stream);
    assert_eq!(shop.units("a"), (9, 0, 0));
}

#[test]
fn keys_are_quoted_or_bare() {
    let shop = Shop::open("", &[("a", 99)]);
    let take = |headers: &[&str]| http(shop.service.http(), HOLDS, headers, GOOD);
    let first = take(&["Idempotency-Key: a-\"b"]).json();
    assert_eq!(first["key"], "a-\"b");
    assert_eq!(take(&["Idempotency-Key: \"a-\\\"b\""]).json()["id"], first["id"]);
    let long = format!("Idempotency-Key: {}", "k".repeat(129));
    let bad = [
        "Idempotency-Key: \"",
        "Idempotency-Key: \"\"",
        "Idempotency-Key: ",
        "Idempotency-Key: \"a",
        "Idempotency-Key: \"a\"b\"",
        "Idempotency-Key: \"a\\b\"",
        "Idempotency-Key: a b",
        "Idempotency-Key: a\r\nIdempotency-Key: a",
        &long,
    ];
    for header in bad {
        let answer = take(&[header]);
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{header}");
        let detail = answer.json()["detail"].as_str().unwrap().to_lowercase();
        assert!(detail.starts_with("idempotency-key"), "{detail}");
    }
    assert_eq!(shop.units("a").1, 1);
}

#[test]
fn paths_methods_and_media_types_are_checked() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let table: [(&str, &[&str], &str, u16, &str); 14] = [
        ("GET /", &[], "", 404, "not_found"),
        ("GET /v1/nothing", &[], "", 404, "not_found"),
        ("POST /v1/drops/a/b/holds", &[], GOOD, 404, "not_found"),
        ("GET /problems/nothing", &[], "", 404, "not_found"),
        ("POST /v1/drops", &[], "", 405, "method_not_allowed"),
        ("DELETE /v1/drops/t-1/holds", &[], "", 405, "method_not_allowed"),
        ("GET /v1/holds/x/confirm", &[], "", 405, "method_not_allowed"),
        ("GET /v1/drops/%ff", &[], "", 400, "malformed"),
        ("GET /v1/drops/t-1/holds", &[], "", 400, "malformed"),
        ("GET /v1/drops/t-1/holds?customer=", &[], "", 400, "malformed"),
        ("GET /v1/drops/t-1/holds?customer=c&x=1", &[], "", 400, "malformed"),
        ("GET /v1/drops", &["Accept: text/html"], "", 406, "not_acceptable"),
        (HOLDS, &["Accept: application/json;q=0, text/*"], GOOD, 406, "not_acceptable"),
        (HOLDS, &["Content-Type: text/plain"], GOOD, 415, "unsupported_media_type"),
    ];
    for (line, headers, body, status, code) in table {
        let answer = http(address, line, headers, body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{line}");
        assert!(answer.header("jangteo-time").is_some() && answer.header("x-request-id").is_some());
    }
    let delete = http(address, "DELETE /v1/drops/t-1/holds", &[], "");
    let mut allowed: Vec<&str> = delete.header("allow").unwrap().split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    let gzip = http(address, HOLDS, &["Content-Encoding: gzip"], GOOD);
    assert_eq!(gzip.code(), "unsupported_media_type");
    for accept in ["*/*", "application/*", "text/html, application/json;q=0.1"] {
        let answer = http(address, "GET /v1/drops", &[&format!("Accept: {accept}")], "");
        assert_eq!(answer.status, 200, "{accept}");
    }
    let typed = ["Content-Type: Application/JSON; charset=utf-8"];
    assert_eq!(http(address, HOLDS, &typed, GOOD).status, 201);
    assert_eq!(http(address, "POST /v1/drops/t%2D1/holds", &[], GOOD).status, 201);
    assert_eq!(shop.units("a").1, 2);
}

#[test]
fn a_call_without_a_body_takes_none_or_an_empty_object() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let id = http(address, HOLDS, &[], GOOD).json()["id"].as_str().unwrap().to_owned();
    for verb in ["extend", "release"] {
        let line = format!("POST /v1/holds/{id}/{verb}");
        for body in ["{\"x\":1}", "[]", "{", "null"] {
            assert_eq!(http(address, &line, &[], body).code(), "malformed", "{verb} {body}");
        }
        for body in ["", "{}"] {
            assert_eq!(http(address, &line, &[], body).status, 200, "{verb} {body}");
        }
    }
    let confirm = format!("POST /v1/holds/{id}/confirm");
    for body in ["{\"payment\":1}", "{\"payment\":\"\"}", "{\"x\":1}", "{\"payment\":\"a b\"}"] {
        assert_eq!(http(address, &confirm, &[], body).code(), "malformed", "{body}");
    }
}

#[test]
fn only_this_machine_is_served() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let bad = [
        "Host: shop.example",
        "Host: 10.0.0.1:7480",
        "Host: localhost.shop.example",
        "Forwarded: for=10.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded: for=127.0.0.1",
        "x-forwarded-anything: 1",
        "Via: 1.1 proxy",
        "X-Real-IP: 127.0.0.1",
        "X-Original-Forwarded-For: 127.0.0.1",
        "X-Original-Host: shop.example",
        "X-Client-IP: 127.0.0.1",
        "X-Cluster-Client-IP: 127.0.0.1",
        "X-Envoy-External-Address: 127.0.0.1",
        "True-Client-IP: 127.0.0.1",
        "Fastly-Client-IP: 127.0.0.1",
        "CF-Connecting-IP: 127.0.0.1",
        "CDN-Loop: cdn.example",
    ];
    for header in bad {
        for (line, body) in [(HOLDS, GOOD), ("GET /v1/drops", ""), ("GET /readyz", "")] {
            let answer = http(address, line, &[header], body);
            assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{header}");
        }
    }
    let answer = http_raw(address, b"GET /v1/drops HTTP/1.0\r\n\r\n");
    assert_eq!(answer.code(), "forbidden", "a request must name its host");
    for host in ["Host: 127.0.0.1:7480", "Host: [::1]:7480", "Host: LOCALHOST"] {
        assert_eq!(http(address, "GET /v1/drops", &[host], "").status, 200, "{host}");
    }
    assert_eq!(shop.units("a"), (9, 0, 0));
}

#[test]
fn no_changing_call_takes_a_parameter_that_it_does_not_know() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let hold = http(address, HOLDS, &[], GOOD).json()["id"].as_str().unwrap().to_owned();
    let holds = ["confirm", "release", "extend", "refund"].map(|verb| {
        let body = if verb == "confirm" { r#"{"payment":"p"}"# } else { "" };
        (format!("POST /v1/holds/{hold}/{verb}"), body)
    });
    let turns = ["pause", "resume", "close"].map(|turn| (format!("POST /v1/drops/t-1/{turn}"), ""));
    let others = [
        (HOLDS.to_owned(), GOOD),
        ("POST /v1/drops/t%2d1/holds".to_owned(), GOOD),
        ("POST /v1/drops/t-1/stock".to_owned(), r#"{"sku":"a","total":5}"#),
        ("POST /v1/campaigns/t/settle".to_owned(), ""),
        ("DELETE /v1/waits/none".to_owned(), ""),
        ("DELETE /v1/campaigns/t".to_owned(), ""),
    ];
    for (line, body) in holds.into_iter().chain(turns).chain(others) {
        let answer = http(address, &format!("{line}?dry%5Frun2=secret"), &[], body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{line}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("dry_run2") && !detail.contains("secret"), "{line}: {detail}");
    }
    let drop = http(address, "GET /v1/drops/t-1", &[], "").json();
    assert_eq!(
        (drop["phase"].as_str(), drop["items"][0]["total"].as_u64()),
        (Some("open"), Some(9))
    );
    assert_eq!(shop.units("a"), (8, 1, 0));
    // A mark without a parameter behind it says nothing.
    assert_eq!(http(address, &format!("POST /v1/holds/{hold}/release?"), &[], "").status, 200);
}

#[test]
fn every_answer_carries_the_request_id() {
    let shop = Shop::open("", &[("a", 9)]);
    let id_of = |headers: &[&str]| {
        let answer = http(shop.service.http(), "GET /v1/drops", headers, "");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id_of(&["X-Request-Id: r-1"]), "r-1");
    let (first, second) = (id_of(&[]), id_of(&["X-Request-Id: a b"]));
    assert!(first != second && !second.contains(' '));
    assert_ne!(id_of(&[&format!("X-Request-Id: {}", "r".repeat(129))]).len(), 129);
}

#[test]
fn a_client_that_has_said_all_it_has_to_say_still_gets_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    let head = format!("{HOLDS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let length = GOOD.len();
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{GOOD}").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 201"));
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "limit_per_customer = 1", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    let mut requests = String::new();
    for last in [false, false, true] {
        let close = if last { "Connection: close\r\n" } else { "" };
        let length = GOOD.len();
        requests.push_str(&format!(
            "{HOLDS} HTTP/1.1\r\nHost: localhost\r\n{close}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{GOOD}"
        ));
    }
    stream.write_all(requests.as_bytes()).unwrap();
    let text = read_to_end(&mut stream);
    let statuses: Vec<&str> =
        text.matches("HTTP/1.1 201").chain(text.matches("HTTP/1.1 409")).collect();
    assert_eq!(statuses, ["HTTP/1.1 201", "HTTP/1.1 409", "HTTP/1.1 409"]);
    assert!(text.starts_with("HTTP/1.1 201"));
}

#[test]
fn a_stopping_service_answers_the_request_it_has_begun() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut idle = connect(shop.service.http());
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut one = [0; 1024];
    assert!(idle.read(&mut one).unwrap() > 0);
    let mut busy = connect(shop.service.http());
    let (front, back) = GOOD.split_at(9);
    let head = format!(
        "{HOLDS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        GOOD.len()
    );
    busy.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    busy.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    busy.write_all(front.as_bytes()).unwrap();
    let (engine, service) = (shop.engine, shop.service);
    let stopping = std::thread::spawn(move || service.stop());
    assert_eq!(read_to_end(&mut idle), "", "what is idle is closed");
    busy.write_all(back.as_bytes()).unwrap();
    let answer = read_to_end(&mut busy);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    stopping.join().unwrap();
    assert_eq!(engine.sale("t-1").unwrap().view().0.items.unwrap()[0].held, 1);
}

#[test]
fn codes_are_explained_where_their_type_leads() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let problem = http(address, "GET /v1/holds/x", &[], "").json();
    let line = format!("GET {}", problem["type"].as_str().unwrap());
    let meaning = http(address, &line, &[], "").json();
    assert_eq!((&meaning["code"], &meaning["title"]), (&problem["code"], &problem["title"]));
}
