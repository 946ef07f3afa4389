//! How long requests took, by wire and call.
//!
//! Owns its counters, all relaxed: each only ever grows. A scrape that comes between two of them
//! shows a sum without its count; the next one shows both.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::{CALLS, Call};
use crate::tls::Wire;

/// Upper bounds of the classes, in microseconds; one class more holds what took longer.
const BOUNDS_US: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];

/// See the module.
#[derive(Debug)]
pub(crate) struct Times([[Histogram; CALLS]; 2]);

#[derive(Debug)]
struct Histogram {
    classes: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// A histogram as it is encoded: sum in seconds, count, classes by upper bound.
pub(super) type Shown = (f64, u64, Vec<(f64, u64)>);

impl Default for Times {
    fn default() -> Self {
        let zeros = || array::from_fn(|_| AtomicU64::new(0));
        let histogram = || Histogram { classes: zeros(), sum_us: AtomicU64::new(0) };
        Self([(); 2].map(|()| array::from_fn(|_| histogram())))
    }
}

impl Times {
    /// One request took so long.
    pub(crate) fn add(&self, wire: Wire, call: Call, took: Duration) {
        self.add_many(wire, call, took, 1);
    }

    /// So many requests of a kind took so long, each of them.
    pub(crate) fn add_many(&self, wire: Wire, call: Call, took: Duration, count: u32) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound| *bound < took_us);
        let Some(histogram) = self.of(wire, call) else { return };
        if let Some(class) = histogram.classes.get(class) {
            class.fetch_add(u64::from(count), Ordering::Relaxed);
        }
        let sum_us = took_us.saturating_mul(u64::from(count));
        histogram.sum_us.fetch_add(sum_us, Ordering::Relaxed);
    }

    fn of(&self, wire: Wire, call: Call) -> Option<&Histogram> {
        self.0.get(wire as usize)?.get(call as usize)
    }

    /// What was measured, if anything was.
    pub(super) fn shown(&self, wire: Wire, call: Call) -> Option<Shown> {
        let histogram = self.of(wire, call)?;
        let counts = histogram.classes.iter().map(|class| class.load(Ordering::Relaxed));
        let classes: Vec<_> = bounds_s(&BOUNDS_US).zip(counts).collect();
        let count = classes.iter().map(|(_, count)| count).sum();
        let sum_s = Duration::from_micros(histogram.sum_us.load(Ordering::Relaxed)).as_secs_f64();
        (count > 0).then_some((sum_s, count, classes))
    }
}

/// Bounds in microseconds as seconds, and one above all.
pub(super) fn bounds_s(bounds_us: &[u64]) -> impl Iterator<Item = f64> {
    let bounds = bounds_us.iter().map(|us| Duration::from_micros(*us).as_secs_f64());
    bounds.chain([f64::INFINITY])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_the_class_of_its_time() {
        let times = Times::default();
        times.add_many(Wire::Resp, Call::Hold, Duration::from_micros(100), 3);
        times.add(Wire::Resp, Call::Hold, Duration::from_secs(20));
        let (sum_s, count, classes) = times.shown(Wire::Resp, Call::Hold).unwrap();
        assert_eq!((count, classes[0], classes[15]), (4, (0.0001, 3), (f64::INFINITY, 1)));
        assert!((sum_s - 20.0003).abs() < 1e-9);
        assert!(times.shown(Wire::Http, Call::Hold).is_none());
    }
}
