//! Making a snapshot: from the newest one and the journal behind it, in any process; or from the
//! state of an engine that has just ended. Then it is read back, and older ones are removed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::load::{Loaded, load_each, newest, newest_each};
use super::pace::{Asker, Pace, SnapshotProgress};
use super::section::FileSink;
use super::write::{EachShard, State, write};
use crate::Timestamp;
use crate::book::Page;
use crate::catalogue::Catalogue;
use crate::error::{Corruption, Error};
use crate::journal::beside::{patiently, read_beside_from, vouched_beside_each};
use crate::journal::record::Record;
use crate::journal::recover::Origin;
use crate::journal::settlement::Settled;
use crate::journal::{Directory, FileName, Storage, snapshots};
use crate::limits::SNAPSHOTS_KEPT;
use crate::replay::Replay;

/// Records applied before it is asked whether to go on.
const RECORDS_PART: u64 = 64;

/// A snapshot that was made, or was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotMade {
    /// The last record it holds.
    pub sequence: u64,
    /// Its file.
    pub file: String,
    /// Bytes written; 0 if there was nothing new to hold.
    pub bytes: u64,
    /// Snapshots that could not be read: file, byte and why.
    pub passed_over: Vec<String>,
}

/// Makes a snapshot of the data directory `path`, of everything that is vouched for at this moment.
/// `None` if there is no record at all.
///
/// Takes no lock of an engine: it may run beside one, and then disturbs it as little as it can. It
/// keeps all holds in memory meanwhile. The newest two snapshots are kept.
///
/// # Durability
/// When this returns, the snapshot is on disk and was read back.
///
/// # Errors
/// [`Error::InUse`] if another snapshot is being made; [`Error::Corrupt`] with file and byte;
/// [`Error::Io`], also if there is no such directory.
pub fn snapshot_directory(path: impl AsRef<Path>) -> Result<Option<SnapshotMade>, Error> {
    snapshot_directory_with_progress(path, |_| ())
}

/// As [`snapshot_directory`], and tells on this thread how far it has come. Reading begins again if
/// a file goes away under it.
///
/// # Errors
/// As [`snapshot_directory`].
///
/// ```
/// use jangteo::SnapshotProgress::{Read, Written};
/// # let directory = tempfile::tempdir()?;
/// # let data = directory.path().join("data");
/// # drop(jangteo::Engine::open(&data)?);
///
/// jangteo::snapshot_directory_with_progress(&data, |progress| match progress {
///     Read { records, all } => eprintln!("read {records} of {all} records"),
///     Written { holds, all } => eprintln!("written {holds} of {all} holds"),
///     _ => eprintln!("checking"),
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn snapshot_directory_with_progress(
    path: impl AsRef<Path>,
    told: impl Fn(SnapshotProgress),
) -> Result<Option<SnapshotMade>, Error> {
    let storage = Directory::in_data(path.as_ref())?;
    make(&storage, &Told(told))
}

/// Wants it whatever comes, and is told.
struct Told<F>(F);

impl<F: Fn(SnapshotProgress)> Asker for Told<F> {
    fn hear(&self, progress: SnapshotProgress) {
        self.0(progress);
    }
}

/// As [`snapshot_directory`], of a journal that lies in `storage`.
///
/// # Errors
/// As [`snapshot_directory`].
pub fn make_snapshot(storage: &dyn Storage) -> Result<Option<SnapshotMade>, Error> {
    make(storage, &())
}

/// Makes one, gently; gives up with [`io::ErrorKind::Interrupted`] when it is not wanted any more.
pub(crate) fn make(
    storage: &dyn Storage,
    asker: &dyn Asker,
) -> Result<Option<SnapshotMade>, Error> {
    let _one_maker = storage.lock_snapshots()?.ok_or(Error::InUse)?;
    let pace = Pace::gentle(asker);
    let Read { before, passed_over, replay, origin } = patiently(storage, || read(storage, &pace))?;
    if origin.sequence == 0 {
        return Ok(None);
    }
    let bytes = if origin == before { 0 } else { write_locked(storage, origin, &replay, &pace)? };
    let file = storage.describe(FileName::Snapshot(origin.sequence));
    Ok(Some(SnapshotMade { sequence: origin.sequence, file, bytes, passed_over }))
}

/// What a journal comes to.
struct Read {
    /// Where the newest snapshot stands that could be read.
    before: Origin,
    passed_over: Vec<String>,
    replay: Replay,
    origin: Origin,
}

fn read(storage: &dyn Storage, pace: &Pace<'_>) -> Result<Read, Error> {
    let loaded = newest_each(storage, &mut &*pace)?;
    let vouched_max = vouched_beside_each(storage, loaded.origin, &mut || pace.go_on())?;
    let (before, passed_over) = (loaded.origin, loaded.passed_over.clone());
    let (replay, origin) = replay_to(storage, loaded, vouched_max, pace)?;
    Ok(Read { before, passed_over, replay, origin })
}

