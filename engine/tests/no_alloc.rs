//! A refusal of a sold-out drop allocates nothing and touches no disk. A binary of its own, since
//! the counting allocator is the whole process's.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::{
    Campaign, Directory, Engine, FileName, HoldRequest, ManualClock, Refusal, Storage, StorageFile,
    Timestamp,
};

thread_local! {
    /// Whether this thread's calls to the disk are counted: the engine's own threads go on.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

fn count(calls: &AtomicU64) {
    calls.fetch_add(u64::from(COUNTS.get()), Ordering::Relaxed);
}

/// A directory whose every call is counted.
#[derive(Debug)]
struct Counted {
    directory: Directory,
    calls: Arc<AtomicU64>,
}

/// A segment whose every call is counted.
#[derive(Debug)]
struct CountedSegment {
    segment: Box<dyn StorageFile>,
    calls: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self) {
        count(&self.calls);
    }

    fn wrap(&self, segment: io::Result<Box<dyn StorageFile>>) -> io::Result<Box<dyn StorageFile>> {
        self.count();
        let calls = Arc::clone(&self.calls);
        segment.map(|segment| Box::new(CountedSegment { segment, calls }) as Box<dyn StorageFile>)
    }
}

impl Storage for Counted {
    fn list(&self) -> io::Result<Vec<FileName>> {
        self.count();
        self.directory.list()
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.wrap(self.directory.create(name))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        self.wrap(self.directory.open(name))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.count();
        self.directory.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.count();
        self.directory.sync_directory()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.directory.free_bytes() // a system call, but not the disk
    }

    fn describe(&self, name: FileName) -> String {
        self.directory.describe(name)
    }
}

impl StorageFile for CountedSegment {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        count(&self.calls);
        self.segment.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        count(&self.calls);
        self.segment.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        count(&self.calls);
        self.segment.sync()
    }

    fn length(&self) -> io::Result<u64> {
        count(&self.calls);
        self.segment.length()
    }
}

const CAMPAIGN: &str = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[rules]
limit_per_customer = 2
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 3
gift = { sku = "g", quantity = 1, required = false }
[[items]]
sku = "b"
title = "b"
price = 1000
stock = 0
[[gifts]]
sku = "g"
title = "g"
stock = 9
"#;

#[test]
fn a_sold_out_refusal_allocates_nothing_and_touches_no_disk() {
    COUNTS.set(true);
    let directory = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let storage = Counted {
        directory: Directory::lock(directory.path()).unwrap(),
        calls: Arc::clone(&calls),
    };
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
    let options = Engine::options().storage(Arc::new(storage)).clock(clock).background(false);
    let engine = options.segment_bytes(1 << 20).open().unwrap();
    engine.put(Campaign::parse(CAMPAIGN).unwrap()).unwrap();
    let sale = engine.sale("t-1").unwrap();
    for customer in ["c-1", "c-2", "c-3"] {
        sale.hold(&HoldRequest::new(customer).line("a", 1).key("k")).unwrap().wait().unwrap();
    }
    let refused = || {
        for request in [
            HoldRequest::new("c-4").line("a", 1).key("k-4"),
            HoldRequest::new("c-5").line("a", 1).line("b", 1).key("k-5"),
            HoldRequest::new("c-6").line("b", 1),
        ] {
            let answer = sale.hold(&request);
            assert!(matches!(answer, Err(Refusal::SoldOut { available: 0 })), "{answer:?}");
        }
    };
    refused();
    assert_ne!(calls.swap(0, Ordering::Relaxed), 0, "the engine was opened on this storage");
    let allocations = allocation_counter::measure(|| (0..1_000).for_each(|_| refused()));
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 0, "calls to the disk");
    assert_eq!(engine.backlog(), 0, "records for others to write");
}
