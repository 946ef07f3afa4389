//! Watchers of a drop over sockets: server-sent events and RESP subscriptions.

use std::io::{Read, Write};
use std::net::TcpStream;

use jangteo::{Durability, Engine, HoldRequest, Refund, Timestamp};
use jangteo_gateway::Access;
use serde_json::{Value, json};

use crate::clients::{Resp, connect, http};
use crate::shop::{OPENS_MS, Shop, any_port, campaign_file, items};
use crate::watching::{Follower, Said, Sse, Subscriber};

const HOUR_MS: u64 = 3_600_000;

/// A watcher of the first drop over each wire, and in each way of serving it.
fn everybody(shop: &Shop) -> Vec<Box<dyn Follower>> {
    let (http_at, resp_at) = (shop.service.http(), shop.service.resp());
    let mut used = connect(http_at);
    used.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    assert!(Read::read(&mut used, &mut answer).unwrap() > 0);
    vec![
        Box::new(Sse::open(http_at, "t-1")),
        Box::new(Sse::on(used, "t-1")),
        Box::new(Subscriber::open(resp_at, 2, "t-1")),
        Box::new(Subscriber::open(resp_at, 3, "t-1")),
    ]
}

/// Each is told exactly this next.
fn told(everybody: &mut [Box<dyn Follower>], expected: &[Said]) {
    for (n, follower) in everybody.iter_mut().enumerate() {
        assert_eq!(follower.take(expected.len()), expected, "watcher {n}");
    }
}

fn drop_of(shop: &Shop) -> Said {
    ("drop".to_owned(), http(shop.service.http(), "GET /v1/drops/t-1", &[], "").json())
}

fn phase(phase: &str, sold_out: bool) -> Said {
    let closes_at = "2020-04-29T02:00:00.000Z";
    let data = json!({ "phase": phase, "sold_out": sold_out, "closes_at": closes_at });
    ("phase".to_owned(), data)
}

fn stock(available: u32, held: u64, sold: u64, sold_out: bool) -> Said {
    let items = json!([{ "sku": "a", "available": available, "held": held, "sold": sold }]);
    ("stock".to_owned(), json!({ "items": items, "sold_out": sold_out }))
}

#[test]
fn every_watcher_follows_a_pause_a_new_total_and_a_refund() {
    let schedule = "closes_after = \"1h\"";
    let file = campaign_file("", &items(&[("a", 2)]))
        .replace("repeats = \"FREQ=DAILY;COUNT=2\"", schedule);
    let options = Engine::options().durability(Durability::Memory);
    let shop = Shop::with(options, OPENS_MS, &file);
    let sale = shop.engine.sale("t-1").unwrap();
    let mut all = everybody(&shop);
    told(&mut all, &[drop_of(&shop), phase("open", false), stock(2, 0, 0, false)]);

    sale.set_stock("a", 1, None).unwrap().wait().unwrap();
    let fewer = drop_of(&shop);
    assert_eq!(fewer.1["items"][0]["total"], 1);
    told(&mut all, &[fewer, stock(1, 0, 0, false)]);
    sale.pause().unwrap().wait().unwrap();
    told(&mut all, &[phase("paused", false)]);
    sale.resume().unwrap().wait().unwrap();
    told(&mut all, &[phase("open", false)]);
    let hold = sale.hold(&HoldRequest::new("c-1").line("a", 1)).unwrap().wait().unwrap();
    told(&mut all, &[phase("open", true), stock(0, 1, 0, true)]);
    sale.confirm(&hold.id, Some("p")).unwrap().wait().unwrap();
    told(&mut all, &[stock(0, 0, 1, true)]);
    sale.refund(&hold.id, &Refund::all()).unwrap().wait().unwrap();
    told(&mut all, &[phase("open", false), stock(1, 0, 0, false)]);
    sale.close().unwrap().wait().unwrap();
    told(&mut all, &[phase("closed", false)]);
}

