//! Recurrence rules: RFC 5545 (RRULE), counted in local time.
//!
//! The `rrule` crate does the calendar. It is given local times as if they were UTC, so that it
//! meets no clock change: what happens there is decided in [`zone`], the same for every rule. It
//! is given neither COUNT nor UNTIL but bounds of ours, so that every rule ends soon; and what it
//! would read kindly (a BYDAY it cannot read, an ordinal it ignores) is refused here first.
//!
//! `FREQ` is `DAILY`, `WEEKLY`, `MONTHLY` or `YEARLY`. `UNTIL` is a date with a time, local
//! (`20200617T100000`) or UTC (`20200617T010000Z`, which the RFC asks for), and inclusive. The
//! RFC counts the start as the first occurrence even where the rule does not match it; here that
//! is a fault, since it is nearly always a wrong weekday.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use rrule::{RRule, RRuleError, Unvalidated};

use super::table::quoted;
use super::zone;
use crate::Timestamp;
use crate::limits::{OCCURRENCES_MAX, RULE_BYTES_MAX, SCHEDULE_YEARS_MAX};

/// A recurrence rule that is well formed; what it yields depends on where it starts.
#[derive(Debug)]
pub(super) struct Rule {
    calendar: RRule<Unvalidated>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Count(usize),
    UntilLocal(NaiveDateTime),
    UntilInstant(Timestamp),
}

const PARTS: [&str; 14] = [
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
];

impl Rule {
    /// Reads a rule; if it is wrong, every reason.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        if text.len() > RULE_BYTES_MAX {
            return Err(vec![format!("must not be longer than {RULE_BYTES_MAX} bytes")]);
        }
        let mut wrong = Vec::new();
        let text = text.to_ascii_uppercase();
        let parts = parts(&text, &mut wrong);
        let end = end(&parts, &mut wrong);
        check(&parts, &mut wrong);
        let Some(end) = end.filter(|_| wrong.is_empty()) else { return Err(wrong) };
        let pattern: Vec<String> = parts
            .iter()
            .filter(|(name, _)| !matches!(**name, "COUNT" | "UNTIL"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        match pattern.join(";").parse() {
            Ok(calendar) => Ok(Self { calendar, end }),
            Err(error) => Err(vec![reason(&error)]),
        }
    }

    /// The instants of a schedule that starts at `opens`, in order, the first being `opens`.
    pub(super) fn instants(
        &self,
        opens: NaiveDateTime,
        zone: Tz,
    ) -> Result<Vec<Timestamp>, String> {
        let horizon = opens
            .checked_add_months(Months::new(12 * SCHEDULE_YEARS_MAX))
            .expect("chrono's years go on for long after ours");
        if self.end.is_after(horizon, zone) {
            return Err(format!("must end within {SCHEDULE_YEARS_MAX} years"));
        }
        let floating = |local: &NaiveDateTime| rrule::Tz::UTC.from_utc_datetime(local);
        let enough = match self.end {
            End::Count(count) => count,
            End::UntilLocal(_) | End::UntilInstant(_) => OCCURRENCES_MAX + 1,
        };
        let calendar = self.calendar.clone().until(floating(&horizon));
        let calendar = calendar.count(u32::try_from(enough).expect("the limit fits"));
        let set = calendar.build(floating(&opens)).map_err(|error| reason(&error))?.limit();

        let mut instants: Vec<Timestamp> = Vec::new();
        for local in set.into_iter().map(|time| time.naive_utc()) {
            let instant = zone::instant(zone, local);
            if !self.end.includes(local, instant) {
                break;
            }
            let before = instants.last();
            if before.is_none() && local != opens {
                let (opens, first) = (zone::show(opens), zone::show(local));
                return Err(format!("does not match opens ({opens}); it begins at {first}"));
            }
            if before.is_some_and(|before| *before >= instant) {
                let local = zone::show(local);
                return Err(format!("yields no new instant at {local}: the clocks change there"));
            }
            instants.push(instant);
        }
        match self.end {
            _ if instants.is_empty() => Err("yields no occurrence".to_owned()),
            End::Count(count) if instants.len() < count => Err(format!(
                "yields only {} of {count} occurrences in {SCHEDULE_YEARS_MAX} years",
                instants.len()
            )),
            _ if instants.len() > OCCURRENCES_MAX => {
                Err(format!("yields more than {OCCURRENCES_MAX} occurrences"))
            }
            _ => Ok(instants),
        }
    }
}

impl End {
    fn is_after(self, horizon: NaiveDateTime, zone: Tz) -> bool {
        match self {
            Self::Count(_) => false, // whether so many are found shows in the search
            Self::UntilLocal(until) => until > horizon,
            Self::UntilInstant(until) => until > zone::instant(zone, horizon),
        }
    }

