//! A sealed drop leaks nothing: whatever it sells, and whatever it is asked for, the bytes are the
//! same, but for the date.
//!
//! Two services differ in what their second drop sells. Each call is made of both, about what the
//! one sells, what the other sells, and what neither does. Whoever may operate knows the campaigns
//! and is left out.

use std::process::Stdio;

use jangteo::{Durability, Engine};
use jangteo_gateway::access::{Access, Key, Keyring, Scope};

use crate::clients::{Resp, http};
use crate::configuration::Files;
use crate::openapi;
use crate::shop::{OPENS_MS, Shop, campaign_at, campaign_file};
use crate::tokens::{bearer, claims, token, token_keys};

/// A gift belongs to every drop.
const FIRST: &str = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 1\n\
    [[items]]\nsku = \"x\"\ntitle = \"x\"\nprice = 1\nstock = 9\ndrops = [1]\n\
    gift = { sku = \"g\", quantity = 1, required = false }\n";
const ONE: &str = "[[items]]\nsku = \"a\"\ntitle = \"secret\"\nprice = 7000\nstock = 1\ndrops = [2]\n\
    limit_per_customer = 1\ngift = { sku = \"g\", quantity = 1, required = true }\n";
const OTHER: &str = "[[items]]\nsku = \"b\"\ntitle = \"longer secret\"\nprice = 0\n\
    stock = \"unlimited\"\ndrops = [2]\n\
    [[items]]\nsku = \"c\"\ntitle = \"c\"\nprice = 9\nstock = 100000\ndrops = [2]\n";
/// What the one sells, what the other sells, a gift, and nothing.
const SKUS: [&str; 4] = ["a", "b", "g", "z"];

