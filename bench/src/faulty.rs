//! A medium that keeps what was written apart from what was flushed, and fails when told to.
//!
//! Everything lies in memory. [`FaultyStorage::kill`] ends the process that uses it: whatever its
//! threads still do goes nowhere, what it wrote stays readable. [`FaultyStorage::lose_power`]
//! also takes away what was not flushed: whole sectors, each by chance. A flush that fails drops
//! what it should have flushed but leaves it readable, as Linux does: a second flush would find
//! nothing to do and say all is well.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jangteo::{FileName, Storage, StorageFile};
use parking_lot::Mutex;

use crate::rng::Rng;

/// Bytes that reach the disk together or not at all.
const SECTOR: usize = 512;

/// See the module. Clones share the medium, and the life of their process.
#[derive(Clone, Debug, Default)]
pub struct FaultyStorage {
    medium: Arc<Mutex<Medium>>,
    life: u64,
}

#[derive(Debug, Default)]
struct Medium {
    files: BTreeMap<FileName, Content>,
    /// Counts crashes: who came before the last one is dead.
    life: u64,
    writes: u64,
    flushes: u64,
    fail_flush: Option<u64>,
    fail_write: Option<u64>,
    die_at_flush: Option<u64>,
    /// Whether the process is dead and its calls go nowhere.
    dead: bool,
    full: bool,
}

#[derive(Debug, Default)]
struct Content {
    /// What a read shows.
    cached: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// Byte ranges written since the last flush.
    dirty: Vec<(usize, usize)>,
    /// Whether the directory entry is on the disk.
    listed: bool,
}

#[derive(Debug)]
struct File {
    medium: Arc<Mutex<Medium>>,
    name: FileName,
    life: u64,
}

impl FaultyStorage {
    /// An empty medium without faults. The controls below work whoever is alive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The medium as a process started now sees it, until the next [`FaultyStorage::kill`].
    #[must_use]
    pub fn process(&self) -> Self {
        let life = self.medium.lock().life;
        Self { medium: Arc::clone(&self.medium), life }
    }

    /// Flushes of segments so far that a process asked for.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.medium.lock().flushes
    }

    /// Writes so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.medium.lock().writes
    }

    /// Lets flush number `number` fail (counted from 1 since the medium was made).
    pub fn fail_flush(&self, number: u64) {
        self.medium.lock().fail_flush = Some(number);
    }

    /// Lets write number `number` fail.
    pub fn fail_write(&self, number: u64) {
        self.medium.lock().fail_write = Some(number);
    }

    /// Lets the process die as it asks for flush number `number`: that one and everything after it
    /// goes nowhere, so what it answers from then on must not be shown to anybody.
    pub fn die_at_flush(&self, number: u64) {
        self.medium.lock().die_at_flush = Some(number);
    }

    /// Whether the process died by [`FaultyStorage::die_at_flush`].
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.medium.lock().dead
    }

    /// Fills the disk, so that no segment can be made and it says so, or empties it again.
    pub fn set_full(&self, full: bool) {
        self.medium.lock().full = full;
    }

    /// Flips one bit of a segment, on the disk and in the cache.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&self, id: u64, offset: usize) {
        let mut medium = self.medium.lock();
        let content = medium.files.get_mut(&FileName::Segment(id)).expect("a segment that exists");
        for bytes in [&mut content.cached, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 1;
            }
        }
    }

    /// Where `bytes` first stand in a segment's durable content: segment and offset.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<(u64, usize)> {
        let medium = self.medium.lock();
        medium.files.iter().find_map(|(&name, content)| {
            let FileName::Segment(id) = name else { return None };
            let at = content.durable.windows(bytes.len()).position(|window| window == bytes)?;
            Some((id, at))
        })
    }

    /// The process is gone; what it wrote is still in the cache.
    pub fn kill(&self) {
        let mut medium = self.medium.lock();
        medium.life += 1;
        medium.dead = false;
        medium.die_at_flush = None;
        medium.fail_flush = None;
        medium.fail_write = None;
    }

    /// The machine is gone: of what was not flushed, each sector is there or not by chance, in
    /// `percent` of 100.
    pub fn lose_power(&self, rng: &mut Rng, percent: u32) {
        self.kill();
        let mut medium = self.medium.lock();
        medium.files.retain(|_, content| content.listed || rng.chance(percent));
        for content in medium.files.values_mut() {
            for (from, to) in std::mem::take(&mut content.dirty) {
                let mut at = from;
                while at < to {
                    let end = (at / SECTOR + 1) * SECTOR;
                    if rng.chance(percent) {
                        content.flush(at, end.min(to));
                    }
                    at = end;
                }
            }
            content.cached.clone_from(&content.durable);
            content.listed = true;
        }
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        if let Some(place) = self.cached.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        self.dirty.push((at, end));
    }

    fn flush(&mut self, from: usize, to: usize) {
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        if let (Some(there), Some(here)) =
            (self.durable.get_mut(from..to), self.cached.get(from..to))
        {
            there.copy_from_slice(here);
        }
    }
}

