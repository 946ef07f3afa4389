//! A medium in memory that dies at a call, and forgets what was not flushed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::journal::{FileName, Storage, StorageFile};

/// What becomes of bytes that were written and not flushed when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unflushed {
    Kept,
    Lost,
    /// Every other sector is there.
    Torn,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    flushed: Vec<u8>,
    listed: bool,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<FileName, Content>,
    /// Calls that still work; then every one fails.
    calls_left: Option<u64>,
    calls: u64,
}

/// See the module. Clones share the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Medium(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct File(Medium, FileName);

impl Medium {
    /// From now on only so many calls that change anything work.
    pub(super) fn die_after(&self, calls: u64) {
        self.0.lock().calls_left = Some(calls);
    }

    /// Calls that changed something, so far.
    pub(super) fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// The machine starts again.
    pub(super) fn lose_power(&self, unflushed: Unflushed) {
        let mut disk = self.0.lock();
        disk.calls_left = None;
        if unflushed == Unflushed::Kept {
            return;
        }
        disk.files.retain(|_, content| content.listed);
        for content in disk.files.values_mut() {
            let mut left = content.flushed.clone();
            if unflushed == Unflushed::Torn {
                left.resize(content.bytes.len().max(left.len()), 0);
                let sectors = left.chunks_mut(512).zip(content.bytes.chunks(512)).step_by(2);
                sectors.for_each(|(to, from)| to[..from.len()].copy_from_slice(from));
            }
            content.bytes = left;
        }
    }

    /// An independent copy.
    pub(super) fn fork(&self) -> Self {
        let files = self.0.lock().files.clone();
        Self(Arc::new(Mutex::new(Disk { files, ..Disk::default() })))
    }

    pub(super) fn bytes(&self, name: FileName) -> Vec<u8> {
        self.0.lock().files[&name].bytes.clone()
    }

    pub(super) fn set(&self, name: FileName, bytes: Vec<u8>) {
        let content = Content { flushed: bytes.clone(), bytes, listed: true };
        self.0.lock().files.insert(name, content);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.0.lock();
        disk.calls += 1;
        if let Some(left) = &mut disk.calls_left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the machine is gone"))?;
        }
        change(&mut disk)
    }
}

impl Storage for Medium {
    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.0.lock().files.keys().copied().collect())
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.change(|disk| {
            assert!(disk.files.insert(name, Content::default()).is_none(), "{name:?} exists");
            Ok(Box::new(File(self.clone(), name)) as Box<dyn StorageFile>)
        })
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        let there = self.0.lock().files.contains_key(&name);
        if there {
            Ok(Box::new(File(self.clone(), name)))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.change(|disk| disk.files.remove(&name).map(drop).ok_or(io::ErrorKind::NotFound.into()))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.change(|disk| {
            disk.files.values_mut().for_each(|content| content.listed = true);
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn describe(&self, name: FileName) -> String {
        format!("{name:?}")
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.0.0.lock();
        let content = disk.files.get(&self.1).ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(offset).unwrap().min(content.bytes.len());
        let read = bytes.len().min(content.bytes.len() - from);
        bytes[..read].copy_from_slice(&content.bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let name = self.1;
        self.0.change(|disk| {
            let content = disk.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            let from = usize::try_from(offset).unwrap();
            // Short now and then.
            let written = if bytes.len() > 700 { bytes.len() * 2 / 3 } else { bytes.len() };
            content.bytes.resize(content.bytes.len().max(from + written), 0);
            content.bytes[from..from + written].copy_from_slice(&bytes[..written]);
            Ok(written)
        })
    }

    fn sync(&self) -> io::Result<()> {
        let name = self.1;
        self.0.change(|disk| {
            let content = disk.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            content.flushed = content.bytes.clone();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        let disk = self.0.0.lock();
        Ok(disk.files.get(&self.1).ok_or(io::ErrorKind::NotFound)?.bytes.len() as u64)
    }
}
