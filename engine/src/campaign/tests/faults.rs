//! Every kind of fault, one at a time and all at once.

use super::super::Campaign;
use super::{faults, full_with, line_of};

/// What is replaced in the full file, by what, the key of the one fault that follows, a part of
/// its detail, and a text on its line.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (from, to, key, detail, line) in cases {
        let file = full_with(from, to);
        let faults = faults(&file);
        assert_eq!(faults.len(), 1, "{to}: {faults:?}");
        let fault = &faults[0];
        assert_eq!(fault.key, *key, "{to}: {fault}");
        assert_eq!(fault.line, line_of(&file, line), "{to}: {fault}");
        assert!(fault.detail.contains(detail), "{to}: {fault}");
    }
}

#[test]
fn of_the_campaign_table() {
    check(&[
        ("id = \"happy-2020\"\n", "", "campaign.id", "is missing", "[campaign]"),
        ("\"happy-2020\"", "\"Happy\"", "campaign.id", "1 to 40 of a-z", "Happy"),
        ("\"happy-2020\"", "\"\"", "campaign.id", "1 to 40 of a-z", "id = \"\""),
        ("\"happy-2020\"", "\"a_b\"", "campaign.id", "1 to 40 of a-z", "a_b"),
        ("happy-2020", &"a".repeat(41), "campaign.id", "1 to 40 of a-z", "aaaa"),
        ("\"행복 장터\"", "\"\"", "campaign.title", "1 to 200 characters", "title = \"\""),
        ("행복 장터", &"장".repeat(201), "campaign.title", "1 to 200 characters", "장장"),
        ("\"행복 장터\"", "\"a\\u0007\"", "campaign.title", "control", "\\u0007"),
        ("\"행복 장터\"", "7", "campaign.title", "expected a text, found an integer", "title = 7"),
        ("\"KRW\"", "\"WON\"", "campaign.currency", "\"WON\" is no currency", "WON"),
        ("\"KRW\"", "\"krw\"", "campaign.currency", "\"krw\" is no currency", "krw"),
        ("Seoul\"", "Seoul\"\nnote = 1", "campaign.note", "known here: id, title", "note"),
        ("[schedule]", "[colour]\n[schedule]", "colour", "known here: campaign", "[colour]"),
        ("\"Asia/Seoul\"", "\"Asia/Soul\"", "campaign.time_zone", "no IANA time zone", "Soul"),
    ]);
}

#[test]
fn of_the_schedule() {
    check(&[
        ("opens = \"2020-07-01T10:00:00\"\n", "", "schedule.opens", "is missing", "[schedule]"),
        (
            "2020-07-01T10:00:00",
            "2020-07-01T10:00:00Z",
            "schedule.opens",
            "without offset",
            "opens",
        ),
        ("2020-07-01T10:00:00", "2020-07-32T10:00:00", "schedule.opens", "such as", "opens"),
        ("\"2020-07-01T10:00:00\"", "2020-07-01", "schedule.opens", "such as", "opens"),
        ("FREQ=MONTHLY;COUNT=5", "FREQ=MONTHLY", "schedule.repeats", "COUNT or UNTIL", "repeats"),
        ("\"FREQ=MONTHLY;COUNT=5\"", "5", "schedule.repeats", "expected a text", "repeats"),
        (
            "skip = [4]",
            "skip = [6]",
            "schedule.skip",
            "names occurrence 6, but there are 5",
            "skip",
        ),
        ("skip = [4]", "skip = [4, 0]", "schedule.skip[1]", "must be from 1 to 1000", "skip"),
        ("skip = [4]", "skip = [4, 4]", "schedule.skip[1]", "listed twice", "skip"),
        ("skip = [4]", "skip = 4", "schedule.skip", "expected a list", "skip"),
        ("\"3days\"", "\"3fortnights\"", "schedule.closes_after", "expected a duration", "closes"),
        ("\"3days\"", "\"0s\"", "schedule.closes_after", "must be from 1s to 3652days", "closes"),
        (
            "\"3days\"",
            "\"3days\"\ncloses_at = \"2020-07-02T10:00:00\"",
            "schedule.closes_at",
            "beside closes_after",
            "closes_at",
        ),
        (
            "closes_after = \"3days\"",
            "closes_at = \"2020-07-02T10:00:00\"",
            "schedule.closes_at",
            "only for a schedule without repeats",
            "closes_at",
        ),
        ("\"1h\"", "\"at open\"", "schedule.reveal", "\"at_open\", \"always\" or a", "reveal"),
        ("\"1h\"", "\"1 hour\"", "schedule.reveal", "expected a duration", "reveal"),
        ("\"1h\"", "true", "schedule.reveal", "expected a text, found a boolean", "reveal"),
    ]);
}

