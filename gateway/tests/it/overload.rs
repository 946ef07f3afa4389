//! Too much at once: what is turned away, in which order, and what still goes through.

use std::io::{Read, Write};

use jangteo::{Durability, Engine, HoldRequest};
use jangteo_gateway::access::{Access, Key, Keyring, Scope};
use jangteo_gateway::{Limits, Rate};

use crate::clients::{Resp, connect, http, read_to_end};
use crate::metrics::scrape;
use crate::shop::{OPENS_MS, Shop, campaign_file, items};

fn within(limits: Limits, access: Access) -> Shop {
    let options = Engine::options().durability(Durability::Memory);
    let file = campaign_file("", &items(&[("a", 100)]));
    Shop::limited(options, OPENS_MS, &file, access, (None, limits))
}

const HOLDS: &str = "POST /v1/drops/t-1/holds";

fn ask(customer: &str, quantity: u32) -> String {
    format!(r#"{{"customer":"{customer}","lines":[{{"sku":"a","quantity":{quantity}}}]}}"#)
}

#[test]
fn a_customer_who_calls_too_often_waits_and_nobody_else_does() {
    let rate = Some(Rate { per_second: 2, burst: 3 });
    let shop = within(Limits { customer_rate: rate, ..Limits::default() }, Access::loopback());
    let mut client = Resp::connect(shop.service.resp());
    let http_at = shop.service.http();
    for _ in 0..2 {
        assert_eq!(http(http_at, HOLDS, &[], &ask("c-1", 1)).status, 201);
    }
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF").starts_with("$26"));
    let too_often = http(http_at, HOLDS, &[], &ask("c-1", 1));
    assert_eq!((too_often.status, too_often.code().as_str()), (429, "rate_limited"));
    assert_eq!(too_often.header("retry-after"), Some("1"));
    assert_eq!(too_often.json()["retryable"], true);
    let refused = "-RATELIMITED retry_after_ms=500";
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 a 1"), refused);
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF"), "$11 RATELIMITED");
    assert_eq!(client.one("DROP.FIND t-1 c-1"), refused);
    assert_eq!(client.one("DROP.HOLD none c-1 1 a 1"), refused, "before unknown_drop");
    assert_eq!(http(http_at, HOLDS, &[], &ask("c-1", 0)).code(), "malformed", "after malformed");
    assert_eq!(http(http_at, HOLDS, &[], &ask("c-2", 1)).status, 201);
    shop.clock.advance(499);
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 a 1"), "-RATELIMITED retry_after_ms=1");
    shop.clock.advance(1);
    assert_eq!(http(http_at, HOLDS, &[], &ask("c-1", 1)).status, 201);
    assert_eq!(shop.units("a"), (95, 5, 0));
    let seen = scrape(http_at);
    assert_eq!(seen["jangteo_turned_away_total{reason=\"rate_limited_customer\"}"], 7.0);
}

#[test]
fn a_shop_that_asks_for_too_many_holds_can_still_end_those_it_has() {
    let (shop_key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    let (same_name, second) = Key::generate("shop", Scope::Sell).unwrap();
    let (boss, boss_secret) = Key::generate("boss", Scope::Operate).unwrap();
    let access = Access::by(Keyring::new(vec![shop_key, same_name, boss], Vec::new()).unwrap());
    let rate = Some(Rate { per_second: 1, burst: 2 });
    let shop = within(Limits { key_rate: rate, ..Limits::default() }, access);
    let mut client = Resp::connect(shop.service.resp());
    assert_eq!(client.one(&format!("AUTH shop {secret}")), "+OK");
    let holds = [1, 2].map(|n| {
        let reply = client.one(&format!("DROP.HOLD t-1 c-{n} 1 a 1 BRIEF"));
        reply.strip_prefix("$26 ").unwrap_or_else(|| panic!("{reply}")).to_owned()
    });
    assert_eq!(client.one("DROP.HOLD t-1 c-3 1 a 1"), "-RATELIMITED retry_after_ms=1000");
    let bearer = format!("Authorization: Bearer {second}");
    let rotated = http(shop.service.http(), HOLDS, &[&bearer], &ask("c-3", 1));
    assert_eq!(rotated.code(), "rate_limited", "keys of one name are one");
    assert!(client.one(&format!("DROP.CONFIRM {} p", holds[0])).contains("confirmed"));
    assert!(client.one(&format!("DROP.RELEASE {}", holds[1])).contains("released"));
    let bearer = format!("Authorization: Bearer {boss_secret}");
    let other = http(shop.service.http(), HOLDS, &[&bearer], &ask("c-3", 1));
    assert_eq!(other.status, 201, "another key has a bucket of its own");
}

#[test]
fn where_too_much_waits_new_holds_are_overloaded_and_confirms_are_not() {
    let limits = Limits { waiting_holds: 0, ..Limits::default() };
    let shop = within(limits, Access::loopback());
    let sale = shop.engine.sale("t-1").unwrap();
    let hold = sale.hold(&HoldRequest::new("c-1").line("a", 1)).unwrap().wait().unwrap();
    let mut client = Resp::connect(shop.service.resp());
    let http_at = shop.service.http();
    let overloaded = http(http_at, HOLDS, &[], &ask("c-2", 1));
    assert_eq!((overloaded.status, overloaded.code().as_str()), (503, "overloaded"));
    assert_eq!(overloaded.header("retry-after"), Some("1"));
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 1 BRIEF"), "-OVERLOADED");
    assert_eq!(client.one("DROP.HOLD none c-2 1 a 1"), "-OVERLOADED", "before unknown_drop");
    assert_eq!(http(http_at, HOLDS, &[], &ask("c-2", 0)).code(), "malformed", "after malformed");
    assert!(client.one(&format!("DROP.GET {}", hold.id)).contains("held"));
    assert!(client.one(&format!("DROP.CONFIRM {} p", hold.id)).contains("confirmed"));
    assert_eq!(shop.units("a"), (99, 0, 1));
}

#[test]
fn a_request_for_which_there_is_no_room_is_answered_whole_although_nobody_reads_it() {
    let shop = within(Limits { connections: 1, ..Limits::default() }, Access::loopback());
    let mut one = Resp::connect(shop.service.resp());
    assert_eq!(one.one("PING"), "+PONG");
    let mut ids = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(shop.service.http());
        let long = "x".repeat(20_000);
        let request = format!("GET /v1/drops HTTP/1.1\r\nHost: localhost\r\na: {long}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let text = read_to_end(&mut stream).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        assert!(body.contains("\"code\":\"overloaded\""), "{body}");
        let value = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}{head}")).to_owned()
        };
        assert_eq!(value("content-length: "), body.len().to_string());
        assert!(value("jangteo-time: ").ends_with('z'), "{head}");
        ids.push(value("x-request-id: "));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20, "each has an id of its own");
}

#[test]
fn one_connection_too_many_is_told_so_and_counted() {
    let shop = within(Limits { connections: 2, ..Limits::default() }, Access::loopback());
    let mut one = Resp::connect(shop.service.resp());
    let mut web = connect(shop.service.http());
    assert_eq!(one.one("PING"), "+PONG");
    web.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_ne!(web.read(&mut [0; 1024]).unwrap(), 0);
    let mut third = connect(shop.service.resp());
    assert_eq!(read_to_end(&mut third), "-OVERLOADED max number of clients reached\r\n");
    web.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let figures = read_to_end(&mut web);
    assert!(figures.contains("turned_away_total{reason=\"connections\"} 1\n"), "{figures}");
    assert!(figures.contains("\njangteo_connections 2\n"), "{figures}");
}
