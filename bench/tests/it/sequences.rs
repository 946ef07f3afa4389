//! The engine answers as a plain sequential model does, whatever happens to it.
//!
//! `JANGTEO_SEQUENCES` sequences (10,000) of 200 operations each are drawn from `JANGTEO_SEED` (1)
//! and played on all cores. A difference prints the few steps that are needed for it, and the seed
//! that draws the sequence again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::model::operation::Sequence;
use crate::model::{Exercised, draw, play};

/// What must have happened in any run worth its name, so many times in 1,000 sequences.
const LEAST: [(&str, u64); 47] = [
    ("granted", 5_000),
    ("replayed", 500),
    ("gifts", 500),
    ("confirmed as granted", 100),
    ("confirmed", 500),
    ("paid late", 100),
    ("refunded whole", 100),
    ("refunded in part", 100),
    ("paused by hand", 500),
    ("resumed", 450),
    ("closed by hand", 50),
    ("stock set", 500),
    ("released", 500),
    ("extended", 200),
    ("joined the line", 3_000),
    ("served from the line", 1_000),
    ("left the line", 500),
    ("waits already", 300),
    ("waiting", 500),
    ("left", 300),
    ("ended", 100),
    ("unknown_wait", 20),
    ("expired by itself", 500),
    ("told again", 500),
    ("restarted", 100),
    ("killed", 100),
    ("without power", 100),
    ("changes lost", 100),
    ("clock stepped", 500),
    ("put", 50),
    ("put refused", 100),
    ("files audited", 20),
    ("malformed", 500),
    ("key_reused", 500),
    ("closed", 100),
    ("not_open", 500),
    ("paused", 200),
    ("unknown_sku", 200),
    ("area_not_served", 200),
    ("limit_reached", 500),
    ("sold_out", 500),
    ("unknown_hold", 50),
    ("conflict", 100),
    ("expired", 100),
    ("wrong_state", 500),
    ("unavailable", 100),
    ("sequences", 1_000),
];

fn from_environment(name: &str, left_out: u64) -> u64 {
    std::env::var(name).map_or(left_out, |text| text.parse().expect("a whole number"))
}

/// Leaves out every operation that is not needed for a difference: halves first, then less.
fn shrink(sequence: &Sequence) -> Sequence {
    let mut least = sequence.clone();
    let mut size = least.operations.len();
    while size > 0 {
        let before = least.operations.len();
        let mut from = 0;
        while from < least.operations.len() {
            let mut less = least.clone();
            less.operations.drain(from..(from + size).min(before).min(less.operations.len()));
            if play(&less, &mut Exercised::default()).is_err() {
                least = less;
            } else {
                from += size;
            }
        }
        if least.operations.len() == before || size > 1 {
            size /= 2;
        }
    }
    least
}

fn report(seed: u64, sequence: &Sequence, what: &str) -> String {
    let least = shrink(sequence);
    let shown = play(&least, &mut Exercised::default()).err().unwrap_or_default();
    let early = if least.early { "a minute before" } else { "at" };
    let steps: Vec<String> = least.operations.iter().map(|step| format!("  {step:?}")).collect();
    let steps = steps.join("\n");
    format!(
        "{what}\n\nshrunk, beginning {early} the opening of {:?}:\n{steps}\n{shown}\n\n\
         again: JANGTEO_SEED={seed} JANGTEO_SEQUENCES=1",
        least.terms
    )
}

#[test]
fn every_answer_is_that_of_a_plain_sequential_model() {
    let count = from_environment("JANGTEO_SEQUENCES", 10_000);
    let first = from_environment("JANGTEO_SEED", 1);
    let next = AtomicU64::new(first);
    let worker = || {
        let mut seen = Exercised::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return Ok(seen);
            }
            let sequence = draw(seed);
            if let Err(what) = play(&sequence, &mut seen) {
                next.store(first + count, Ordering::Relaxed); // the others need not go on
                return Err(report(seed, &sequence, &what));
            }
        }
    };
    let mut seen = Exercised::default();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            match worker.join().expect("a worker catches panics") {
                Ok(its) => its.0.iter().for_each(|(what, n)| *seen.0.entry(what).or_default() += n),
                Err(report) => panic!("{report}"),
            }
        }
    });
    println!("seeds {first} to {}: {:?}", first + count - 1, seen.0);
    if count >= 1_000 {
        for (what, least) in LEAST {
            let times = seen.0.get(what).copied().unwrap_or(0);
            assert!(times >= least * (count / 1_000), "{what}: only {times} times");
        }
    }
}