#[test]
fn of_a_schedule_that_is_skipped_whole_or_closes_early() {
    let all = full_with("skip = [4]", "skip = [1, 2, 3, 4, 5]").replace("drops = [1, 3]\n", "");
    let faults_of_all = faults(&all);
    assert_eq!(faults_of_all.len(), 1);
    assert_eq!(faults_of_all[0].to_string(), "10:8 schedule.skip: leaves no occurrence");
    for closes_at in ["2021-03-14T03:15:00", "2021-03-14T03:30:00"] {
        // 02:30 is in a gap and moved to 03:30.
        let once = format!(
            "[campaign]\nid = \"a\"\ntitle = \"A\"\ncurrency = \"USD\"\n\
             time_zone = \"America/New_York\"\n[schedule]\nopens = \"2021-03-14T02:30:00\"\n\
             closes_at = \"{closes_at}\"\n"
        );
        assert_eq!(faults(&once)[0].to_string(), "8:13 schedule.closes_at: must be after opens");
        Campaign::parse(&once.replace(closes_at, "2021-03-14T03:30:01")).unwrap();
    }
}

#[test]
fn of_a_ledger_with_more_amounts_than_a_settlement_can_say() {
    let file = |beneficiaries: usize| {
        let share = |place| format!("{{ id = \"b{place}\", share = \"4%\" }}");
        let mut shares: Vec<String> = (1..beneficiaries).map(share).collect();
        let rest = 100 - 4 * shares.len();
        shares.push(format!("{{ id = \"rest\", share = \"{rest}%\" }}"));
        format!(
            "[campaign]\nid = \"a\"\ntitle = \"A\"\ncurrency = \"KRW\"\n\
             time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
             repeats = \"FREQ=DAILY;COUNT=1000\"\n[[ledger]]\nkind = \"donation\"\n\
             rate = \"1%\"\nbeneficiary = [{}]\n",
            shares.join(", ")
        )
    };
    Campaign::parse(&file(20)).unwrap();
    let [fault] = &faults(&file(21))[..] else { panic!("one fault") };
    assert_eq!(fault.key, "ledger");
    assert!(fault.detail.contains("more than 20000 beneficiaries over all 1000 drops"), "{fault}");
}

#[test]
fn of_the_rules() {
    check(&[
        ("\"90s\"", "\"999ms\"", "rules.hold_ttl", "expected a duration", "hold_ttl"),
        ("\"90s\"", "\"31days\"", "rules.hold_ttl", "must be from 1s to 30days", "hold_ttl"),
        ("\"90s\"", "90", "rules.hold_ttl", "expected a text, found an integer", "hold_ttl"),
        (
            "limit_per_customer = 3",
            "limit_per_customer = -1",
            "rules.limit_per_customer",
            "from 0",
            "= -1",
        ),
        ("[\"seoul\", \"incheon\"]", "[]", "rules.areas", "must not be empty", "areas"),
        ("\"incheon\"]", "\"seoul\"]", "rules.areas[1]", "listed twice", "areas"),
        ("\"incheon\"]", "\"서울\"]", "rules.areas[1]", "visible ASCII", "areas"),
        ("\"incheon\"]", "\"a b\"]", "rules.areas[1]", "visible ASCII", "areas"),
        ("auto_confirm = true", "auto_confirm = 1", "rules.auto_confirm", "true or false", "auto"),
        ("shipping = 0", "shipping = 3000", "rules.shipping", "only 0 is supported", "shipping"),
        ("shipping = 0", "shiping = 0", "rules.shiping", "did you mean shipping?", "shiping"),
    ]);
}

