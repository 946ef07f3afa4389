//! Instants of a run, in microseconds after the opening (before it: negative).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs on monotonic time; the wall clock is read once, when the timeline is made.
///
/// NOTE: a wall clock that is stepped during a run (seconds) moves the opening of the service but
/// not of the crowd, so grants may look early or late by the step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    opening: Instant,
}

impl Timeline {
    /// A timeline to an opening in the future; `None` if it is past.
    pub(crate) fn to(opens_at_ms: u64) -> Option<Self> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let ahead = Duration::from_millis(opens_at_ms).checked_sub(since_epoch)?;
        Some(Self { opening: Instant::now().checked_add(ahead)? })
    }

    /// Now, rounded down.
    pub(crate) fn now_us(self) -> i64 {
        let now = Instant::now();
        let after_ns = match now.checked_duration_since(self.opening) {
            Some(after) => i64::try_from(after.as_nanos()),
            None => i64::try_from((self.opening - now).as_nanos()).map(|before| -before),
        };
        after_ns.unwrap_or(i64::MAX).div_euclid(1_000)
    }

    /// The monotonic instant of a time of this run.
    pub(crate) fn instant(self, at_us: i64) -> Instant {
        let distance = Duration::from_micros(at_us.unsigned_abs());
        if at_us < 0 {
            self.opening.checked_sub(distance).unwrap_or(self.opening)
        } else {
            self.opening + distance
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_is_ahead_by_what_the_wall_clock_says() {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let timeline = Timeline::to(u64::try_from(now_ms).unwrap() + 60_000).unwrap();
        let now_us = timeline.now_us();
        assert!((-60_000_000..-59_000_000).contains(&now_us), "{now_us}");
        assert!(timeline.instant(now_us) <= Instant::now());
        assert_eq!(timeline.instant(250) - timeline.instant(-250), Duration::from_micros(500));
    }

    #[test]
    fn a_past_opening_has_no_timeline() {
        assert!(Timeline::to(1_588_122_000_000).is_none());
    }
}
