//! Every call by every kind of caller, on either wire: what is allowed, and nothing else.

use std::io::{Read, Write};

use jangteo::{Engine, Hold, HoldOrWait, HoldRequest, Wait, WaitState};
use jangteo_gateway::access::{Key, Keyring, Scope};

use crate::clients::{Resp, connect, http, read_to_end};
use crate::openapi;
use crate::tokens::{Guarded, bearer, claims, token};

/// An item that costs something, one that does not, and one of which there are few.
const ITEMS: &str = "[[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1000\nstock = \"unlimited\"\n\
    [[items]]\nsku = \"free\"\ntitle = \"free\"\nprice = 0\nstock = \"unlimited\"\n\
    [[items]]\nsku = \"few\"\ntitle = \"few\"\nprice = 9\nstock = 9\n";

/// Who calls, in the order of the columns below. Holds and waits are `c-1`'s.
const CALLERS: [&str; 6] = ["nobody", "a liar", "c-1", "c-2", "sell", "operate"];

/// What a call is made of: `{hold}` is a priced hold of `c-1`'s, `{free}` one that costs nothing,
/// `{order}` a confirmed one, `{wait}` a wait, each new for every cell.
type Row = (&'static str, &'static str, &'static str, [u16; 6]);

const GOOD: &str = r#"{"lines":[{"sku":"a","quantity":1}]}"#;
const FOR_C1: &str = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;
const WAITS: &str = r#"{"customer":"c-1","lines":[{"sku":"few","quantity":1}],"wait":true}"#;
const PAID: &str = r#"{"payment":"p"}"#;
const FEW: &str = r#"{"sku":"few","total":10,"was":9}"#;

/// Route, request line, body, and the status for each caller.
#[rustfmt::skip]
const HTTP: [Row; 49] = [
    ("/v1/drops",                "GET /v1/drops",                           "",     [200, 401, 200, 200, 200, 200]),
    ("/v1/drops/{drop}",         "GET /v1/drops/t-1",                       "",     [200, 401, 200, 200, 200, 200]),
    ("/v1/drops/{drop}",         "GET /v1/drops/none",                      "",     [404, 401, 404, 404, 404, 404]),
    ("/v1/drops/{drop}/events",  "GET /v1/drops/none/events",               "",     [404, 401, 404, 404, 404, 404]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-1/holds",                GOOD,   [401, 401, 201, 201, 400, 400]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-1/holds",                FOR_C1, [401, 401, 201, 403, 201, 201]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t%2d1/holds",              FOR_C1, [401, 401, 201, 403, 201, 201]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/none/holds",               FOR_C1, [401, 401, 404, 403, 404, 404]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-1/holds",                "{",    [400, 400, 400, 400, 400, 400]),
    ("/v1/drops/{drop}/holds",   "POST /v1/drops/t-1/holds",                WAITS,  [401, 401, 202, 403, 202, 202]),
    ("/v1/drops/{drop}/holds",   "GET /v1/drops/t-1/holds?customer=c-1",    "",     [401, 401, 200, 403, 200, 200]),
    ("/v1/drops/{drop}/holds",   "GET /v1/drops/t-1/holds",                 "",     [401, 401, 200, 200, 400, 400]),
    ("/v1/drops/{drop}/pause",   "POST /v1/drops/t-2/pause",                "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/drops/{drop}/resume",  "POST /v1/drops/t-2/resume",               "{}",   [401, 401, 403, 403, 403, 200]),
    ("/v1/drops/{drop}/stock",   "POST /v1/drops/t-2/stock",                FEW,    [401, 401, 403, 403, 403, 200]),
    ("/v1/drops/{drop}/stock",   "POST /v1/drops/t-2/stock",                "{}",   [400, 400, 400, 400, 400, 400]),
    ("/v1/drops/{drop}/close",   "POST /v1/drops/t-2/close",                "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/drops/{drop}/close",   "POST /v1/drops/none/close",               "",     [401, 401, 403, 403, 403, 404]),
    ("/v1/drops/{drop}/orders",  "GET /v1/drops/t-1/orders",                "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/drops/{drop}/orders",  "GET /v1/drops/none/orders",               "",     [401, 401, 403, 403, 403, 404]),
    ("/v1/drops/{drop}/audit",   "GET /v1/drops/t-1/audit",                 "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/events",              "GET /v1/events?limit=1",                  "",     [401, 401, 403, 403, 403, 404]),
    ("/v1/holds/{hold}",         "GET /v1/holds/{hold}",                    "",     [401, 401, 200, 404, 200, 200]),
    ("/v1/holds/{hold}",         "GET /v1/holds/none",                      "",     [401, 401, 404, 404, 404, 404]),
    ("/v1/holds/{hold}/confirm", "POST /v1/holds/{hold}/confirm",           PAID,   [401, 401, 403, 404, 200, 200]),
    ("/v1/holds/{hold}/confirm", "POST /v1/holds/{free}/confirm",           "",     [401, 401, 200, 404, 200, 200]),
    ("/v1/holds/{hold}/confirm", "POST /v1/holds/{free}/confirm",           PAID,   [401, 401, 200, 404, 200, 200]),
    ("/v1/holds/{hold}/confirm", "POST /v1/holds/{hold}/confirm",           "{",    [400, 400, 400, 400, 400, 400]),
    ("/v1/holds/{hold}/release", "POST /v1/holds/{hold}/release",           "",     [401, 401, 200, 404, 200, 200]),
    ("/v1/holds/{hold}/extend",  "POST /v1/holds/{hold}/extend",            "",     [401, 401, 200, 404, 200, 200]),
    ("/v1/holds/{hold}/refund",  "POST /v1/holds/{order}/refund",           "",     [401, 401, 403, 403, 200, 200]),
    ("/v1/holds/{hold}/refund",  "POST /v1/holds/none/refund",              "{}",   [401, 401, 403, 403, 404, 404]),
    ("/v1/holds/{hold}/refund",  "POST /v1/holds/{order}/refund",           "{",    [400, 400, 400, 400, 400, 400]),
    ("/v1/waits/{wait}",         "GET /v1/waits/{wait}",                    "",     [401, 401, 200, 404, 200, 200]),
    ("/v1/waits/{wait}",         "DELETE /v1/waits/{wait}",                 "",     [401, 401, 204, 404, 204, 204]),
    ("/v1/waits/{wait}",         "DELETE /v1/waits/none",                   "",     [401, 401, 404, 404, 404, 404]),
    ("/v1/campaigns",            "GET /v1/campaigns",                       "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/campaigns/{id}",       "GET /v1/campaigns/t",                     "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/campaigns/{id}",       "PUT /v1/campaigns/t",                     "{",    [401, 401, 403, 403, 403, 422]),
    ("/v1/campaigns/{id}",       "DELETE /v1/campaigns/none",               "",     [401, 401, 403, 403, 403, 404]),
    ("/v1/campaigns/{id}/report", "GET /v1/campaigns/t/report",             "",     [401, 401, 403, 403, 403, 200]),
    ("/v1/campaigns/{id}/report", "GET /v1/campaigns/none/report",          "",     [401, 401, 403, 403, 403, 404]),
    ("/v1/campaigns/{id}/settle", "POST /v1/campaigns/t/settle",            "",     [401, 401, 403, 403, 403, 409]),
    ("/v1/campaigns/{id}/settle", "POST /v1/campaigns/t/settle",            "{",    [400, 400, 400, 400, 400, 400]),
    ("/openapi.json",            "GET /openapi.json",                       "",     [200; 6]),
    ("/metrics",                 "GET /metrics",                            "",     [401, 401, 403, 403, 403, 200]),
    ("/livez",                   "GET /livez",                              "",     [200; 6]),
    ("/readyz",                  "GET /readyz",                             "",     [200; 6]),
    ("/problems/{code}",         "GET /problems/forbidden",                 "",     [200; 6]),
];

/// The same over RESP: the beginning of the reply. A stranger is told so first, as Redis does.
#[rustfmt::skip]
const RESP: [(&str, [&str; 6]); 43] = [
    ("HELLO 3",                           [HELLO_FIRST, HELLO_FIRST, "%7", "%7", "%7", "%7"]),
    ("AUTH jt_2",                         [WRONGPASS; 6]),
    ("QUIT",                              ["+OK"; 6]),
    ("RESET",                             ["+RESET"; 6]),
    ("PING",                              [NOAUTH, NOAUTH, "+PONG", "+PONG", "+PONG", "+PONG"]),
    ("ECHO a",                            [NOAUTH, NOAUTH, "$1 a", "$1 a", "$1 a", "$1 a"]),
    ("SELECT 0",                          [NOAUTH, NOAUTH, "+OK", "+OK", "+OK", "+OK"]),
    ("TIME",                              [NOAUTH, NOAUTH, "*2", "*2", "*2", "*2"]),
    ("INFO",                              [NOAUTH, NOAUTH, "$", "$", "$", "$"]),
    ("CONFIG GET save",                   [NOAUTH, NOAUTH, "*0", "*0", "*0", "*0"]),
    ("CLIENT SETINFO LIB-NAME a",         [NOAUTH, NOAUTH, "+OK", "+OK", "+OK", "+OK"]),
    ("CLIENT SETNAME a",                  [NOAUTH, NOAUTH, "+OK", "+OK", "+OK", "+OK"]),
    ("CLIENT GETNAME",                    [NOAUTH, NOAUTH, "$-1", "$-1", "$-1", "$-1"]),
    ("CLIENT ID",                         [NOAUTH, NOAUTH, ":", ":", ":", ":"]),
    ("CLIENT INFO",                       [NOAUTH, NOAUTH, "$", "$", "$", "$"]),
    ("COMMAND",                           [NOAUTH, NOAUTH, "*", "*", "*", "*"]),
    ("COMMAND COUNT",                     [NOAUTH, NOAUTH, ":", ":", ":", ":"]),
    ("COMMAND DOCS",                      [NOAUTH, NOAUTH, "*0", "*0", "*0", "*0"]),
    ("COMMAND INFO get",                  [NOAUTH, NOAUTH, "*1", "*1", "*1", "*1"]),
    ("COMMAND LIST",                      [NOAUTH, NOAUTH, "*", "*", "*", "*"]),
    ("COMMAND GETKEYS DROP.STOCK t-1",    [NOAUTH, NOAUTH, "*1", "*1", "*1", "*1"]),
    ("SUBSCRIBE drop:none",               [NOAUTH, NOAUTH, "-NODROP", "-NODROP", "-NODROP", "-NODROP"]),
    ("UNSUBSCRIBE",                       [NOAUTH, NOAUTH, "*3", "*3", "*3", "*3"]),
    ("PUNSUBSCRIBE",                      [NOAUTH, NOAUTH, "*3", "*3", "*3", "*3"]),
    ("GET a",                             [UNKNOWN; 6]),
    ("DROP.HOLD t-1 c-1 1 a x",           ["-ERR value is not an integer"; 6]),
    ("DROP.HOLD t-1 c-1 1 a 0",           ["-ERR malformed: quantity"; 6]),
    ("DROP.LIST",                         [NOAUTH, NOAUTH, "*", "*", "*", "*"]),
    ("DROP.STOCK t-1",                    [NOAUTH, NOAUTH, "*", "*", "*", "*"]),
    ("DROP.HOLD t-1 c-1 1 a 1",           [NOAUTH, NOAUTH, "*", NOT_YOURS, "*", "*"]),
    ("DROP.HOLD t-1 c-1 1 a 1 BRIEF",     [NOAUTH, NOAUTH, "$26", NOT_YOURS, "$26", "$26"]),
    ("DROP.HOLD t-1 c-1 1 few 1 WAIT",   [NOAUTH, NOAUTH, "*6", NOT_YOURS, "*6", "*6"]),
    ("DROP.HOLD none c-1 1 a 1",          [NOAUTH, NOAUTH, "-NODROP", NOT_YOURS, "-NODROP", "-NODROP"]),
    ("DROP.FIND t-1 c-1",                 [NOAUTH, NOAUTH, "*", NOT_YOURS, "*", "*"]),
    ("DROP.GET {hold}",                   [NOAUTH, NOAUTH, "*", "-NOHOLD", "*", "*"]),
    ("DROP.CONFIRM {hold} p",             [NOAUTH, NOAUTH, NO_CONFIRM, "-NOHOLD", "*", "*"]),
    ("DROP.CONFIRM {free}",               [NOAUTH, NOAUTH, "*", "-NOHOLD", "*", "*"]),
    ("DROP.RELEASE {hold}",               [NOAUTH, NOAUTH, "*", "-NOHOLD", "*", "*"]),
    ("DROP.EXTEND {hold}",                [NOAUTH, NOAUTH, "*", "-NOHOLD", "*", "*"]),
    ("DROP.REFUND {order}",               [NOAUTH, NOAUTH, NO_REFUND, NO_REFUND, "*", "*"]),
    ("DROP.REFUND {order} 1 a 0",         ["-ERR malformed: quantity"; 6]),
    ("DROP.WAITING {wait}",               [NOAUTH, NOAUTH, "*6", "-NOWAIT", "*6", "*6"]),
    ("DROP.LEAVE {wait}",                 [NOAUTH, NOAUTH, "+OK", "-NOWAIT", "+OK", "+OK"]),
];

const NOAUTH: &str = "-NOAUTH Authentication required.";
const HELLO_FIRST: &str = "-NOAUTH HELLO must be called with the client already authenticated";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";
const UNKNOWN: &str = "-ERR unknown command 'GET'";
const NOT_YOURS: &str =
    "-NOPERM this user has no permissions to access one of the keys used as arguments";
const NO_CONFIRM: &str = "-NOPERM this user has no permissions to run the 'drop.confirm' command";
const NO_REFUND: &str = "-NOPERM this user has no permissions to run the 'drop.refund' command";

fn hold(guarded: &Guarded, sku: &str) -> Hold {
    let sale = guarded.shop.engine.sale("t-1").unwrap();
    sale.hold(&HoldRequest::new("c-1").line(sku, 1)).unwrap().wait().unwrap()
}

fn order(guarded: &Guarded) -> Hold {
    let id = hold(guarded, "a").id;
    guarded.shop.engine.sale("t-1").unwrap().confirm(&id, Some("p")).unwrap().wait().unwrap()
}

fn wait(guarded: &Guarded) -> Wait {
    let sale = guarded.shop.engine.sale("t-1").unwrap();
    loop {
        let asked = sale.hold_or_wait(&HoldRequest::new("c-1").line("few", 1)).unwrap();
        // Whoever asks while there are some gets one.
        if let HoldOrWait::Wait(wait) = asked.wait().unwrap() {
            return wait;
        }
    }
}

fn still_waits(guarded: &Guarded, wait: &Wait) -> bool {
    let sale = guarded.shop.engine.sale("t-1").unwrap();
    sale.wait(&wait.id).unwrap().wait().unwrap().state == WaitState::Waiting
}

fn state(guarded: &Guarded, hold: &Hold) -> &'static str {
    let sale = guarded.shop.engine.sale("t-1").unwrap();
    sale.get(&hold.id).unwrap().wait().unwrap().state.name()
}

fn credentials(guarded: &Guarded) -> [Option<String>; 6] {
    let of = |customer: &str| Some(token(&claims(customer)));
    let lie = guarded.sell.replace("jt_", "jt_0");
    let keys = [guarded.sell.clone(), guarded.operate.clone()].map(Some);
    let [sell, operate] = keys;
    [None, Some(lie), of("c-1"), of("c-2"), sell, operate]
}

#[test]
fn every_caller_may_over_http_what_the_table_says_and_nothing_else() {
    let guarded = Guarded::open("", ITEMS, None);
    let credentials = credentials(&guarded);
    for (_, line, body, statuses) in HTTP {
        for ((caller, credential), status) in CALLERS.iter().zip(&credentials).zip(statuses) {
            let (priced, free) = (hold(&guarded, "a"), hold(&guarded, "free"));
            let (order, wait) = (order(&guarded), wait(&guarded));
            let line = line
                .replace("{hold}", &priced.id.to_string())
                .replace("{free}", &free.id.to_string())
                .replace("{order}", &order.id.to_string())
                .replace("{wait}", &wait.id.to_string());
            let header = credential.as_deref().map(bearer);
            let headers: Vec<&str> = header.iter().map(String::as_str).collect();
            let answer = http(guarded.shop.service.http(), &line, &headers, body);
            assert_eq!(answer.status, status, "{line} by {caller}: {answer:?}");
            let challenged = answer.header("www-authenticate").is_some();
            assert_eq!(challenged, status == 401, "{line} by {caller}");
            match status {
                401 => assert_eq!(answer.code(), "unauthenticated"),
                403 => assert_eq!(answer.code(), "forbidden"),
                // Nothing is recorded in memory, so there are no events to be read.
                404 if line.contains("/v1/events") => assert_eq!(answer.code(), "not_found"),
                404 => assert!(answer.code().starts_with("unknown_")),
                _ => {}
            }
            if status >= 400 {
                let states = [&priced, &free, &order].map(|hold| state(&guarded, hold));
                assert_eq!(states, ["held", "held", "confirmed"], "{line} by {caller}");
                assert!(still_waits(&guarded, &wait), "{line} by {caller}");
            }
        }
    }
}

#[test]
fn every_route_there_is_stands_in_the_table() {
    let document = openapi::described();
    for (path, method, _) in openapi::operations(&document) {
        let method = method.to_uppercase();
        let stands = |(route, line, ..): &Row| *route == path && line.starts_with(&method);
        assert!(HTTP.iter().any(stands), "{method} {path} by every caller?");
    }
}

#[test]
fn every_command_there_is_stands_in_the_table() {
    let guarded = Guarded::open("", ITEMS, None);
    let mut client = Resp::connect(guarded.shop.service.resp());
    client.one(&format!("AUTH {}", guarded.sell));
    let all = client.one("COMMAND");
    let mut names: Vec<String> = all.split(' ').map(|name| name.replace('|', " ")).collect();
    let known = client.one("COMMAND LIST");
    names.retain(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase()));
    names.retain(|name| known.split(' ').any(|one| name.split(' ').next() == Some(one)));
    assert!(names.len() >= 30, "{names:?}");
    for name in names.iter().filter(|name| !["client", "config"].contains(&name.as_str())) {
        let asked = |(one, _): &(&str, _)| one.to_ascii_lowercase().starts_with(name);
        assert!(RESP.iter().any(asked), "{name} by every caller?");
    }
}

#[test]
fn every_caller_may_over_resp_what_the_table_says_and_nothing_else() {
    let guarded = Guarded::open("", ITEMS, None);
    let credentials = credentials(&guarded);
    for (command, replies) in RESP {
        for ((caller, credential), expected) in CALLERS.iter().zip(&credentials).zip(replies) {
            let (priced, free) = (hold(&guarded, "a"), hold(&guarded, "free"));
            let (order, wait) = (order(&guarded), wait(&guarded));
            let command = command
                .replace("{hold}", &priced.id.to_string())
                .replace("{free}", &free.id.to_string())
                .replace("{order}", &order.id.to_string())
                .replace("{wait}", &wait.id.to_string());
            // A stranger's ECHO, by which the client sees the end, would be refused as well.
            let mut client = Resp::connect(guarded.shop.service.resp());
            let auth = credential.as_ref().map(|credential| format!("AUTH {credential}"));
            let reply = client.until_close(&[auth.as_deref(), Some(&command), Some("QUIT")]);
            let mut lines = reply.split(' ').collect::<Vec<_>>().join(" ");
            if credential.is_some() {
                let first = if *caller == "a liar" { WRONGPASS } else { "+OK" };
                assert!(lines.starts_with(first), "{caller}: {lines}");
                lines = lines[first.len() + 1..].to_owned();
            }
            assert!(lines.starts_with(expected), "{command} by {caller}: {lines}");
            if expected.starts_with('-') {
                let states = [&priced, &free, &order].map(|hold| state(&guarded, hold));
                assert_eq!(states, ["held", "held", "confirmed"], "{command} by {caller}");
                assert!(still_waits(&guarded, &wait), "{command} by {caller}");
            }
        }
    }
}

#[test]
fn events_are_for_operators_and_a_stream_ends_when_its_key_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 20);
    let guarded = Guarded::with(options, "", ITEMS, None);
    let address = guarded.shop.service.http();
    let line = "GET /v1/events?limit=1";
    let status = |secret: &str| http(address, line, &[&bearer(secret)], "").status;
    assert_eq!((status(&guarded.operate), status(&guarded.sell)), (200, 403));
    assert_eq!(status(&token(&claims("c-1"))), 403);

    let mut stream = connect(address);
    let head = "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n";
    let head = format!("{head}Connection: close\r\n{}\r\n\r\n", bearer(&guarded.operate));
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = String::new();
    while !seen.contains("id: ") {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "no event came: {seen}");
        seen.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
    let (other, _) = Key::generate("boss", Scope::Operate).unwrap();
    guarded.access.replace(Keyring::new(vec![other], Vec::new()).unwrap()).unwrap();
    let secret_now = hold(&guarded, "a").id.to_string();
    // It ends by itself, and what happened after the key was gone is not in it.
    assert!(!read_to_end(&mut stream).contains(&secret_now));
}

