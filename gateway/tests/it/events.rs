//! `/v1/events` over a socket: batches, streams, and what is said instead.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use jangteo::{Engine, HoldRequest};
use jangteo_gateway::Access;
use jangteo_gateway::limits::EVENT_READERS_MAX;
use serde_json::{Value, json};

use crate::clients::{connect, http};
use crate::faulty::Faulty;
use crate::shop::{OPENS_MS, Shop, any_port, campaign_file, items};

const GET: &str = "GET /v1/events";

/// Holds one unit for each of these customers, durably.
fn sell(shop: &Shop, customers: impl IntoIterator<Item = u32>) {
    let sale = shop.engine.sale("t-1").unwrap();
    for customer in customers {
        let name = format!("c-{customer}");
        drop(sale.hold(&HoldRequest::new(&name).line("a", 1)).unwrap().wait().unwrap());
    }
}

/// Every event, from the engine.
fn whole(shop: &Shop) -> Vec<Value> {
    let page = shop.engine.events(None, 1_000).unwrap();
    assert!(!page.more);
    page.list.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[test]
fn damage_is_told_to_the_reader_and_to_whoever_asks_how_the_service_is() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    sell(&shop, 0..3);
    let address = shop.service.http();
    let warned = || http(address, "GET /readyz", &[], "").json()["warnings"].to_string();
    assert_eq!(http(address, GET, &[], "").status, 200);
    assert!(!warned().contains("events: "), "{}", warned());

    let path = directory.path().join("journal/000000000001.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(3).position(|window| window == b"c-1").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let answer = http(address, GET, &[], "");
    assert_eq!((answer.status, answer.header("retry-after")), (503, None));
    assert_eq!(answer.json()["retryable"], false);
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("damaged") && !detail.contains("segment"), "{detail}");
    let at = format!("000000000001.segment: byte {}", place / 512 * 512);
    assert!(warned().contains("events: ") && warned().contains(&at), "{}", warned());
    assert_eq!(http(address, "GET /readyz", &[], "").status, 200, "it sells on");
}

#[test]
fn a_batch_has_every_event_after_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    sell(&shop, 0..20);
    let address = shop.service.http();
    let answer = http(address, GET, &[], "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/cloudevents-batch+json"));
    assert!(answer.header("jangteo-time").is_some());
    let expected = whole(&shop);
    assert_eq!(expected.len(), 22);
    assert_eq!(answer.json(), Value::from(expected.clone()));
    for accept in ["*/*", "application/json", "application/cloudevents-batch+json"] {
        let accept = format!("Accept: {accept}");
        assert_eq!(http(address, GET, &[&accept], "").json(), Value::from(expected.clone()));
    }
    let mut after = "1-0".to_owned();
    let mut paged = Vec::new();
    loop {
        let line = format!("{GET}?after={after}&limit=7");
        let page: Vec<Value> =
            serde_json::from_value(http(address, &line, &[], "").json()).unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after = last["id"].as_str().unwrap().to_owned();
        paged.extend(page);
    }
    assert_eq!(paged, expected);
    let found = &expected[21];
    assert_eq!(
        (&found["specversion"], &found["type"]),
        (&json!("1.0"), &json!("jangteo.hold.granted"))
    );
    assert_eq!(found["data"]["customer"], "c-19");
}

