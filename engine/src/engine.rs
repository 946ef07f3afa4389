//! The engine: campaigns, their sales, and the thread that keeps time.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};
use siphasher::sip::SipHasher13;

use crate::Timestamp;
use crate::book::Book;
use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::housekeeping::{self, Stop};
use crate::ids::HoldId;
use crate::journal::record::Record;
use crate::journal::recover::{Extent, recover};
use crate::journal::{Class, Journal, Look, Opened, Storage, snapshots};
use crate::limits::JOURNAL_BYTES_PER_UNIT;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::replay::{Replay, Replayed};
use crate::retention::Retention;
use crate::sale::{Sale, Shared};
use crate::snapshot::{self, Loaded};
use crate::wait::WaitId;

/// A flash-sale engine. Cheap to clone; any number of threads may use it at once.
///
/// When the last clone is gone, everything is flushed and its threads end; a [`Sale`] that is left
/// can still be read, but changes nothing any more. The directory is unlocked with the last of
/// them.
#[derive(Clone)]
pub struct Engine(Arc<Running>);

/// The engine's threads; they share the core, so its end is here.
struct Running {
    core: Arc<EngineCore>,
    threads: Vec<JoinHandle<()>>,
}

pub(crate) struct EngineCore {
    pub(crate) shared: Arc<Shared>,
    /// Every drop ever put, by index.
    pub(crate) sales: RwLock<Vec<Sale>>,
    /// The drops that are current, by name: looked up by every command on every thread, changed
    /// when a campaign is put.
    pub(crate) by_id: DashMap<Box<str>, Sale>,
    /// Locked while a campaign is put.
    pub(crate) catalogue: Mutex<Catalogue>,
    /// Ends the threads that keep time, settle and make a snapshot.
    pub(crate) stop: Stop,
    /// Held by whoever does what is due.
    pub(crate) ticking: Mutex<()>,
    /// Held by whoever settles a campaign.
    pub(crate) settling: Mutex<()>,
    /// What is kept of the past.
    pub(crate) retention: Retention,
    /// Where keys of hashes come from, if not from chance.
    seed: Option<[u64; 2]>,
    torn: Option<String>,
    passed_over: Vec<String>,
    /// Records since the last snapshot that make another one worth it.
    snapshot_after: u64,
}

/// What a start found.
struct Reopened {
    journal: Journal<Book>,
    replay: Replay,
    torn: Option<String>,
    passed_over: Vec<String>,
    /// Records that no snapshot stood for.
    replayed: u64,
}

impl Reopened {
    fn empty() -> Self {
        let mut replay = Replay::default();
        let journal = Journal::in_memory(std::mem::take(&mut replay.book));
        Self { journal, replay, torn: None, passed_over: Vec::new(), replayed: 0 }
    }

    /// Reads the newest snapshot and what follows it, and writes again what nothing vouches for.
    fn from(options: &Options, storage: &Arc<dyn Storage>) -> Result<Self, Error> {
        let mut extent = Extent::all(&**storage)?;
        extent.ahead = options.background;
        let Loaded { mut replay, origin, passed_over } = snapshot::newest(&**storage)?;
        extent.from = origin;
        let mut apply =
            |sequence: u64, at: Timestamp, record: &Record<'_>| replay.apply(sequence, at, record);
        let found = recover(&**storage, extent, &mut apply)
            .map_err(|error| error.beside_snapshots(&passed_over))?;
        let torn = found.torn.map(|place| place.describe(&**storage));
        let replayed = found.last.sequence - origin.sequence;
        // Not before: reading may have taken longer than the rest of a hold's time.
        let now = options.clock.now();
        let resumed = Record::Resumed { now };
        let resumed_at = now.max(found.last.at);
        replay.apply(0, resumed_at, &resumed).expect("resuming changes deadlines only");
        replay.finish();
        let opened = Opened {
            storage: Arc::clone(storage),
            segment_bytes: options.segment_bytes,
            durability: options.durability,
            threaded: options.background,
        };
        let journal = Journal::resume(&opened, found, now, std::mem::take(&mut replay.book))?;
        Ok(Self { journal, replay, torn, passed_over, replayed })
    }
}

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why nothing can be acknowledged any more: a write or flush failed. Restart the process.
    pub latched: Option<String>,
    /// New holds are refused: the disk has only the room that live holds need to end.
    pub disk_short: bool,
}

