//! The waiting line over HTTP.

use serde_json::{Value, json};

use crate::clients::{Answer, http};
use crate::shop::Shop;

fn ask(shop: &Shop, customer: &str, units: u32, wait: bool) -> Answer {
    let lines = json!([{"sku": "a", "quantity": units}]);
    let body = json!({"customer": customer, "lines": lines, "wait": wait}).to_string();
    let line = "POST /v1/drops/t-1/holds";
    http(shop.service.http(), line, &["Idempotency-Key: k"], &body)
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The id of a new wait.
fn joined(shop: &Shop, customer: &str) -> String {
    let answer = ask(shop, customer, 1, true);
    assert_eq!((answer.status, answer.header("idempotent-replayed")), (202, None));
    id(&answer)
}

fn get(shop: &Shop, path: &str) -> Value {
    let answer = http(shop.service.http(), &format!("GET {path}"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn leave(shop: &Shop, wait: &str) -> Answer {
    http(shop.service.http(), &format!("DELETE /v1/waits/{wait}"), &[], "")
}

fn release(shop: &Shop, hold: &str) {
    let line = format!("POST /v1/holds/{hold}/release");
    assert_eq!(http(shop.service.http(), &line, &[], "").status, 200);
}

#[test]
fn a_customer_joins_and_is_answered_with_the_same_wait_again() {
    let shop = Shop::open("", &[("a", 1)]);
    assert_eq!(ask(&shop, "c-1", 1, true).status, 201, "there is one");
    let first = ask(&shop, "c-2", 1, true);
    let wait = id(&first);
    let path = format!("/v1/waits/{wait}");
    let expected = json!({
        "id": wait, "drop": "t-1", "customer": "c-2", "state": "waiting", "place": 1,
        "lines": [{"sku": "a", "quantity": 1}], "hold": null,
        "created_at": "2020-04-29T01:00:00.000Z",
    });
    assert_eq!((first.status, first.json()), (202, expected.clone()));
    assert_eq!(first.header("location"), Some(path.as_str()));
    assert_eq!(first.header("idempotent-replayed"), None);
    for rather_wait in [true, false] {
        let again = ask(&shop, "c-2", 1, rather_wait);
        assert_eq!((again.status, again.json()), (202, expected.clone()));
        assert_eq!(again.header("location"), Some(path.as_str()));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(get(&shop, &path), expected);
    assert_eq!(ask(&shop, "c-2", 2, true).code(), "key_reused");
    assert_eq!(ask(&shop, "c-3", 1, false).code(), "sold_out");
    let behind = joined(&shop, "c-3");
    assert_eq!(get(&shop, &format!("/v1/waits/{behind}"))["place"], 2);
}

#[test]
fn a_unit_that_comes_back_is_the_hold_of_the_first_in_the_line() {
    let shop = Shop::open("", &[("a", 1)]);
    let taken = id(&ask(&shop, "c-1", 1, false));
    let (first, second) = (joined(&shop, "c-2"), joined(&shop, "c-3"));
    release(&shop, &taken);
    let granted = get(&shop, &format!("/v1/waits/{first}"));
    assert_eq!((&granted["state"], &granted["place"]), (&json!("granted"), &Value::Null));
    let hold = get(&shop, &format!("/v1/holds/{}", granted["hold"].as_str().unwrap()));
    let members = ["state", "customer", "key"].map(|name| hold[name].as_str());
    assert_eq!(members, [Some("held"), Some("c-2"), Some("k")]);
    for rather_wait in [true, false] {
        let replayed = ask(&shop, "c-2", 1, rather_wait);
        assert_eq!((replayed.status, &replayed.json()), (200, &hold));
        assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
        assert_eq!(replayed.header("location"), None);
    }
    let waiting = get(&shop, &format!("/v1/waits/{second}"));
    assert_eq!((&waiting["state"], &waiting["place"]), (&json!("waiting"), &json!(1)));
    let found = |customer: &str| get(&shop, &format!("/v1/drops/t-1/holds?customer={customer}"));
    assert_eq!(found("c-2"), json!({"holds": [hold], "waits": [granted]}));
    assert_eq!(found("c-3"), json!({"holds": [], "waits": [waiting]}));
    assert_eq!(leave(&shop, &first).code(), "wrong_state", "it is a hold by now");
    assert_eq!(shop.units("a"), (0, 1, 0));
}

#[test]
fn who_left_and_who_was_closed_out_is_told_so() {
    let shop = Shop::open("", &[("a", 1)]);
    let taken = id(&ask(&shop, "c-1", 1, false));
    let (gone, ended) = (joined(&shop, "c-2"), joined(&shop, "c-3"));
    for _ in 0..2 {
        let left = leave(&shop, &gone);
        assert_eq!((left.status, left.body.as_str()), (204, ""));
        assert!(left.header("jangteo-time").is_some());
    }
    assert_eq!(get(&shop, &format!("/v1/waits/{ended}"))["place"], 1);
    shop.engine.sale("t-1").unwrap().close().unwrap().wait().unwrap();
    for (customer, wait, state) in [("c-2", &gone, "left"), ("c-3", &ended, "ended")] {
        let wait = get(&shop, &format!("/v1/waits/{wait}"));
        assert_eq!((&wait["state"], &wait["place"]), (&json!(state), &Value::Null));
        let again = ask(&shop, customer, 1, true);
        assert_eq!((again.status, again.json()), (200, wait));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("location"), None);
    }
    assert_eq!(leave(&shop, &gone).status, 204);
    assert_eq!(leave(&shop, &ended).code(), "wrong_state");
    release(&shop, &taken);
    assert_eq!(shop.units("a"), (1, 0, 0), "nobody is served any more");
}

#[test]
fn what_names_no_wait_is_refused() {
    let shop = Shop::open("", &[("a", 1)]);
    let address = shop.service.http();
    let (hold, wait) = (id(&ask(&shop, "c-1", 1, true)), joined(&shop, "c-2"));
    let table = [
        ("GET /v1/waits/nope".to_owned(), "", 404, "unknown_wait"),
        ("DELETE /v1/waits/nope".to_owned(), "{}", 404, "unknown_wait"),
        (format!("GET /v1/waits/{hold}"), "", 404, "unknown_wait"),
        (format!("GET /v1/holds/{wait}"), "", 404, "unknown_hold"),
        (format!("DELETE /v1/waits/{wait}"), r#"{"x":1}"#, 400, "malformed"),
        (format!("POST /v1/waits/{wait}"), "", 405, "method_not_allowed"),
    ];
    for (line, body, status, code) in table {
        let answer = http(address, &line, &[], body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line}");
    }
    let odd = r#"{"customer":"c","lines":[{"sku":"a","quantity":1}],"wait":1}"#;
    let odd = http(address, "POST /v1/drops/t-1/holds", &[], odd);
    assert_eq!((odd.status, &odd.json()["detail"]), (400, &json!("wait: neither true nor false")));
    assert_eq!(get(&shop, &format!("/v1/waits/{wait}"))["state"], "waiting");
}

#[test]
fn a_wait_outlives_a_restart_and_is_told_in_the_feed() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Shop::on_disk(directory.path(), "", &[("a", 1)]);
    let (wait, other) = {
        let shop = open();
        ask(&shop, "c-1", 1, false);
        (joined(&shop, "c-2"), joined(&shop, "c-3"))
    };
    let shop = open();
    let again = ask(&shop, "c-3", 1, true);
    assert_eq!((again.status, id(&again), &again.json()["place"]), (202, other, &json!(2)));
    assert_eq!(leave(&shop, &wait).status, 204);
    let all = get(&shop, "/v1/events");
    let told: Vec<&Value> = all.as_array().unwrap().iter().collect();
    let of_it = told.iter().filter(|event| event["subject"] == json!(wait));
    let of_it: Vec<_> = of_it
        .map(|event| (&event["type"], &event["data"]["state"], &event["data"]["place"]))
        .collect();
    let (joined, left) = (json!("jangteo.wait.joined"), json!("jangteo.wait.left"));
    let states = (json!("waiting"), json!("left"));
    assert_eq!(of_it, [(&joined, &states.0, &json!(1)), (&left, &states.1, &Value::Null)]);
}