#[test]
fn what_cannot_be_answered_is_told_why() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 9)]);
    let address = shop.service.http();
    let table = [
        ("after=x", "after"),
        ("after=1-01", "after"),
        ("after=1-1&after=1-1", "after: given twice"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("from=1-1", "the query"),
    ];
    for accept in ["Accept: application/json", "Accept: text/event-stream"] {
        for (query, detail) in table {
            let answer = http(address, &format!("{GET}?{query}"), &[accept], "");
            assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{query}");
            assert!(answer.json()["detail"].as_str().unwrap().starts_with(detail), "{query}");
        }
        for after in ["2-1", "1-999", "0-0"] {
            let answer = http(address, &format!("{GET}?after={after}"), &[accept], "");
            assert_eq!((answer.status, answer.code().as_str()), (410, "events_gone"), "{after}");
            assert_eq!(
                (&answer.json()["first"], answer.json()["retryable"].as_bool()),
                (&json!("1-1"), Some(false))
            );
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("never reached"), "{detail}");
        }
    }
    let stream = ["Accept: text/event-stream", "Last-Event-ID: nonsense"];
    let answer = http(address, GET, &stream, "");
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"));
    assert_eq!(answer.json()["detail"], "Last-Event-ID: an event's id, such as 1-7");
    let stream = ["Accept: text/event-stream", "Last-Event-ID: 2-7"];
    assert_eq!(http(address, &format!("{GET}?after=1-1"), &stream, "").code(), "events_gone");
    assert_eq!(http(address, GET, &["Accept: text/html"], "").code(), "not_acceptable");
    let refused = "Accept: text/event-stream;q=0";
    assert_eq!(http(address, GET, &[refused], "").code(), "not_acceptable");
    assert_eq!(http(address, "POST /v1/events", &[], "").code(), "method_not_allowed");
    assert_eq!(http(address, GET, &["Host: shop.example"], "").code(), "forbidden");

    let memory = Shop::open("", &[("a", 9)]);
    let answer = http(memory.service.http(), GET, &[], "");
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
}

#[test]
fn what_was_dropped_is_gone_and_the_feed_begins_with_what_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::with_a_past(directory.path());
    let before = whole(&shop);
    shop.forget(2);
    let kept = whole(&shop);
    assert!(kept.len() < before.len() && before.ends_with(&kept), "{} of them", kept.len());
    let address = shop.service.http();
    assert_eq!(http(address, GET, &[], "").json(), Value::from(kept.clone()));
    let first: jangteo::EventId = kept[0]["id"].as_str().unwrap().parse().unwrap();
    let place = format!("{GET}?after={}", before[0]["id"].as_str().unwrap());
    for accept in ["Accept: application/json", "Accept: text/event-stream"] {
        let answer = http(address, &place, &[accept], "");
        assert_eq!((answer.status, answer.code().as_str()), (410, "events_gone"), "{accept}");
        assert_eq!(answer.json()["first"], first.to_string());
    }
    let last = format!("{}-{}", first.incarnation, first.sequence - 1);
    let next = http(address, &format!("{GET}?after={last}&limit=1"), &[], "").json();
    assert_eq!(next, Value::from(vec![kept[0].clone()]), "nothing between was missed");
}

/// A stream of server-sent events, as it comes.
struct Stream {
    socket: BufReader<TcpStream>,
    text: String,
}

/// What one event of a stream said.
#[derive(Debug, PartialEq)]
struct Said {
    id: String,
    event: String,
    data: Value,
}

impl Said {
    /// What a stream should say of an event.
    fn of(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        Self { id: text("id"), event: text("type"), data: event.clone() }
    }
}