#[test]
fn a_drop_is_followed_from_sealed_to_closed_over_every_wire() {
    let schedule = "reveal = \"30m\"\ncloses_after = \"1h\"";
    let file = campaign_file("", &items(&[("a", 2)]))
        .replace("repeats = \"FREQ=DAILY;COUNT=2\"", schedule);
    let options = Engine::options().durability(Durability::Memory);
    let shop = Shop::with(options, OPENS_MS - HOUR_MS, &file);
    let to = |instant_ms: u64| {
        shop.clock.advance_to(Timestamp::from_ms(instant_ms));
        shop.engine.tick();
    };
    let mut all = everybody(&shop);
    let sealed = drop_of(&shop);
    assert_eq!((&sealed.1["sealed"], sealed.1.get("items")), (&Value::from(true), None));
    told(&mut all, &[sealed, phase("scheduled", false)]);

    to(OPENS_MS - HOUR_MS / 2);
    let revealed = drop_of(&shop);
    assert_eq!(revealed.1["items"][0]["sku"], "a");
    told(&mut all, &[revealed, stock(2, 0, 0, false)]);
    to(OPENS_MS);
    told(&mut all, &[phase("open", false)]);

    let sale = shop.engine.sale("t-1").unwrap();
    let hold = |customer| {
        let request = HoldRequest::new(customer).line("a", 1);
        sale.hold(&request).unwrap().wait().unwrap()
    };
    let first = hold("c-1");
    told(&mut all, &[stock(1, 1, 0, false)]);
    sale.confirm(&first.id, Some("p")).unwrap().wait().unwrap();
    told(&mut all, &[stock(1, 0, 1, false)]);
    let second = hold("c-2");
    told(&mut all, &[phase("open", true), stock(0, 1, 1, true)]);
    sale.confirm(&second.id, Some("p")).unwrap().wait().unwrap();
    told(&mut all, &[stock(0, 0, 2, true)]);
    to(OPENS_MS + HOUR_MS);
    told(&mut all, &[phase("closed", true)]);

    // Who comes now is told what there is now.
    told(&mut everybody(&shop), &[drop_of(&shop), phase("closed", true), stock(0, 0, 2, true)]);
    let Shop { service, .. } = shop;
    service.stop();
    for follower in &mut all {
        assert_eq!(follower.next(), None, "ends whole when the service stops");
    }
}

#[test]
fn a_stream_begins_like_every_answer_and_other_requests_are_told_why_not() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    for stream in [Sse::open(address, "t-1"), Sse::on(connect(address), "t-1")] {
        let head = &stream.head;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        for line in
            ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]
        {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
        }
        for name in ["jangteo-time", "x-request-id", "date", "transfer-encoding"] {
            assert!(head.contains(&format!("\r\n{name}: ")), "{head}");
        }
    }
    let line = "GET /v1/drops/t-1/events";
    for accept in ["application/json", "text/html", "text/event-stream;q=0"] {
        let answer = http(address, line, &[&format!("Accept: {accept}")], "");
        assert_eq!((answer.status, answer.code().as_str()), (406, "not_acceptable"), "{accept}");
    }
    let unknown = http(address, "GET /v1/drops/t-9/events", &[], "");
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_drop"));
    assert_eq!(http(address, "POST /v1/drops/t-1/events", &[], "").code(), "method_not_allowed");
    assert_eq!(http(address, line, &["Host: shop.example"], "").code(), "forbidden");
    let head = http(address, "HEAD /v1/drops/t-1/events", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
}

/// What a head says of where its body ends.
fn framing(head: &str) -> Vec<&str> {
    let lines = head.split("\r\n").filter(|line| {
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
    });
    lines.collect()
}

/// The head of what is answered to this, in small letters.
fn head_of(socket: &mut TcpStream, line: &str) -> String {
    let request =
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[test]
fn every_stream_says_in_exactly_one_way_where_its_body_ends() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 9)]);
    for path in ["/v1/drops/t-1/events", "/v1/events"] {
        for is_first in [true, false] {
            let mut socket = connect(shop.service.http());
            if !is_first {
                let head = head_of(&mut socket, "HEAD /livez");
                assert!(framing(&head)[0].starts_with("content-length: "), "{head}");
            }
            let head = head_of(&mut socket, &format!("GET {path}"));
            assert_eq!(framing(&head), ["transfer-encoding: chunked"], "{path}: {head}");
            let names: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
            let mut once: Vec<_> = names.iter().map(|(name, _)| name).collect();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), names.len(), "a header twice: {head}");
        }
        // What HEAD says is what GET would say, or nothing.
        let head = head_of(&mut connect(shop.service.http()), &format!("HEAD {path}"));
        assert!(framing(&head).iter().all(|line| *line == "transfer-encoding: chunked"), "{head}");
    }
}

