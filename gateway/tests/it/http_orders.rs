//! `GET /v1/drops/{drop}/orders`: rows of JSON and of a table.

use jangteo::{Durability, Engine, Hold, HoldRequest, Refund};
use serde_json::{Value, json};

use crate::clients::{Answer, http};
use crate::shop::{OPENS_MS, Shop, campaign_file};

const ITEMS: &str = "[[items]]\nsku = \"a\"\ntitle = \"a\"\nseller = \"Kim, \\\"farm\\\"\"\n\
    price = 1000\nstock = \"unlimited\"\ngift = { sku = \"g\" }\n\
    [[items]]\nsku = \"b\"\ntitle = \"b\"\nprice = 0\nstock = 9\n\
    [[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 5\n";
const COLUMNS: [&str; 15] = [
    "number",
    "hold",
    "key",
    "customer",
    "state",
    "seller",
    "sku",
    "quantity",
    "refunded",
    "unit_price",
    "currency",
    "payment",
    "created_at",
    "confirmed_at",
    "refunded_at",
];

fn shop() -> Shop {
    let options = Engine::options().durability(Durability::Memory);
    Shop::with(options, OPENS_MS, &campaign_file("", ITEMS))
}

fn order(shop: &Shop, request: &HoldRequest<'_>, payment: Option<&str>) -> Hold {
    let sale = shop.engine.sale("t-1").unwrap();
    let id = sale.hold(request).unwrap().wait().unwrap().id;
    sale.confirm(&id, payment).unwrap().wait().unwrap()
}

/// The answer for that media type, its body without the chunks' lengths.
fn orders(shop: &Shop, query: &str, accept: &str) -> Answer {
    let line = format!("GET /v1/drops/t-1/orders{query}");
    let mut answer = http(shop.service.http(), &line, &[&format!("Accept: {accept}")], "");
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    answer
}

/// Only the last chunk says that this was all.
fn unchunked(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    loop {
        let (length, after) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(after, "\r\n");
            return whole;
        }
        whole.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").unwrap();
    }
}

fn rows(shop: &Shop, query: &str) -> Vec<Value> {
    let answer = orders(shop, query, "*/*");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_order_has_a_row_for_each_line_and_gift() {
    let shop = shop();
    assert_eq!(rows(&shop, ""), Vec::<Value>::new());
    let two = HoldRequest::new("c-1").line("a", 2).line("b", 1).key("k-1");
    let first = order(&shop, &two, Some("p-1"));
    let sale = shop.engine.sale("t-1").unwrap();
    let left = sale.hold(&HoldRequest::new("c-2").line("b", 1)).unwrap().wait().unwrap();
    sale.release(&left.id).unwrap().wait().unwrap();
    let third = order(&shop, &HoldRequest::new("c-3").line("b", 3), None);
    shop.clock.advance(1_000);
    sale.refund(&first.id, &Refund::all().line("a", 2)).unwrap().wait().unwrap();

    let at = "2020-04-29T01:00:00.000Z";
    let row = |sku: &str, seller: Value, quantity: u32, refunded: u32, price: u32| {
        json!({
            "number": 1, "hold": first.id.to_string(), "key": "k-1", "customer": "c-1",
            "state": "confirmed", "seller": seller, "sku": sku, "quantity": quantity,
            "refunded": refunded, "unit_price": price, "currency": "KRW", "payment": "p-1",
            "created_at": at, "confirmed_at": at, "refunded_at": "2020-04-29T01:00:01.000Z",
        })
    };
    let last = json!({
        "number": 3, "hold": third.id.to_string(), "key": null, "customer": "c-3",
        "state": "confirmed", "seller": null, "sku": "b", "quantity": 3, "refunded": 0,
        "unit_price": 0, "currency": "KRW", "payment": null, "created_at": at,
        "confirmed_at": at, "refunded_at": null,
    });
    let expected = [
        row("a", json!("Kim, \"farm\""), 2, 2, 1000),
        row("b", Value::Null, 1, 0, 0),
        row("g", Value::Null, 1, 1, 0),
        last.clone(),
    ];
    assert_eq!(rows(&shop, ""), expected);
    for query in ["?after=1", "?after=2"] {
        assert_eq!(rows(&shop, query), std::slice::from_ref(&last), "{query}");
    }
    for query in ["?after=3", "?after=4294967295"] {
        assert_eq!(rows(&shop, query), Vec::<Value>::new(), "{query}");
    }

    let table = orders(&shop, "", "text/csv");
    let kind = "text/csv; charset=utf-8; header=present";
    assert_eq!((table.status, table.header("content-type")), (200, Some(kind)));
    let lines: Vec<&str> = table.body.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], COLUMNS.join(","));
    let a = format!(
        "1,{},k-1,c-1,confirmed,\"Kim, \"\"farm\"\"\",a,2,2,1000,KRW,p-1,{at},{at},\
         2020-04-29T01:00:01.000Z",
        first.id
    );
    assert_eq!(lines[1], a);
    assert_eq!(lines[4], format!("3,{},,c-3,confirmed,,b,3,0,0,KRW,,{at},{at},", third.id));
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    let shop = shop();
    for query in ["?after=x", "?after=-1", "?after=4294967296", "?after=1&after=1", "?limit=1"] {
        let answer = orders(&shop, query, "*/*");
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{query}");
    }
    let answer = http(shop.service.http(), "GET /v1/drops/none/orders", &[], "");
    assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_drop"));
    assert_eq!(orders(&shop, "", "text/html").code(), "not_acceptable");
    assert_eq!(orders(&shop, "", "application/json").status, 200);
    let either = orders(&shop, "", "text/csv, application/x-ndjson");
    assert_eq!(either.header("content-type"), Some("application/x-ndjson"));
}

#[test]
fn many_pages_come_as_one_body() {
    let shop = shop();
    for number in 0..2_500 {
        order(&shop, &HoldRequest::new(&format!("c-{number}")).line("a", 1), Some("p"));
    }
    let numbers = |rows: &[Value]| -> Vec<u64> {
        rows.iter()
            .filter(|row| row["sku"] == "a")
            .map(|row| row["number"].as_u64().unwrap())
            .collect()
    };
    assert!(numbers(&rows(&shop, "")).into_iter().eq(1..=2_500));
    assert!(numbers(&rows(&shop, "?after=1234")).into_iter().eq(1_235..=2_500));
}