impl Stream {
    fn open(address: SocketAddr, query: &str, header: &str) -> Self {
        let mut socket = connect(address);
        let line = format!("{GET}{query} HTTP/1.1\r\nHost: localhost\r\n{header}");
        let request = format!("{line}Accept: text/event-stream\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut stream = Self { socket: BufReader::new(socket), text: String::new() };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.socket.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(head.contains("cache-control: no-cache"), "{head}");
        stream
    }

    /// Reads one chunk of the body; false at its end.
    fn chunk(&mut self) -> bool {
        let mut length = String::new();
        assert!(self.socket.read_line(&mut length).unwrap() > 0, "cut, not ended");
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        let mut bytes = vec![0; length + 2];
        self.socket.read_exact(&mut bytes).unwrap();
        self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        length > 0
    }

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Said> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block == ":" {
                    continue; // a heartbeat
                }
                let fields: Vec<_> =
                    block.lines().map(|line| line.split_once(": ").unwrap()).collect();
                let [("id", id), ("event", event), ("data", data)] = fields[..] else {
                    panic!("{block}");
                };
                let data = serde_json::from_str(data).unwrap();
                return Some(Said { id: id.to_owned(), event: event.to_owned(), data });
            }
            if !self.chunk() {
                assert_eq!(self.text, "", "ends between two events");
                return None;
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<Said> {
        (0..count).map(|_| self.next().expect("more events")).collect()
    }
}

fn said(events: &[Value]) -> Vec<Said> {
    events.iter().map(Said::of).collect()
}

#[test]
fn a_stream_follows_and_goes_on_after_the_last_id_that_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 9_999)]);
    let address = shop.service.http();
    sell(&shop, 0..5);
    let mut first = Stream::open(address, "", "");
    let before = whole(&shop);
    assert_eq!(first.take(before.len()), said(&before));
    let mut waiting =
        Stream::open(address, &format!("?after={}", before[6]["id"].as_str().unwrap()), "");
    // Live, on two streams, while nobody else asks for a flush.
    for round in 0..5 {
        sell(&shop, 100 + round * 10..100 + round * 10 + 3);
        let now = whole(&shop);
        let new = said(&now[now.len() - 3..]);
        assert_eq!(first.take(3), new);
        assert_eq!(waiting.take(3), new);
    }
    drop(first);
    // More than one piece has, while a reader does not read.
    sell(&shop, 1_000..1_350);
    let now = whole(&shop);
    let seen = 10;
    // The header is newer than the address.
    let header = format!("Last-Event-ID: {}\r\n", now[seen - 1]["id"].as_str().unwrap());
    let mut again = Stream::open(address, "?after=1-1", &header);
    assert_eq!(again.take(now.len() - seen), said(&now[seen..]));
    assert_eq!(waiting.take(350), said(&now[now.len() - 350..]));
}

#[test]
fn a_stream_ends_whole_when_the_service_stops() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    sell(&shop, 0..3);
    let now = whole(&shop);
    let mut stream = Stream::open(shop.service.http(), "", "");
    assert_eq!(stream.take(now.len()), said(&now));
    let Shop { service, engine, .. } = shop;
    service.stop();
    assert_eq!(stream.next(), None);
    assert!(engine.events(None, 1).unwrap().more);
}

#[test]
fn after_a_failed_flush_what_was_durable_can_still_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Arc::new(Faulty::new(directory.path()));
    let options = Engine::options().storage(storage.clone()).segment_bytes(1 << 20);
    let shop = Shop::with(options, OPENS_MS, &campaign_file("", &items(&[("a", 9)])));
    sell(&shop, 0..3);
    let address = shop.service.http();
    let before = http(address, GET, &[], "").json();
    let mut stream = Stream::open(address, "", "");
    let count = before.as_array().unwrap().len();
    assert_eq!(stream.take(count), said(before.as_array().unwrap()));
    storage.fail();
    let body = r#"{"customer":"c-9","lines":[{"sku":"a","quantity":1}]}"#;
    assert_eq!(http(address, "POST /v1/drops/t-1/holds", &[], body).code(), "outcome_unknown");
    assert_eq!(http(address, GET, &[], "").json(), before);
    let Shop { service, .. } = shop;
    service.stop();
    assert_eq!(stream.next(), None, "what was not durable is never told");
}

#[test]
fn readers_of_events_have_a_bound_and_make_room_when_they_go() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99_999)]);
    let address = shop.service.http();
    let streams: Vec<_> = (0..EVENT_READERS_MAX).map(|_| Stream::open(address, "", "")).collect();
    let answer = http(address, GET, &[], "");
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(streams);
    // That a reader is gone is seen when something is sent to it.
    let admitted = (0..).find(|&customer| {
        sell(&shop, [customer]);
        http(address, &format!("{GET}?limit=1"), &[], "").status == 200
    });
    assert!(admitted.is_some());
}

#[test]
fn another_programs_runtime_streams_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let router = jangteo_gateway::http::router(shop.engine.clone(), Access::loopback());
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
    });
    let mut stream = Stream::open(address, "", "");
    sell(&shop, 0..3);
    let now = whole(&shop);
    assert_eq!(stream.take(now.len()), said(&now));
}
