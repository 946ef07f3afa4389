//! What was accepted once stays readable, whatever tables of today say.

use super::super::*;
use super::FULL;
use crate::Timestamp;

/// The occurrences of `FULL`, and others that no table of today comes to.
fn recorded() -> Vec<Occurrence> {
    let mut occurrences = Campaign::parse(FULL).unwrap().occurrences();
    for occurrence in &mut occurrences {
        occurrence.opens_at = occurrence.opens_at.minus_ms(1_800_000);
    }
    occurrences
}

#[test]
fn a_recorded_campaign_is_read_though_no_file_may_say_it_any_more() {
    let json = Campaign::parse(FULL).unwrap().to_json();
    let cases = [
        ("a zone that is gone", "Asia/Seoul", "Asia/Atlantis", true),
        ("a currency that is gone", "\"KRW\"", "\"XXX\"", false),
        ("a rule that is not kept so any more", "FREQ=MONTHLY", "FREQ=FORTNIGHTLY", true),
        ("fewer occurrences", "COUNT=5", "COUNT=3", true),
        ("a settlement before the end", "2020-12-31T23:59:59", "2020-07-01T00:00:00", false),
    ];
    for (case, from, to, as_recorded) in cases {
        assert!(json.contains(from), "{case}");
        let accepted = json.replace(from, to);
        assert!(Campaign::parse_json(&accepted).is_err(), "{case}");
        let occurrences = recorded();
        let campaign = Campaign::parse_recorded(&accepted, &occurrences)
            .unwrap_or_else(|faults| panic!("{case}: {faults}"));
        assert_eq!(campaign.to_json(), accepted, "{case}");
        assert_eq!(campaign.occurrences() == occurrences, as_recorded, "{case}");
    }
}

#[test]
fn a_closing_that_the_clocks_put_before_the_opening_is_read_as_recorded() {
    let file = "[campaign]\nid = \"c\"\ntitle = \"c\"\ncurrency = \"KRW\"\n\
        time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
        closes_at = \"2020-04-29T10:30:00\"\n";
    let campaign = Campaign::parse(file).unwrap();
    let json = campaign.to_json().replace("T10:30", "T09:30");
    assert!(Campaign::parse_json(&json).is_err());
    let occurrences = campaign.occurrences();
    let read = Campaign::parse_recorded(&json, &occurrences).unwrap();
    assert_eq!((read.to_json(), read.occurrences()), (json, occurrences));
}

#[test]
fn what_the_engine_counts_with_is_asked_of_recorded_campaigns_too() {
    let json = Campaign::parse(FULL).unwrap().to_json();
    for (from, to) in [
        ("\"price\":4000", "\"price\":9007199254740991"),
        ("\"stock\":500", "\"stock\":1000000001"),
        ("\"share\":\"40%\"", "\"share\":\"50%\""),
        ("\"sku\":\"show\"", "\"sku\":\"soap\""),
    ] {
        assert_eq!(json.matches(from).count(), 1, "{from}");
        assert!(Campaign::parse_recorded(&json.replace(from, to), &recorded()).is_err(), "{to}");
    }
}

#[test]
fn the_clocks_of_today_are_asked_where_they_answer() {
    // A file that is put again is compared with it: what both say is read by the same table.
    let campaign = Campaign::parse(FULL).unwrap();
    let read = Campaign::parse_recorded(&campaign.to_json(), &recorded()).unwrap();
    assert_eq!(read, campaign);
    assert_eq!(read.occurrences()[0].opens_at, Timestamp::from_ms(1_593_565_200_000));
}
