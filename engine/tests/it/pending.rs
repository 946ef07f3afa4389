//! Answers that must wait for the disk.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::common::{campaign, clock, one_item};
use jangteo::{Directory, Engine, FileName, HoldRequest, Refusal, Storage, StorageFile};

/// A directory whose flushes wait as long as somebody holds the barrier.
#[derive(Debug)]
struct Slow {
    directory: Directory,
    barrier: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct SlowSegment {
    segment: Box<dyn StorageFile>,
    barrier: Arc<Mutex<()>>,
}

impl Slow {
    fn wrap(&self, segment: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(SlowSegment { segment, barrier: Arc::clone(&self.barrier) })
    }
}

impl Storage for Slow {
    fn list(&self) -> io::Result<Vec<FileName>> {
        self.directory.list()
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.directory.create(name).map(|segment| self.wrap(segment))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.directory.open(name).map(|segment| self.wrap(segment))
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

impl StorageFile for SlowSegment {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.segment.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.segment.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let _barrier = self.barrier.lock().unwrap();
        self.segment.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.segment.length()
    }
}

fn open(directory: &Path, barrier: &Arc<Mutex<()>>) -> Engine {
    let directory = Directory::lock(directory).unwrap();
    let storage = Slow { directory, barrier: Arc::clone(barrier) };
    let options = Engine::options().storage(Arc::new(storage)).clock(clock());
    options.segment_bytes(1 << 20).open().unwrap()
}

#[test]
fn whatever_names_a_hold_waits_for_its_last_record() {
    let directory = tempfile::tempdir().unwrap();
    let barrier = Arc::new(Mutex::new(()));
    let engine = open(directory.path(), &barrier);
    engine.put(campaign("limit_per_customer = 1", &one_item(9))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    engine.flush().unwrap();

    let closed = barrier.lock().unwrap();
    let request = HoldRequest::new("c-1").line("a", 1).key("k");
    let mut granted = sale.hold(&request).unwrap();
    let mut replayed = sale.hold(&request).unwrap();
    let mut found = sale.find("c-1");
    let Err(Refusal::LimitReached(mut limit)) = sale.hold(&request.clone().key("k-2")) else {
        panic!("the limit is 1")
    };
    engine.flush_soon();
    assert!(granted.try_get().is_none(), "the grant");
    assert!(replayed.try_get().is_none(), "a replay");
    assert!(found.try_get().is_none(), "a list");
    assert!(limit.try_get().is_none(), "the holds that reach the limit");
    assert!(sale.find("c-2").try_get().is_some(), "what names no hold waits for nothing");
    drop(closed);

    engine.flush().unwrap();
    let hold = granted.try_get().unwrap().unwrap();
    assert_eq!(replayed.try_get().unwrap().unwrap().id, hold.id);
    assert_eq!(found.try_get().unwrap().unwrap().len(), 1);
    assert_eq!(limit.try_get().unwrap().unwrap().len(), 1);

    let closed = barrier.lock().unwrap();
    let mut confirmed = sale.confirm(&hold.id, "p").unwrap();
    let mut again = sale.confirm(&hold.id, "p").unwrap();
    let mut read = sale.get(&hold.id).unwrap();
    assert!(confirmed.try_get().is_none(), "the confirm");
    assert!(again.try_get().is_none(), "the same confirm again");
    assert!(read.try_get().is_none(), "a read");
    drop(closed);
    engine.flush().unwrap();
    assert!(confirmed.try_get().is_some() && again.try_get().is_some() && read.try_get().is_some());
}
