//! The medium as the engine's storage, with everything that can go wrong.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

use jangteo::{FileName, Storage, StorageFile};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::medium::Medium;
use super::trouble::{Call, Faults, Logged, Trouble};
use crate::rng::Rng;

/// See the module. Clones share the medium, and the life of their process.
#[derive(Clone, Debug, Default)]
pub struct FaultyStorage {
    disk: Arc<Disk>,
    life: u64,
}

#[derive(Debug, Default)]
struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    medium: Medium,
    /// Counts crashes: who came before the last one is dead.
    life: u64,
    /// Whether the process of this life died.
    dead: bool,
    faults: Faults,
    /// Which call (of a kind, or of all) goes wrong, counted from 1 since the medium was made.
    plan: Vec<(Option<Call>, u64, Trouble)>,
    counts: [u64; Call::ALL.len()],
    calls: u64,
    happened: u64,
    interrupts: u64,
    log: Option<Vec<Logged>>,
    digest: DefaultHasher,
}

#[derive(Debug)]
struct File {
    disk: Arc<Disk>,
    name: FileName,
    life: u64,
}

/// How a call goes on.
enum Go {
    Well,
    Wrong(Trouble),
    /// The process is dead and does not know: the call seems to succeed and changes nothing.
    Nowhere,
}

impl FaultyStorage {
    /// An empty medium without faults. The controls below work whoever is alive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A sound medium with these files.
    #[must_use]
    pub fn of(medium: Medium) -> Self {
        let storage = Self::default();
        storage.disk.state.lock().medium = medium;
        storage
    }

    /// The medium as a process started now sees it, until the next [`FaultyStorage::kill`].
    #[must_use]
    pub fn process(&self) -> Self {
        let life = self.disk.state.lock().life;
        Self { disk: Arc::clone(&self.disk), life }
    }

