//! What the engine can tell about itself to whoever watches it. Reads only.

use crate::Timestamp;
use crate::engine::Engine;
use crate::journal::Flushes;
use crate::phase::Phase;
use crate::sale::Sale;

/// What is worth watching, as of about one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// What flushes have cost; nothing without a disk.
    pub flushes: Flushes,
    /// Bytes free on the journal's disk, if it has one and it can tell.
    pub disk_free_bytes: Option<u64>,
    /// By how much the hold that should have expired first is late, in milliseconds.
    pub expiry_lag_ms: u64,
}

impl Engine {
    /// What is worth watching. Asks the file system and looks into every drop with live holds, so
    /// not for a thread that answers clients.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let journal = &self.shared().journal;
        let free = journal.storage().map(|storage| storage.free_bytes());
        Figures {
            flushes: journal.flushes(),
            disk_free_bytes: free.and_then(Result::ok),
            expiry_lag_ms: self.expiry_lag_ms(),
        }
    }

    fn expiry_lag_ms(&self) -> u64 {
        let now = self.now();
        let live = self.shared().journal.read(|book, _| book.live().clone());
        let sales = live.into_iter().filter_map(|index| self.sale_at(index));
        let running = sales.filter(|sale| sale.phase() != Phase::Paused);
        let first = running.filter_map(|sale| sale.first_deadline()).min();
        first.map_or(0, |at| now.as_ms().saturating_sub(at.as_ms()))
    }
}

impl Sale {
    /// A number of this drop that no other drop of the engine has, in any process: they count from
    /// 0 as drops are made.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.0.index
    }

    /// The deadline that is met next.
    fn first_deadline(&self) -> Option<Timestamp> {
        self.0.shards().filter_map(|shard| shard.first_deadline()).min()
    }
}
