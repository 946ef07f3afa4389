//! What valid files are read as.

use super::super::*;
use super::{FULL, UROAD, full_with};
use crate::Timestamp;

#[test]
fn programme_1_has_eight_wednesdays_at_ten_in_seoul() {
    let campaign = Campaign::parse(UROAD).unwrap();
    let opens: Vec<_> =
        campaign.occurrences().iter().map(|drop| drop.opens_at.to_string()).collect();
    let dates = ["04-29", "05-06", "05-13", "05-20", "05-27", "06-03", "06-10", "06-17"];
    assert_eq!(opens, dates.map(|date| format!("2020-{date}T01:00:00.000Z")));
    for (number, drop) in (1..).zip(campaign.occurrences()) {
        assert_eq!(drop.number, number);
        assert_eq!(drop.reveals_at, drop.opens_at, "sealed until it opens");
        assert_eq!(drop.closes_at, Some(drop.opens_at.plus_ms(6 * 86_400_000)));
        let items: Vec<_> = campaign.items_in(number).collect();
        assert_eq!(items.len(), 1, "that week's goods");
        assert_eq!(items[0].stock, Stock::Units(2_000));
        let list_price = items[0].list_price.unwrap();
        assert!((48..=52).contains(&(items[0].price * 100 / list_price)), "about half");
        let gift = items[0].gift.as_ref().unwrap();
        assert_eq!((gift.quantity, gift.required), (1, false));
    }
    assert_eq!(campaign.warnings(Timestamp::from_ms(0)), Vec::<String>::new());
}

#[test]
fn programme_1_begins_with_onions_and_donates_half() {
    let campaign = Campaign::parse(UROAD).unwrap();
    let onions = &campaign.items[0];
    assert_eq!(
        (onions.sku.as_str(), onions.price, onions.list_price),
        ("onion-3kg", 5000, Some(10_000))
    );
    assert_eq!(onions.gift.as_ref().unwrap().sku, "jjawang");
    assert_eq!(campaign.rules, Rules { limit_per_customer: 1, ..Rules::default() });
    let [rule] = campaign.ledger.as_slice() else { panic!("{:?}", campaign.ledger) };
    assert_eq!((rule.kind, rule.rate.of(10_000)), (LedgerKind::Donation, 5_000));
    assert_eq!(rule.beneficiaries, [Share { id: "hope-bridge".into(), share: Rate::WHOLE }]);
}

#[test]
fn every_key_is_read() {
    let campaign = Campaign::parse(FULL).unwrap();
    assert_eq!(campaign.id, "happy-2020");
    assert_eq!(campaign.time_zone, chrono_tz::Tz::Asia__Seoul);
    assert_eq!(campaign.schedule.reveal, Reveal::Before(3_600_000));
    assert_eq!(campaign.rules.hold_ttl_ms, 90_000);
    assert_eq!(campaign.rules.areas, Some(vec!["seoul".to_owned(), "incheon".to_owned()]));
    assert!(campaign.rules.auto_confirm && !campaign.rules.restock_refunds);
    let soap = &campaign.items[0];
    assert_eq!(soap.seller.as_deref(), Some("care-shop"));
    assert_eq!((soap.limit_per_customer, &soap.drops), (2, &Some(vec![1, 3])));
    assert_eq!(soap.eligible, ["happy-credit", "local"]);
    let ribbon = GiftRule { sku: "ribbon".into(), quantity: 2, required: true };
    assert_eq!(soap.gift, Some(ribbon));
    assert_eq!(campaign.items[1].stock, Stock::Unlimited);
    let credit = &campaign.ledger[1];
    assert_eq!(credit.kind, LedgerKind::Credit);
    assert_eq!(credit.beneficiaries[1].share.to_string(), "40%");
    assert_eq!(credit.settles.unwrap().to_string(), "2020-12-31T14:59:59.000Z");
    let numbers: Vec<_> = campaign.occurrences().iter().map(|drop| drop.number).collect();
    assert_eq!(numbers, [1, 2, 3, 5], "a skipped one leaves a gap");
}

#[test]
fn what_is_left_out_has_the_stated_meaning() {
    let campaign = Campaign::parse(
        r#"
        [campaign]
        id = "a"
        title = "A"
        currency = "EUR"
        time_zone = "UTC"
        [schedule]
        opens = "2030-01-01T00:00:00"
        "#,
    )
    .unwrap();
    let opens_at = campaign.occurrences()[0].opens_at;
    assert_eq!(
        campaign.occurrences(),
        [Occurrence { number: 1, opens_at, closes_at: None, reveals_at: opens_at }]
    );
    assert_eq!(campaign.drop_id(1), "a-1");
    let rules = &campaign.rules;
    assert_eq!((rules.hold_ttl_ms, rules.limit_per_customer, rules.shipping), (600_000, 0, 0));
    assert_eq!((rules.auto_confirm, rules.restock_refunds, &rules.areas), (false, true, &None));
}

