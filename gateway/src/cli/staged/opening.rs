//! When a staged drop opens.

use std::str::FromStr;

use chrono::DateTime;
use jangteo::{Timestamp, duration_ms};

/// When a staged drop opens: after a while, or at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// So many milliseconds from now.
    After(u64),
    /// Then.
    At(Timestamp),
}

impl Opening {
    /// The instant that is meant, if it is `now`.
    pub(crate) const fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(ms) => now.plus_ms(ms),
            Self::At(instant) => instant,
        }
    }
}

impl FromStr for Opening {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(after) = text.strip_prefix('+') {
            return duration_ms(after).map(Self::After).ok_or("a duration is needed, as in +10s");
        }
        let instant = DateTime::parse_from_rfc3339(text)
            .map_err(|_| "needed is +10s, or an instant as in 2026-11-25T09:00:00+09:00")?;
        let ms = u64::try_from(instant.timestamp_millis()).map_err(|_| "before 1970")?;
        Ok(Self::At(Timestamp::from_ms(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_so_much_ahead_or_an_instant() {
        let instant = Opening::At(Timestamp::from_ms(1_588_122_000_000));
        let table = [
            ("+10s", Some(Opening::After(10_000))),
            ("+1h30m", Some(Opening::After(5_400_000))),
            ("2020-04-29T10:00:00+09:00", Some(instant)),
            ("2020-04-29T01:00:00Z", Some(instant)),
            ("10s", None),
            ("+10", None),
            ("-10s", None),
            ("2020-04-29T10:00:00", None),
            ("1960-01-01T00:00:00Z", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
