//! How an engine is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::engine::Engine;
use crate::error::Error;
use crate::journal::{Directory, Durability, Storage};
use crate::limits::{SEGMENT_BYTES, SNAPSHOT_AFTER_RECORDS};

/// Options of an engine, each with a safe default.
///
/// ```
/// use jangteo::{Durability, Engine};
/// let engine = Engine::options().durability(Durability::Memory).open()?;
/// # drop(engine);
/// # Ok::<(), jangteo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) data: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) storage: Option<Arc<dyn Storage>>,
    pub(crate) segment_bytes: u64,
    pub(crate) background: bool,
    pub(crate) id_seed: Option<[u64; 2]>,
    pub(crate) snapshot_after: u64,
    pub(crate) retain_settled: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./jangteo-data"),
            durability: Durability::Synced,
            clock: Arc::new(SystemClock::new()),
            storage: None,
            segment_bytes: SEGMENT_BYTES,
            background: true,
            id_seed: None,
            snapshot_after: SNAPSHOT_AFTER_RECORDS,
            retain_settled: None,
        }
    }
}

impl Options {
    /// The directory of the journal; `./jangteo-data` unless set.
    #[must_use]
    pub fn data(mut self, directory: impl AsRef<Path>) -> Self {
        directory.as_ref().clone_into(&mut self.data);
        self
    }

    /// What an acknowledged change survives; [`Durability::Synced`] unless set.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Where time is read; the machine's clocks unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the journal lies, instead of the directory.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Size of one journal segment in bytes, a multiple of 512; 64 MiB unless set. The smaller, the
    /// less disk an idle engine occupies, and the more often a busy one changes files.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.next_multiple_of(512).max(4096);
        self
    }

    /// Whether the engine has threads of its own; it has unless set.
    ///
    /// Without them nothing happens but on the threads of its callers: whoever waits for an answer,
    /// polls it or calls [`Engine::flush`] flushes the journal, whoever needs a segment makes it,
    /// and only [`Engine::tick`] opens and closes drops, expires holds, flushes what nobody waits
    /// for and watches the disk. For simulations, which decide themselves when things happen; one
    /// thread, one [`seed`](Options::id_seed), one clock and one storage make every run alike.
    #[must_use]
    pub fn background(mut self, on: bool) -> Self {
        self.background = on;
        self
    }

    /// Makes hold ids, and how a campaign's customers are spread, foreseeable: for simulations,
    /// whose every run of one seed must be alike.
    #[must_use]
    pub fn id_seed(mut self, seed: [u64; 2]) -> Self {
        self.id_seed = Some(seed);
        self
    }

    /// Records since the last snapshot that make another one worth its writing: at the end of the
    /// engine, and beside it after a start that had to replay as many. [`u64::MAX`]: never;
    /// [`SNAPSHOT_AFTER_RECORDS`] unless set.
    #[must_use]
    pub fn snapshot_after(mut self, records: u64) -> Self {
        self.snapshot_after = records;
        self
    }

    /// How long the records of a settled campaign are kept after its settlement, to the
    /// millisecond; for ever ([`None`]) unless set. Those of a deleted campaign are kept no longer
    /// than that allows.
    ///
    /// Whole segments go, the oldest first: one goes once every campaign with a record in it is
    /// deleted, or has been settled for longer than this, and the two newest snapshots stand for
    /// it. What the engine answers of holds, orders and reports stays as it was; the feed then
    /// begins later, and an offline audit judges what is kept. A reader of the feed that has not
    /// got so far does not hold a segment back.
    #[must_use]
    pub fn retain_settled(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.retain_settled = age.into();
        self
    }

    /// Locks the directory, reads the journal back, and starts.
    ///
    /// # Durability
    /// When this returns, everything that was read back is on disk again, flushed.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::Io`].
    pub fn open(self) -> Result<Engine, Error> {
        let storage: Option<Arc<dyn Storage>> = match (self.durability, &self.storage) {
            (Durability::Memory, _) => None,
            (_, Some(storage)) => Some(Arc::clone(storage)),
            (_, None) => {
                let locked = Directory::lock(&self.data.join("journal"));
                Some(Arc::new(locked.map_err(|error| match error.kind() {
                    std::io::ErrorKind::WouldBlock => Error::InUse,
                    _ => Error::Io(error),
                })?))
            }
        };
        Engine::start(&self, storage)
    }
}
