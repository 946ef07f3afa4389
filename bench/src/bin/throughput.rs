//! What the engine does in this process, without sockets: grants and refusals a second from two
//! threads, limit 1, every request with a key and a customer of its own.
//!
//! Beside them, in the same turns, runs the plainest thing that hands out units to customers: a map
//! and a counter under one mutex, without journal, phases or deadlines. It has no floor; it tells a
//! slow machine from a slow engine.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use clap::Parser;
use jangteo::{Campaign, Durability, Engine, HoldRequest, Refusal, Sale, Ticket};
use jangteo_bench::now;

/// Measures grants and refusals a second; ends with status 1 if a floor is missed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Runs of each kind, interleaved.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Grants of each run.
    #[arg(long, default_value_t = 2_000_000)]
    grants: u32,
    /// Refusals of each run.
    #[arg(long, default_value_t = 20_000_000)]
    refusals: u32,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// Grants that each thread has under way before it waits for the oldest.
    #[arg(long, default_value_t = 4_096)]
    pending: usize,
    /// Only this kind: map, memory, refused or synced.
    #[arg(long)]
    only: Option<String>,
}

/// What is measured, and the fewest a second, in millions, that are enough.
const KINDS: [(&str, f64); 4] = [("map", 0.0), ("memory", 2.0), ("refused", 25.0), ("synced", 1.2)];
/// Customers of each thread that are refused again and again: few, since a caller has just read
/// the name it asks for.
const REFUSED_CUSTOMERS: u32 = 10_000;
/// Winners that a refusal's look-up has to tell apart from the crowd.
const WINNERS: u32 = 2_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |kind: &str| arguments.only.as_deref().is_none_or(|only| only == kind);
    let mut figures = [const { Vec::new() }; KINDS.len()];
    for _ in 0..arguments.runs {
        for ((kind, _), figures) in KINDS.iter().zip(&mut figures).filter(|((k, _), _)| wanted(k)) {
            figures.push(match *kind {
                "map" => map(&arguments),
                "memory" => memory(&arguments),
                "refused" => refused(&arguments),
                _ => synced(&arguments),
            });
        }
    }
    let mut enough = true;
    for ((kind, floor), figures) in KINDS.iter().zip(&mut figures).filter(|((k, _), _)| wanted(k)) {
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or(0.0);
        let (median, most) = (at(figures.len() / 2), at(figures.len().saturating_sub(1)));
        let verdict = if median >= *floor { "" } else { "  MISSED" };
        println!(
            "{kind:8} {median:7.2} M/s  ({:.2}..{most:.2}, {} runs)  floor {floor:.1}{verdict}",
            at(0),
            figures.len()
        );
        enough &= median >= *floor;
    }
    if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn campaign(units: u32) -> Campaign {
    let opens = now::opens();
    let text = format!(
        "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\ntime_zone = \"UTC\"\n\
         [schedule]\nopens = \"{opens}\"\n[rules]\nhold_ttl = \"1h\"\n\
         limit_per_customer = 1\n[[items]]\nsku = \"onion-3kg\"\ntitle = \"onions\"\nprice = 5000\n\
         stock = {units}\n"
    );
    Campaign::parse(&text).expect("the campaign is valid")
}

fn sale(engine: &Engine, units: u32) -> Sale {
    engine.put(campaign(units)).expect("nothing is there yet");
    engine.sale("t-1").expect("it was put")
}

/// The customers of one thread and their keys, one behind the other: a caller has just read what it
/// asks for, so none of it may be far away.
#[derive(Default)]
struct Names {
    text: String,
    /// Where a customer's name ends, and its key.
    ends: Vec<(usize, usize)>,
}

