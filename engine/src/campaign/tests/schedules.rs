//! Recurrence rules against stated cases.

use super::super::*;
use super::faults;

fn file(zone: &str, opens: &str, repeats: &str) -> String {
    format!(
        r#"
        [campaign]
        id = "s"
        title = "S"
        currency = "KRW"
        time_zone = "{zone}"
        [schedule]
        opens = "{opens}"
        repeats = "{repeats}"
        "#
    )
}

/// Opening instants in UTC, as `2020-04-29T01:00`.
fn opens(zone: &str, opens: &str, repeats: &str) -> Vec<String> {
    let campaign = Campaign::parse(&file(zone, opens, repeats))
        .unwrap_or_else(|invalid| panic!("{repeats}: {invalid}"));
    let drops = campaign.occurrences();
    drops.iter().map(|drop| drop.opens_at.to_string()[..16].to_owned()).collect()
}

/// Dates of a rule at 09:00 UTC, as `0902`, with the year before the first of each.
fn dates(start: &str, repeats: &str) -> String {
    let mut year = String::new();
    let mut dates = Vec::new();
    for instant in opens("UTC", &format!("{start}T09:00:00"), repeats) {
        assert_eq!(&instant[10..], "T09:00");
        if instant[..4] != year {
            year = instant[..4].to_owned();
            dates.push(format!("{year}:"));
        }
        dates.push(format!("{}{}", &instant[5..7], &instant[8..10]));
    }
    dates.join(" ")
}

/// What is wrong with a rule that starts on Wednesday 29 April 2020 at 10:00 in Seoul.
fn refused(repeats: &str) -> String {
    let file = file("Asia/Seoul", "2020-04-29T10:00:00", repeats);
    let faults = faults(&file);
    for fault in &faults {
        assert_eq!((fault.key.as_str(), fault.line), ("schedule.repeats", 9), "{fault}");
    }
    faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn weekly_in_a_zone_without_clock_changes() {
    let instants = opens("Asia/Seoul", "2020-04-29T10:00:00", "FREQ=WEEKLY;BYDAY=WE;COUNT=8");
    assert_eq!(instants.len(), 8);
    assert_eq!(instants[0], "2020-04-29T01:00");
    assert_eq!(instants[7], "2020-06-17T01:00");
}

#[test]
fn weekly_keeps_its_local_time_when_the_clocks_change() {
    assert_eq!(
        opens("America/New_York", "2021-03-07T10:00:00", "FREQ=WEEKLY;COUNT=3"),
        ["2021-03-07T15:00", "2021-03-14T14:00", "2021-03-21T14:00"]
    );
    assert_eq!(
        opens("Europe/Berlin", "2021-10-24T10:00:00", "FREQ=WEEKLY;COUNT=2"),
        ["2021-10-24T08:00", "2021-10-31T09:00"]
    );
}

#[test]
fn an_occurrence_in_a_gap_is_moved_forward_and_stays_counted() {
    assert_eq!(
        opens("America/New_York", "2021-03-13T02:30:00", "FREQ=DAILY;COUNT=3"),
        ["2021-03-13T07:30", "2021-03-14T07:30", "2021-03-15T06:30"],
        "02:30 EST, 03:30 EDT, 02:30 EDT"
    );
    assert_eq!(
        opens("Europe/Berlin", "2021-03-21T02:30:00", "FREQ=WEEKLY;BYDAY=SU;COUNT=3"),
        ["2021-03-21T01:30", "2021-03-28T01:30", "2021-04-04T00:30"]
    );
    assert_eq!(
        opens("America/New_York", "2021-03-14T02:30:00", "FREQ=YEARLY;COUNT=2"),
        ["2021-03-14T07:30", "2022-03-14T06:30"],
        "the first itself"
    );
}

#[test]
fn an_occurrence_that_comes_twice_is_the_first() {
    assert_eq!(
        opens("America/New_York", "2021-11-06T01:30:00", "FREQ=DAILY;COUNT=3"),
        ["2021-11-06T05:30", "2021-11-07T05:30", "2021-11-08T06:30"]
    );
}

#[test]
fn occurrences_that_fall_together_are_refused() {
    let rule = "FREQ=DAILY;BYHOUR=2,3;COUNT=6";
    let file = file("America/New_York", "2021-03-13T02:30:00", rule);
    let faults = faults(&file);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].detail.contains("no new instant at 2021-03-14T03:30:00"), "{}", faults[0]);
}

