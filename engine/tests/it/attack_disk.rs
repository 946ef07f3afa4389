//! A disk in memory that fails as it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use jangteo::{FileName, Storage, StorageFile};

/// What the disk does wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) fail_sync: bool,
    pub(crate) panic_sync: bool,
    /// Syncs of segments wait while this is set.
    pub(crate) block_sync: bool,
    /// Making a segment waits while this is set.
    pub(crate) block_create: bool,
    pub(crate) fail_create: bool,
    /// Writes and syncs that still succeed; then the machine is dead.
    pub(crate) operations_left: Option<u64>,
    /// Writes take at most this many bytes, and every third one is interrupted.
    pub(crate) short: Option<usize>,
}

#[derive(Debug, Default, Clone)]
struct Bytes {
    cache: Vec<u8>,
    disk: Vec<u8>,
    listed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    files: BTreeMap<FileName, Bytes>,
    pub(crate) faults: Faults,
    pub(crate) capacity: Option<u64>,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    interrupts: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Disk(pub(crate) Arc<Inner>);

#[derive(Debug)]
struct Open(Arc<Inner>, FileName);

impl Disk {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
        self.0.changed.notify_all();
    }

    /// The power fails: only what was synced is left; of the rest, sector by sector, what `keep`
    /// says. The new machine has a sound disk of the same content.
    pub(crate) fn power_cut(&self, mut keep: impl FnMut() -> bool) -> Self {
        let old = self.state();
        let mut new = State { capacity: old.capacity, ..State::default() };
        for (&name, bytes) in &old.files {
            if !bytes.listed && !keep() {
                continue;
            }
            let mut disk = bytes.disk.clone();
            for (at, sector) in bytes.cache.chunks(512).enumerate() {
                let from = at * 512;
                if disk.get(from..from + sector.len()) != Some(sector) && keep() {
                    disk.resize(disk.len().max(from + sector.len()), 0);
                    disk[from..from + sector.len()].copy_from_slice(sector);
                }
            }
            new.files.insert(name, Bytes { cache: disk.clone(), disk, listed: true });
        }
        Self(Arc::new(Inner { state: Mutex::new(new), changed: Condvar::new() }))
    }

    /// The process dies: the page cache is left, and is no more durable than before.
    pub(crate) fn kill(&self) -> Self {
        let old = self.state();
        let new = State { capacity: old.capacity, files: old.files.clone(), ..State::default() };
        Self(Arc::new(Inner { state: Mutex::new(new), changed: Condvar::new() }))
    }

    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Whether a file is nothing but zeros.
    pub(crate) fn has_blank(&self) -> bool {
        self.state().files.values().any(|file| file.cache.iter().all(|byte| *byte == 0))
    }
}

impl State {
    fn used(&self) -> u64 {
        self.files.values().map(|bytes| bytes.cache.len() as u64).sum()
    }

    /// Whether one more operation succeeds.
    fn alive(&mut self) -> io::Result<()> {
        match &mut self.faults.operations_left {
            Some(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait_while(&self, busy: impl Fn(&Faults) -> bool) -> MutexGuard<'_, State> {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| busy(&state.faults));
        waited.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.state().files.keys().copied().collect())
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.0.wait_while(|faults| faults.block_create);
        state.alive()?;
        if state.faults.fail_create {
            return Err(io::ErrorKind::StorageFull.into());
        }
        assert!(state.files.insert(name, Bytes::default()).is_none(), "{name:?} made twice");
        Ok(Box::new(Open(Arc::clone(&self.0), name)))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(Open(Arc::clone(&self.0), name)))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.files.remove(&name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.files.values_mut().for_each(|bytes| bytes.listed = true);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.map_or(1 << 40, |capacity| capacity.saturating_sub(state.used())))
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

fn place(offset: u64) -> usize {
    offset.try_into().unwrap()
}

impl StorageFile for Open {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.0.lock();
        let file = state.files.get(&self.1).ok_or(io::ErrorKind::NotFound)?;
        let from = file.cache.get(place(offset)..).unwrap_or_default();
        let most = state.faults.short.unwrap_or(usize::MAX).min(bytes.len()).min(from.len());
        bytes[..most].copy_from_slice(&from[..most]);
        Ok(most)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.0.lock();
        let alive = state.alive();
        let (most, used, capacity) = (state.faults.short, state.used(), state.capacity);
        if most.is_some() {
            state.interrupts += 1;
            if state.interrupts.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        state.writes += 1;
        let file = state.files.get_mut(&self.1).ok_or(io::ErrorKind::NotFound)?;
        let mut length = bytes.len().min(most.unwrap_or(usize::MAX));
        if alive.is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let offset = place(offset);
        let grows = (offset + length).saturating_sub(file.cache.len()) as u64;
        if capacity.is_some_and(|capacity| used + grows > capacity) {
            length = 0;
        }
        if length == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = file.cache.len().max(offset + length);
        file.cache.resize(end, 0);
        file.cache[offset..offset + length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.wait_while(|faults| faults.block_sync);
        state.alive()?;
        state.syncs += 1;
        if state.faults.panic_sync {
            state.faults.panic_sync = false;
            drop(state);
            panic!("planted in sync");
        }
        if state.faults.fail_sync {
            return Err(io::Error::other("planted"));
        }
        let file = state.files.get_mut(&self.1).ok_or(io::ErrorKind::NotFound)?;
        file.disk = file.cache.clone();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.0.lock();
        let file = state.files.get(&self.1).ok_or(io::ErrorKind::NotFound)?;
        Ok(file.cache.len() as u64)
    }
}