/// Route, request line, body.
#[rustfmt::skip]
const HTTP: [(&str, &str, &str); 39] = [
    ("/v1/drops",                "GET /v1/drops",                            ""),
    ("/v1/drops",                "GET /v1/drops?after=t-1",                  ""),
    ("/v1/drops",                "GET /v1/drops?phase=scheduled&campaign=t", ""),
    ("/v1/drops/{drop}",         "GET /v1/drops/t-2",                        ""),
    ("/v1/drops/{drop}",         "GET /v1/drops/t-2?sku={sku}",              ""),
    ("/v1/drops/{drop}",         "HEAD /v1/drops/t-2",                       ""),
    ("/v1/drops/{drop}",         "DELETE /v1/drops/t-2",                     ""),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-2/holds",                 r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":1}]}"#),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t%2d2/holds",               r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":2}]}"#),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-2/holds",                 r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":1000}],"area":"seoul"}"#),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-2/holds",                 r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":1001}]}"#),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-2/holds",                 r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":1},{"sku":"z","quantity":1}]}"#),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-2/holds",                 r#"{"customer":"c-1","lines":[{"sku":"{sku}","quantity":2}],"wait":true}"#),
    ("/v1/drops/{drop}/holds",   "GET /v1/drops/t-2/holds?customer=c-1",     ""),
    ("/v1/drops/{drop}/pause",   "POST /v1/drops/t-2/pause",                 ""),
    ("/v1/drops/{drop}/resume",  "POST /v1/drops/t-2/resume",                ""),
    ("/v1/drops/{drop}/close",   "POST /v1/drops/t-2/close",                 ""),
    ("/v1/drops/{drop}/stock",   "POST /v1/drops/t-2/stock",                 r#"{"sku":"{sku}","total":1000}"#),
    ("/v1/drops/{drop}/orders",  "GET /v1/drops/t-2/orders",                 ""),
    ("/v1/drops/{drop}/audit",   "GET /v1/drops/t-2/audit",                  ""),
    ("/v1/events",               "GET /v1/events",                           ""),
    ("/v1/holds/{hold}",         "GET /v1/holds/{sku}",                      ""),
    ("/v1/holds/{hold}/confirm", "POST /v1/holds/{sku}/confirm",             r#"{"payment":"p"}"#),
    ("/v1/holds/{hold}/release", "POST /v1/holds/{sku}/release",             ""),
    ("/v1/holds/{hold}/extend",  "POST /v1/holds/{sku}/extend",              ""),
    ("/v1/holds/{hold}/refund",  "POST /v1/holds/{sku}/refund",              r#"{"lines":[{"sku":"{sku}","quantity":1}]}"#),
    ("/v1/waits/{wait}",         "GET /v1/waits/{sku}",                      ""),
    ("/v1/waits/{wait}",         "DELETE /v1/waits/{sku}",                   ""),
    ("/v1/drops/{drop}/events",  "GET /v1/drops/{sku}/events",               ""),
    ("/v1/campaigns",            "GET /v1/campaigns",                        ""),
    ("/v1/campaigns/{id}",       "GET /v1/campaigns/t",                      ""),
    ("/v1/campaigns/{id}",       "PUT /v1/campaigns/t",                      "{"),
    ("/v1/campaigns/{id}/report", "GET /v1/campaigns/t/report",              ""),
    ("/v1/campaigns/{id}/settle", "POST /v1/campaigns/t/settle",             ""),
    ("/metrics",                 "GET /metrics",                             ""),
    ("/openapi.json",            "GET /openapi.json",                        ""),
    ("/livez",                   "GET /livez",                               ""),
    ("/readyz",                  "GET /readyz",                              ""),
    ("/problems/{code}",         "GET /problems/{sku}",                      ""),
];

/// Every command that can be about a drop; those of the connection know nothing of any.
const RESP: [&str; 20] = [
    "DROP.LIST",
    "DROP.LIST PHASE scheduled",
    "DROP.LIST AFTER t-1",
    "DROP.STOCK t-2",
    "DROP.STOCK t-2 {sku}",
    "DROP.HOLD t-2 c-1 1 {sku} 1",
    "DROP.HOLD t-2 c-1 1 {sku} 1 BRIEF",
    "DROP.HOLD t-2 c-1 1 {sku} 2 WAIT",
    "DROP.HOLD t-2 c-1 1 {sku} 1000 KEY k AREA seoul",
    "DROP.HOLD t-2 c-1 1 {sku} 1001",
    "DROP.HOLD t-2 c-1 2 {sku} 1 z 1",
    "DROP.FIND t-2 c-1",
    "DROP.GET {sku}",
    "DROP.CONFIRM {sku} p",
    "DROP.RELEASE {sku}",
    "DROP.EXTEND {sku}",
    "DROP.REFUND {sku} ID r 1 {sku} 1",
    "DROP.WAITING {sku}",
    "DROP.LEAVE {sku}",
    "COMMAND GETKEYS DROP.STOCK t-2 {sku}",
];

/// Both services, while the second drop is sealed, and who calls. `closed`: it is over already.
fn services(closed: bool) -> ([Shop; 2], [Option<String>; 3]) {
    let (key, sell) = Key::generate("shop", Scope::Sell).unwrap();
    let access = Access::by(Keyring::new(vec![key], token_keys()).unwrap());
    let shops = [ONE, OTHER].map(|second| {
        let options = Engine::options().durability(Durability::Memory);
        let file = campaign_file("limit_per_customer = 3", &format!("{FIRST}{second}"));
        let shop = Shop::guarded(options, OPENS_MS + 1_000, &file, access.clone(), None);
        if closed {
            shop.engine.sale("t-2").unwrap().close().unwrap().wait().unwrap();
        }
        shop
    });
    (shops, [None, Some(token(&claims("c-1"))), Some(sell)])
}

#[test]
fn every_http_answer_about_a_sealed_drop_has_the_same_bytes() {
    for closed in [false, true] {
        every_http_answer_has_the_same_bytes(closed);
    }
}

fn every_http_answer_has_the_same_bytes(closed: bool) {
    let (shops, callers) = services(closed);
    for (_, line, body) in HTTP {
        for caller in &callers {
            let header = caller.as_deref().map(bearer);
            let headers = ["X-Request-Id: same"].into_iter().chain(header.as_deref());
            let headers: Vec<&str> = headers.collect();
            let mut answers = Vec::new();
            for (shop, sku) in shops.iter().flat_map(|shop| SKUS.map(|sku| (shop, sku))) {
                let (line, body) = (line.replace("{sku}", sku), body.replace("{sku}", sku));
                let answer = http(shop.service.http(), &line, &headers, &body);
                let date = answer.header("date").unwrap().to_owned();
                answers.push(format!("{answer:?}").replace(&date, "DATE"));
            }
            let differing = answers.iter().find(|answer| **answer != answers[0]);
            assert_eq!(differing, None, "{line} {body}, not {}", answers[0]);
        }
    }
}

#[test]
fn every_resp_reply_about_a_sealed_drop_has_the_same_bytes() {
    for closed in [false, true] {
        every_resp_reply_has_the_same_bytes(closed);
    }
}

fn every_resp_reply_has_the_same_bytes(closed: bool) {
    let (shops, callers) = services(closed);
    for command in RESP {
        for (caller, protocol) in callers.iter().flat_map(|caller| [(caller, 2), (caller, 3)]) {
            let hello = match caller {
                Some(credential) => format!("HELLO {protocol} AUTH default {credential}"),
                None => format!("HELLO {protocol}"),
            };
            let mut replies = Vec::new();
            for (shop, sku) in shops.iter().flat_map(|shop| SKUS.map(|sku| (shop, sku))) {
                let mut client = Resp::connect(shop.service.resp());
                let command = command.replace("{sku}", sku);
                let all = client.until_close(&[Some(&hello), Some(&command), Some("QUIT")]);
                // The answer to HELLO has the connection's number.
                let reply = all.split_once("modules *0 ").map_or(&*all, |(_, reply)| reply);
                replies.push(reply.to_owned());
            }
            let differing = replies.iter().find(|reply| **reply != replies[0]);
            assert_eq!(differing, None, "{command}, not {}", replies[0]);
        }
    }
}

#[test]
fn once_it_is_revealed_the_answers_differ() {
    let (shops, [_, _, sell]) = services(false);
    shops.iter().for_each(|shop| shop.clock.advance(86_400_000));
    let header = bearer(sell.as_deref().unwrap());
    let views = shops.each_ref().map(|shop| {
        http(shop.service.http(), "GET /v1/drops/t-2", &[&header], "").json()["items"].clone()
    });
    assert_ne!(views[0], views[1], "or the tests above would compare nothing");
    let body = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;
    let codes = shops
        .each_ref()
        .map(|shop| http(shop.service.http(), "POST /v1/drops/t-2/holds", &[&header], body).status);
    assert_eq!(codes, [201, 404]);
}

#[test]
fn every_route_and_every_sale_command_is_asked() {
    for (route, _, _) in openapi::operations(&openapi::described()) {
        assert!(HTTP.iter().any(|(one, ..)| *one == route), "{route} of a sealed drop?");
    }
    let shop = Shop::open("", &[("a", 1)]);
    let names = Resp::connect(shop.service.resp()).one("COMMAND LIST");
    for name in names.split(' ').filter(|name| name.starts_with("drop.")) {
        let asked = |command: &&str| command.to_ascii_lowercase().starts_with(name);
        assert!(RESP.iter().any(asked), "{name} of a sealed drop?");
    }
}

#[test]
fn no_log_names_what_a_sealed_drop_sells() {
    let files = Files::new();
    let in_an_hour = chrono::Utc::now().timestamp() + 3_600;
    let file = campaign_at("t", in_an_hour, "", "").replace("\"a\"", "\"surprise\"");
    let campaign = files.file("t.toml", &file);
    let more = ["--campaign", &campaign];
    let served = files.serve(&more, &[("JANGTEO_LOG", "trace")], Stdio::piped());
    let body = r#"{"customer":"c-1","lines":[{"sku":"surprise","quantity":1}]}"#;
    let answer = http(served.http, "POST /v1/drops/t-1/holds", &[], body);
    assert_eq!(answer.code(), "not_open");
    let mut client = Resp::connect(served.resp);
    assert!(client.one("DROP.HOLD t-1 c-1 1 surprise 1").starts_with("-NOTOPEN"));
    assert_eq!(client.one("DROP.STOCK t-1 surprise"), "-NOSKU");
    let log = served.stop();
    assert!(log.contains("DEBUG"), "or nothing is shown: {log}");
    assert!(!log.contains("surprise"), "{log}");
}
