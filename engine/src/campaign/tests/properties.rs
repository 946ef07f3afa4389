//! What holds for every file, by trying many.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, Months, NaiveDate};
use proptest::prelude::*;

use super::super::*;
use super::{FULL, UROAD};
use crate::limits::SCHEDULE_YEARS_MAX;

/// One item as TOML, with a chance of every optional key.
fn item() -> impl Strategy<Value = String> {
    let price = prop_oneof![Just(0), 1..1_000_000_u64, Just(450_359_962_737)];
    let stock = prop_oneof![
        (0..=1_000_000_000_u32).prop_map(|units| units.to_string()),
        Just("\"unlimited\"".to_owned()),
    ];
    let drops = prop::option::of(prop::sample::subsequence(vec![1, 2, 4, 5], 1..=4).prop_shuffle());
    let gift = prop::option::of((0..2, 1..=1_000_u32, any::<bool>()));
    let optional = (prop::option::of("\\PC{1,20}"), prop::option::of(0..1_u64 << 53), 0..9_u32);
    ("\\PC{1,20}", price, stock, drops, gift, optional, any::<bool>()).prop_map(
        |(title, price, stock, drops, gift, (seller, list_price, limit), eligible)| {
            let quote = |text: &str| serde_json::to_string(text).unwrap();
            let mut item = format!("title = {}\nprice = {price}\nstock = {stock}\n", quote(&title));
            item += &seller.map_or_else(String::new, |it| format!("seller = {}\n", quote(&it)));
            item += &list_price.map_or_else(String::new, |it| format!("list_price = {it}\n"));
            item += &drops.map_or_else(String::new, |it| format!("drops = {it:?}\n"));
            if let Some((gift, quantity, required)) = gift {
                item += &format!(
                    "gift = {{ sku = \"gift-{gift}\", quantity = {quantity}, required = {required} }}\n"
                );
            }
            if eligible {
                item += "eligible = [\"tag\", \"other\"]\n";
            }
            item + &format!("limit_per_customer = {limit}\n")
        },
    )
}

/// A whole valid file with five occurrences, of which the third is skipped.
fn file() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec!["Asia/Seoul", "America/New_York", "Pacific/Apia", "UTC"]);
    let rule = prop::sample::select(vec![
        "FREQ=DAILY;COUNT=5",
        "FREQ=WEEKLY;INTERVAL=3;COUNT=5",
        "FREQ=MONTHLY;BYMONTHDAY=14;COUNT=5",
        "FREQ=YEARLY;COUNT=5",
    ]);
    let closes = prop::option::of(1..4_000_u32);
    let reveal = prop_oneof![
        Just("at_open".to_owned()),
        Just("always".to_owned()),
        (1..100_000_u32).prop_map(|seconds| format!("{seconds}s")),
    ];
    let share = prop::option::of(1..100_000_000_u32);
    let settles =
        prop::option::of(prop::sample::select(vec!["2031-11-07T01:30:00", "2040-03-11T02:30:00"]));
    let items = prop::collection::vec(item(), 1..6);
    let head = (zone, rule, 0..24_u32, closes, reveal, 1..=2_592_000_u32);
    (head, items, share, settles).prop_map(
        |((zone, rule, hour, closes, reveal, ttl), items, share, settles)| {
            let mut file = format!(
                "[campaign]\nid = \"p\"\ntitle = \"P\"\ncurrency = \"USD\"\ntime_zone = \"{zone}\"\n\
                 [schedule]\nopens = \"2021-03-14T{hour:02}:30:00\"\nrepeats = \"{rule}\"\n\
                 skip = [3]\nreveal = \"{reveal}\"\n"
            );
            file += &closes.map_or_else(String::new, |it| format!("closes_after = \"{it}h\"\n"));
            file += &format!("[rules]\nhold_ttl = \"{ttl}s\"\n");
            for (index, item) in items.iter().enumerate() {
                file += &format!("[[items]]\nsku = \"item-{index}\"\n{item}");
            }
            file += "[[items]]\nsku = \"last\"\ntitle = \"L\"\nprice = 1\nstock = 1\neligible = [\"tag\"]\n";
            for gift in 0..2 {
                file += &format!("[[gifts]]\nsku = \"gift-{gift}\"\ntitle = \"G\"\nstock = 9\n");
            }
            let percent = |parts: u32| format!("{}.{:06}%", parts / 1_000_000, parts % 1_000_000);
            let beneficiary = match share {
                Some(share) => format!(
                    "[{{ id = \"a\", share = \"{}\" }}, {{ id = \"b\", share = \"{}\" }}]",
                    percent(share),
                    percent(100_000_000 - share)
                ),
                None => "\"a\"".to_owned(),
            };
            file += &format!(
                "[[ledger]]\nkind = \"credit\"\nbeneficiary = {beneficiary}\nrate = \"{}\"\n\
                 eligible = \"tag\"\n",
                percent(share.unwrap_or(1))
            );
            file + &settles.map_or_else(String::new, |it| format!("settles = \"{it}\"\n"))
        },
    )
}

