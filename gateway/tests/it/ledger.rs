//! Reports and settlements, over HTTP and on the command line.

use std::path::Path;
use std::process::{Command, Output};

use jangteo::{Engine, HoldRequest};
use serde_json::{Value, json};

use crate::clients::{Answer, http};
use crate::shop::{OPENS_MS, Shop, campaign_file, items};

const DAY_MS: u64 = 86_400_000;

const LEDGER: &str = "[[ledger]]\nkind = \"donation\"\nbeneficiary = \"hope\"\nrate = \"50%\"\n\
    [[ledger]]\nkind = \"credit\"\nrate = \"0.75%\"\n\
    beneficiary = [{ id = \"=o,ld\", share = \"60%\" }, { id = \"young\", share = \"40%\" }]\n";

/// Two drops of a day each, the first of them open; one order of 3 units at 1,000 won.
fn shop(directory: &Path) -> Shop {
    let file = campaign_file("", &(items(&[("a", 9)]) + LEDGER))
        .replace("COUNT=2\"", "COUNT=2\"\ncloses_after = \"1day\"");
    let options = Engine::options().data(directory).segment_bytes(1 << 20);
    let shop = Shop::with(options, OPENS_MS, &file);
    let sale = shop.engine.sale("t-1").unwrap();
    let hold = sale.hold(&HoldRequest::new("c-1").line("a", 3)).unwrap().wait().unwrap();
    sale.confirm(&hold.id, "p").unwrap().wait().unwrap();
    shop
}

fn call(shop: &Shop, line: &str, body: &str) -> Answer {
    http(shop.service.http(), line, &[], body)
}

fn row(kind: &str, beneficiary: &str, accrued: u64, settled: u64) -> Value {
    let (adjustment, kind) = (0, kind);
    json!({"kind": kind, "beneficiary": beneficiary, "accrued": accrued, "settled": settled,
        "adjustment": adjustment})
}

/// 3,000 won: 1,500 of it to hope; 22.5 points, so 22, of which 13.2 and 8.8 are 13 and 9.
fn ledger(settled: bool) -> Value {
    let of = |amount| if settled { amount } else { 0 };
    json!([
        row("donation", "hope", 1_500, of(1_500)),
        row("credit", "=o,ld", 13, of(13)),
        row("credit", "young", 9, of(9)),
    ])
}