impl Engine {
    /// Opens the engine on a directory with all defaults; see [`Options::open`].
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::Io`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        Self::options().data(directory).open()
    }

    /// An engine without a journal: everything is gone with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        let options = Self::options().durability(crate::Durability::Memory);
        options.open().expect("without a disk only the making of a thread can fail")
    }

    /// Options for opening an engine.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn start(
        options: &Options,
        storage: Option<Arc<dyn Storage>>,
    ) -> Result<Self, Error> {
        let Reopened { journal, replay, torn, passed_over, replayed } = match storage {
            None => Reopened::empty(),
            Some(storage) => Reopened::from(options, &storage)?,
        };
        let seed = options.id_seed.map_or_else(secret, Ok)?;
        let shared = Arc::new(Shared {
            journal: Arc::new(journal),
            clock: Arc::clone(&options.clock),
            ids: SipHasher13::new_with_keys(seed[0], seed[1]),
            making: Mutex::new(()),
        });
        let core = Arc::new(EngineCore {
            shared,
            sales: RwLock::new(Vec::new()),
            by_id: DashMap::new(),
            catalogue: Mutex::new(replay.catalogue),
            stop: Stop::default(),
            ticking: Mutex::new(()),
            settling: Mutex::new(()),
            retention: Retention::new(options.retain_settled),
            seed: options.id_seed,
            torn,
            passed_over,
            snapshot_after: options.snapshot_after,
        });
        core.adopt(replay.sales);
        for put in core.catalogue.lock().current() {
            core.list(put.indices());
        }
        core.expect();
        core.tick();
        // Whichever thread cannot be made, those that run are ended by the drop of this.
        let mut running = Running { core, threads: Vec::new() };
        let Running { core, threads } = &mut running;
        core.shared.journal.start(threads)?;
        if options.background {
            threads.push(housekeeping::start(core)?);
            threads.push(housekeeping::start_settling(core)?);
            if replayed >= options.snapshot_after {
                threads.push(core.start_snapshot()?);
            }
        }
        Ok(Self(Arc::new(running)))
    }

    /// The drop of that id, `<campaign>-<occurrence>`.
    #[must_use]
    pub fn sale(&self, id: &str) -> Option<Sale> {
        self.0.core.by_id.get(id).map(|sale| sale.clone())
    }

    /// The drop that a hold belongs to. Whether the hold exists, only the drop can tell.
    #[must_use]
    pub fn sale_of(&self, hold: &HoldId) -> Option<Sale> {
        self.sale_at(hold.sale())
    }

    /// The drop that a wait belongs to. Whether the wait exists, only the drop can tell.
    #[must_use]
    pub fn sale_of_wait(&self, wait: &WaitId) -> Option<Sale> {
        self.sale_at(wait.sale())
    }

    /// All drops, by opening instant, then id.
    #[must_use]
    pub fn sales(&self) -> Vec<Sale> {
        let mut sales: Vec<Sale> =
            self.0.core.by_id.iter().map(|entry| entry.value().clone()).collect();
        sales.sort_by(|a, b| (a.opens_at(), a.id()).cmp(&(b.opens_at(), b.id())));
        sales
    }

    /// The engine's time: wall time, without steps between two ticks.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.core.shared.clock.now()
    }

    /// Does what is due: opens and closes drops, expires holds, follows a stepped clock, watches
    /// the disk, settles credits, drops what is [not to be kept](Options::retain_settled). Returns
    /// how many holds expired. The engine's own threads do this every few milliseconds; call it
    /// yourself only with [`Options::background`] off.
    pub fn tick(&self) -> u64 {
        let expired = self.0.core.tick();
        self.0.core.settle_due();
        self.0.core.drop_oldest_segment();
        expired
    }

    /// Flushes the journal on this thread, up to everything appended so far by any thread.
    ///
    /// # Errors
    /// [`OutcomeUnknown`](crate::OutcomeUnknown) if a write or flush failed.
    pub fn flush(&self) -> Result<(), crate::OutcomeUnknown> {
        let journal = &self.0.core.shared.journal;
        match journal.wait(journal.last_sequence()) {
            Look::Durable => Ok(()),
            _ => Err(crate::OutcomeUnknown),
        }
    }

    /// Asks the engine's committer thread to flush, and does not wait. Without
    /// [threads](Options::background) it flushes on this one.
    pub fn flush_soon(&self) {
        self.0.core.shared.journal.demand();
    }

    /// Records appended and not yet durable.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.0.core.shared.journal.backlog()
    }

    /// Whether it can acknowledge changes and grant holds.
    #[must_use]
    pub fn health(&self) -> Health {
        let journal = &self.0.core.shared.journal;
        Health { latched: journal.failure(), disk_short: journal.is_short() }
    }

    pub(crate) fn core(&self) -> &EngineCore {
        &self.0.core
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.core.shared
    }

    /// The drop of that index, current or not.
    pub(crate) fn sale_at(&self, index: u32) -> Option<Sale> {
        self.0.core.sales.read().get(index as usize).cloned()
    }

    /// Snapshots that the start found damaged or incomplete and passed over, newest first: file,
    /// byte and why. What they held was read from an older one or from the journal.
    #[must_use]
    pub fn snapshots_passed_over(&self) -> &[String] {
        &self.0.core.passed_over
    }

    /// Whether a well-formed hold would be looked at, of whatever drop.
    ///
    /// # Errors
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn admits_holds(&self) -> Result<(), Refusal> {
        self.0.core.shared.journal.pass(Class::New).map(|_| ())
    }

    /// Whether a flush would first have to wait for room on the disk.
    #[must_use]
    pub fn flush_waits(&self) -> bool {
        self.0.core.shared.journal.flush_waits()
    }

    /// Where a batch that was never acknowledged was found cut short at the start, if one was.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&str> {
        self.0.core.torn.as_deref()
    }
}

impl EngineCore {
    /// Makes sales of replayed drops, at the indices they were made for.
    pub(crate) fn adopt(&self, drops: Vec<Replayed>) {
        let mut sales = self.sales.write();
        for drop in drops {
            assert_eq!(drop.index as usize, sales.len(), "sales are numbered as they come");
            sales.push(Sale::new(&self.shared, drop));
        }
    }

    /// Lists sales under their names.
    pub(crate) fn list(&self, indices: impl Iterator<Item = u32>) {
        let sales = self.sales.read();
        for sale in indices.filter_map(|index| sales.get(index as usize)) {
            self.by_id.insert(sale.id().into(), sale.clone());
        }
    }

    /// Asks for as many segments as what can still be sold will fill.
    pub(crate) fn expect(&self) {
        let units: u64 = self.current().iter().map(Sale::units_to_come).sum();
        self.shared.journal.expect(units.saturating_mul(JOURNAL_BYTES_PER_UNIT));
    }

    /// Makes the rows of those drops among these ready that open soon.
    pub(crate) fn warm_near(&self, indices: impl Iterator<Item = u32>) {
        let now = self.shared.clock.now();
        let sales: Vec<Sale> = {
            let sales = self.sales.read();
            indices.filter_map(|index| sales.get(index as usize).cloned()).collect()
        };
        for sale in sales.iter().filter(|sale| sale.is_near(now)) {
            while sale.0.warm_one() {}
        }
    }

    /// The drops that are current, in the order of their making: what is due at once happens in
    /// the same order in every process.
    pub(crate) fn current(&self) -> Vec<Sale> {
        let mut sales: Vec<Sale> = self.by_id.iter().map(|entry| entry.value().clone()).collect();
        sales.sort_unstable_by_key(|sale| sale.0.index);
        sales
    }

    /// The key that spreads the customers of a campaign whose first drop is `first`.
    pub(crate) fn hash_key(&self, first: u32) -> Result<[u64; 2], Error> {
        let Some([a, b]) = self.seed else { return secret() };
        let words = [0_u8, 1].map(|word| {
            let [c, d, e, f] = first.to_le_bytes();
            SipHasher13::new_with_keys(a, b).hash(&[word, c, d, e, f])
        });
        Ok(words)
    }
}

/// 128 bits from the operating system.
fn secret() -> Result<[u64; 2], Error> {
    let word = || getrandom::u64().map_err(|error| Error::Io(std::io::Error::other(error)));
    Ok([word()?, word()?])
}

impl EngineCore {
    /// Starts a thread that makes a snapshot as another process would, since this start took long.
    fn start_snapshot(self: &Arc<Self>) -> Result<JoinHandle<()>, Error> {
        let engine = Arc::clone(self);
        let maker = std::thread::Builder::new().name("jangteo-snapshot".to_owned());
        Ok(maker.spawn(move || {
            if let Some(storage) = engine.shared.journal.storage() {
                // Without it the next start takes as long as this one did; nothing else is lost.
                let _ = snapshot::make(&**storage, &engine.stop);
            }
        })?)
    }

    /// Stores everything in a snapshot, if all of it is durable and the next start would otherwise
    /// have much to replay.
    fn snapshot_at_end(&self) {
        let journal = &self.shared.journal;
        let (Some(storage), Some(end)) = (journal.storage(), journal.end()) else { return };
        let last = snapshots(&**storage).ok().and_then(|all| all.last().copied()).unwrap_or(0);
        if end.sequence.saturating_sub(last) >= self.snapshot_after {
            let _ = snapshot::store(&**storage, end, &snapshot::Ended::new(self)); // as above
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.stop.stop();
        self.core.shared.journal.stop();
        for thread in self.threads.drain(..) {
            // A waker that is the engine's last owner may be woken on an engine's own thread.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join(); // a thread that panicked has latched the journal
            }
        }
        self.core.snapshot_at_end();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sales", &self.0.core.by_id.len()).finish_non_exhaustive()
    }
}