/// A change of a few characters somewhere, or of a whole line.
fn damage(text: &str, at: prop::sample::Index, kind: u8, with: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = at.index(characters.len());
    let lines = || text.split_inclusive('\n').enumerate();
    let line = characters[..at].iter().filter(|c| **c == '\n').count();
    match kind {
        0 => characters[..at].iter().collect(),
        1 => characters[..at]
            .iter()
            .copied()
            .chain(with.chars())
            .chain(characters[at..].iter().copied())
            .collect(),
        2 => characters[..at].iter().chain(&characters[(at + 1)..]).collect(),
        3 => lines().filter(|(index, _)| *index != line).map(|(_, line)| line).collect(),
        _ => lines().flat_map(|(index, text)| vec![text; 1 + usize::from(index == line)]).collect(),
    }
}

/// Either it is read, and comes back from its recorded text, or it has faults that can be shown.
fn is_read_or_refused(parsed: Result<Campaign, InvalidCampaign>, text: &str) {
    match parsed {
        Ok(campaign) => {
            assert_eq!(Campaign::parse_json(&campaign.to_json()).as_ref(), Ok(&campaign), "{text}");
        }
        Err(invalid) => {
            assert!(!invalid.faults.is_empty());
            let lines = text.matches('\n').count() + 1;
            for fault in &invalid.faults {
                assert!(fault.line as usize <= lines && !fault.detail.is_empty(), "{fault}");
            }
            assert_eq!(invalid.to_string().lines().count(), 1 + invalid.faults.len(), "{invalid}");
        }
    }
}

/// The days of a rule by trying each: every given filter holds, and the period is one of the
/// interval's.
fn days_by_trying(start: NaiveDate, rule: &Sieve, count: usize) -> Vec<NaiveDate> {
    let horizon = start + Months::new(12 * SCHEDULE_YEARS_MAX);
    let mut days = start.iter_days().take_while(|day| *day <= horizon);
    days.by_ref().filter(|day| rule.admits(start, *day)).take(count).collect()
}

#[derive(Clone, Debug)]
struct Sieve {
    frequency: &'static str,
    interval: u32,
    weekdays: BTreeSet<u32>,
    month_days: BTreeSet<u32>,
    months: BTreeSet<u32>,
}

impl Sieve {
    fn admits(&self, start: NaiveDate, day: NaiveDate) -> bool {
        let week = |day: NaiveDate| {
            (day - Days::new(day.weekday().num_days_from_monday().into())).num_days_from_ce()
        };
        let month = |day: NaiveDate| day.year() * 12 + i32::try_from(day.month0()).unwrap();
        let period = match self.frequency {
            "DAILY" => day.num_days_from_ce() - start.num_days_from_ce(),
            "WEEKLY" => (week(day) - week(start)) / 7,
            "MONTHLY" => month(day) - month(start),
            _ => day.year() - start.year(),
        };
        period % i32::try_from(self.interval).unwrap() == 0 && self.matches(start, day)
    }

    /// The filters alone; what is not given comes from the start, as the frequency asks.
    fn matches(&self, start: NaiveDate, day: NaiveDate) -> bool {
        let given = |set: &BTreeSet<u32>, value: u32| set.is_empty() || set.contains(&value);
        let days_given = !self.weekdays.is_empty() || !self.month_days.is_empty();
        let implied = days_given
            || match self.frequency {
                "DAILY" => true,
                "WEEKLY" => day.weekday() == start.weekday(),
                "MONTHLY" => day.day() == start.day(),
                _ => {
                    day.day() == start.day()
                        && (!self.months.is_empty() || day.month() == start.month())
                }
            };
        implied
            && given(&self.weekdays, day.weekday().num_days_from_monday())
            && given(&self.month_days, day.day())
            && given(&self.months, day.month())
    }

