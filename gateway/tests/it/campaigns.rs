//! Campaigns over HTTP: put, shown, listed, refused.

use jangteo::HoldRequest;
use serde_json::{Value, json};

use crate::clients::{Answer, http};
use crate::shop::{OPENS_MS, Shop, campaign_file, items};
use crate::tokens::{Guarded, bearer, claims, token};

const PUT: &str = "PUT /v1/campaigns/t";
const TOML: &str = "Content-Type: application/toml";

/// A service that knows campaign `t`, whose drops are still sealed.
fn shop() -> Shop {
    Shop::at(OPENS_MS - 60_000, "", &items(&[("a", 9)]))
}

fn put(shop: &Shop, line: &str, headers: &[&str], file: &str) -> Answer {
    let headers: Vec<&str> = headers.iter().copied().chain([TOML]).collect();
    http(shop.service.http(), line, &headers, file)
}

fn other(id: &str) -> String {
    campaign_file("", &items(&[("x", 5)])).replace("id = \"t\"", &format!("id = \"{id}\""))
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let all = json["campaigns"].as_array().unwrap().iter();
    all.map(|one| one["campaign"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_campaign_is_put_shown_put_again_and_replaced_while_it_is_sealed() {
    let shop = shop();
    let address = shop.service.http();
    let made = put(&shop, "PUT /v1/campaigns/u", &[], &other("u"));
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/campaigns/u")));
    let tag = made.header("etag").unwrap().to_owned();
    let shown = http(address, "GET /v1/campaigns/u", &[], "");
    assert_eq!((shown.status, shown.header("etag")), (200, Some(tag.as_str())));
    assert_eq!(shown.json(), made.json());
    assert_eq!(shown.json()["items"][0]["stock"], 5);
    assert_eq!(http(address, "GET /v1/drops/u-1", &[], "").status, 200);
    let known = http(address, "GET /v1/campaigns/u", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!((known.status, known.body.as_str()), (304, ""));

    // As JSON it is the same campaign.
    let json = http(address, "PUT /v1/campaigns/u", &[], &made.body);
    assert_eq!((json.status, json.header("etag")), (200, Some(tag.as_str())));

    let more = other("u").replace("stock = 5", "stock = 6");
    let replaced = put(&shop, "PUT /v1/campaigns/u", &[], &more);
    assert_eq!((replaced.status, &replaced.json()["items"][0]["stock"]), (200, &json!(6)));
    assert_ne!(replaced.header("etag"), Some(tag.as_str()));
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let shop = shop();
    let file = campaign_file("", &items(&[("a", 9)]));
    let run = |line: &str, file: &str| {
        let answer = put(&shop, line, &[], file);
        (answer.status, answer.json())
    };
    let line = "PUT /v1/campaigns/t?dry_run=true";
    let same = json!({"outcome": "unchanged", "changes": [], "drops": []});
    assert_eq!(run(line, &file), (200, same));
    let more = file.replace("stock = 9", "stock = 8").replace("\"test\"", "\"other\"");
    let drops = json!([{"drop": "t-1", "what": "replaced"}, {"drop": "t-2", "what": "replaced"}]);
    let expected = json!({"outcome": "changed", "drops": drops, "changes": [
        {"key": "campaign.title", "from": "test", "to": "other"},
        {"key": "items[0].stock", "from": 9, "to": 8},
    ]});
    assert_eq!(run(line, &more), (200, expected));
    let new = run("PUT /v1/campaigns/u?dry_run=true", &other("u"));
    let drops = json!([{"drop": "u-1", "what": "added"}, {"drop": "u-2", "what": "added"}]);
    assert_eq!(new, (200, json!({"outcome": "created", "changes": [], "drops": drops})));
    let stays = http(shop.service.http(), "GET /v1/campaigns/t", &[], "").json();
    assert_eq!(stays["items"][0]["stock"], 9);
    assert_eq!(http(shop.service.http(), "GET /v1/campaigns/u", &[], "").status, 404);

    shop.clock.advance(60_000);
    shop.engine.tick();
    for line in [line, PUT] {
        let fixed = put(&shop, line, &[], &more);
        assert_eq!((fixed.status, fixed.code().as_str()), (409, "conflict"), "{line}");
        let problem = fixed.json();
        assert_eq!((&problem["drop"], &problem["key"]), (&json!("t-1"), &json!("items[0].stock")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("t-1") && detail.contains("items[0].stock"), "{detail}");
    }
    let titled = file.replace("\"test\"", "\"other\"");
    let drops = json!([{"drop": "t-1", "what": "changed"}, {"drop": "t-2", "what": "changed"}]);
    let expected = json!({"outcome": "changed", "drops": drops,
        "changes": [{"key": "campaign.title", "from": "test", "to": "other"}]});
    assert_eq!(run(line, &titled), (200, expected));
    assert_eq!(put(&shop, PUT, &[], &titled).status, 200, "a title may change");
    let shown = http(shop.service.http(), "GET /v1/drops/t-1", &[], "").json();
    assert_eq!((&shown["title"], &shown["phase"]), (&json!("other"), &json!("open")));
    assert_eq!(put(&shop, PUT, &[], &file).status, 200);
    assert_eq!(put(&shop, PUT, &[], &file).status, 200, "the same again is no change");
}

#[test]
fn conditions_say_what_is_to_be_replaced() {
    let shop = shop();
    let file = campaign_file("", &items(&[("a", 8)]));
    let tag = http(shop.service.http(), "GET /v1/campaigns/t", &[], "");
    let tag = tag.header("etag").unwrap().to_owned();
    let table = [
        (PUT, "If-Match: \"x\"".to_owned(), 412),
        (PUT, format!("If-Match: W/{tag}"), 412),
        (PUT, "If-None-Match: *".to_owned(), 412),
        (PUT, format!("If-None-Match: {tag}"), 412),
        ("PUT /v1/campaigns/u", "If-Match: *".to_owned(), 412),
        (PUT, format!("If-Match: \"x\", {tag}"), 200),
        (PUT, "If-Match: *".to_owned(), 200),
        ("PUT /v1/campaigns/u", "If-None-Match: *".to_owned(), 201),
    ];
    for (line, condition, status) in table {
        let file = if line == PUT { file.clone() } else { other("u") };
        let answer = put(&shop, line, &[&condition], &file);
        assert_eq!(answer.status, status, "{line} {condition}");
        if status == 412 {
            assert_eq!(answer.code(), "precondition_failed");
        }
    }
}

#[test]
fn a_campaign_with_faults_is_refused_whole() {
    let shop = shop();
    let address = shop.service.http();
    let bad = other("u").replace("price = 1000", "price = -1").replace("\"KRW\"", "\"won\"");
    let faults = |answer: &Answer| -> Vec<(u64, String)> {
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid_campaign"));
        let json = answer.json();
        let faults = json["faults"].as_array().unwrap().iter();
        faults
            .map(|fault| {
                assert!(!fault["detail"].as_str().unwrap().is_empty());
                (fault["line"].as_u64().unwrap(), fault["key"].as_str().unwrap().to_owned())
            })
            .collect()
    };
    let toml = put(&shop, "PUT /v1/campaigns/u", &[], &bad);
    let expected = [(5, "campaign.currency".to_owned()), (15, "items[0].price".to_owned())];
    assert_eq!(faults(&toml), expected);
    let elsewhere = put(&shop, "PUT /v1/campaigns/v", &[], &other("u"));
    assert_eq!(faults(&elsewhere), [(0, "campaign.id".to_owned())]);
    for body in ["{", "[]", "{\"x\":1}"] {
        assert!(!faults(&http(address, "PUT /v1/campaigns/u", &[], body)).is_empty(), "{body}");
    }
    assert_eq!(http(address, "GET /v1/campaigns/u", &[], "").code(), "unknown_campaign");
    let table = [
        ("PUT /v1/campaigns/u?dry_run=yes", TOML, 400, "malformed"),
        ("PUT /v1/campaigns/u?x=1", TOML, 400, "malformed"),
        ("PUT /v1/campaigns/u", "Content-Type: text/plain", 415, "unsupported_media_type"),
    ];
    for (line, kind, status, code) in table {
        let answer = http(address, line, &[kind], &other("u"));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line}");
    }
    let long = format!("{}\n# {}", other("u"), "x".repeat(1 << 20));
    assert_eq!(put(&shop, "PUT /v1/campaigns/u", &[], &long).code(), "too_large");
}

#[test]
fn a_campaign_is_deleted_until_something_of_it_is_granted() {
    let shop = shop();
    let address = shop.service.http();
    let delete = |headers: &[&str]| http(address, "DELETE /v1/campaigns/t", headers, "");
    assert_eq!(delete(&["If-Match: \"x\""]).code(), "precondition_failed");
    let tag = http(address, "GET /v1/campaigns/t", &[], "").header("etag").unwrap().to_owned();
    let gone = delete(&[&format!("If-Match: {tag}")]);
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    for line in ["GET /v1/campaigns/t", "DELETE /v1/campaigns/t"] {
        assert_eq!(http(address, line, &[], "").code(), "unknown_campaign", "{line}");
    }
    assert_eq!(http(address, "GET /v1/drops/t-1", &[], "").code(), "unknown_drop");

    let file = campaign_file("", &items(&[("a", 9)]));
    assert_eq!(put(&shop, PUT, &[], &file).status, 201, "a new campaign");
    shop.clock.advance(60_000);
    shop.engine.tick();
    let body = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;
    let json = "Content-Type: application/json";
    assert_eq!(http(address, "POST /v1/drops/t-1/holds", &[json], body).status, 201);
    assert_eq!(delete(&[]).code(), "wrong_state");
    assert_eq!(http(address, "GET /v1/campaigns/t", &[], "").status, 200);
}

#[test]
fn a_deletion_can_be_tried_without_deleting_anything() {
    let shop = shop();
    let address = shop.service.http();
    let delete = |line: &str, headers: &[&str]| {
        http(address, &format!("DELETE /v1/campaigns/{line}"), headers, "")
    };
    assert_eq!(delete("none?dry_run=true", &[]).code(), "unknown_campaign");
    assert_eq!(delete("t?dry_run=true", &["If-Match: \"x\""]).code(), "precondition_failed");
    for _ in 0..2 {
        let tried = delete("t?dry_run=true", &[]);
        assert_eq!((tried.status, tried.body.as_str()), (204, ""));
        assert_eq!(http(address, "GET /v1/campaigns/t", &[], "").status, 200);
        assert_eq!(http(address, "GET /v1/drops/t-1", &[], "").status, 200);
    }
    shop.clock.advance(60_000);
    shop.engine.tick();
    let sale = shop.engine.sale("t-1").unwrap();
    let hold = sale.hold(&HoldRequest::new("c-1").line("a", 1)).unwrap().wait().unwrap();
    for query in ["", "?dry_run=true"] {
        assert_eq!(delete(&format!("t{query}"), &[]).code(), "wrong_state", "{query}");
    }
    drop(sale.release(&hold.id).unwrap());
    shop.engine.sales().iter().for_each(|sale| drop(sale.close().unwrap()));
    drop(shop.engine.settle("t", &[]).unwrap());
    assert_eq!(delete("t?dry_run=true", &[]).status, 204);
    assert_eq!(http(address, &format!("GET /v1/holds/{}", hold.id), &[], "").status, 200);
    assert_eq!(delete("t?dry_run=false", &[]).status, 204);
    assert_eq!(delete("t?dry_run=true", &[]).code(), "unknown_campaign");
}

#[test]
fn a_deletion_takes_no_body_and_no_other_parameter() {
    let shop = shop();
    let address = shop.service.http();
    for (query, body) in [
        ("?dry_run=yes", ""),
        ("?dry_run", ""),
        ("?dry-run=true", ""),
        ("?dry_run=true&dry_run=true", ""),
        ("", "{\"x\":1}"),
        ("", "[]"),
        ("", "nonsense"),
    ] {
        let answer = http(address, &format!("DELETE /v1/campaigns/t{query}"), &[], body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{query} {body}");
    }
    assert_eq!(http(address, "GET /v1/campaigns/t", &[], "").status, 200);
    assert_eq!(http(address, "DELETE /v1/campaigns/t", &[], "{}").status, 204);
}

#[test]
fn campaigns_are_listed_by_id_page_by_page() {
    let shop = shop();
    for id in ["z", "b"] {
        assert_eq!(put(&shop, &format!("PUT /v1/campaigns/{id}"), &[], &other(id)).status, 201);
    }
    let list =
        |query: &str| http(shop.service.http(), &format!("GET /v1/campaigns{query}"), &[], "");
    assert_eq!(ids(&list("")), ["b", "t", "z"]);
    let first = list("?limit=2");
    assert_eq!((ids(&first), &first.json()["next"]), (vec!["b".into(), "t".into()], &json!("t")));
    let last = list("?limit=2&after=t");
    assert_eq!((ids(&last), &last.json()["next"]), (vec!["z".into()], &Value::Null));
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?x=1", "?after=a&after=b"] {
        assert_eq!(list(query).code(), "malformed", "{query}");
    }
}

#[test]
fn only_an_operator_puts_or_deletes_a_campaign_and_no_other_file_is_read() {
    let guarded = Guarded::open("", &items(&[("a", 9)]), None);
    let broken = "not a campaign";
    for (credential, status) in [
        (guarded.sell.clone(), 403),
        (token(&claims("c-1")), 403),
        ("jt_none".to_owned(), 401),
        (guarded.operate.clone(), 422),
    ] {
        let headers = [bearer(&credential), TOML.to_owned()];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = http(guarded.shop.service.http(), PUT, &headers, broken);
        assert_eq!(answer.status, status);
        let line = "DELETE /v1/campaigns/none";
        let deleted = http(guarded.shop.service.http(), line, &headers[..1], "");
        let expected = if status == 422 { 404 } else { status };
        assert_eq!(deleted.status, expected);
    }
}
