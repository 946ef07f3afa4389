//! A disk that fails, or stands still, when told to.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use jangteo::{Directory, FileName, Storage, StorageFile};

#[derive(Debug, Default)]
struct Mood {
    failing: bool,
    standing: bool,
    /// Flushes that stand still.
    stood: u32,
}

/// A directory whose flushes fail once [`Faulty::fail`] was called, and stand still between
/// [`Faulty::stand`] and [`Faulty::go_on`].
#[derive(Debug)]
pub(crate) struct Faulty {
    directory: Directory,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

impl Faulty {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = Directory::lock(directory).unwrap();
        Self { directory, mood: Arc::default() }
    }

    fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.0.lock().unwrap());
        self.mood.1.notify_all();
    }

    /// What begins from now on fails.
    pub(crate) fn fail(&self) {
        self.set(|mood| mood.failing = true);
    }

    pub(crate) fn stand(&self) {
        self.set(|mood| mood.standing = true);
    }

    /// Waits until a flush stands still.
    pub(crate) fn stood(&self) {
        drop(self.mood.1.wait_while(self.mood.0.lock().unwrap(), |mood| mood.stood == 0).unwrap());
    }

    pub(crate) fn go_on(&self) {
        self.set(|mood| mood.standing = false);
    }

    fn wrap(&self, segment: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(FaultySegment { segment, mood: Arc::clone(&self.mood) })
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
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

impl StorageFile for FaultySegment {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.segment.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.segment.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let (mood, changed) = &*self.mood;
        let mut mood = mood.lock().unwrap();
        if mood.failing {
            return Err(io::Error::other("planted"));
        }
        if mood.standing {
            mood.stood += 1;
            changed.notify_all();
            mood = changed.wait_while(mood, |mood| mood.standing).unwrap();
        }
        drop(mood);
        self.segment.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.segment.length()
    }
}