fn injected(what: &'static str) -> io::Error {
    io::Error::other(what)
}

impl Medium {
    /// Whether the caller is of an earlier life, or died in this one. A dead process does not know:
    /// its calls seem to succeed and change nothing.
    fn is_gone(&self, life: u64) -> bool {
        life != self.life || self.dead
    }

    fn content(&mut self, name: FileName) -> io::Result<&mut Content> {
        self.files.get_mut(&name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for FaultyStorage {
    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.medium.lock().files.keys().copied().collect())
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        let mut medium = self.medium.lock();
        if !medium.is_gone(self.life) && medium.files.insert(name, Content::default()).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Box::new(File { medium: Arc::clone(&self.medium), name, life: self.life }))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        let mut medium = self.medium.lock();
        medium.content(name)?;
        Ok(Box::new(File { medium: Arc::clone(&self.medium), name, life: self.life }))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        let mut medium = self.medium.lock();
        if medium.is_gone(self.life) {
            return Ok(());
        }
        medium.files.remove(&name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut medium = self.medium.lock();
        if medium.is_gone(self.life) {
            return Ok(());
        }
        medium.files.values_mut().for_each(|content| content.listed = true);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(if self.medium.lock().full { 0 } else { 1 << 40 })
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut medium = self.medium.lock();
        let content = medium.content(self.name)?;
        let at = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let from = content.cached.get(at..).unwrap_or_default();
        let read = from.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..read), from.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut medium = self.medium.lock();
        if medium.is_gone(self.life) {
            return Ok(bytes.len());
        }
        medium.writes += 1;
        if medium.fail_write == Some(medium.writes) {
            return Err(injected("planned failure of a write"));
        }
        let at = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        medium.content(self.name)?.write(bytes, at);
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        let mut medium = self.medium.lock();
        if medium.is_gone(self.life) {
            return Ok(());
        }
        medium.flushes += 1;
        if medium.die_at_flush == Some(medium.flushes) {
            medium.dead = true;
            return Ok(());
        }
        let fails = medium.fail_flush == Some(medium.flushes);
        let content = medium.content(self.name)?;
        let dirty = std::mem::take(&mut content.dirty);
        if fails {
            return Err(injected("planned failure of a flush"));
        }
        for (from, to) in dirty {
            content.flush(from, to);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.medium.lock().content(self.name)?.cached.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(storage: &FaultyStorage) -> Vec<u8> {
        let file = storage.open(FileName::Segment(1)).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        let read = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn only_what_was_flushed_survives_the_loss_of_power() {
        let storage = FaultyStorage::new();
        let file = storage.create(FileName::Segment(1)).unwrap();
        storage.sync_directory().unwrap();
        file.write_at(b"kept", 0).unwrap();
        file.sync().unwrap();
        file.write_at(b"lost", 4).unwrap();
        storage.kill();
        storage.create(FileName::Segment(2)).unwrap();
        file.write_at(b"late", 8).unwrap();
        assert_eq!(
            storage.list().unwrap(),
            [FileName::Segment(1)],
            "a dead process changes nothing"
        );
        assert_eq!(read(&storage), b"keptlost", "a killed process leaves the cache");
        storage.lose_power(&mut Rng::new(1), 0);
        assert_eq!(read(&storage), b"kept");
    }

    #[test]
    fn a_failed_flush_loses_bytes_that_are_still_readable() {
        let storage = FaultyStorage::new();
        let file = storage.create(FileName::Segment(1)).unwrap();
        storage.sync_directory().unwrap();
        file.write_at(b"gone", 0).unwrap();
        storage.fail_flush(1);
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok(), "the second flush lies");
        assert_eq!(read(&storage), b"gone");
        storage.lose_power(&mut Rng::new(1), 0);
        assert_eq!(read(&storage), b"");
    }
}