#[test]
fn json_of_the_same_shape_is_the_same_campaign() {
    let json = r#"{
        "campaign": {"id": "a", "title": "A", "currency": "KRW", "time_zone": "Asia/Seoul"},
        "schedule": {"opens": "2020-04-29T10:00:00", "repeats": null, "closes_at": "2020-04-29T11:00:00"},
        "items": [{"sku": "x", "title": "X", "price": 1, "stock": "unlimited", "list_price": null}]
    }"#;
    let toml = r#"
        schedule = { opens = 2020-04-29T10:00:00, closes_at = 2020-04-29T11:00:00 }
        campaign = { id = "a", title = "A", currency = "KRW", time_zone = "Asia/Seoul" }
        items = [{ sku = "x", title = "X", price = 1, stock = "unlimited" }]
    "#;
    let campaign = Campaign::parse_json(json).unwrap();
    assert_eq!(campaign, Campaign::parse(toml).unwrap());
    let drop = campaign.occurrences()[0];
    assert_eq!(drop.closes_at, Some(drop.opens_at.plus_ms(3_600_000)));
}

#[test]
fn the_recorded_text_is_canonical() {
    for file in [FULL, UROAD] {
        let campaign = Campaign::parse(file).unwrap();
        let json = campaign.to_json();
        let again = Campaign::parse_json(&json).unwrap();
        assert_eq!(again, campaign);
        assert_eq!(again.to_json(), json);
    }
    let other_words = full_with("\"90s\"", "\"1m30s\"").replace("drops = [1, 3]", "drops = [3, 1]");
    assert_eq!(
        Campaign::parse(&other_words).unwrap().to_json(),
        Campaign::parse(FULL).unwrap().to_json()
    );
}

#[test]
fn limits_are_inclusive() {
    for (from, to) in [
        ("stock = 500", "stock = 1_000_000_000"),
        ("price = 4000", "price = 450359962737"),
        ("list_price = 9000", "list_price = 9007199254740991"),
        ("\"90s\"", "\"1s\""),
        ("\"90s\"", "\"30days\""),
        ("\"0.5%\"", "\"100%\""),
        ("\"0.5%\"", "\"0.000001%\""),
        ("2020-12-31T23:59:59", "2020-11-04T10:00:00"), // the instant the last drop closes
    ] {
        Campaign::parse(&full_with(from, to)).unwrap();
    }
    let id = "a".repeat(40);
    Campaign::parse(&full_with("happy-2020", &id)).unwrap();
    Campaign::parse(&full_with("행복 장터", &"장".repeat(200))).unwrap();
}

fn warnings(file: &str, now: &str) -> String {
    let now = chrono::DateTime::parse_from_rfc3339(now).unwrap().timestamp_millis();
    let now = Timestamp::from_ms(u64::try_from(now).unwrap());
    Campaign::parse(file).unwrap().warnings(now).join("\n")
}

#[test]
fn what_is_probably_not_meant_is_warned_about() {
    let before = "2020-06-01T00:00:00Z";
    assert_eq!(warnings(FULL, before), "");
    let cases = [
        ("list_price = 9000", "list_price = 3999", "soap costs more than its list price"),
        ("stock = 1000", "stock = 999", "happy-2020-1 may need 1000 of gift ribbon, has 999"),
        ("stock = 500", "stock = \"unlimited\"", "unlimited number of gift ribbon, has 1000"),
        ("gift = {", "# gift = {", "no drop has an item with gift ribbon"),
        ("\"3days\"", "\"32days\"", "happy-2020-1 is still open when happy-2020-2 opens"),
        ("closes_after", "# closes_after", "happy-2020-1 is still open when happy-2020-2 opens"),
        (
            "price = 0\nstock = \"unlimited\"",
            "price = 300000000000\nstock = 10000",
            "more than JSON",
        ),
    ];
    for (from, to, expected) in cases {
        let found = warnings(&full_with(from, to), before);
        assert!(found.contains(expected), "{to}: {found}");
    }
    assert_eq!(warnings(FULL, "2020-11-04T01:00:00Z"), "every drop is over");
    assert_eq!(warnings(FULL, "2020-11-04T00:59:59Z"), "");
}

#[test]
fn a_drop_without_items_is_warned_about_from_a_day_before_until_it_is_over() {
    let file = full_with("\"unlimited\"", "\"unlimited\"\ndrops = [1]");
    assert_eq!(warnings(&file, "2020-07-31T00:59:59Z"), "");
    let expected = "happy-2020-2 opens at 2020-08-01T01:00:00.000Z and has no items";
    assert_eq!(warnings(&file, "2020-07-31T01:00:00Z"), expected);
    assert_eq!(warnings(&file, "2020-08-04T01:00:00Z"), "");
}
