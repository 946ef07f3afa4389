//! What flushes have cost since the start: read by whoever watches the service.
//!
//! Plain data under a mutex of its own, taken once a flush and never over one: who asks for the
//! figures does not wait for the disk.

use std::time::Duration;

use parking_lot::Mutex;

/// Upper bounds of the classes of [`Flushes::by_time`], in microseconds; one class more holds what
/// took longer.
pub const FLUSH_BOUNDS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000,
];

/// Upper bounds of the classes of [`Flushes::by_records`]; one class more holds larger batches.
pub const BATCH_BOUNDS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

/// Batches that were written and flushed since the start, those that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushes {
    /// How many took up to each of [`FLUSH_BOUNDS_US`], and longer than the bound before.
    pub by_time: [u64; FLUSH_BOUNDS_US.len() + 1],
    /// How many had up to each of [`BATCH_BOUNDS`] records, and more than the bound before.
    pub by_records: [u64; BATCH_BOUNDS.len() + 1],
    /// Time in all, in microseconds.
    pub took_us: u64,
    /// Records in all.
    pub records: u64,
}

/// Counts them. The mutex is the plain one under a model checker too: nothing waits for it.
#[derive(Debug, Default)]
pub(crate) struct FlushLog(Mutex<Flushes>);

impl FlushLog {
    pub(crate) fn add(&self, took: Duration, records: u64) {
        self.0.lock().add(took, records);
    }

    pub(crate) fn all(&self) -> Flushes {
        *self.0.lock()
    }
}

impl Flushes {
    fn add(&mut self, took: Duration, records: u64) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        count(&mut self.by_time, &FLUSH_BOUNDS_US, took_us);
        count(&mut self.by_records, &BATCH_BOUNDS, records);
        self.took_us = self.took_us.saturating_add(took_us);
        self.records += records;
    }
}

fn count(classes: &mut [u64], bounds: &[u64], value: u64) {
    let class = bounds.partition_point(|bound| *bound < value);
    *classes.get_mut(class).expect("one class more than bounds") += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_class_whose_bound_it_does_not_pass() {
        let mut flushes = Flushes::default();
        for (took_us, records) in [(50, 1), (51, 2), (2_000_000, 16_385)] {
            flushes.add(Duration::from_micros(took_us), records);
        }
        assert_eq!((flushes.by_time[0], flushes.by_time[1], flushes.by_time[14]), (1, 1, 1));
        assert_eq!((flushes.by_records[0], flushes.by_records[1]), (1, 1));
        assert_eq!((flushes.by_records[8], flushes.records), (1, 16_388));
        assert_eq!(flushes.took_us, 2_000_101);
    }
}
