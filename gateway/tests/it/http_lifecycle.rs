//! Refunds over HTTP, and what an operator does to a drop: statuses and bodies.

use serde_json::{Value, json};

use crate::clients::{Answer, http};
use crate::metrics::scrape;
use crate::shop::{OPENS_MS, Shop, items};

const GIFTED: &str = "[[items]]\nsku = \"c\"\ntitle = \"c\"\nprice = 700\nstock = 9\n\
    gift = { sku = \"g\" }\n[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 5\n";

fn post(shop: &Shop, path: &str, body: &str) -> Answer {
    http(shop.service.http(), &format!("POST /v1/{path}"), &[], body)
}

/// What was refused, by its code.
fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

/// A hold of these lines.
fn hold(shop: &Shop, customer: &str, lines: &Value) -> String {
    let body = json!({"customer": customer, "lines": lines}).to_string();
    let answer = post(shop, "drops/t-1/holds", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// An order of two `a` and a `c`, which has a gift.
fn order(shop: &Shop) -> String {
    let lines = json!([{"sku": "a", "quantity": 2}, {"sku": "c", "quantity": 1}]);
    let id = hold(shop, "c-1", &lines);
    let paid = post(shop, &format!("holds/{id}/confirm"), r#"{"payment":"p-1"}"#);
    assert_eq!(paid.status, 200);
    id
}

fn back(hold: &Answer) -> Vec<u64> {
    let json = hold.json();
    let lines = json["lines"].as_array().unwrap().iter();
    lines.map(|line| line["refunded"].as_u64().unwrap()).collect()
}

#[test]
fn an_order_comes_back_by_line_and_then_whole() {
    let shop = Shop::at(OPENS_MS, "", &(items(&[("a", 9)]) + GIFTED));
    let id = order(&shop);
    let refund = |body: &str| post(&shop, &format!("holds/{id}/refund"), body);
    shop.clock.advance(1_000);
    let one = r#"{"refund":"r-1","lines":[{"sku":"a","quantity":1}],"restock":false}"#;
    for _ in 0..2 {
        let partly = refund(one);
        assert_eq!((partly.status, &partly.json()["state"]), (200, &json!("confirmed")));
        assert_eq!(back(&partly), [1, 0]);
        assert_eq!(partly.json()["refunded_at"], "2020-04-29T01:00:01.000Z");
    }
    let other = one.replace("false", "true");
    assert_eq!(refused(&refund(&other)), (409, "conflict".to_owned()));
    let too_many = r#"{"lines":[{"sku":"a","quantity":2}]}"#;
    assert_eq!(refused(&refund(too_many)), (409, "wrong_state".to_owned()));
    let unknown = r#"{"lines":[{"sku":"z","quantity":1}]}"#;
    assert_eq!(refused(&refund(unknown)), (404, "unknown_sku".to_owned()));
    assert_eq!(shop.units("a"), (7, 0, 1));

    shop.clock.advance(1_000);
    for body in ["", "{}"] {
        let all = refund(body);
        assert_eq!((all.status, &all.json()["state"]), (200, &json!("refunded")));
        assert_eq!((back(&all), &all.json()["payment"]), (vec![2, 1], &json!("p-1")));
        assert_eq!(all.json()["refunded_at"], "2020-04-29T01:00:02.000Z");
        assert_eq!(all.json()["total"]["amount"], 2_700);
    }
    // One unit was withdrawn, all else is on sale again, the gift too.
    assert_eq!((shop.units("a"), shop.units("c")), ((8, 0, 0), (9, 0, 0)));
    let drop = http(shop.service.http(), "GET /v1/drops/t-1", &[], "").json();
    assert_eq!(
        (&drop["items"][0]["total"], &drop["gifts"][0]["available"]),
        (&8.into(), &5.into())
    );
    let seen = scrape(shop.service.http());
    let units =
        |state: &str| seen[&format!("jangteo_units{{drop=\"t-1\",sku=\"a\",state=\"{state}\"}}")];
    assert_eq!((units("available"), units("held"), units("sold")), (8.0, 0.0, 0.0));
    assert_eq!(seen["jangteo_request_seconds_count{wire=\"http\",call=\"refund\"}"], 7.0);
}

#[test]
fn a_refund_that_cannot_be_read_takes_nothing_back() {
    let shop = Shop::at(OPENS_MS, "", &(items(&[("a", 9)]) + GIFTED));
    let id = order(&shop);
    let table = [
        (r#"{"lines":[]}"#, "lines: none; left out it means all"),
        (r#"{"lines":{}}"#, "lines: not a list"),
        (r#"{"lines":[1]}"#, "lines[0]: not an object"),
        (r#"{"lines":[{"sku":"a"}]}"#, "lines[0].quantity: a whole number is needed"),
        (
            r#"{"lines":[{"sku":"a","quantity":0}]}"#,
            "quantity: 1 to 1000 units of an item, its lines together",
        ),
        (r#"{"lines":[{"sku":"a","quantity":1,"x":1}]}"#, "lines[0]: unknown member x"),
        (r#"{"refund":7}"#, "refund: not a text"),
        (r#"{"refund":""}"#, "refund: 1 to 128 visible ASCII characters"),
        (r#"{"restock":1}"#, "restock: neither true nor false"),
        (r#"{"all":true}"#, "unknown member all"),
        ("[]", "the body is not an object"),
    ];
    for (body, detail) in table {
        for id in [id.as_str(), "none"] {
            let answer = post(&shop, &format!("holds/{id}/refund"), body);
            assert_eq!(refused(&answer), (400, "malformed".to_owned()), "{body}");
            assert_eq!(answer.json()["detail"], detail, "{body}");
        }
    }
    assert_eq!(shop.units("a"), (7, 0, 2));
    let nulls = r#"{"refund":null,"lines":null,"restock":null}"#;
    let all = post(&shop, &format!("holds/{id}/refund"), nulls);
    assert_eq!((all.status, &all.json()["state"]), (200, &json!("refunded")));
}

#[test]
fn what_became_of_a_hold_decides_whether_it_can_be_refunded_or_paid_late() {
    let shop = Shop::open("", &[("a", 3)]);
    let of = |customer: &str| hold(&shop, customer, &json!([{"sku": "a", "quantity": 1}]));
    let (held, released, expired) = (of("c-1"), of("c-2"), of("c-3"));
    post(&shop, &format!("holds/{released}/release"), "");
    let refund = |id: &str| refused(&post(&shop, &format!("holds/{id}/refund"), ""));
    assert_eq!(refund(&held), (409, "wrong_state".to_owned()));
    assert_eq!(refund(&released), (409, "wrong_state".to_owned()));
    assert_eq!(refund("none"), (404, "unknown_hold".to_owned()));
    shop.clock.advance(600_000);
    shop.engine.tick();
    assert_eq!(refund(&expired), (409, "expired".to_owned()));
    let late = post(&shop, &format!("holds/{expired}/confirm"), r#"{"payment":"p-3"}"#).json();
    assert_eq!((&late["state"], &late["number"]), (&json!("confirmed"), &json!(3)));
    assert_eq!((&late["id"], &late["expires_at"]), (&json!(expired), &Value::Null));
    assert_eq!(shop.units("a"), (2, 0, 1));
}

#[test]
fn a_pause_stops_grants_and_deadlines_until_it_ends() {
    let shop = Shop::open("", &[("a", 3)]);
    let id = hold(&shop, "c-1", &json!([{"sku": "a", "quantity": 1}]));
    let seen = || http(shop.service.http(), &format!("GET /v1/holds/{id}"), &[], "").json();
    for body in ["", "{}"] {
        let paused = post(&shop, "drops/t-1/pause", body);
        assert_eq!((paused.status, &paused.json()["phase"]), (200, &json!("paused")));
    }
    let ask = r#"{"customer":"c-2","lines":[{"sku":"a","quantity":1}]}"#;
    let turned_away = post(&shop, "drops/t-1/holds", ask);
    assert_eq!(refused(&turned_away), (409, "paused".to_owned()));
    assert_eq!(turned_away.json()["retryable"], true);
    assert_eq!(turned_away.header("retry-after"), Some("5"));
    shop.clock.advance(3_600_000);
    shop.engine.tick();
    assert_eq!((&seen()["state"], &seen()["expires_at"]), (&json!("held"), &Value::Null));
    for _ in 0..2 {
        assert_eq!(post(&shop, "drops/t-1/resume", "").json()["phase"], "open");
    }
    assert_eq!(seen()["expires_at"], "2020-04-29T02:10:00.000Z");
    assert_eq!(post(&shop, "drops/t-1/holds", ask).status, 201);

    for _ in 0..2 {
        assert_eq!(post(&shop, "drops/t-1/close", "").json()["phase"], "closed");
    }
    assert_eq!(refused(&post(&shop, "drops/t-1/holds", ask)), (410, "closed".to_owned()));
    for verb in ["pause", "resume"] {
        let answer = post(&shop, &format!("drops/t-1/{verb}"), "");
        assert_eq!(refused(&answer), (409, "wrong_state".to_owned()), "{verb}");
    }
    assert_eq!(post(&shop, &format!("holds/{id}/confirm"), r#"{"payment":"p"}"#).status, 200);
    let stray = post(&shop, "drops/t-2/pause", r#"{"why":"rain"}"#);
    assert_eq!(refused(&stray), (400, "malformed".to_owned()));
    assert_eq!(refused(&post(&shop, "drops/none/pause", "")), (404, "unknown_drop".to_owned()));
}

#[test]
fn a_drop_that_is_paused_before_its_instant_stays_sealed_and_does_not_open() {
    let shop = Shop::open("", &[("a", 3)]);
    let paused = post(&shop, "drops/t-2/pause", "").json();
    assert_eq!((&paused["phase"], &paused["sealed"]), (&json!("paused"), &json!(true)));
    assert_eq!(paused.get("items"), None);
    let ask = r#"{"customer":"c-2","lines":[{"sku":"a","quantity":1}]}"#;
    let early = post(&shop, "drops/t-2/holds", ask);
    assert_eq!(refused(&early), (409, "not_open".to_owned()));
    let stock = post(&shop, "drops/t-2/stock", r#"{"sku":"a","total":4}"#).json();
    assert_eq!((&stock["sealed"], stock.get("items")), (&json!(true), None));
    shop.clock.advance(86_400_000);
    shop.engine.tick();
    assert_eq!(refused(&post(&shop, "drops/t-2/holds", ask)), (409, "paused".to_owned()));
    let open = post(&shop, "drops/t-2/resume", "").json();
    assert_eq!((&open["phase"], &open["items"][0]["total"]), (&json!("open"), &json!(4)));
}

#[test]
fn stock_is_set_for_items_and_gifts_if_it_is_what_it_was() {
    let shop = Shop::at(OPENS_MS, "", &(items(&[("a", 3)]) + GIFTED));
    hold(&shop, "c-1", &json!([{"sku": "a", "quantity": 2}]));
    let set = |body: &str| post(&shop, "drops/t-1/stock", body);
    let more = set(r#"{"sku":"a","total":5,"was":3}"#);
    assert_eq!((more.status, &more.json()["items"][0]["available"]), (200, &json!(3)));
    let gift = set(r#"{"sku":"g","total":0}"#).json();
    assert_eq!(gift["gifts"][0], json!({"sku": "g", "title": "g", "total": 0, "available": 0}));
    let fewest = set(r#"{"sku":"a","total":2.0,"was":null}"#).json();
    assert_eq!((&fewest["items"][0]["total"], &fewest["items"][0]["held"]), (&2.into(), &2.into()));
    let table = [
        (r#"{"sku":"a","total":9,"was":3}"#, 409, "conflict"),
        (r#"{"sku":"a","total":1}"#, 409, "wrong_state"),
        (r#"{"sku":"z","total":1}"#, 404, "unknown_sku"),
        (r#"{"sku":"a","total":1000000001}"#, 400, "malformed"),
        (r#"{"sku":"a","total":9,"was":1000000001}"#, 400, "malformed"),
        (r#"{"sku":"a","total":9,"was":-1}"#, 400, "malformed"),
        (r#"{"sku":"a","total":-1}"#, 400, "malformed"),
        (r#"{"sku":"a","total":"9"}"#, 400, "malformed"),
        (r#"{"total":9}"#, 400, "malformed"),
        (r#"{"sku":"a","total":9,"by":1}"#, 400, "malformed"),
        ("", 400, "malformed"),
    ];
    for (body, status, code) in table {
        assert_eq!(refused(&set(body)), (status, code.to_owned()), "{body}");
    }
    assert_eq!(shop.units("a"), (0, 2, 0));
    post(&shop, "drops/t-1/close", "");
    assert_eq!(refused(&set(r#"{"sku":"a","total":9}"#)), (409, "wrong_state".to_owned()));
}

#[test]
fn a_refusal_says_how_things_stand_instead() {
    let shop = Shop::open("", &[("a", 9)]);
    let id = hold(&shop, "c-1", &json!([{"sku": "a", "quantity": 1}]));
    let stands = |path: &str, body: &str| {
        let answer = post(&shop, path, body);
        let json = answer.json();
        let member = json.get("state").or_else(|| json.get("total")).cloned();
        (answer.code(), json["detail"].as_str().unwrap().to_owned(), member.unwrap_or_default())
    };
    let state =
        |state: &str| ("wrong_state".to_owned(), format!("the hold is {state}"), json!(state));
    assert_eq!(stands(&format!("holds/{id}/refund"), ""), state("held"));
    assert_eq!(post(&shop, &format!("holds/{id}/confirm"), r#"{"payment":"p"}"#).status, 200);
    for verb in ["release", "extend"] {
        assert_eq!(stands(&format!("holds/{id}/{verb}"), ""), state("confirmed"), "{verb}");
    }
    assert_eq!(post(&shop, &format!("holds/{id}/refund"), "").status, 200);
    assert_eq!(stands(&format!("holds/{id}/release"), ""), state("refunded"));

    let stale = stands("drops/t-1/stock", r#"{"sku":"a","total":5,"was":3}"#);
    assert_eq!(stale, ("conflict".to_owned(), "was: the total is 9".to_owned(), json!(9)));
    // Of a sealed drop nobody is told what it has.
    let sealed = post(&shop, "drops/t-2/stock", r#"{"sku":"a","total":5,"was":3}"#);
    assert!(sealed.status >= 400 && sealed.json().get("total").is_none(), "{sealed:?}");
}

#[test]
fn a_part_that_is_malformed_is_told_its_rule() {
    let shop = Shop::open("", &[("a", 9)]);
    let id = hold(&shop, "c-1", &json!([{"sku": "a", "quantity": 1}]));
    let told = |line: &str, headers: &[&str], body: &str| {
        let answer = http(shop.service.http(), line, headers, body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{line} {body}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let take = "POST /v1/drops/t-1/holds";
    let line = |sku: &str, quantity: u32| {
        json!({"customer": "c", "lines": [{"sku": sku, "quantity": quantity}]}).to_string()
    };
    let ascii = |name: &str, most: u32| format!("{name}: 1 to {most} visible ASCII characters");
    assert_eq!(told(take, &[], &line("a", 1).replace("\"c\"", "\"c d\"")), ascii("customer", 64));
    assert_eq!(told(take, &[], r#"{"lines":[{"sku":"a","quantity":1}]}"#), ascii("customer", 64));
    assert_eq!(told(take, &[], r#"{"customer":"c","lines":[]}"#), "lines: 1 to 20 items");
    let quantity = "quantity: 1 to 1000 units of an item, its lines together";
    assert_eq!(told(take, &[], &line("a", 1_001)), quantity);
    let key = ascii("Idempotency-Key", 128);
    assert_eq!(told(take, &["Idempotency-Key: \"x"], &line("a", 1)), key);
    assert_eq!(told(take, &["Idempotency-Key: a b"], &line("a", 1)), key);
    let payment = ascii("payment", 128) + ", needed unless the total is 0";
    for body in ["", r#"{"payment":"a b"}"#] {
        assert_eq!(told(&format!("POST /v1/holds/{id}/confirm"), &[], body), payment, "{body}");
    }
    let limit = "limit: a number from 1 to 1000";
    assert_eq!(told("GET /v1/drops?limit=0", &[], ""), limit);
    assert_eq!(told("GET /v1/campaigns?limit=x", &[], ""), limit);
    let phases = "phase: scheduled, open, paused, closed or settled";
    assert_eq!(told("GET /v1/drops?phase=shut", &[], ""), phases);
    assert_eq!(told("GET /v1/drops/t-1/orders?after=x", &[], ""), "after: an order's number");
    let total = r#"{"sku":"a","total":1000000001}"#;
    assert_eq!(told("POST /v1/drops/t-1/stock", &[], total), "total: at most 1000000000");
}
