//! Time: a millisecond timestamp, and the clock the engine reads it from.
//!
//! The engine's `now` is wall time that moves like a monotonic clock: between two calls of
//! [`Clock::resync`] it never jumps. A step of the wall clock becomes visible at the next `resync`,
//! which says by how much; the engine calls it with all holds locked and moves their deadlines
//! along in the same step, so that nobody's ten minutes become an hour, or nothing.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00 UTC. Shown as RFC 3339 in UTC.
///
/// ```
/// let opening = jangteo::Timestamp::from_ms(1_588_122_000_000);
/// assert_eq!(opening.to_string(), "2020-04-29T01:00:00.000Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds after the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The instant `ms` later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `ms` earlier, not before the epoch.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// The instant moved by a signed step, not before the epoch.
    #[must_use]
    pub const fn moved_ms(self, step_ms: i64) -> Self {
        Self(self.0.saturating_add_signed(step_ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = i64::try_from(self.0).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
        match instant {
            Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => f.write_str("+262143-01-01T00:00:00.000Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the engine reads the time. One of its two seams to the outside (the other is storage).
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, smooth between two calls of [`Clock::resync`].
    fn now(&self) -> Timestamp;

    /// By how many milliseconds the wall clock was stepped since the last [`Clock::resync`]; `now`
    /// does not include it yet. What is only slew is followed on the spot and is no step.
    fn step_ms(&self) -> i64;

    /// Follows the wall clock: `now` includes the step, which is returned, from here on.
    fn resync(&self) -> i64;
}

/// The machine's clocks.
///
/// Owns one atomic: `offset_ms`, wall minus monotonic time. Readers and the one writer (`resync`)
/// need no order with other memory, so it is relaxed throughout.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    offset_ms: AtomicI64,
}

/// A difference below this is slew or scheduling, not a step, in milliseconds.
const STEP_MS: i64 = 50;

impl SystemClock {
    /// A clock that agrees with the wall clock now.
    #[must_use]
    pub fn new() -> Self {
        let clock = Self { started: Instant::now(), offset_ms: AtomicI64::new(0) };
        clock.resync();
        clock
    }

    fn wall_offset_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        wall_ms.saturating_sub(self.monotonic_ms())
    }

    fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let ms = self.offset_ms.load(Ordering::Relaxed).saturating_add(self.monotonic_ms());
        Timestamp::from_ms(u64::try_from(ms).unwrap_or(0))
    }

    fn step_ms(&self) -> i64 {
        let ahead_ms = self.wall_offset_ms() - self.offset_ms.load(Ordering::Relaxed);
        if ahead_ms.abs() >= STEP_MS {
            return ahead_ms;
        }
        self.offset_ms.fetch_add(ahead_ms, Ordering::Relaxed);
        0
    }

    fn resync(&self) -> i64 {
        let offset_ms = self.wall_offset_ms();
        offset_ms - self.offset_ms.swap(offset_ms, Ordering::Relaxed)
    }
}

/// A clock that stands still until it is told to move: for tests, simulations and rehearsals.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicU64,
    step_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn at(start: Timestamp) -> Self {
        Self { now_ms: AtomicU64::new(start.as_ms()), step_ms: AtomicI64::new(0) }
    }

    /// Lets `ms` milliseconds pass.
    pub fn advance(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Lets time pass until `instant`; does nothing if that is over.
    pub fn advance_to(&self, instant: Timestamp) {
        self.now_ms.fetch_max(instant.as_ms(), Ordering::Relaxed);
    }

    /// Steps the wall clock, as an administrator or NTP would: no time passes.
    pub fn step(&self, step_ms: i64) {
        self.step_ms.fetch_add(step_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms.load(Ordering::Relaxed))
    }

    fn step_ms(&self) -> i64 {
        self.step_ms.load(Ordering::Relaxed)
    }

    fn resync(&self) -> i64 {
        let step_ms = self.step_ms.swap(0, Ordering::Relaxed);
        let moved = self.now().moved_ms(step_ms);
        self.now_ms.store(moved.as_ms(), Ordering::Relaxed);
        step_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_shows_once_and_moves_now() {
        let clock = ManualClock::at(Timestamp::from_ms(10_000));
        clock.step(-4_000);
        assert_eq!(clock.step_ms(), -4_000);
        assert_eq!(clock.now().as_ms(), 10_000, "smooth until it is followed");
        assert_eq!(clock.resync(), -4_000);
        assert_eq!(clock.resync(), 0);
        assert_eq!(clock.now().as_ms(), 6_000);
    }

    #[test]
    fn the_system_clock_shows_wall_time_without_steps() {
        let clock = SystemClock::new();
        assert_eq!(clock.step_ms(), 0);
        assert!(clock.now().as_ms() > 1_700_000_000_000);
        assert!(clock.now() <= clock.now());
    }
}
