//! Durations as people write them: `90s`, `10m`, `1h30m`, `6days`.
//!
//! Units: `s sec secs second seconds`, `m min mins minute minutes`, `h hour hours`,
//! `d day days`, `w week weeks`. Parts add up and may be parted by one space. A day is 24 hours,
//! also where the clocks change.

const UNITS: [(u64, &[&str]); 5] = [
    (1_000, &["s", "sec", "secs", "second", "seconds"]),
    (60_000, &["m", "min", "mins", "minute", "minutes"]),
    (3_600_000, &["h", "hour", "hours"]),
    (86_400_000, &["d", "day", "days"]),
    (604_800_000, &["w", "week", "weeks"]),
];

/// Milliseconds of a duration as campaign files write it, such as `90s`, `10m`, `1h30m` or `6days`;
/// `None` if it is not one or does not fit.
///
/// ```
/// assert_eq!(jangteo::duration_ms("1h30m"), Some(5_400_000));
/// assert_eq!(jangteo::duration_ms("10 minutes"), None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    loop {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (ms, _) = UNITS.iter().find(|(_, names)| names.contains(&unit))?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*ms)?)?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

/// The shortest way to write a duration of whole seconds, in one unit up to days.
pub(super) fn show(ms: u64) -> String {
    for (unit_ms, unit) in [(86_400_000, "days"), (3_600_000, "h"), (60_000, "m")] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{}s", ms / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_forms_are_read() {
        let forms = [
            ("90s", 90),
            ("10m", 600),
            ("1h", 3_600),
            ("6days", 518_400),
            ("1day", 86_400),
            ("2d", 172_800),
            ("1h30m", 5_400),
            ("1h 30min", 5_400),
            ("1week", 604_800),
            ("0s", 0),
        ];
        for (text, seconds) in forms {
            assert_eq!(parse(text), Some(seconds * 1_000), "{text}");
        }
    }

    #[test]
    fn other_text_is_not_a_duration() {
        let wrong =
            ["", "10", "m", "10 m", "1.5h", "-1s", "1h ", "1h  1m", "10M", "1fortnight", "10분"];
        for text in wrong.into_iter().chain(["18446744073709551615days", "99999999999999999999s"]) {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_as_the_same() {
        for (seconds, shown) in [(90, "90s"), (600, "10m"), (86_400, "1days"), (7_200, "2h")] {
            assert_eq!(show(seconds * 1_000), shown);
            assert_eq!(parse(shown), Some(seconds * 1_000));
        }
    }
}
