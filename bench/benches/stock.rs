//! One stock word under contention, beside what else could count. The word itself is private to the
//! engine, so its compare-and-swap is shown by a bare one; the engine's own refusal stands beside.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use jangteo::{Campaign, Engine, HoldRequest, Sale};
use parking_lot::Mutex;

const THREADS: u64 = 2;

/// Time for `iterations` calls shared by the threads, as if one after another.
fn shared(iterations: u64, work: impl Fn(u64) + Sync) -> Duration {
    let share = iterations.div_ceil(THREADS);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || (0..share).for_each(|n| work(thread * share + n)));
        }
    });
    started.elapsed()
}

fn take(word: &AtomicU32) -> bool {
    // Relaxed: as the engine's word, it publishes nothing else.
    word.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn sold_out() -> (Engine, Sale) {
    let file = "[campaign]\nid = \"b\"\ntitle = \"b\"\ncurrency = \"KRW\"\n\
                time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
                [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = 0\n";
    let engine = Engine::in_memory();
    engine.put(Campaign::parse(file).expect("valid")).expect("first");
    let sale = engine.sale("b-1").expect("put");
    (engine, sale)
}

fn stock(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stock, two threads");
    group.bench_function("plain counter, one thread", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut left = u32::MAX;
            let started = Instant::now();
            for _ in 0..iterations {
                left = std::hint::black_box(left).saturating_sub(1);
            }
            std::hint::black_box(left);
            started.elapsed()
        });
    });
    group.bench_function("compare-and-swap word", |bencher| {
        bencher.iter_custom(|iterations| {
            let word = AtomicU32::new(u32::MAX);
            shared(iterations, |_| assert!(take(&word), "enough"))
        });
    });
    group.bench_function("counter under a mutex", |bencher| {
        bencher.iter_custom(|iterations| {
            let left = Mutex::new(u32::MAX);
            shared(iterations, |_| *left.lock() -= 1)
        });
    });
    group.bench_function("empty word", |bencher| {
        bencher.iter_custom(|iterations| {
            let word = AtomicU32::new(0);
            shared(iterations, |_| assert!(!take(std::hint::black_box(&word)), "empty"))
        });
    });
    group.bench_function("empty counter under a mutex", |bencher| {
        bencher.iter_custom(|iterations| {
            let left = Mutex::new(0_u32);
            shared(iterations, |_| assert!(*left.lock() == 0, "empty"))
        });
    });
    let (_engine, sale) = sold_out();
    let customers: Vec<String> = (0..1_024).map(|n| format!("c-{n:08}")).collect();
    group.bench_function("whole refusal of a sold-out drop", |bencher| {
        bencher.iter_custom(|iterations| {
            shared(iterations, |n| {
                let place = usize::try_from(n % 1_024).unwrap_or(0);
                let customer = customers.get(place).expect("below 1,024");
                let request = HoldRequest::new(customer).line("a", 1).key("k-1");
                assert!(sale.hold(&request).is_err(), "sold out");
            })
        });
    });
    group.finish();
}

criterion_group!(benches, stock);
criterion_main!(benches);
