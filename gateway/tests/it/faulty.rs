//! A disk that fails when told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jangteo::{Directory, Segment, Storage};

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

    pub(crate) fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }

    fn wrap(&self, segment: Box<dyn Segment>) -> Box<dyn Segment> {
        Box::new(FaultySegment { segment, failing: Arc::clone(&self.failing) })
    }
}

impl Storage for Faulty {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.directory.list()
    }

    fn create(&self, id: u64) -> io::Result<Box<dyn Segment>> {
        Ok(self.wrap(self.directory.create(id)?))
    }

    fn open(&self, id: u64) -> io::Result<Box<dyn Segment>> {
        Ok(self.wrap(self.directory.open(id)?))
    }

    fn remove(&self, id: u64) -> io::Result<()> {
        self.directory.remove(id)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_directory()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.directory.free_bytes()
    }

    fn name(&self, id: u64) -> String {
        self.directory.name(id)
    }
}

#[derive(Debug)]
struct FaultySegment {
    segment: Box<dyn Segment>,
    failing: Arc<AtomicBool>,
}

impl Segment for FaultySegment {
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
