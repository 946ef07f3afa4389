//! The life of a hold over HTTP: statuses, headers, bodies.

use jangteo::{Durability, Engine};
use serde_json::{Value, json};

use crate::clients::{Answer, Resp, http};
use crate::shop::{OPENS_MS, Shop, items};

const HOLDS: &str = "POST /v1/drops/t-1/holds";

fn ask(customer: &str, sku: &str, quantity: u32) -> String {
    json!({"customer": customer, "lines": [{"sku": sku, "quantity": quantity}]}).to_string()
}

fn take(shop: &Shop, key: &str, body: &str) -> Answer {
    let key = format!("Idempotency-Key: {key}");
    http(shop.service.http(), HOLDS, &[&key], body)
}

fn post(shop: &Shop, id: &str, verb: &str, body: &str) -> Answer {
    http(shop.service.http(), &format!("POST /v1/holds/{id}/{verb}"), &[], body)
}

#[test]
fn a_hold_is_created_replayed_extended_confirmed_and_found() {
    let shop = Shop::open("", &[("a", 9)]);
    let created = take(&shop, "\"k\"", &ask("c-1", "a", 2));
    assert_eq!(created.status, 201);
    assert_eq!(created.header("content-type"), Some("application/json"));
    let hold = created.json();
    let id = hold["id"].as_str().unwrap();
    assert_eq!(created.header("location"), Some(format!("/v1/holds/{id}").as_str()));
    assert_eq!(created.header("idempotent-replayed"), None);
    let expected = json!({
        "id": id, "drop": "t-1", "campaign": "t", "number": 1, "customer": "c-1", "key": "k",
        "state": "held",
        "lines": [{"sku": "a", "quantity": 2, "unit_price": 1000, "refunded": 0}],
        "gifts": [], "total": {"amount": 2000, "currency": "KRW"},
        "created_at": "2020-04-29T01:00:00.000Z", "expires_at": "2020-04-29T01:10:00.000Z",
        "confirmed_at": null, "refunded_at": null, "payment": null,
    });
    assert_eq!(hold, expected);

    let twice = r#"{"lines":[{"sku":"a","quantity":1},{"quantity":1,"sku":"a"}],"customer":"c-1"}"#;
    let replayed = take(&shop, "k", twice);
    assert_eq!((replayed.status, replayed.json()), (200, expected.clone()));
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));

    let get = format!("GET /v1/holds/{id}");
    assert_eq!(http(shop.service.http(), &get, &[], "").json(), expected);
    shop.clock.advance(1_000);
    let extended = post(&shop, id, "extend", "{}");
    assert_eq!(extended.json()["expires_at"], "2020-04-29T01:10:01.000Z");
    for _ in 0..2 {
        let confirmed = post(&shop, id, "confirm", r#"{"payment":"p-1"}"#);
        assert_eq!(confirmed.status, 200);
        let hold = confirmed.json();
        assert_eq!(hold["state"], "confirmed");
        assert_eq!(hold["confirmed_at"], "2020-04-29T01:00:01.000Z");
        assert_eq!((&hold["payment"], &hold["expires_at"]), (&json!("p-1"), &Value::Null));
    }
    let found = http(shop.service.http(), "GET /v1/drops/t-1/holds?customer=c-1", &[], "").json();
    assert_eq!((&found["holds"][0]["id"], &found["waits"]), (&json!(id), &json!([])));
    assert_eq!(shop.units("a"), (7, 0, 2));
}