#[test]
fn what_a_token_says_of_drop_and_area_binds() {
    let rules = "areas = [\"seoul\", \"busan\"]\nlimit_per_customer = 0";
    let guarded = Guarded::open(rules, ITEMS, None);
    let address = guarded.shop.service.http();
    let with = |name: &str, value: &str| {
        let mut claims = claims("c-1");
        claims[name] = value.into();
        bearer(&token(&claims))
    };
    let seoul = with("area", "seoul");
    let line = "POST /v1/drops/t-1/holds";
    let in_area = |area: &str| GOOD.replacen('{', &format!("{{\"area\":\"{area}\","), 1);
    assert_eq!(http(address, line, &[&seoul], GOOD).status, 201);
    assert_eq!(http(address, line, &[&seoul], &in_area("seoul")).status, 201);
    assert_eq!(http(address, line, &[&seoul], &in_area("busan")).code(), "forbidden");
    let free = bearer(&token(&claims("c-1")));
    assert_eq!(http(address, line, &[&free], &in_area("busan")).status, 201);
    assert_eq!(http(address, line, &[&free], GOOD).code(), "area_not_served");

    let (first, second) = (with("drop", "t-1"), with("drop", "t-2"));
    let made = http(address, line, &[&first], &in_area("seoul"));
    let get = format!("GET /v1/holds/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(http(address, &get, &[&first], "").status, 200);
    assert_eq!(http(address, &get, &[&second], "").code(), "forbidden");
    assert_eq!(http(address, line, &[&second], &in_area("seoul")).code(), "forbidden");
    let find = "GET /v1/drops/t-1/holds";
    assert_eq!(http(address, find, &[&first], "").json()["holds"].as_array().unwrap().len(), 4);
    assert_eq!(http(address, find, &[&second], "").code(), "forbidden");
}