    fn text(&self, count: usize) -> String {
        let list =
            |set: &BTreeSet<u32>| set.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut text = format!("FREQ={};INTERVAL={};COUNT={count}", self.frequency, self.interval);
        if !self.weekdays.is_empty() {
            let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
            let days: Vec<_> = self.weekdays.iter().map(|day| names[*day as usize]).collect();
            text += &format!(";BYDAY={}", days.join(","));
        }
        if !self.month_days.is_empty() {
            text += &format!(";BYMONTHDAY={}", list(&self.month_days));
        }
        if !self.months.is_empty() {
            text += &format!(";BYMONTH={}", list(&self.months));
        }
        text
    }
}

fn sieve() -> impl Strategy<Value = Sieve> {
    let frequency = prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let set = |range, most| prop::collection::btree_set(range, 0..most);
    (frequency, 1..6_u32, set(0..7_u32, 3), set(1..32_u32, 4), set(1..13_u32, 4)).prop_map(
        |(frequency, interval, weekdays, month_days, months)| {
            let month_days = if frequency == "WEEKLY" { BTreeSet::new() } else { month_days };
            Sieve { frequency, interval, weekdays, month_days, months }
        },
    )
}

proptest! {
    #[test]
    fn a_campaign_comes_back_from_its_recorded_text(file in file()) {
        let campaign = Campaign::parse(&file).unwrap_or_else(|invalid| panic!("{invalid}\n{file}"));
        let json = campaign.to_json();
        let again = Campaign::parse_json(&json).unwrap_or_else(|invalid| panic!("{invalid}\n{json}"));
        prop_assert_eq!(&again, &campaign);
        prop_assert_eq!(again.to_json(), json);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        full in any::<bool>(),
        json in any::<bool>(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..5_u8, "[\\[\\]{}=\",.\n#0-9a-z가]{1,3}|\\PC"), 1..4),
    ) {
        let file = if full { FULL } else { UROAD };
        let mut text = file.to_owned();
        if json {
            text = Campaign::parse(file).unwrap().to_json();
        }
        for (at, kind, with) in changes {
            if !text.is_empty() {
                text = damage(&text, at, kind, &with);
            }
        }
        let parsed = if json { Campaign::parse_json(&text) } else { Campaign::parse(&text) };
        is_read_or_refused(parsed, &text);
    }

    #[test]
    fn any_rule_is_worked_out_or_refused(
        parts in prop::collection::vec(prop_oneof![
            "FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)",
            "COUNT=[0-9]{1,4}",
            "UNTIL=20[2-4][0-9](0[1-9]|1[0-2])[0-3][0-9]T100000Z?",
            "INTERVAL=[0-9]{1,5}",
            "BYDAY=([+-]?[0-9]{0,2}(MO|TU|WE),?){1,3}",
            "(BYSECOND|BYMINUTE|BYHOUR|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYMONTH|BYSETPOS)=(-?[0-9]{1,3},?){1,3}",
            "WKST=(MO|SU|XX)",
        ], 1..6),
    ) {
        let file = UROAD.replace("FREQ=WEEKLY;BYDAY=WE;COUNT=8", &parts.join(";"));
        is_read_or_refused(Campaign::parse(&file), &file);
    }

    #[test]
    fn rules_yield_the_days_that_trying_each_day_yields(
        sieve in sieve(),
        seed in 0..20_000_u64,
        count in 1..40_usize,
    ) {
        let seed = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap() + Days::new(seed);
        let first = seed.iter_days().take(40_000).find(|day| sieve.matches(seed, *day));
        let Some(start) = first else { return Ok(()) };
        let expected = days_by_trying(start, &sieve, count);
        let count = expected.len(); // fewer where the rule matches rarely
        let file = format!(
            "[campaign]\nid = \"r\"\ntitle = \"R\"\ncurrency = \"USD\"\ntime_zone = \"UTC\"\n\
             [schedule]\nopens = \"{start}T10:00:00\"\nrepeats = \"{}\"\n",
            sieve.text(count)
        );
        let campaign = Campaign::parse(&file).unwrap_or_else(|invalid| panic!("{invalid}\n{file}"));
        let days: Vec<_> = campaign.occurrences().iter().map(|it| it.opens_at.to_string()).collect();
        let expected: Vec<_> = expected.iter().map(|day| format!("{day}T10:00:00.000Z")).collect();
        prop_assert_eq!(days, expected, "{}", sieve.text(count));
    }
}