#[test]
fn until_is_inclusive_and_may_be_local_or_utc() {
    let weekly = |until: &str| {
        let rule = format!("FREQ=WEEKLY;UNTIL={until}");
        opens("Asia/Seoul", "2020-04-29T10:00:00", &rule).len()
    };
    assert_eq!(weekly("20200617T100000"), 8);
    assert_eq!(weekly("20200617T095959"), 7);
    assert_eq!(weekly("20200617T010000Z"), 8);
    assert_eq!(weekly("20200617T005959Z"), 7);
    assert_eq!(weekly("20200429T100000"), 1);
    // Where 01:30 comes twice, UTC tells which: the occurrence is the first, an hour before.
    let daily = |until: &str| {
        let rule = format!("FREQ=DAILY;UNTIL={until}");
        opens("America/New_York", "2021-11-06T01:30:00", &rule).len()
    };
    assert_eq!(daily("20211107T053000Z"), 2);
    assert_eq!(daily("20211107T052959Z"), 1);
}

/// Examples of RFC 5545, 3.8.5.3, with their unbounded rules cut by COUNT: start, rule, dates.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("1997-09-02", "FREQ=DAILY;COUNT=3", "1997: 0902 0903 0904"),
    ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997: 0902 0912 0922 1002 1012"),
    (
        "1998-01-01",
        "FREQ=YEARLY;UNTIL=19980103T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "1998: 0101 0102 0103",
    ),
    (
        "1997-09-01",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;COUNT=6;BYDAY=MO,WE,FR",
        "1997: 0901 0903 0905 0915 0917 0919",
    ),
    (
        "1997-09-02",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997: 0902 0904 0916 0918 0930 1002 1014 1016",
    ),
    ("1997-09-05", "FREQ=MONTHLY;COUNT=4;BYDAY=1FR", "1997: 0905 1003 1107 1205"),
    (
        "1997-09-07",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=6;BYDAY=1SU,-1SU",
        "1997: 0907 0928 1102 1130 1998: 0104 0125",
    ),
    ("1997-09-22", "FREQ=MONTHLY;COUNT=4;BYDAY=-2MO", "1997: 0922 1020 1117 1222"),
    ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=4", "1997: 0928 1029 1128 1229"),
    ("1997-09-02", "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=2,15", "1997: 0902 0915 1002 1015"),
    ("1997-09-30", "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=1,-1", "1997: 0930 1001 1031 1101"),
    ("1997-09-10", "FREQ=MONTHLY;INTERVAL=18;COUNT=3;BYMONTHDAY=10,11,12", "1997: 0910 0911 0912"),
    ("1997-06-10", "FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "1997: 0610 0710 1998: 0610 0710"),
    (
        "1997-01-01",
        "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
        "1997: 0101 0410 0719 2000: 0101",
    ),
    ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO;COUNT=3", "1997: 0519 1998: 0518 1999: 0517"),
    ("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", "1997: 0512 1998: 0511 1999: 0517"),
    ("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH;COUNT=3", "1997: 0313 0320 0327"),
    (
        "1998-02-13",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=4",
        "1998: 0213 0313 1113 1999: 0813",
    ),
    (
        "1996-11-05",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3",
        "1996: 1105 2000: 1107 2004: 1102",
    ),
    ("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997: 0904 1007 1106"),
    ("1997-09-29", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3", "1997: 0929 1030 1127"),
    (
        "1997-08-05",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "1997: 0805 0810 0819 0824",
    ),
    (
        "1997-08-05",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "1997: 0805 0817 0819 0831",
    ),
    ("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007: 0115 0130 0215 0315 0330"),
    ("2020-01-31", "FREQ=MONTHLY;COUNT=4", "2020: 0131 0331 0531 0731"),
    ("2020-02-29", "FREQ=YEARLY;COUNT=3", "2020: 0229 2024: 0229 2028: 0229"),
];

#[test]
fn examples_of_the_rfc() {
    for (start, rule, expected) in EXAMPLES {
        assert_eq!(dates(start, rule), *expected, "{rule}");
    }
}

#[test]
fn several_a_day_are_possible() {
    assert_eq!(
        opens("Asia/Seoul", "2020-04-29T10:00:00", "FREQ=DAILY;BYHOUR=10,15;BYMINUTE=0,30;COUNT=5"),
        [
            "2020-04-29T01:00",
            "2020-04-29T01:30",
            "2020-04-29T06:00",
            "2020-04-29T06:30",
            "2020-04-30T01:00"
        ]
    );
}

#[test]
fn names_are_read_in_any_case() {
    assert_eq!(dates("2020-04-29", "freq=weekly;byday=we;count=2"), "2020: 0429 0506");
}

#[test]
fn rules_without_a_sound_end_are_refused() {
    assert!(refused("FREQ=WEEKLY").contains("must have COUNT or UNTIL"));
    assert!(refused("FREQ=DAILY;COUNT=1001").contains("COUNT from 1 to 1000"));
    assert!(refused("FREQ=DAILY;COUNT=0").contains("COUNT from 1 to 1000"));
    assert!(refused("FREQ=DAILY;UNTIL=20230429T100000").contains("more than 1000"));
    assert!(refused("FREQ=DAILY;UNTIL=20230429").contains("must have an UNTIL such as"));
    assert!(refused("FREQ=DAILY;UNTIL=20200431T100000").contains("must have an UNTIL such as"));
    assert!(refused("FREQ=DAILY;UNTIL=20200428T100000").contains("yields no occurrence"));
    assert!(refused("FREQ=YEARLY;UNTIL=29990101T000000").contains("end within 100 years"));
    assert!(refused("FREQ=DAILY;COUNT=3;UNTIL=20200430T100000").contains("not have both"));
    assert_eq!(dates("2020-04-29", "FREQ=DAILY;COUNT=1000").split_whitespace().count(), 1_004);
}

#[test]
fn parts_that_are_not_understood_are_named() {
    assert!(refused("FREQ=HOURLY;COUNT=2").contains("FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"));
    assert!(refused("FREQ=SECONDLY;COUNT=2").contains("FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"));
    assert!(refused("COUNT=2").contains("must have FREQ"));
    assert!(refused("").contains("is not NAME=value"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;").contains("is not NAME=value"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYEASTER=0").contains("unsupported part \"BYEASTER\""));
    assert!(refused("RRULE:FREQ=WEEKLY;COUNT=2").contains("unsupported part \"RRULE:FREQ\""));
    assert!(refused("FREQ=WEEKLY;COUNT=2;COUNT=3").contains("has COUNT twice"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;INTERVAL=0").contains("INTERVAL from 1"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYDAY=").contains("malformed value \"\" of BYDAY"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYDAY=WX").contains("malformed BYDAY \"WX\""));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYDAY=xWE").contains("malformed BYDAY \"XWE\""));
    assert!(refused("FREQ=MONTHLY;COUNT=2;BYDAY=0WE").contains("malformed BYDAY \"0WE\""));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYDAY=1WE").contains("numbered days need MONTHLY"));
    assert!(refused("FREQ=YEARLY;COUNT=2;BYWEEKNO=18;BYDAY=1WE").contains("numbered days"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYSETPOS=1").contains("BYSETPOS without another"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYDAY=MO,WE;BYSETPOS=2").contains("BYSETPOS with"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;BYMONTHDAY=29").contains("BYMONTHDAY"));
    assert!(refused("FREQ=MONTHLY;COUNT=2;BYMONTHDAY=32").contains("BYMONTHDAY"));
    assert!(refused("FREQ=YEARLY;COUNT=2;BYMONTH=13").contains("BYMONTH"));
    assert!(refused("FREQ=WEEKLY;COUNT=2;WKST=XX").contains("weekday start"));
    let many = refused("FREQ=WEEKLY;COUNT=x;BYDAY=QQ;BYFOO=1");
    assert_eq!(many.split("; ").count(), 3, "every reason: {many}");
}

#[test]
fn opens_must_match_its_rule() {
    let refused = refused("FREQ=WEEKLY;BYDAY=TH;COUNT=8");
    assert!(refused.contains("does not match opens (2020-04-29T10:00:00)"), "{refused}");
    assert!(refused.contains("it begins at 2020-04-30T10:00:00"), "{refused}");
}

#[test]
fn rules_that_match_rarely_or_never_end_soon() {
    let started = std::time::Instant::now();
    for never in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYDAY=MO;BYSETPOS=9",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=65535;BYMONTH=2;BYMONTHDAY=30",
    ] {
        assert!(refused(&format!("{never};COUNT=1")).contains("yields no occurrence"), "{never}");
    }
    let rare = refused("FREQ=DAILY;BYMONTH=4;BYMONTHDAY=29;BYDAY=WE;COUNT=1000");
    assert!(rare.contains("yields only 15 of 1000 occurrences in 100 years"), "{rare}");
    let sixty = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let often = format!("FREQ=YEARLY;BYDAY=WE;BYMINUTE={sixty};BYSECOND={sixty}");
    assert!(refused(&format!("{often};UNTIL=21000101T000000")).contains("more than 1000"));
    assert!(refused(&"x".repeat(501)).contains("longer than 500 bytes"));
    // Generous, for a slow machine; it takes a fifth of a second.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