#[test]
fn a_resp2_subscriber_understands_little_else() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut client = Subscriber::connect(shop.service.resp(), 2);
    assert_eq!(client.ask("UNSUBSCRIBE"), ["unsubscribe", "$-1", ":0"]);
    assert_eq!(client.ask("UNSUBSCRIBE drop:t-1"), ["unsubscribe", "drop:t-1", ":0"]);
    client.send("SUBSCRIBE drop:t-1 drop:t-2 drop:t-1");
    for (channel, count) in [("drop:t-1", ":1"), ("drop:t-2", ":2"), ("drop:t-1", ":2")] {
        assert_eq!(client.frame(), ["subscribe", channel, count]);
    }
    let first = client.take(5);
    let events: Vec<_> = first.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, ["drop", "phase", "stock", "drop", "phase"], "the second drop is sealed");
    for (command, name) in [
        ("DROP.STOCK t-1", "drop.stock"),
        ("ECHO hello", "echo"),
        ("CLIENT SETNAME a", "client|setname"),
        ("HELLO 3", "hello"),
    ] {
        let refused = format!(
            "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context"
        );
        assert_eq!(client.ask(command), [refused]);
    }
    assert_eq!(client.ask("PING"), ["pong", ""]);
    assert_eq!(client.ask("PING hello"), ["pong", "hello"]);
    assert!(client.ask("GET a")[0].starts_with("-ERR unknown command 'GET'"));
    assert!(client.ask("PSUBSCRIBE *")[0].starts_with("-ERR unknown command 'PSUBSCRIBE'"));
    assert_eq!(client.ask("PUNSUBSCRIBE"), ["punsubscribe", "$-1", ":2"]);
    assert_eq!(client.ask("PUNSUBSCRIBE a*"), ["punsubscribe", "a*", ":2"]);
    assert_eq!(client.ask("UNSUBSCRIBE drop:t-1"), ["unsubscribe", "drop:t-1", ":1"]);
    assert!(client.ask("ECHO hello")[0].starts_with("-ERR Can't"));
    assert_eq!(client.ask("UNSUBSCRIBE"), ["unsubscribe", "drop:t-2", ":0"]);
    assert_eq!(client.ask("ECHO hello"), ["hello"]);
    assert_eq!(client.ask("SUBSCRIBE drop:t-2"), ["subscribe", "drop:t-2", ":1"]);
    assert_eq!(client.take(2)[1].0, "phase");
    assert_eq!(client.ask("RESET"), ["+RESET"]);
    assert_eq!(client.ask("ECHO hello"), ["hello"]);
    assert!(client.ask("INFO stats")[0].contains("watchers:0\r\n"));
    assert_eq!(client.ask("SUBSCRIBE drop:t-2"), ["subscribe", "drop:t-2", ":1"]);
    assert_eq!(client.take(2)[1].0, "phase");
    assert_eq!(client.ask("QUIT"), ["+OK"]);
    assert_eq!(client.frame(), [""; 0]);
}

#[test]
fn a_subscription_to_what_is_no_drop_is_refused_whole() {
    let shop = Shop::open("", &[("a", 9)]);
    for protocol in [2, 3] {
        let mut client = Subscriber::connect(shop.service.resp(), protocol);
        for channels in ["drop:t-9", "drop:", "t-1", "news", "drop:t-1 drop:t-9"] {
            assert_eq!(client.ask(&format!("SUBSCRIBE {channels}")), ["-NODROP"], "{channels}");
        }
        let wrong = "-ERR wrong number of arguments for 'subscribe' command";
        assert_eq!(client.ask("SUBSCRIBE"), [wrong]);
        assert!(client.ask("INFO stats")[0].contains("watchers:0\r\n"));
        assert!(client.ask("PUBSUB CHANNELS")[0].starts_with("-ERR unknown command 'PUBSUB'"));
    }
}

#[test]
fn a_resp3_subscriber_goes_on_with_other_commands() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 100)]);
    let mut client = Subscriber::connect(shop.service.resp(), 3);
    // In one go: no message may come before the answer to its subscription, and none in a reply.
    let commands =
        ["DROP.HOLD t-1 c-0 1 a 1", "SUBSCRIBE drop:t-1", "DROP.HOLD t-1 c-1 1 a 1", "PING"];
    client.0.get_mut().write_all(&Resp::encoded(&commands)).unwrap();
    let mut replies = Vec::new();
    let mut messages = Vec::new();
    let mut held = Value::Null;
    while replies.len() < commands.len() || held != 2 {
        let frame = client.frame();
        if frame[0] == "message" {
            assert!(replies.len() >= 2, "a message before the answer: {frame:?}");
            let message: Value = serde_json::from_str(&frame[2]).unwrap();
            held = message["data"]["items"][0]["held"].clone();
            messages.push(message["event"].as_str().unwrap().to_owned());
        } else {
            replies.push(frame[0].clone());
        }
    }
    assert_eq!(replies, ["id", "subscribe", "id", "+PONG"]);
    assert_eq!(messages[..3], ["drop", "phase", "stock"]);
    assert_eq!(client.ask("UNSUBSCRIBE"), ["unsubscribe", "drop:t-1", ":0"]);
    assert_eq!(client.ask("UNSUBSCRIBE"), ["unsubscribe", "_", ":0"]);
}

#[test]
fn another_programs_router_streams_drops_as_well() {
    let shop = Shop::open("", &[("a", 9)]);
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
    let mut stream = Sse::open(address, "t-1");
    assert_eq!(stream.take(3)[2].1["items"][0]["available"], 9);
    let sale = shop.engine.sale("t-1").unwrap();
    sale.hold(&HoldRequest::new("c").line("a", 1)).unwrap().wait().unwrap();
    assert_eq!(stream.take(1)[0].1["items"][0]["available"], 8);
}