    /// Calls of one kind so far.
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        self.disk.state.lock().counts.get(call as usize).copied().unwrap_or(0)
    }

    /// Calls of all kinds so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.disk.state.lock().calls
    }

    /// How often a call went wrong as planned.
    #[must_use]
    pub fn happened(&self) -> u64 {
        self.disk.state.lock().happened
    }

    /// Lets call number `number` of its kind go wrong, counted from 1 since the medium was made.
    pub fn plan(&self, call: Call, number: u64, trouble: Trouble) {
        self.disk.state.lock().plan.push((Some(call), number, trouble));
    }

    /// Likewise call number `number` of all.
    pub fn plan_any(&self, number: u64, trouble: Trouble) {
        self.disk.state.lock().plan.push((None, number, trouble));
    }

    /// Forgets what was planned and has not happened.
    pub fn clear_plan(&self) {
        self.disk.state.lock().plan.clear();
    }

    /// Changes what is wrong from now on.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.disk.state.lock().faults);
        self.disk.changed.notify_all();
    }

    /// Whether the process died by [`Trouble::Die`].
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.disk.state.lock().dead
    }

    /// Fills the disk, or empties it again.
    pub fn set_full(&self, full: bool) {
        let mut state = self.disk.state.lock();
        state.faults.capacity = full.then(|| state.medium.used());
    }

    /// A copy of what lies there.
    #[must_use]
    pub fn medium(&self) -> Medium {
        self.disk.state.lock().medium.clone()
    }

    /// Bytes that all files take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.disk.state.lock().medium.used()
    }

    /// Logs changes from now on.
    pub fn record(&self) {
        self.disk.state.lock().log = Some(Vec::new());
    }

    /// How many changes were logged.
    #[must_use]
    pub fn logged(&self) -> usize {
        self.disk.state.lock().log.as_ref().map_or(0, Vec::len)
    }

    /// Takes the log.
    #[must_use]
    pub fn take_log(&self) -> Vec<Logged> {
        self.disk.state.lock().log.take().unwrap_or_default()
    }

    /// A digest of every call so far: kind, file, place, length, and the front of what was written.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.disk.state.lock().digest.finish()
    }

    /// Flips one bit of a file, on the disk and in the cache.
    pub fn flip(&self, name: FileName, bit: usize) {
        self.disk.state.lock().medium.change(name, |bytes| {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// The process is gone, and what was planned for it; what it wrote is still in the cache.
    pub fn kill(&self) {
        let mut state = self.disk.state.lock();
        state.life += 1;
        state.dead = false;
        state.plan.clear();
    }

    /// The machine is gone: of what was not flushed, each sector and each directory entry is there
    /// or not by chance, in `percent` of 100. Returns how many are not.
    pub fn lose_power(&self, rng: &mut Rng, percent: u32) -> u64 {
        self.kill();
        self.disk.state.lock().medium.lose_power(&mut || rng.chance(percent))
    }

    fn with<T>(
        &self,
        call: Call,
        name: Option<FileName>,
        then: impl FnOnce(&mut State, Go) -> io::Result<T>,
    ) -> io::Result<T> {
        self.disk.with((call, name, 0, &[]), self.life, then)
    }

    fn file(&self, name: FileName) -> Box<dyn StorageFile> {
        Box::new(File { disk: Arc::clone(&self.disk), name, life: self.life })
    }
}

/// Of what is written, so many bytes from the front go into the digest: a batch's head has the
/// checksum of all of it.
const DIGESTED: usize = 64;

impl Disk {
    /// Counts a call, finds out how it goes on, and does it.
    fn with<T>(
        &self,
        (call, name, offset, bytes): (Call, Option<FileName>, u64, &[u8]),
        life: u64,
        then: impl FnOnce(&mut State, Go) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state: MutexGuard<'_, State> = self.state.lock();
        while state.faults.block == Some(call) {
            self.changed.wait(&mut state);
        }
        if life != state.life || state.dead {
            return then(&mut state, Go::Nowhere);
        }
        state.calls += 1;
        if let Some(count) = state.counts.get_mut(call as usize) {
            *count += 1;
        }
        let front = bytes.get(..DIGESTED).unwrap_or(bytes);
        (call, name, offset, bytes.len(), front).hash(&mut state.digest);
        let go = state.trouble(call).map_or(Go::Well, Go::Wrong);
        if matches!(go, Go::Wrong(Trouble::Die)) {
            state.dead = true;
        }
        then(&mut state, go)
    }
}

impl State {
    /// What goes wrong with the call that was just counted.
    fn trouble(&mut self, call: Call) -> Option<Trouble> {
        let nth = self.counts.get(call as usize).copied().unwrap_or(0);
        let calls = self.calls;
        let planned = self.plan.iter().position(|&(kind, number, trouble)| {
            let now = match kind {
                Some(kind) => kind == call && number == nth,
                None => number == calls,
            };
            now && trouble.fits(call)
        });
        if let Some(place) = planned {
            self.happened += 1;
            return Some(self.plan.swap_remove(place).2);
        }
        let broken = call.changes() && self.faults.changes_left == Some(0);
        if let Some(left) = self.faults.changes_left.as_mut().filter(|_| call.changes()) {
            *left = left.saturating_sub(1);
        }
        (broken || (call == Call::Sync && self.faults.fail_sync)).then_some(Trouble::Eio)
    }

    fn log(&mut self, change: impl FnOnce() -> Logged) {
        if let Some(log) = &mut self.log {
            log.push(change());
        }
    }

    /// How many of `length` bytes at `at` a write takes.
    fn room(&mut self, name: FileName, length: usize, at: usize) -> io::Result<usize> {
        let mut most = length;
        if let Some(short) = self.faults.short {
            most = most.min(short);
            self.interrupts += 1;
            if self.interrupts.is_multiple_of(3) {
                return Err(Trouble::Eintr.error());
            }
        }
        let grows = (at + most).saturating_sub(self.medium.bytes(name)?.len()) as u64;
        if self.faults.capacity.is_some_and(|most| self.medium.used() + grows > most) {
            return Err(Trouble::Enospc.error());
        }
        Ok(most)
    }

    fn write(&mut self, name: FileName, bytes: &[u8], at: usize) -> io::Result<()> {
        self.log(|| Logged::Write(name, at, bytes.to_vec()));
        self.medium.write(name, bytes, at)
    }
}

impl Storage for FaultyStorage {
    fn list(&self) -> io::Result<Vec<FileName>> {
        self.with(Call::List, None, |state, go| match go {
            Go::Wrong(trouble) => Err(trouble.error()),
            Go::Well | Go::Nowhere => Ok(state.medium.list()),
        })
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.with(Call::Create, Some(name), |state, go| match go {
            Go::Nowhere | Go::Wrong(Trouble::Die) => Ok(()),
            Go::Wrong(trouble) => Err(trouble.error()),
            Go::Well if state.faults.fail_create => Err(Trouble::Enospc.error()),
            Go::Well => {
                state.log(|| Logged::Create(name));
                state.medium.create(name)
            }
        })?;
        Ok(self.file(name))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.with(Call::Open, Some(name), |state, go| match go {
            Go::Wrong(trouble) => Err(trouble.error()),
            Go::Well | Go::Nowhere => state.medium.bytes(name).map(|_| ()),
        })?;
        Ok(self.file(name))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.with(Call::Remove, Some(name), |state, go| match go {
            Go::Nowhere | Go::Wrong(Trouble::Die) => Ok(()),
            Go::Wrong(trouble) => Err(trouble.error()),
            Go::Well => {
                state.log(|| Logged::Remove(name));
                state.medium.remove(name)
            }
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.with(Call::SyncDirectory, None, |state, go| match go {
            Go::Nowhere | Go::Wrong(Trouble::Die) => Ok(()),
            Go::Wrong(trouble) => {
                state.medium.forget_directory();
                Err(trouble.error())
            }
            Go::Well => {
                state.log(|| Logged::SyncDirectory);
                state.medium.sync_directory();
                Ok(())
            }
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.disk.state.lock();
        let used = state.medium.used();
        Ok(state.faults.capacity.map_or(1 << 40, |capacity| capacity.saturating_sub(used)))
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = place(offset)?;
        self.disk.with((Call::Read, Some(self.name), offset, &[]), self.life, |state, go| {
            let from = state.medium.bytes(self.name)?.get(at..).unwrap_or_default();
            let mut most =
                bytes.len().min(from.len()).min(state.faults.short.unwrap_or(usize::MAX));
            match go {
                Go::Wrong(Trouble::Short) => most = most.div_ceil(2),
                Go::Wrong(trouble) => return Err(trouble.error()),
                Go::Well | Go::Nowhere => {}
            }
            if let (Some(to), Some(from)) = (bytes.get_mut(..most), from.get(..most)) {
                to.copy_from_slice(from);
            }
            Ok(most)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = place(offset)?;
        self.disk.with((Call::Write, Some(self.name), offset, bytes), self.life, |state, go| {
            let most = match go {
                Go::Nowhere => return Ok(bytes.len()),
                Go::Wrong(Trouble::Eintr) => return Err(Trouble::Eintr.error()),
                Go::Well => state.room(self.name, bytes.len(), at)?,
                Go::Wrong(_) => bytes.len().div_ceil(2),
            };
            state.write(self.name, bytes.get(..most).unwrap_or(bytes), at)?;
            match go {
                Go::Wrong(Trouble::Die) => Ok(bytes.len()),
                Go::Well | Go::Nowhere | Go::Wrong(Trouble::Short) => Ok(most),
                Go::Wrong(trouble) => Err(trouble.error()),
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.with((Call::Sync, Some(self.name), 0, &[]), self.life, |state, go| match go {
            Go::Nowhere | Go::Wrong(Trouble::Die) => Ok(()),
            Go::Wrong(trouble) => {
                state.medium.forget(self.name)?;
                Err(trouble.error())
            }
            Go::Well => {
                assert!(!std::mem::take(&mut state.faults.panic_sync), "planned panic of a flush");
                state.log(|| Logged::Sync(self.name));
                state.medium.sync(self.name)
            }
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.with((Call::Length, Some(self.name), 0, &[]), self.life, |state, go| match go {
            Go::Wrong(trouble) => Err(trouble.error()),
            Go::Well | Go::Nowhere => Ok(state.medium.bytes(self.name)?.len() as u64),
        })
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: FileName = FileName::Segment(1);

    #[test]
    fn a_dead_process_changes_nothing_and_the_next_one_does() {
        let storage = FaultyStorage::new();
        let file = storage.process().create(ONE).unwrap();
        file.write_at(b"kept", 0).unwrap();
        storage.plan(Call::Write, 2, Trouble::Die);
        assert_eq!(file.write_at(b"torn", 4).unwrap(), 4, "it does not know that it is dead");
        assert!(storage.has_died() && storage.happened() == 1);
        file.write_at(b"late", 8).unwrap();
        storage.kill();
        let next = storage.process();
        assert_eq!(storage.medium().bytes(ONE).unwrap(), b"keptto");
        next.create(FileName::Segment(2)).unwrap();
        assert_eq!(next.list().unwrap().len(), 2);
        file.write_at(b"late", 0).unwrap();
        assert_eq!(storage.medium().bytes(ONE).unwrap(), b"keptto");
    }

    #[test]
    fn a_full_disk_refuses_what_grows_and_takes_what_does_not() {
        let storage = FaultyStorage::new();
        let file = storage.create(ONE).unwrap();
        file.write_at(b"12345678", 0).unwrap();
        storage.set_full(true);
        assert_eq!(file.write_at(b"abcd", 4).unwrap(), 4);
        assert_eq!(file.write_at(b"x", 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(storage.free_bytes().unwrap(), 0);
        storage.set_full(false);
        assert_eq!(file.write_at(b"x", 8).unwrap(), 1);
    }

    #[test]
    fn the_same_calls_have_the_same_digest() {
        let digest = |text: &[u8]| {
            let storage = FaultyStorage::new();
            storage.create(ONE).unwrap().write_at(text, 0).unwrap();
            storage.digest()
        };
        assert_eq!(digest(b"a"), digest(b"a"));
        assert_ne!(digest(b"a"), digest(b"b"));
    }
}
