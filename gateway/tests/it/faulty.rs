//! A disk that fails when told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jangteo::{Directory, FileName, Storage, StorageFile};

/// A directory whose flushes fail once [`Faulty::fail`] was called.
#[derive(Debug)]
pub(crate) struct Faulty {
    directory: Directory,
    failing: Arc<AtomicBool>,
}

impl Faulty {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = Directory::lock(directory).unwrap();
        Self { directory, failing: Arc::default() }
    }

    /// What begins from now on fails.
    pub(crate) fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }

    fn wrap(&self, segment: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(FaultySegment { segment, failing: Arc::clone(&self.failing) })
    }
}

impl Storage for Faulty {
    fn list(&self) -> io::Result<Vec<FileName>> {
        self.directory.list()
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.wrap(self.directory.create(name)?))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.wrap(self.directory.open(name)?))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_directory()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.directory.free_bytes()
    }

    fn describe(&self, name: FileName) -> String {
        self.directory.describe(name)
    }
}

#[derive(Debug)]
struct FaultySegment {
    segment: Box<dyn StorageFile>,
    failing: Arc<AtomicBool>,
}

impl StorageFile for FaultySegment {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.segment.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.segment.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("planted"));
        }
        self.segment.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.segment.length()
    }
}