#[test]
fn refusals_have_their_status_and_say_what_helps() {
    let rules = "limit_per_customer = 2\nareas = [\"seoul\"]";
    let shop = Shop::open(rules, &[("a", 3), ("b", 9)]);
    let seoul = |customer: &str, sku: &str, quantity: u32| {
        let mut ask: Value = serde_json::from_str(&ask(customer, sku, quantity)).unwrap();
        ask["area"] = json!("seoul");
        ask.to_string()
    };
    let id = take(&shop, "k", &seoul("c-1", "a", 2)).json()["id"].clone();
    let address = shop.service.http();
    let table = [
        (HOLDS, seoul("c-1", "b", 2), 422, "key_reused", false),
        (HOLDS, ask("c-2", "z", 1), 404, "unknown_sku", false),
        (HOLDS, ask("c-2", "a", 1), 403, "area_not_served", false),
        (HOLDS, seoul("c-2", "a", 1_001), 400, "malformed", false),
        ("POST /v1/drops/nope/holds", seoul("c-2", "a", 0), 400, "malformed", false),
        ("POST /v1/drops/nope/holds", seoul("c-2", "a", 1), 404, "unknown_drop", false),
        ("POST /v1/drops/t-2/holds", seoul("c-2", "z", 1), 409, "not_open", true),
        ("GET /v1/drops/nope", String::new(), 404, "unknown_drop", false),
        ("GET /v1/drops/nope/holds?customer=c", String::new(), 404, "unknown_drop", false),
        ("GET /v1/holds/nope", String::new(), 404, "unknown_hold", false),
        ("POST /v1/holds/nope/release", String::new(), 404, "unknown_hold", false),
    ];
    for (line, body, status, code, retryable) in table {
        let answer = http(address, line, &["Idempotency-Key: k"], &body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line} {body}");
        assert_eq!(answer.json()["retryable"], retryable);
        assert_eq!(answer.header("retry-after").is_some(), retryable);
    }
    let limit = take(&shop, "k2", &seoul("c-1", "a", 9));
    assert_eq!((limit.status, limit.code().as_str()), (409, "limit_reached"));
    assert_eq!(limit.json()["holds"], json!([{"id": id, "state": "held"}]));
    let sold_out = take(&shop, "k", &seoul("c-2", "a", 2));
    assert_eq!((sold_out.status, sold_out.code().as_str()), (409, "sold_out"));
    assert_eq!(sold_out.json()["available"], 1);
    let early = http(address, "POST /v1/drops/t-2/holds", &[], &seoul("c-2", "a", 1));
    assert_eq!(early.json()["opens_at"], "2020-04-30T01:00:00.000Z");
    assert_eq!(early.header("retry-after"), Some("86400"));
    assert_eq!(shop.units("a"), (1, 2, 0));
}

