//! Local times and instants.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use crate::Timestamp;
use crate::limits::LOCAL_YEARS;

/// How local times are written: no offset, no fraction.
const LOCAL: &str = "%Y-%m-%dT%H:%M:%S";

/// Reads a local date and time such as `2020-04-29T10:00:00`.
pub(super) fn parse(text: &str) -> Option<NaiveDateTime> {
    parse_as(text, LOCAL, "0000-00-00T00:00:00")
}

/// Reads the compact form of RFC 5545, such as `20200429T100000`.
pub(super) fn parse_compact(text: &str) -> Option<NaiveDateTime> {
    parse_as(text, "%Y%m%dT%H%M%S", "00000000T000000")
}

/// Checks the shape first, since chrono also reads signs, missing zeros and leap seconds.
fn parse_as(text: &str, format: &str, shape: &str) -> Option<NaiveDateTime> {
    let same = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    let shaped = text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(same);
    let leap = text.ends_with("60");
    let local = NaiveDateTime::parse_from_str(text, format).ok().filter(|_| shaped && !leap)?;
    LOCAL_YEARS.contains(&local.year()).then_some(local)
}

/// Writes a local time as it is read.
pub(super) fn show(local: NaiveDateTime) -> String {
    local.format(LOCAL).to_string()
}

/// The instant of a local time: where the clocks go forward over it, moved forward by as much as
/// they are; where they go back and it comes twice, the first.
pub(super) fn instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    let utc = match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(only) => only.to_utc(),
        MappedLocalTime::Ambiguous(first, _) => first.to_utc(),
        MappedLocalTime::None => after_gap(zone, local),
    };
    let ms = u64::try_from(utc.timestamp_millis());
    Timestamp::from_ms(ms.expect("local times begin a year after the epoch"))
}

/// Reads the local time with the offset in force before the gap, as RFC 5545 says (3.3.5).
fn after_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let gap = GapInfo::new(&local, &zone).expect("a time without an instant is in a gap");
    let (_, before) = gap.begin.expect("no zone begins with a gap after 1970");
    (local - before.fix()).and_utc()
}

/// The local time at an instant.
pub(super) fn local(zone: Tz, instant: Timestamp) -> NaiveDateTime {
    let ms = i64::try_from(instant.as_ms()).ok();
    let utc = ms.and_then(DateTime::from_timestamp_millis).expect("instants come from local times");
    utc.with_timezone(&zone).naive_local()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn utc(zone: Tz, text: &str) -> String {
        instant(zone, parse(text).unwrap()).to_string().replace(".000Z", "")
    }

    #[test]
    fn a_time_in_a_gap_is_moved_forward() {
        let cases = [
            (Tz::America__New_York, "2021-03-14T02:30:00", "2021-03-14T07:30:00"), // 03:30 EDT
            (Tz::America__New_York, "2021-03-14T01:59:59", "2021-03-14T06:59:59"),
            (Tz::America__New_York, "2021-03-14T03:00:00", "2021-03-14T07:00:00"),
            (Tz::Europe__Berlin, "2021-03-28T02:30:00", "2021-03-28T01:30:00"), // 03:30 CEST
            (Tz::Australia__Lord_Howe, "2021-10-03T02:15:00", "2021-10-02T15:45:00"), // half an hour
            (Tz::Pacific__Apia, "2011-12-30T12:00:00", "2011-12-30T22:00:00"),        // a whole day
        ];
        for (zone, local, expected) in cases {
            assert_eq!(utc(zone, local), expected, "{zone} {local}");
        }
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first() {
        assert_eq!(utc(Tz::America__New_York, "2021-11-07T01:30:00"), "2021-11-07T05:30:00");
        assert_eq!(utc(Tz::Europe__Berlin, "2021-10-31T02:30:00"), "2021-10-31T00:30:00");
    }

    #[test]
    fn in_every_zone_a_time_is_kept_unless_it_is_in_a_gap() {
        let start = parse("2011-01-01T00:15:00").unwrap(); // the year Apia left out a day
        let times: Vec<_> = (0..365 * 24).map(|hours| start + TimeDelta::hours(hours)).collect();
        for zone in chrono_tz::TZ_VARIANTS {
            for time in &times {
                let shown = local(zone, instant(zone, *time));
                let in_gap = zone.from_local_datetime(time) == MappedLocalTime::None;
                assert!(if in_gap { shown > *time } else { shown == *time }, "{zone} {time}");
            }
        }
    }

    #[test]
    fn instants_go_back_to_local_times() {
        for text in ["2020-04-29T10:00:00", "2021-11-07T01:30:00", "1971-01-01T00:00:00"] {
            let time = parse(text).unwrap();
            assert_eq!(show(local(Tz::Asia__Seoul, instant(Tz::Asia__Seoul, time))), text);
        }
    }

    #[test]
    fn only_the_stated_form_is_read() {
        let wrong = [
            "2020-04-29",
            "2020-04-29T10:00",
            "2020-04-29 10:00:00",
            "2020-04-29T10:00:00Z",
            "2020-04-29T10:00:00+09:00",
            "2020-04-29T10:00:00.5",
            "2020-4-29T10:00:00",
            "+020-04-29T10:00:00",
            "2020-04-31T10:00:00",
            "2020-04-29T24:00:00",
            "2016-12-31T23:59:60",
            "1970-12-31T23:59:59",
            "3000-01-01T00:00:00",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse_compact("20200429T100000").is_some());
        assert_eq!(parse_compact("2020042 T100000"), None);
    }
}