#[test]
fn of_items_and_gifts() {
    check(&[
        ("sku = \"soap\"\n", "", "items[0].sku", "is missing", "[[items]]"),
        ("\"soap\"", "\"a b\"", "items[0].sku", "1 to 64 visible ASCII", "a b"),
        ("soap", &"s".repeat(65), "items[0].sku", "1 to 64 visible ASCII", "sss"),
        (
            "\"show\"",
            "\"soap\"",
            "items[1].sku",
            "already items[0].sku",
            "\"soap\"\ntitle = \"공연\"",
        ),
        (
            "\"show\"",
            "\"ribbon\"",
            "gifts[0].sku",
            "already items[1].sku",
            "\"ribbon\"\ntitle = \"리본\"",
        ),
        ("price = 4000", "price = 450359962738", "items[0].price", "450359962737", "price = 45"),
        ("price = 4000", "price = 4000.0", "items[0].price", "with a fraction", "4000.0"),
        ("price = 4000\n", "", "items[0].price", "is missing", "[[items]]"),
        ("9000", "9007199254740992", "items[0].list_price", "9007199254740991", "list_price"),
        ("stock = 500", "stock = 1000000001", "items[0].stock", "0 to 1000000000", "1000000001"),
        ("stock = 500", "stock = -1", "items[0].stock", "0 to 1000000000", "stock = -1"),
        ("stock = 500", "stock = 99999999999999999999", "items[0].stock", "0 to 1000", "99999"),
        ("\"unlimited\"", "\"lots\"", "items[1].stock", "or \"unlimited\"", "lots"),
        ("[1, 3]", "[1, 4]", "items[0].drops", "no occurrence 4", "drops"),
        ("[1, 3]", "[1, 6]", "items[0].drops", "no occurrence 6", "drops"),
        ("[1, 3]", "[1, 1]", "items[0].drops[1]", "listed twice", "drops"),
        ("[1, 3]", "[]", "items[0].drops", "must not be empty", "drops"),
        ("\"local\"]", "\"happy-credit\"]", "items[0].eligible[1]", "listed twice", "eligible ="),
        (
            "\"ribbon\", quantity",
            "\"robbin\", quantity",
            "items[0].gift.sku",
            "no gift \"robbin\"",
            "robbin",
        ),
        (
            "\"ribbon\", quantity",
            "\"show\", quantity",
            "items[0].gift.sku",
            "no gift \"show\"",
            "gift =",
        ),
        ("quantity = 2", "quantity = 0", "items[0].gift.quantity", "from 1 to 1000", "gift ="),
        ("quantity = 2", "quantitiy = 2", "items[0].gift.quantitiy", "mean quantity?", "gift ="),
        (
            "required = true",
            "required = \"yes\"",
            "items[0].gift.required",
            "true or false",
            "gift =",
        ),
        (
            "stock = 1000",
            "stock = 1000\ndrops = [1]",
            "gifts[0].drops",
            "unknown key",
            "drops = [1]",
        ),
    ]);
}

#[test]
fn of_the_ledger() {
    check(&[
        ("\"donation\"", "\"tax\"", "ledger[0].kind", "\"donation\" or \"credit\"", "tax"),
        ("\"50%\"", "\"0%\"", "ledger[0].rate", "percentage", "\"0%\""),
        ("\"50%\"", "0.5", "ledger[0].rate", "expected a text, found a number", "rate = 0.5"),
        (
            "\"50%\"",
            "\"50%\"\nsettles = 1",
            "ledger[0].settles",
            "only for a credit",
            "settles = 1",
        ),
        ("\"hope-bridge\"", "\"\"", "ledger[0].beneficiary", "visible ASCII", "beneficiary = \"\""),
        ("\"hope-bridge\"", "7", "ledger[0].beneficiary", "expected a list", "beneficiary = 7"),
        ("\"hope-bridge\"", "[]", "ledger[0].beneficiary", "exactly 100%", "beneficiary = []"),
        ("\"40%\"", "\"39.999999%\"", "ledger[1].beneficiary", "exactly 100%", "39.9"),
        ("\"40%\"", "\"40.000001%\"", "ledger[1].beneficiary", "exactly 100%", "40.0"),
        ("\"youth\"", "\"seniors\"", "ledger[1].beneficiary[1].id", "listed twice", "60%"),
        ("id = \"youth\", ", "", "ledger[1].beneficiary[1].id", "is missing", "60%"),
        (
            "= \"happy-credit\"",
            "= \"happy\"",
            "ledger[1].eligible",
            "no item is eligible",
            "= \"happy\"",
        ),
        (
            "2020-12-31T23:59:59",
            "2020-11-04T09:59:59",
            "ledger[1].settles",
            "(2020-11-04T01:00:00",
            "settles",
        ),
    ]);
}

