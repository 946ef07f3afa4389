//! Requests that are none, and answers that go together: what HTTP/1 does below the routes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

use serde_json::Value;

use crate::clients::{connect, http, read_to_end};
use crate::shop::Shop;

const GOOD: &str = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;

/// What comes back for these bytes until the server closes; the client sends no more and waits.
fn told(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    read_to_end(&mut stream)
}

/// The only answer in `text`, which has to be a problem: status and code.
fn problem(text: &str) -> (u16, String) {
    assert_eq!(text.matches("HTTP/1.").count(), 1, "{text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let head = head.to_lowercase();
    for header in ["content-type: application/problem+json", "jangteo-time: ", "x-request-id: "] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(head.contains(&format!("content-length: {}", body.len())), "{text}");
    let json: Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["status"].as_u64().unwrap().to_string(), head[9..12]);
    (head[9..12].parse().unwrap(), json["code"].as_str().unwrap().to_owned())
}

#[test]
fn what_is_no_request_is_answered_as_a_problem_and_ends_the_connection() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let get = "GET /livez HTTP/1.1\r\n";
    let host = "Host: localhost\r\n";
    let many = "a: b\r\n".repeat(100);
    let long = "x".repeat(40_000);
    let post = format!("POST /v1/holds/x/release HTTP/1.1\r\n{host}Content-Type: application/json");
    let table = [
        ("NONSENSE\r\n\r\n".to_owned(), 400, "malformed"),
        ("GET /livez HTTP/3.0\r\n\r\n".to_owned(), 400, "malformed"),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), 400, "malformed"),
        (format!("{get}{host}no colon\r\n\r\n"), 400, "malformed"),
        (format!("{get}{host}{many}\r\n"), 431, "too_large"),
        (format!("{get}{host}a: {long}"), 431, "too_large"),
        (format!("GET /{long}"), 431, "too_large"),
        (format!("{post}\r\nContent-Length: x\r\n\r\n"), 400, "malformed"),
        (format!("{post}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"), 400, "malformed"),
        (format!("{post}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400, "malformed"),
        (format!("{post}\r\nTransfer-Encoding: gzip\r\n\r\n"), 400, "malformed"),
    ];
    for (bytes, status, code) in table {
        let shown: String = bytes.chars().take(90).collect();
        let text = told(address, bytes.as_bytes());
        assert_eq!(problem(&text), (status, code.to_owned()), "{shown:?}");
        let is_read = bytes.contains("chunked");
        assert!(is_read || text.contains("connection: close\r\n"), "{shown:?}");
    }
}

#[test]
fn a_request_names_its_host_once_and_no_path_is_too_long() {
    let shop = Shop::open("", &[("a", 9)]);
    let long = "x".repeat(8 << 10);
    let table = [
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400, "malformed"),
        (
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                .to_owned(),
            400,
            "malformed",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
            414,
            "too_large",
        ),
        ("GET /livez HTTP/1.0\r\n\r\n".to_owned(), 403, "forbidden"),
    ];
    for (bytes, status, code) in table {
        let text = told(shop.service.http(), bytes.as_bytes());
        assert_eq!(problem(&text), (status, code.to_owned()), "{}", &bytes[..30]);
    }
}

#[test]
fn an_answer_is_never_lost_to_what_comes_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    let address = shop.service.http();
    let hold = |more: &str| {
        format!(
            "POST /v1/drops/t-1/holds HTTP/1.1\r\nHost: localhost\r\n{more}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{GOOD}",
            GOOD.len()
        )
    };
    let table = [
        (format!("{}NONSENSE\r\n\r\n", hold("")), 1, Some("400")),
        (format!("{}{}NONSENSE\r\n\r\n", hold(""), hold("")), 2, Some("400")),
        (format!("{}\r\n\r\n", hold("Connection: close\r\n")), 1, None),
        (format!("{}GET /livez HTTP", hold("Connection: close\r\n")), 1, None),
    ];
    for (bytes, granted, then) in table {
        let text = told(address, bytes.as_bytes());
        assert_eq!(text.matches("HTTP/1.1 201").count(), granted, "{bytes:?}: {text}");
        let problems: Vec<&str> = text.matches("HTTP/1.1 400").map(|line| &line[9..]).collect();
        assert_eq!(problems.first().copied(), then, "{bytes:?}: {text}");
    }
}

#[test]
fn a_body_that_is_refused_unread_does_not_destroy_the_refusal() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    let head = format!(
        "POST /v1/drops/t-1/holds HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        4 << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    // More than any buffer of the system's, so that some is unread when the answer is sent.
    let _ = stream.write_all(&vec![b' '; 4 << 20]);
    _ = stream.shutdown(Shutdown::Write);
    assert_eq!(problem(&read_to_end(&mut stream)), (413, "too_large".to_owned()));
}

#[test]
fn answers_to_pipelined_requests_come_in_one_piece() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    let count = 50;
    let one = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(one.repeat(count).as_bytes()).unwrap();
    let mut text = String::new();
    let mut pieces = 0;
    while text.matches("HTTP/1.1 200").count() < count || !text.ends_with('}') {
        let mut bytes = [0; 64 << 10];
        let length = stream.read(&mut bytes).unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        pieces += 1;
    }
    // The requests may have arrived in a few pieces themselves.
    assert!(pieces <= 10, "{pieces} pieces for {count} answers");
}

#[test]
fn a_client_that_reads_late_gets_everything_it_asked_for() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    let mut reader = stream.try_clone().unwrap();
    let count = 20_000;
    let writer = std::thread::spawn(move || {
        let one = "GET /v1/drops HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for _ in 0..count / 100 {
            stream.write_all(one.repeat(100).as_bytes()).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let text = read_to_end(&mut reader);
    writer.join().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), count);
}

#[test]
fn head_is_get_without_the_body() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    for (path, headers) in [
        ("/v1/drops", &[][..]),
        ("/v1/drops/t-1", &[]),
        ("/v1/drops/none", &[]),
        ("/v1/holds/none", &[]),
        ("/v1/drops/t-1/audit", &[]),
        ("/livez", &[]),
        ("/none", &[]),
        ("/v1/drops", &["Accept: text/html"]),
    ] {
        let [get, head] =
            ["GET", "HEAD"].map(|method| http(address, &format!("{method} {path}"), headers, ""));
        assert_eq!((get.status, head.body.as_str()), (head.status, ""), "{path}");
        assert_eq!(get.header_names(), head.header_names(), "{path}");
        assert_eq!(get.header("content-length"), head.header("content-length"), "{path}");
        assert_eq!(get.header("etag"), head.header("etag"), "{path}");
    }
}

#[test]
fn no_page_of_another_origin_may_read_or_write() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let origin = "Origin: https://shop.example";
    let ask = [origin, "Access-Control-Request-Method: POST"];
    let preflight = http(address, "OPTIONS /v1/drops/t-1/holds", &ask, "");
    assert_eq!((preflight.status, preflight.code().as_str()), (405, "method_not_allowed"));
    let read = http(address, "GET /v1/drops", &[origin], "");
    assert_eq!(read.status, 200);
    for answer in [preflight, read] {
        let names = answer.header_names();
        assert!(!names.iter().any(|name| name.starts_with("access-control-")), "{names:?}");
    }
    // A page needs no leave to send this; without keys nothing else would stop it.
    let write = http(address, "POST /v1/holds/x/release", &[origin], "");
    assert_eq!((write.status, write.code().as_str()), (403, "forbidden"));
    let ours = ["Origin: http://localhost:7480"];
    assert_eq!(http(address, "POST /v1/holds/x/release", &ours, "").code(), "unknown_hold");
}
