//! A durable grant beside the bare disk: one write of as many bytes into a file that exists, and
//! one flush. A thread that waits for its grant flushes itself; a future has it flushed by the
//! engine's thread.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use jangteo::{Campaign, Engine, Hold, HoldRequest, Pending, Refusal, Sale};

/// Bytes of a frame with one grant: one sector.
const LONE: usize = 512;
/// Grants that share one flush, and bytes of their frame (about 80 each).
const MANY: u64 = 1_000;
const MANY_BYTES: usize = 80 * 1024;
const FILE_BYTES: usize = 64 << 20;

struct Raw {
    file: File,
    at: u64,
}

impl Raw {
    fn new() -> Self {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&vec![0; FILE_BYTES], 0).expect("room");
        file.sync_all().expect("a disk");
        Self { file, at: 0 }
    }

    fn commit(&mut self, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.at).expect("a disk");
        self.file.sync_data().expect("a disk");
        let end = self.at + 2 * bytes.len() as u64;
        self.at = if end > FILE_BYTES as u64 { 0 } else { self.at + bytes.len() as u64 };
    }
}

fn open() -> (tempfile::TempDir, Engine, Sale) {
    let file = "[campaign]\nid = \"b\"\ntitle = \"b\"\ncurrency = \"KRW\"\n\
                time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
                [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = 1000000000\n";
    let directory = tempfile::tempdir().expect("a directory");
    let engine = Engine::open(directory.path()).expect("an empty one opens");
    engine.put(Campaign::parse(file).expect("valid")).expect("first");
    let sale = engine.sale("b-1").expect("put");
    (directory, engine, sale)
}

/// A unit for a customer of that number.
fn hold(sale: &Sale, number: u64) -> Result<Pending<Hold>, Refusal> {
    let customer = format!("c-{number:012}");
    sale.hold(&HoldRequest::new(&customer).line("a", 1).key("k-1"))
}

/// Grants `count` under names counted from `from`, and waits for the last.
fn grant(sale: &Sale, from: u64, count: u64) {
    let mut last = None;
    for number in from..from + count {
        last = Some(hold(sale, number).expect("enough"));
    }
    if let Some(last) = last {
        last.wait().expect("a disk");
    }
}

fn journal(criterion: &mut Criterion) {
    let (_directory, _engine, sale) = open();
    let mut raw = Raw::new();
    let mut next = 0;
    for (name, count, bytes) in [("one", 1, LONE), ("1,000", MANY, MANY_BYTES)] {
        let mut group = criterion.benchmark_group(format!("{name} durable"));
        group.sample_size(20).measurement_time(Duration::from_secs(3));
        group.bench_function("grants, one thread", |bencher| {
            bencher.iter_custom(|iterations| {
                let started = Instant::now();
                for _ in 0..iterations {
                    grant(&sale, next, count);
                    next += count;
                }
                started.elapsed()
            });
        });
        if count == 1 {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            group.bench_function("grants, polled", |bencher| {
                bencher.iter_custom(|iterations| {
                    let started = Instant::now();
                    for _ in 0..iterations {
                        let pending = hold(&sale, next).expect("enough");
                        runtime.block_on(pending).expect("a disk");
                        next += 1;
                    }
                    started.elapsed()
                });
            });
        }
        let frame = vec![7; bytes];
        group.bench_function("write and flush of as many bytes", |bencher| {
            bencher.iter_custom(|iterations| {
                let started = Instant::now();
                (0..iterations).for_each(|_| raw.commit(&frame));
                started.elapsed()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, journal);
criterion_main!(benches);
