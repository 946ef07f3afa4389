//! When the drops of a campaign open, close and are revealed.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::fault::Faults;
use super::model::{Occurrence, Reveal, Schedule};
use super::rule::Rule;
use super::table::{Field, Table};
use super::zone;
use crate::Timestamp;
use crate::limits::{OCCURRENCES_MAX, SPAN_MS};

/// Reads the schedule and works out its occurrences.
pub(super) fn read(
    field: &Field<'_>,
    time_zone: Option<Tz>,
) -> Option<(Schedule, Vec<Occurrence>)> {
    let mut table = field.table()?;
    let opens = table.required("opens", local_time);
    let repeats = table.optional("repeats", |field| Some((rule(field)?, field.clone())));
    let skip_field = table.find("skip");
    let skip = table.or("skip", Vec::new(), |field| Some(numbers(field)?.into_iter().collect()));
    let opens_at = opens.zip(time_zone).map(|(opens, zone)| (zone::instant(zone, opens), zone));
    let closing = closing(&mut table, opens_at, matches!(repeats, Some(None)));
    let reveal = table.or("reveal", Reveal::AtOpen, reveal);
    table.done();

    let (opens, (opens_at, time_zone), repeats) = (opens?, opens_at?, repeats?);
    let instants = match &repeats {
        Some((rule, field)) => {
            rule.instants(opens, time_zone).map_or_else(|wrong| field.fault(wrong), Some)?
        }
        None => vec![opens_at],
    };
    let (skip, (closes_after_ms, closes_at), reveal) = (skip?, closing?, reveal?);
    if let Some(field) = skip_field {
        check_skip(&field, &skip, instants.len())?;
    }
    let repeats = repeats.and_then(|(_, field)| field.text()).map(str::to_ascii_uppercase);
    let schedule = Schedule { opens, repeats, skip, closes_after_ms, closes_at, reveal };
    let occurrences = occurrences(&schedule, time_zone, &instants);
    Some((schedule, occurrences))
}

/// Reads a schedule that was recorded: its occurrences as worked out today, or, where they are not
/// any more, as they were recorded.
pub(super) fn read_recorded(
    field: &Field<'_>,
    time_zone: Option<Tz>,
    occurrences: &[Occurrence],
) -> Option<(Schedule, Vec<Occurrence>)> {
    let faults = Faults::default();
    let today = read(&field.reporting_to(&faults), time_zone).filter(|_| faults.is_empty());
    today.or_else(|| Some((said(field)?, occurrences.to_vec())))
}

/// What a schedule says, whatever it comes to.
fn said(field: &Field<'_>) -> Option<Schedule> {
    let mut table = field.table()?;
    let opens = table.required("opens", local_time);
    let repeats = table.optional("repeats", |field| Some(field.text()?.to_ascii_uppercase()));
    let skip = table.or("skip", Vec::new(), |field| Some(numbers(field)?.into_iter().collect()));
    let closes_after_ms = table.optional("closes_after", |field| field.duration(SPAN_MS));
    let closes_at = table.optional("closes_at", local_time);
    let reveal = table.or("reveal", Reveal::AtOpen, reveal);
    table.done();
    Some(Schedule {
        opens: opens?,
        repeats: repeats?,
        skip: skip?,
        closes_after_ms: closes_after_ms?,
        closes_at: closes_at?,
        reveal: reveal?,
    })
}

/// Reads a local date and time.
pub(super) fn local_time(field: &Field<'_>) -> Option<NaiveDateTime> {
    zone::parse(field.time_text()?).or_else(|| {
        field.fault("expected a local date and time such as 2020-04-29T10:00:00, without offset")
    })
}

/// Reads a list of occurrence numbers, each once.
pub(super) fn numbers(field: &Field<'_>) -> Option<BTreeSet<u32>> {
    let most = u32::try_from(OCCURRENCES_MAX).expect("the limit fits");
    let mut numbers = BTreeSet::new();
    field.each(|field| {
        let number = field.integer_u32(1..=most)?;
        if numbers.insert(number) { Some(()) } else { field.fault("is listed twice") }
    })?;
    Some(numbers)
}

type Closing = (Option<u64>, Option<NaiveDateTime>);

fn closing(
    table: &mut Table<'_>,
    opens_at: Option<(Timestamp, Tz)>,
    one_off: bool,
) -> Option<Closing> {
    let both = table.find("closes_after").is_some();
    let after = table.optional("closes_after", |field| field.duration(SPAN_MS));
    let at = table.optional("closes_at", |field| {
        if both {
            return field.fault("must not stand beside closes_after");
        }
        if !one_off {
            return field.fault("is only for a schedule without repeats; use closes_after");
        }
        let at = local_time(field)?;
        match opens_at {
            Some((opens_at, zone)) if zone::instant(zone, at) <= opens_at => {
                field.fault("must be after opens")
            }
            _ => Some(at),
        }
    });
    Some((after?, at?))
}

fn reveal(field: &Field<'_>) -> Option<Reveal> {
    match field.text()? {
        "at_open" => Some(Reveal::AtOpen),
        "always" => Some(Reveal::Always),
        before if before.starts_with(|c: char| c.is_ascii_digit()) => {
            field.duration(SPAN_MS).map(Reveal::Before)
        }
        _ => field.fault("expected \"at_open\", \"always\" or a duration before opening"),
    }
}

fn rule(field: &Field<'_>) -> Option<Rule> {
    match Rule::parse(field.text()?) {
        Ok(rule) => Some(rule),
        Err(wrong) => {
            for reason in wrong {
                field.fault::<()>(reason);
            }
            None
        }
    }
}

fn check_skip(field: &Field<'_>, skip: &[u32], occurrences: usize) -> Option<()> {
    let exists = |number: u32| usize::try_from(number).is_ok_and(|number| number <= occurrences);
    if let Some(number) = skip.iter().find(|number| !exists(**number)) {
        return field.fault(format!("names occurrence {number}, but there are {occurrences}"));
    }
    if skip.len() == occurrences {
        return field.fault("leaves no occurrence");
    }
    Some(())
}

fn occurrences(schedule: &Schedule, time_zone: Tz, instants: &[Timestamp]) -> Vec<Occurrence> {
    let numbered = (1..).zip(instants.iter().copied());
    let kept = numbered.filter(|(number, _)| !schedule.skip.contains(number));
    let closes_at = schedule.closes_at.map(|local| zone::instant(time_zone, local));
    kept.map(|(number, opens_at)| Occurrence {
        number,
        opens_at,
        closes_at: schedule.closes_after_ms.map(|ms| opens_at.plus_ms(ms)).or(closes_at),
        reveals_at: match schedule.reveal {
            Reveal::AtOpen => opens_at,
            Reveal::Before(ms) => opens_at.minus_ms(ms),
            Reveal::Always => Timestamp::from_ms(0),
        },
    })
    .collect()
}