/// Applies what follows a snapshot, up to the last frame that `vouched_max` vouches for.
pub(crate) fn replay_to(
    storage: &dyn Storage,
    loaded: Loaded,
    vouched_max: u64,
    pace: &Pace<'_>,
) -> Result<(Replay, Origin), Error> {
    let Loaded { mut replay, origin: from, passed_over } = loaded;
    let mut interrupted = false;
    let mut apply = |sequence: u64, at: Timestamp, record: &Record<'_>| {
        if sequence.is_multiple_of(RECORDS_PART) {
            let (records, all) = (sequence - from.sequence, vouched_max - from.sequence);
            pace.tell(SnapshotProgress::Read { records, all });
            if pace.go_on().is_err() {
                interrupted = true;
                return Err("not wanted any more");
            }
        }
        replay.apply(sequence, at, record)
    };
    let found = read_beside_from(storage, from, vouched_max, &mut apply);
    if interrupted {
        return Err(Error::Io(io::ErrorKind::Interrupted.into()));
    }
    let found = found.map_err(|error| error.beside_snapshots(&passed_over))?;
    Ok((replay, found.vouched))
}

/// What all records up to `last`, which was read a moment ago, come to.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Io`], also if there is a snapshot of more by now: see
/// [`patiently`].
pub(crate) fn state_at(storage: &dyn Storage, last: u64) -> Result<Replay, Error> {
    let loaded = newest(storage)?;
    if loaded.origin.sequence > last {
        let why = "a snapshot was made meanwhile, of more";
        return Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, why)));
    }
    replay_to(storage, loaded, last, &Pace::FULL).map(|(state, _)| state)
}

/// Stores `state`, as it is at `origin`, unless another maker is at work; for an engine that ends.
///
/// # Errors
/// As [`snapshot_directory`].
pub(crate) fn store(
    storage: &dyn Storage,
    origin: Origin,
    state: &impl State,
) -> Result<(), Error> {
    let _one_maker = storage.lock_snapshots()?.ok_or(Error::InUse)?;
    write_locked(storage, origin, state, &Pace::FULL).map(drop)
}

/// Writes, reads back, and removes older ones:
/// `create -> write -> sync -> sync_directory -> verify`.
fn write_locked(
    storage: &dyn Storage,
    origin: Origin,
    state: &impl State,
    pace: &Pace<'_>,
) -> Result<u64, Error> {
    let name = FileName::Snapshot(origin.sequence);
    if snapshots(storage)?.contains(&origin.sequence) {
        // Left behind half-done, or damaged: whoever could read it would not make it again.
        storage.remove(name)?;
    }
    let written = write_new(storage, name, origin, state, pace);
    if written.is_err() {
        let _ = storage.remove(name); // it is no snapshot; a start would pass it over
    }
    let bytes = written?;
    prune(storage, origin.sequence, pace)?;
    Ok(bytes)
}

fn write_new(
    storage: &dyn Storage,
    name: FileName,
    origin: Origin,
    state: &impl State,
    pace: &Pace<'_>,
) -> Result<u64, Error> {
    let file = storage.create(name)?;
    let mut sink = FileSink::new(&*file, pace);
    write(&mut sink, origin, state, &mut |holds, all| {
        pace.tell(SnapshotProgress::Written { holds, all });
    })?;
    sink.flush()?;
    if !state.stands_at(origin.sequence) {
        return Err(Error::Io(io::ErrorKind::Interrupted.into()));
    }
    storage.sync_directory()?;
    let bytes = sink.written();
    drop(file);
    pace.tell(SnapshotProgress::Checking);
    let (again, _) = load_each(storage, origin.sequence, &mut &*pace)
        .map_err(|why| unverified(storage, name, why))?;
    if again != origin {
        let why = "it stands elsewhere than it was made for".to_owned();
        return Err(unverified(storage, name, why));
    }
    Ok(bytes)
}

fn unverified(storage: &dyn Storage, name: FileName, why: String) -> Error {
    Error::Corrupt(Corruption { file: storage.describe(name), offset: 0, why })
}

/// Keeps the newest ones that can be read, `last` among them.
fn prune(storage: &dyn Storage, last: u64, pace: &Pace<'_>) -> Result<(), Error> {
    let mut kept = 1;
    for sequence in snapshots(storage)?.into_iter().rev().filter(|sequence| *sequence != last) {
        if kept < SNAPSHOTS_KEPT && load_each(storage, sequence, &mut &*pace).is_ok() {
            kept += 1;
        } else {
            storage.remove(FileName::Snapshot(sequence))?;
        }
    }
    Ok(storage.sync_directory()?)
}

impl State for Replay {
    fn drops(&self) -> usize {
        self.sales.len()
    }

    fn page(&self, index: usize) -> Page {
        self.book.page(u32::try_from(index).expect("limits.rs bounds the drops")).clone()
    }

    fn steps(&self) -> Vec<(u64, i64)> {
        self.book.steps().to_vec()
    }

    fn settled(&self) -> BTreeMap<u32, Settled> {
        self.book.all_settled().clone()
    }

    fn shards(&self, index: usize, each: &mut EachShard<'_>) -> io::Result<()> {
        let sale = self.sales.get(index).expect("there are that many drops");
        sale.shards.iter().enumerate().try_for_each(|(place, shard)| each(place, shard))
    }

    fn stands_at(&self, _: u64) -> bool {
        true // nothing moves on its own
    }

    fn catalogue(&self) -> impl std::ops::Deref<Target = Catalogue> {
        &self.catalogue
    }
}
