//! What the engine does in this process, without sockets: grants and refusals a second from two
//! threads, limit 1, every request with a key and a customer of its own.
//!
//! Beside them, in the same turns, runs the plainest thing that hands out units to customers: a map
//! and a counter under one mutex, without journal, phases or deadlines. It has no floor; it tells a
//! slow machine from a slow engine.

use std::collections::HashMap;
use std::process::ExitCode;
use std::slice;
use std::sync::Mutex;

use clap::Parser;
use jangteo::{Durability, Engine, HoldRequest, Refusal};
use jangteo_bench::producers::{self, Names, sale};

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
/// What a unit costs, in won.
const PRICE: u32 = 5_000;

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

/// Millions of `total` a second, of threads that share them, with at most `names_each` names each.
fn measure(
    arguments: &Arguments,
    total: u32,
    names_each: u32,
    work: impl Fn(&Names) + Sync,
) -> f64 {
    let share = total / arguments.threads;
    let seconds = producers::run(arguments.threads, share.min(names_each), work);
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
    let sale = sale(&engine, "t", arguments.grants, PRICE, "");
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
    let sale = sale(&engine, "t", WINNERS, PRICE, "");
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
    let sale = sale(&engine, "t", arguments.grants, PRICE, "");
    // Segments are made ahead of the opening; a drop does not open in the second it is announced.
    std::thread::sleep(std::time::Duration::from_secs(3));
    measure(arguments, arguments.grants, u32::MAX, |names| {
        producers::grant(slice::from_ref(&sale), names, arguments.pending);
    })
}