    fn includes(self, local: NaiveDateTime, instant: Timestamp) -> bool {
        match self {
            Self::Count(_) => true,
            Self::UntilLocal(until) => local <= until,
            Self::UntilInstant(until) => instant <= until,
        }
    }
}

/// Splits a rule into names and values.
fn parts<'a>(text: &'a str, wrong: &mut Vec<String>) -> BTreeMap<&'a str, &'a str> {
    let mut parts = BTreeMap::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '+' | '-');
    for part in text.split(';') {
        match part.split_once('=') {
            Some((name, _)) if !PARTS.contains(&name) => {
                wrong.push(format!("has the unsupported part {}", quoted(name)));
            }
            Some((name, value)) if value.is_empty() || !value.chars().all(plain) => {
                wrong.push(format!("has the malformed value {} of {name}", quoted(value)));
            }
            Some((name, value)) => {
                if parts.insert(name, value).is_some() {
                    wrong.push(format!("has {name} twice"));
                }
            }
            None => wrong.push(format!("has {}, which is not NAME=value", quoted(part))),
        }
    }
    parts
}

fn end(parts: &BTreeMap<&str, &str>, wrong: &mut Vec<String>) -> Option<End> {
    match (parts.get("COUNT"), parts.get("UNTIL")) {
        (Some(_), Some(_)) => {
            wrong.push("must not have both COUNT and UNTIL".to_owned());
            None
        }
        (Some(count), None) => {
            let count = count.parse().ok().filter(|count| (1..=OCCURRENCES_MAX).contains(count));
            if count.is_none() {
                wrong.push(format!("must have a COUNT from 1 to {OCCURRENCES_MAX}"));
            }
            count.map(End::Count)
        }
        (None, Some(until)) => {
            let end = match until.strip_suffix('Z') {
                Some(utc) => zone::parse_compact(utc)
                    .map(|utc| End::UntilInstant(zone::instant(Tz::UTC, utc))),
                None => zone::parse_compact(until).map(End::UntilLocal),
            };
            if end.is_none() {
                wrong.push(format!(
                    "must have an UNTIL such as 20200617T100000 (local) or 20200617T010000Z, not {}",
                    quoted(until)
                ));
            }
            end
        }
        (None, None) => {
            wrong.push(format!("must have COUNT or UNTIL (at most {OCCURRENCES_MAX} occurrences)"));
            None
        }
    }
}

/// Rules of the RFC that the crate does not keep.
fn check(parts: &BTreeMap<&str, &str>, wrong: &mut Vec<String>) {
    let frequency = parts.get("FREQ").copied();
    if !matches!(frequency, Some("DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY")) {
        wrong.push("must have FREQ=DAILY, WEEKLY, MONTHLY or YEARLY".to_owned());
    }
    if let Some(interval) = parts.get("INTERVAL")
        && !interval.parse().is_ok_and(|interval: u16| interval > 0)
    {
        wrong.push("must have an INTERVAL from 1 to 65535".to_owned());
    }
    let selects = |name: &&str| name.starts_with("BY") && *name != "BYSETPOS";
    if parts.contains_key("BYSETPOS") && !parts.keys().any(selects) {
        wrong.push("has BYSETPOS without another BY part to pick from".to_owned());
    }
    if parts.contains_key("BYSETPOS") && frequency == Some("WEEKLY") {
        // The crate picks from what is left of the first week, the RFC from all of it.
        wrong.push("has BYSETPOS with FREQ=WEEKLY, which is unsupported: name the days".to_owned());
    }
    let counts_days =
        matches!(frequency, Some("MONTHLY" | "YEARLY")) && !parts.contains_key("BYWEEKNO");
    for day in parts.get("BYDAY").into_iter().flat_map(|days| days.split(',')) {
        let (ordinal, name) = day.split_at(day.len().saturating_sub(2));
        let known = matches!(name, "MO" | "TU" | "WE" | "TH" | "FR" | "SA" | "SU");
        let numbered = ordinal.parse().is_ok_and(|ordinal: i16| ordinal != 0);
        if !known || !(ordinal.is_empty() || numbered) {
            wrong.push(format!("has the malformed BYDAY {}", quoted(day)));
        } else if numbered && !counts_days {
            wrong.push(format!("has BYDAY={day}: numbered days need MONTHLY, or YEARLY by days"));
        }
    }
}

/// The crate's own words, without what is clear from the key.
fn reason(error: &RRuleError) -> String {
    match error {
        RRuleError::ParserError(error) => format!("is malformed: {error}"),
        RRuleError::ValidationError(error) => format!("is not valid: {error}"),
        other => format!("is not valid: {other}"),
    }
}