impl Names {
    /// Made before the clock starts.
    fn of(thread: u32, count: u32) -> Self {
        let first = u64::from(thread) << 32;
        let mut names = Self::default();
        for n in 0..u64::from(count) {
            // Spread, so that neighbours in time are no neighbours in memory.
            let name = (first + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
            write!(names.text, "c-{name:012x}").expect("memory takes it");
            let customer = names.text.len();
            write!(names.text, "k-{n}").expect("memory takes it");
            names.ends.push((customer, names.text.len()));
        }
        names
    }

    fn each(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut from = 0;
        self.ends.iter().map(move |(customer, key)| {
            let both = (&self.text[from..*customer], &self.text[*customer..*key]);
            from = *key;
            both
        })
    }
}

/// Runs `work` on every thread at once; millions of `total` a second.
fn measure(
    arguments: &Arguments,
    total: u32,
    names_each: u32,
    work: impl Fn(&Names) + Sync,
) -> f64 {
    let share = total / arguments.threads;
    let barrier = Barrier::new(arguments.threads as usize + 1);
    let seconds = std::thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let threads: Vec<_> = (0..arguments.threads)
            .map(|thread| {
                let names = Names::of(thread, share.min(names_each));
                scope.spawn(move || {
                    barrier.wait();
                    work(&names);
                    Instant::now()
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let ends = threads.into_iter().map(|thread| thread.join().expect("no thread panics"));
        ends.map(|end| end.duration_since(started).as_secs_f64()).fold(0.0, f64::max)
    });
    f64::from(share * arguments.threads) / seconds / 1e6
}

fn map(arguments: &Arguments) -> f64 {
    let customers = HashMap::<String, String>::with_capacity(arguments.grants as usize);
    let stall = Mutex::new((arguments.grants, customers));
    measure(arguments, arguments.grants, u32::MAX, |names| {
        for (customer, key) in names.each() {
            let mut stall = stall.lock().expect("nobody panics under it");
            let (left, customers) = &mut *stall;
            assert!(!customers.contains_key(customer) && *left > 0, "there are enough");
            *left -= 1;
            customers.insert(customer.to_owned(), key.to_owned());
        }
    })
}

fn memory(arguments: &Arguments) -> f64 {
    let engine = Engine::in_memory();
    let sale = sale(&engine, arguments.grants);
    measure(arguments, arguments.grants, u32::MAX, |names| {
        for (customer, key) in names.each() {
            let request = HoldRequest::new(customer).line("onion-3kg", 1).key(key);
            let granted = sale.hold(&request).expect("there are enough").wait();
            assert!(granted.is_ok(), "memory needs no disk");
        }
    })
}

fn refused(arguments: &Arguments) -> f64 {
    let engine = Engine::in_memory();
    let sale = sale(&engine, WINNERS);
    for winner in 0..WINNERS {
        let customer = format!("w-{winner}");
        let request = HoldRequest::new(&customer).line("onion-3kg", 1).key("k");
        let _ = sale.hold(&request).expect("there are enough").wait();
    }
    let share = arguments.refusals / arguments.threads;
    measure(arguments, arguments.refusals, REFUSED_CUSTOMERS, |names| {
        for (customer, key) in names.each().cycle().take(share as usize) {
            let request = HoldRequest::new(customer).line("onion-3kg", 1).key(key);
            assert!(matches!(sale.hold(&request), Err(Refusal::SoldOut { .. })), "sold out");
        }
    })
}

fn synced(arguments: &Arguments) -> f64 {
    let directory = tempfile::tempdir().expect("a directory for the journal");
    let options = Engine::options().data(directory.path()).durability(Durability::Synced);
    let engine = options.open().expect("an empty directory opens");
    let sale = sale(&engine, arguments.grants);
    // Segments are made ahead of the opening; a drop does not open in the second it is announced.
    std::thread::sleep(std::time::Duration::from_secs(3));
    measure(arguments, arguments.grants, u32::MAX, |names| {
        let mut pending: VecDeque<Ticket> = VecDeque::with_capacity(arguments.pending);
        for (customer, key) in names.each() {
            if pending.len() == arguments.pending {
                let oldest = pending.pop_front().expect("it is full");
                oldest.wait().expect("the disk works");
            }
            let request = HoldRequest::new(customer).line("onion-3kg", 1).key(key);
            let (hold, ticket) = sale.hold(&request).expect("there are enough").into_parts();
            std::hint::black_box(hold);
            pending.push_back(ticket);
        }
        if let Some(newest) = pending.back() {
            newest.wait().expect("the disk works");
        }
    })
}