#[test]
fn what_became_of_a_hold_decides_what_can() {
    let shop = Shop::open("", &[("a", 9)]);
    let hold =
        |key: &str| take(&shop, key, &ask("c-1", "a", 1)).json()["id"].as_str().unwrap().to_owned();
    let (confirmed, released, expired) = (hold("k1"), hold("k2"), hold("k3"));
    assert_eq!(post(&shop, &confirmed, "confirm", r#"{"payment":"p"}"#).status, 200);
    assert_eq!(post(&shop, &released, "release", "").json()["state"], "released");
    assert_eq!(post(&shop, &released, "release", "{}").status, 200);
    shop.clock.advance(600_000);
    shop.engine.tick();
    shop.sell_out("a");
    let table = [
        (&confirmed, "confirm", r#"{"payment":"q"}"#, "conflict"),
        (&confirmed, "release", "", "wrong_state"),
        (&confirmed, "extend", "", "wrong_state"),
        (&released, "confirm", r#"{"payment":"p"}"#, "wrong_state"),
        (&expired, "confirm", r#"{"payment":"p"}"#, "expired"),
        (&expired, "extend", "", "expired"),
    ];
    for (id, verb, body, code) in table {
        let answer = post(&shop, id, verb, body);
        assert_eq!((answer.status, answer.code().as_str()), (409, code), "{verb}");
    }
    assert_eq!(post(&shop, &expired, "release", "").json()["state"], "expired");
    assert_eq!(shop.units("a"), (0, 0, 1));
}

#[test]
fn a_sealed_drop_says_the_same_of_what_it_has_and_of_what_it_has_not() {
    let shop = Shop::at(OPENS_MS - 5_000, "limit_per_customer = 1", &items(&[("a", 9)]));
    for quantity in [1, 2, 1_000, 1_001] {
        let [real, none] = ["a", "z"].map(|sku| take(&shop, "k", &ask("c-1", sku, quantity)));
        assert_eq!((real.status, &real.body), (none.status, &none.body));
        assert_eq!(real.header_names(), none.header_names());
        assert_eq!(real.header("retry-after"), none.header("retry-after"));
    }
    let drop = http(shop.service.http(), "GET /v1/drops/t-1", &[], "");
    let json = drop.json();
    assert_eq!((&json["sealed"], &json["sold_out"]), (&json!(true), &json!(false)));
    assert!(json.get("items").is_none() && json.get("gifts").is_none());

    let other = Shop::at(OPENS_MS - 5_000, "limit_per_customer = 9", &items(&[("b", 1)]));
    let same = http(other.service.http(), "GET /v1/drops/t-1", &[], "");
    assert_eq!((drop.header("etag"), &drop.body), (same.header("etag"), &same.body));
}

#[test]
fn drops_are_listed_filtered_paged_and_tagged() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let list = |query: &str| http(address, &format!("GET /v1/drops{query}"), &[], "");
    let ids = |answer: &Answer| {
        let json = answer.json();
        let drops = json["drops"].as_array().unwrap().iter();
        let ids: Vec<String> = drops.map(|d| d["id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), json["next"].clone())
    };
    let all = ("t-1 t-2".to_owned(), Value::Null);
    for query in ["", "?campaign=t", "?phase=open&phase=scheduled", "?limit=2", "?limit=1000"] {
        assert_eq!(ids(&list(query)), all, "{query}");
    }
    assert_eq!(ids(&list("?limit=1")), ("t-1".to_owned(), json!("t-1")));
    assert_eq!(ids(&list("?limit=1&after=t-1")), ("t-2".to_owned(), Value::Null));
    assert_eq!(ids(&list("?phase=closed")), (String::new(), Value::Null));
    assert_eq!(ids(&list("?campaign=u")), (String::new(), Value::Null));
    assert_eq!(list("?after=u-1").code(), "unknown_drop");
    let bad = ["?limit=0", "?limit=1001", "?limit=x", "?phase=ajar", "?x=1", "?limit=1&limit=1"];
    for query in bad {
        let answer = list(query);
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{query}");
    }

    let drop = |headers: &[&str]| http(address, "GET /v1/drops/t-1", headers, "");
    let first = drop(&[]);
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let tag = first.header("etag").unwrap().to_owned();
    for matching in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let unchanged = drop(&[&format!("If-None-Match: {matching}")]);
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{matching}");
        assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
        assert_eq!(unchanged.header("jangteo-time"), Some("2020-04-29T01:00:00.000Z"));
        assert!(unchanged.header("x-request-id").is_some());
    }
    take(&shop, "k", &ask("c-1", "a", 1));
    let changed = drop(&[&format!("If-None-Match: {tag}")]);
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["items"][0]["held"], 1);
}

#[test]
fn a_page_of_drops_has_a_size_that_no_file_can_pass() {
    // As large as a campaign file can make them: 1,000 items with four bytes to a character.
    let title = "\u{1f345}".repeat(200);
    let item = |place: usize| {
        format!("[[items]]\nsku = \"s{place}\"\ntitle = \"{title}\"\nprice = 1\nstock = 1\n")
    };
    let items: String = (0..1_000).map(item).collect();
    let file = crate::shop::campaign_file("", &items);
    let file =
        file.replace("COUNT=2", "COUNT=8").replace("[rules]", "reveal = \"always\"\n[rules]");
    let shop = Shop::with(Engine::options().durability(Durability::Memory), OPENS_MS, &file);
    let (mut ids, mut pages, mut query) = (Vec::new(), 0, String::new());
    loop {
        let head = format!("GET /v1/drops?limit=1000{query}");
        let page = http(shop.service.http(), &head, &[], "");
        assert!(page.body.len() < 4 << 20, "{} bytes", page.body.len());
        let json = page.json();
        let drops = json["drops"].as_array().unwrap().iter();
        ids.extend(drops.map(|drop| drop["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = json["next"].as_str() else { break };
        query = format!("&after={next}");
    }
    let all: Vec<String> = (1..=8).map(|number| format!("t-{number}")).collect();
    assert_eq!(ids, all);
    assert!(pages > 2, "{pages}");
    // Over RESP there is no next, and nothing that grows with the goods.
    let mut client = Resp::connect(shop.service.resp());
    assert!(client.one("DROP.LIST LIMIT 1000").starts_with("*8 "));
}

#[test]
fn an_audit_agrees_with_what_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 9)]);
    let id = take(&shop, "k", &ask("c-1", "a", 2)).json()["id"].as_str().unwrap().to_owned();
    take(&shop, "k", &ask("c-2", "a", 1));
    post(&shop, &id, "confirm", r#"{"payment":"p"}"#);
    let address = shop.service.http();
    let audit = http(address, "GET /v1/drops/t-1/audit", &[], "");
    let json = audit.json();
    assert_eq!((audit.status, &json["ok"], &json["drop"]), (200, &json!(true), &json!("t-1")));
    assert_eq!((&json["holds"], &json["violations"]), (&json!(2), &json!([])), "{json}");
    let item = &json["items"][0];
    assert_eq!(
        (&item["held"], &item["sold"], &item["available"]),
        (&json!(1), &json!(2), &json!(6))
    );
    let unknown = http(address, "GET /v1/drops/nope/audit", &[], "");
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_drop"));
}
