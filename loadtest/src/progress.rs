//! Counters another thread may watch while the crowd is at it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What has happened so far. Share it with the thread that draws a progress line.
///
/// Each counter only grows and stands alone: `Relaxed` suffices, and a reader may see one counter
/// a moment ahead of another.
#[derive(Debug, Default)]
pub struct Progress {
    pub(crate) sent: Counter,
    pub(crate) granted: Counter,
    pub(crate) replayed: Counter,
    pub(crate) confirmed: Counter,
    pub(crate) released: Counter,
    pub(crate) refused: Counter,
    pub(crate) lost: Counter,
}

/// [`Progress`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressNow {
    /// Requests that have left, or wait for a free HTTP connection.
    pub sent: u64,
    /// Holds acknowledged, each once.
    pub granted: u64,
    /// Answers that showed a hold again.
    pub replayed: u64,
    /// Confirmations acknowledged.
    pub confirmed: u64,
    /// Releases acknowledged.
    pub released: u64,
    /// Hold requests refused, for whatever reason.
    pub refused: u64,
    /// Requests whose connection ended before an answer came.
    pub lost: u64,
}

impl Progress {
    /// Reads every counter.
    #[must_use]
    pub fn now(&self) -> ProgressNow {
        ProgressNow {
            sent: self.sent.get(),
            granted: self.granted.get(),
            replayed: self.replayed.get(),
            confirmed: self.confirmed.get(),
            released: self.released.get(),
            refused: self.refused.get(),
            lost: self.lost.get(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