#[test]
fn of_files_that_are_something_else() {
    let empty: Vec<_> = faults("").into_iter().map(|fault| fault.to_string()).collect();
    assert_eq!(empty, ["1:1 campaign: is missing", "1:1 schedule: is missing"]);
    let faults = faults("campaign = 1\nschedule = []\nrules = \"x\"\nitems = [1]\n[gifts]");
    let shown: Vec<_> = faults.into_iter().map(|fault| fault.to_string()).collect();
    assert_eq!(
        shown,
        [
            "1:12 campaign: expected a table, found an integer",
            "2:12 schedule: expected a table, found a list",
            "3:9 rules: expected a table, found a text",
            "4:10 items[0]: expected a table, found an integer",
            "5:1 gifts: expected a list, found a table",
        ]
    );
}

#[test]
fn more_items_in_one_drop_than_possible_is_a_fault() {
    let items = |count: usize| -> String {
        let item = |n| format!("[[items]]\nsku = \"s{n}\"\ntitle = \"S\"\nprice = 1\nstock = 1\n");
        (0..count).map(item).collect()
    };
    Campaign::parse(&full_with("[[gifts]]", &format!("{}[[gifts]]", items(998)))).unwrap();
    let faults = faults(&full_with("[[gifts]]", &format!("{}[[gifts]]", items(999))));
    assert_eq!(faults.len(), 1);
    let expected = "22:1 items: drop 1 has 1001 items; at most 1000 are possible";
    assert_eq!(faults[0].to_string(), expected);
}

#[test]
fn all_of_a_file_are_listed_in_its_order() {
    let file = r#"[campaign]
id = "Uroad"
titel = "U"
currency = "KRW"
time_zone = "Asia/Seoul"

[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;BYDAY=QQ"
closes_after = "soon"

[rules]
hold_ttl = "1s"
colour = "red"

[[items]]
sku = "onion 3kg"
price = -5
stock = "some"
drops = [0]
gift = { sku = "none", quantity = 0 }

[[items]]
sku = "x"
title = "X"
price = 1
stock = 1

[[gifts]]
sku = "x"
title = 5
stock = 1.5

[[ledger]]
kind = "donation"
beneficiary = [{ id = "a", share = "50%" }]
rate = "1/2"
"#;
    let found: Vec<_> =
        faults(file).into_iter().map(|fault| format!("{} {}", fault.line, fault.key)).collect();
    assert_eq!(
        found,
        [
            "1 campaign.title",
            "2 campaign.id",
            "3 campaign.titel",
            "9 schedule.repeats",
            "9 schedule.repeats",
            "10 schedule.closes_after",
            "14 rules.colour",
            "16 items[0].title",
            "17 items[0].sku",
            "18 items[0].price",
            "19 items[0].stock",
            "20 items[0].drops[0]",
            "21 items[0].gift.sku",
            "21 items[0].gift.quantity",
            "30 gifts[0].sku",
            "31 gifts[0].title",
            "32 gifts[0].stock",
            "36 ledger[0].beneficiary",
            "37 ledger[0].rate",
        ]
    );
    let shown = Campaign::parse(file).unwrap_err().to_string();
    assert!(
        shown.starts_with("invalid campaign\n1:1 campaign.title: is missing\n2:6 campaign.id:")
    );
}
