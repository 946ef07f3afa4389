//! Threads that ask for one unit each time, for customers of their own: what a measurement of the
//! engine in this process is driven by.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

use jangteo::{Campaign, Engine, HoldRequest, Sale, Ticket};

use crate::now;

/// The customers of one thread and their keys, one behind the other: a caller has just read what it
/// asks for, so none of it may be far away.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    /// Where a customer's name ends, and its key.
    ends: Vec<(usize, usize)>,
}

impl Names {
    /// Made before the clock starts.
    ///
    /// # Panics
    /// Never: memory takes them.
    #[must_use]
    pub fn of(thread: u32, count: u32) -> Self {
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

    /// Each customer, and its key.
    ///
    /// # Panics
    /// Never: every name ends where it was written.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut from = 0;
        self.ends.iter().map(move |(customer, key)| {
            let both = (&self.text[from..*customer], &self.text[*customer..*key]);
            from = *key;
            both
        })
    }
}

/// The drop of a campaign `id`: one item, limit 1, opens in this second. `rules` are further rules.
///
/// # Panics
/// If the engine has it already.
#[must_use]
pub fn sale(engine: &Engine, id: &str, units: u32, price: u32, rules: &str) -> Sale {
    let opens = now::opens();
    let text = format!(
        "[campaign]\nid = \"{id}\"\ntitle = \"t\"\ncurrency = \"KRW\"\ntime_zone = \"UTC\"\n\
         [schedule]\nopens = \"{opens}\"\n[rules]\nhold_ttl = \"1h\"\n{rules}\n\
         limit_per_customer = 1\n[[items]]\nsku = \"onion-3kg\"\ntitle = \"onions\"\n\
         price = {price}\nstock = {units}\n"
    );
    engine.put(Campaign::parse(&text).expect("the campaign is valid")).expect("none is there yet");
    engine.sale(&format!("{id}-1")).expect("it was put")
}

/// Runs `work` on so many threads at once, each with names of its own; seconds until the last is
/// done.
///
/// # Panics
/// If a thread does.
pub fn run(threads: u32, names_each: u32, work: impl Fn(&Names) + Sync) -> f64 {
    let barrier = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let names = Names::of(thread, names_each);
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
    })
}

/// Asks for a unit for each name, from one drop after the other, with so many answers outstanding,
/// until all are durable.
///
/// # Panics
/// If one is refused, or the disk fails.
pub fn grant(sales: &[Sale], names: &Names, outstanding: usize) {
    let mut pending: VecDeque<Ticket> = VecDeque::with_capacity(outstanding);
    for (place, (customer, key)) in names.each().enumerate() {
        let sale =
            sales.get(place * sales.len() / names.ends.len()).expect("a share is one of them");
        if pending.len() == outstanding {
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
}

/// Bytes of the journal in the data directory `data`: of its segments, each up to its last byte
/// that is not zero.
///
/// # Errors
/// Any error of the file system.
pub fn journal_bytes(data: &Path) -> io::Result<u64> {
    let mut used = 0;
    for entry in std::fs::read_dir(data.join("journal"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "segment") {
            continue;
        }
        let bytes = std::fs::read(path)?;
        used += bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
    }
    Ok(used)
}
