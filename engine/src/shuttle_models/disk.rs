//! A disk in memory that knows which records a flush has covered, and minds what is asked of it
//! after one has failed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::frame::{self, Seen};
use crate::journal::{FileName, Storage, StorageFile};
use crate::sync::{AtomicU64, Ordering};

/// Which call fails, counted over the writes, or the flushes, of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Write(u64),
    Flush(u64),
}

#[derive(Debug, Default)]
struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Last record written, and last one flushed; 0 while it is blank.
    written: u64,
    flushed: u64,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<FileName, Content>,
    fault: Fault,
    writes: u64,
    flushes: u64,
    /// Whether the fault has hit.
    failed: bool,
    /// How many more files cannot be made for want of room.
    full: u64,
    /// Most records that one batch may have.
    batch_max: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Disk {
    state: Mutex<State>,
    /// A place where another task may come between.
    between: AtomicU64,
}

#[derive(Debug)]
struct File {
    disk: Arc<Disk>,
    name: FileName,
}

/// The disk as the next start sees it after a loss of power: only what was flushed.
#[derive(Debug)]
pub(super) struct AfterPowerLoss(pub(super) Arc<Disk>);

/// The disk as the engine sees it.
#[derive(Debug)]
pub(super) struct Mounted(pub(super) Arc<Disk>);

impl Disk {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            files: BTreeMap::new(),
            fault: Fault::None,
            writes: 0,
            flushes: 0,
            failed: false,
            full: 0,
            batch_max: u32::MAX,
        };
        Arc::new(Self { state: Mutex::new(state), between: AtomicU64::new(0) })
    }

    /// From now on: one call fails, and so many files find no room; no batch is to have more than
    /// so many records.
    pub(super) fn arm(&self, fault: Fault, full: u64, batch_max: u32) {
        let mut state = self.state();
        (state.fault, state.full, state.batch_max) = (fault, full, batch_max);
        (state.writes, state.flushes) = (0, 0);
    }

    /// The last record that a successful flush has covered.
    pub(super) fn flushed(&self) -> u64 {
        self.state().files.values().map(|content| content.flushed).max().unwrap_or(0)
    }

    /// Whether the fault has hit.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a model that panics has failed already")
    }

    fn let_others(&self) {
        self.between.fetch_add(1, Ordering::Relaxed);
    }

    fn make(&self, name: FileName) -> io::Result<()> {
        let mut state = self.state();
        if state.full > 0 {
            state.full -= 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        assert!(state.files.insert(name, Content::default()).is_none(), "{name:?} made twice");
        Ok(())
    }

    fn write(&self, name: FileName, bytes: &[u8], at: usize) -> io::Result<usize> {
        let mut state = self.state();
        let FileName::Segment(id) = name else { panic!("no snapshots here") };
        let mut last = 0;
        if let Seen::Frame { head, .. } = frame::look(bytes, id) {
            assert!(!state.failed, "INVARIANT(J4): nothing is written after a failure");
            assert!(head.records <= state.batch_max, "INVARIANT(F1): {} records", head.records);
            last = head.last_sequence();
            state.writes += 1;
            if state.fault == Fault::Write(state.writes) {
                state.failed = true;
                return Err(io::Error::other("planned failure of a write"));
            }
        }
        let content = state.files.get_mut(&name).expect("a file that was made");
        let end = at + bytes.len();
        content.cached.resize(content.cached.len().max(end), 0);
        content.cached[at..end].copy_from_slice(bytes);
        content.written = content.written.max(last);
        Ok(bytes.len())
    }

    fn flush(&self, name: FileName) -> io::Result<()> {
        let (bytes, written) = {
            let mut state = self.state();
            let content = &state.files[&name];
            let (bytes, written) = (content.cached.clone(), content.written);
            if written > 0 {
                assert!(!state.failed, "INVARIANT(J4): a flush is never tried again");
                state.flushes += 1;
                if state.fault == Fault::Flush(state.flushes) {
                    state.failed = true;
                    return Err(io::Error::other("planned failure of a flush"));
                }
            }
            (bytes, written)
        };
        self.let_others(); // what is written from here on is not covered
        let mut state = self.state();
        let content = state.files.get_mut(&name).expect("a file that was made");
        (content.durable, content.flushed) = (bytes, written);
        Ok(())
    }
}

impl Storage for Mounted {
    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.0.state().files.keys().copied().collect())
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.0.make(name)?;
        Ok(Box::new(File { disk: Arc::clone(&self.0), name }))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(File { disk: Arc::clone(&self.0), name }))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.0.state().files.remove(&name);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(1 << 30)
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        Ok(read(&state.files[&self.name].cached, bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.let_others();
        let at = usize::try_from(offset).expect("it lies in memory");
        self.disk.write(self.name, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.let_others();
        self.disk.flush(self.name)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[&self.name].cached.len() as u64)
    }
}

/// A segment after the loss of power.
#[derive(Debug)]
struct Left(Vec<u8>);

impl Storage for AfterPowerLoss {
    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.0.state().files.keys().copied().collect())
    }

    fn create(&self, _: FileName) -> io::Result<Box<dyn StorageFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(Left(self.0.state().files[&name].durable.clone())))
    }

    fn remove(&self, _: FileName) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

impl StorageFile for Left {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(read(&self.0, bytes, offset))
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

fn read(from: &[u8], bytes: &mut [u8], offset: u64) -> usize {
    let at = usize::try_from(offset).expect("it lies in memory");
    let from = from.get(at..).unwrap_or_default();
    let count = from.len().min(bytes.len());
    bytes[..count].copy_from_slice(&from[..count]);
    count
}
