//! A grant in memory, beside the obvious ways to keep who bought: one map under one mutex without
//! any journal, and a sharded map.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dashmap::DashMap;
use jangteo::{Campaign, Engine, HoldRequest, Sale};
use jangteo_bench::now;
use parking_lot::Mutex;

const THREADS: usize = 2;
/// Grants of one measurement.
const BUYERS: usize = 200_000;

/// What a buyer with one hold is, kept the obvious way.
#[derive(Clone)]
struct Entry {
    key: String,
    number: u32,
    expires_at: Instant,
}

fn customers() -> Vec<String> {
    (0..BUYERS).map(|n| format!("c-{:012x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)).collect()
}

fn open() -> (Engine, Sale) {
    let file = format!(
        "[campaign]\nid = \"b\"\ntitle = \"b\"\ncurrency = \"KRW\"\ntime_zone = \"UTC\"\n\
         [schedule]\nopens = \"{}\"\n[rules]\nlimit_per_customer = 1\n\
         [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = {BUYERS}\n",
        now::opens()
    );
    let engine = Engine::in_memory();
    engine.put(Campaign::parse(&file).expect("valid")).expect("first");
    let sale = engine.sale("b-1").expect("put");
    (engine, sale)
}

fn shared(customers: &[String], work: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for part in customers.chunks(BUYERS / THREADS) {
            let work = &work;
            scope.spawn(move || part.iter().for_each(|customer| work(customer)));
        }
    });
}

fn entry(number: u32) -> Entry {
    Entry { key: "k-1".to_owned(), number, expires_at: Instant::now() + Duration::from_secs(600) }
}

fn hold(criterion: &mut Criterion) {
    let customers = customers();
    let mut group = criterion.benchmark_group("200,000 grants, two threads");
    group.sample_size(10);
    group.bench_function("engine in memory", |bencher| {
        bencher.iter_batched_ref(
            open,
            |(_engine, sale)| {
                shared(&customers, |customer| {
                    let request = HoldRequest::new(customer).line("a", 1).key("k-1");
                    assert!(sale.hold(&request).expect("enough").wait().is_ok(), "memory");
                });
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("hash map under one mutex, no journal", |bencher| {
        bencher.iter_batched_ref(
            || Mutex::new((BUYERS, HashMap::<String, Entry>::with_capacity(BUYERS))),
            |state| {
                shared(&customers, |customer| {
                    let mut state = state.lock();
                    if state.0 > 0 && !state.1.contains_key(customer) {
                        state.0 -= 1;
                        let number = u32::try_from(BUYERS - state.0).unwrap_or(0);
                        state.1.insert(customer.to_owned(), entry(number));
                    }
                });
                check(state.lock().1.values());
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("sharded map and a word, no journal", |bencher| {
        bencher.iter_batched_ref(
            || (AtomicU32::new(0), DashMap::<String, Entry>::with_capacity(BUYERS)),
            |(sold, buyers)| {
                shared(&customers, |customer| {
                    // Relaxed: the map's own locks order the entries.
                    buyers
                        .entry(customer.to_owned())
                        .or_insert_with(|| entry(1 + sold.fetch_add(1, Ordering::Relaxed)));
                });
                assert_eq!(buyers.len(), BUYERS);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Every number is there: the baseline did its work.
fn check<'a>(entries: impl Iterator<Item = &'a Entry>) {
    let now = Instant::now();
    let sum: usize = entries
        .filter(|entry| entry.expires_at > now && !entry.key.is_empty())
        .map(|entry| entry.number as usize)
        .sum();
    assert_eq!(sum, BUYERS * (BUYERS + 1) / 2);
}

criterion_group!(benches, hold);
criterion_main!(benches);