#[test]
fn a_report_shows_what_follows_from_orders_and_a_settlement_fixes_it() {
    let directory = tempfile::tempdir().unwrap();
    let shop = shop(directory.path());
    let before = call(&shop, "GET /v1/campaigns/t/report", "");
    assert_eq!(before.status, 200);
    let before = before.json();
    let none = json!([
        row("donation", "hope", 0, 0),
        row("credit", "=o,ld", 0, 0),
        row("credit", "young", 0, 0)
    ]);
    let expected = json!({
        "campaign": "t", "currency": "KRW", "orders": 1, "units": 3, "refunded_units": 0,
        "spend": 3_000, "refunds": 0, "ledger": ledger(false), "idle_unit_seconds": 0,
        "drops": [
            {"drop": "t-1", "orders": 1, "units": 3, "refunded_units": 0, "spend": 3_000,
                "refunds": 0, "ledger": ledger(false), "idle_unit_seconds": 0},
            {"drop": "t-2", "orders": 0, "units": 0, "refunded_units": 0, "spend": 0,
                "refunds": 0, "ledger": none, "idle_unit_seconds": 0},
        ],
    });
    assert_eq!(before, expected);

    let settle = "POST /v1/campaigns/t/settle";
    let early = call(&shop, settle, "");
    assert_eq!((early.status, early.code().as_str()), (409, "wrong_state"));
    shop.clock.advance(2 * DAY_MS);
    shop.engine.tick();
    for body in [r#"{"expect":{"hope":1499}}"#, r#"{"expect":{"young":9,"nobody":1}}"#] {
        let other = call(&shop, settle, body);
        assert_eq!((other.status, other.code().as_str()), (409, "conflict"), "{body}");
    }
    assert_eq!(call(&shop, "GET /v1/campaigns/t/report", "").json(), before);
    let settled = call(&shop, settle, r#"{"expect":{"hope":1500,"young":9.0}}"#);
    assert_eq!((settled.status, &settled.json()["ledger"]), (200, &ledger(true)));
    for body in ["", "{}", r#"{"expect":null}"#, r#"{"expect":{}}"#, r#"{"expect":{"=o,ld":13}}"#] {
        let again = call(&shop, settle, body);
        assert_eq!((again.status, again.body), (200, settled.body.clone()), "{body}");
    }
    assert_eq!(call(&shop, settle, r#"{"expect":{"hope":1}}"#).code(), "conflict");
    assert_eq!(call(&shop, "GET /v1/drops/t-1", "").json()["phase"], "settled");
    let unknown = call(&shop, "POST /v1/campaigns/u/settle", "");
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_campaign"));
}

#[test]
fn a_settlement_that_is_refused_says_what_stands_in_its_way() {
    let directory = tempfile::tempdir().unwrap();
    let shop = shop(directory.path());
    let sale = shop.engine.sale("t-1").unwrap();
    let live = sale.hold(&HoldRequest::new("c-2").line("a", 2)).unwrap().wait().unwrap();
    let refused = |body: &str, code: &str| {
        let answer = call(&shop, "POST /v1/campaigns/t/settle", body);
        assert_eq!((answer.status, answer.code().as_str()), (409, code), "{body}");
        let json = answer.json();
        let text = json["detail"].as_str().unwrap().to_owned();
        (text, json)
    };
    let (text, json) = refused("", "wrong_state");
    assert_eq!((text.as_str(), &json["drop"]), ("t-1 is not closed: it is open", &json!("t-1")));
    drop(sale.close().unwrap());
    let (text, json) = refused("", "wrong_state");
    assert_eq!(text, "t-2 is not closed: it is scheduled");
    assert_eq!((&json["drop"], json.get("held")), (&json!("t-2"), None));
    drop(shop.engine.sale("t-2").unwrap().close().unwrap());
    let (text, json) = refused("", "wrong_state");
    assert_eq!(text, "t-1 has 2 units in holds that are live");
    assert_eq!((&json["drop"], &json["held"]), (&json!("t-1"), &json!(2)));
    sale.release(&live.id).unwrap().wait().unwrap();

    for settled in [false, true] {
        let (text, json) = refused(r#"{"expect":{"young":9,"hope":1499}}"#, "conflict");
        assert_eq!(text, "expect: hope gets 1500, not 1499", "{settled}");
        assert_eq!((&json["beneficiary"], &json["amount"]), (&json!("hope"), &json!(1500)));
        let (text, json) = refused(r#"{"expect":{"ho\npe":1}}"#, "conflict");
        assert_eq!(text, "expect: ho\\npe is no beneficiary of this campaign");
        assert_eq!((json.get("beneficiary"), json.get("amount")), (None, None));
        let good = call(&shop, "POST /v1/campaigns/t/settle", r#"{"expect":{"hope":1500}}"#);
        assert_eq!(good.status, 200, "{settled}");
    }
}

#[test]
fn what_is_wrong_with_a_settlements_body_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let shop = shop(directory.path());
    let cases = [
        ("[]", "the body is not an object"),
        (r#"{"expects":{}}"#, "unknown member expects"),
        (r#"{"expect":[]}"#, "expect: an object is needed"),
        (r#"{"expect":7}"#, "expect: an object is needed"),
        (r#"{"expect":{"hope":"7"}}"#, "expect: whole numbers are needed"),
        (r#"{"expect":{"hope":-1}}"#, "expect: whole numbers are needed"),
        (r#"{"expect":{"hope":0.5}}"#, "expect: whole numbers are needed"),
        (r#"{"expect":{"hope":18446744073709551616}}"#, "expect: whole numbers are needed"),
        (r#"{"expect":{"hope":1,"hope":2}}"#, "the body has a member twice"),
        (r#"{"expect":{},"expect":{}}"#, "the body has a member twice"),
    ];
    for (body, detail) in cases {
        let answer = call(&shop, "POST /v1/campaigns/t/settle", body);
        let found = (answer.status, answer.code(), answer.json()["detail"].clone());
        assert_eq!(found, (400, "malformed".to_owned(), json!(detail)), "{body}");
    }
}

fn jangteo(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_jangteo")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn the_command_prints_the_same_report_beside_a_service_and_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let shop = shop(directory.path());
    shop.clock.advance(2 * DAY_MS);
    shop.engine.tick();
    assert_eq!(call(&shop, "POST /v1/campaigns/t/settle", "").status, 200);
    let served = call(&shop, "GET /v1/campaigns/t/report", "").body;
    shop.engine.flush_soon();
    let mut shops = vec![shop];
    for running in [true, false] {
        if !running {
            shops.clear();
        }
        let (code, out, err) = jangteo(&["report", path, "t", "--json"]);
        assert_eq!((code, out.trim_end(), err.as_str()), (0, &*served, ""), "running: {running}");
    }
    let (code, out, _) = jangteo(&["report", path, "t", "--csv"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 7, "{out}");
    let heading = "campaign,drop,currency,orders,units,refunded_units,spend,refunds,\
        kind,beneficiary,accrued,settled,adjustment";
    assert_eq!(lines[0], heading);
    assert_eq!(lines[1], "t,t-1,KRW,1,3,0,3000,0,donation,hope,1500,1500,0");
    assert_eq!(lines[2], "t,t-1,KRW,1,3,0,3000,0,credit,\"'=o,ld\",13,13,0");
    assert_eq!(lines[6], "t,t-2,KRW,0,0,0,0,0,credit,young,0,0,0");
    let (code, out, _) = jangteo(&["report", path, "t"]);
    assert_eq!(code, 0);
    let squeezed: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["all 1 3 0 3,000 0", "t-1 donation hope 1,500 1,500 0", "all credit young 9 9 0"] {
        assert!(squeezed.iter().any(|found| found == line), "{line}: {out}");
    }

    let (code, out, err) = jangteo(&["report", path, "u"]);
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(err.contains("there is no campaign u"), "{err}");
    let (code, _, err) = jangteo(&["report", "/nowhere/at-all", "t"]);
    assert!(code == 74 && err.contains("/nowhere/at-all"), "{code}: {err}");
    assert_eq!(jangteo(&["report", path, "t", "--json", "--csv"]).0, 64);
}
