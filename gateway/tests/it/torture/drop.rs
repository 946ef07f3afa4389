//! A running drop: a crowd of clients over both wires, and something that hits the process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::{Client, Wire};
use super::journal::{Act, Journal};
use crate::clients::{Resp, http};
use crate::process::Served;

/// How a crowd shops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// Holds that each client takes at most.
    pub(crate) takes: u64,
    /// Whether clients do more about their holds than taking them.
    pub(crate) settle: bool,
}

/// How far a crowd has come, so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Answers heard.
    acknowledged: AtomicU64,
    /// Requests sent and not answered.
    under_way: AtomicU64,
    /// The clients are to finish what they began.
    over: AtomicBool,
}

impl Progress {
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::SeqCst)
    }
}

/// What was under way when the process was hit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shopped {
    /// Answers heard before.
    pub(crate) acknowledged: u64,
    /// Requests sent before, and never answered.
    pub(crate) unanswered: usize,
}

impl Shopped {
    /// A hit shows something only if there was an acknowledged grant before it and an unanswered
    /// request at it.
    pub(crate) const fn counts(&self) -> bool {
        self.acknowledged > 0 && self.unanswered > 0
    }
}

impl Crowd {
    /// Lets one client per journal shop until its connection ends or `hit` returns, which is called
    /// once a first grant was acknowledged, and says when it hit.
    pub(crate) fn shop(
        self,
        served: &Served,
        journals: &mut [Journal],
        rng: &mut StdRng,
        hit: impl FnOnce(&mut StdRng, &Progress) -> Instant,
    ) -> Shopped {
        let progress = Progress::default();
        let acknowledged = &progress.acknowledged;
        let clients: Vec<Client> =
            (0..journals.len()).map(|n| Client::connect(served, wire(n))).collect();
        thread::scope(|scope| {
            let shoppers: Vec<_> = (journals.iter_mut().zip(clients).enumerate())
                .map(|(n, (journal, client))| {
                    let rng = StdRng::seed_from_u64(rng.random());
                    let progress = &progress;
                    let depth = if wire(n) == Wire::Http { 8 } else { 64 };
                    let shopper = Shopper { crowd: self, journal, client, rng, depth };
                    scope.spawn(move || shopper.shop(progress))
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) == 0 {
                assert!(shoppers.iter().any(|one| !one.is_finished()), "nobody was served");
                thread::sleep(Duration::from_millis(1));
            }
            let hit_at = hit(rng, &progress);
            let before = acknowledged.load(Ordering::SeqCst);
            progress.over.store(true, Ordering::SeqCst);
            let sent: Vec<Instant> =
                shoppers.into_iter().flat_map(|one| one.join().unwrap()).collect();
            let unanswered = sent.iter().filter(|at| **at < hit_at).count();
            Shopped { acknowledged: before, unanswered }
        })
    }
}

/// Half of the clients speak either wire.
pub(crate) const fn wire(client: usize) -> Wire {
    if client.is_multiple_of(2) { Wire::Resp } else { Wire::Http }
}

struct Shopper<'a> {
    crowd: Crowd,
    journal: &'a mut Journal,
    client: Client,
    rng: StdRng,
    /// Requests under way at most.
    depth: usize,
}

impl Shopper<'_> {
    /// Shops, and returns when each request left that was never answered.
    fn shop(mut self, progress: &Progress) -> Vec<Instant> {
        let mut under_way: VecDeque<(usize, Instant)> = VecDeque::new();
        let mut takes_left = self.crowd.takes;
        loop {
            let stopping = progress.over.load(Ordering::SeqCst);
            let more = if stopping { 0 } else { self.rng.random_range(1..=self.depth) };
            let (mut asks, mut entries) = (Vec::new(), Vec::new());
            while under_way.len() + asks.len() < more {
                let Some((at, act)) = self.next(&mut takes_left) else { break };
                asks.push(self.journal.ask(at, act));
                entries.push(at);
            }
            if self.client.send(&asks).is_err() {
                break; // what was not sent is in doubt as well, but was not under way
            }
            let sent = Instant::now();
            progress.under_way.fetch_add(asks.len() as u64, Ordering::SeqCst);
            under_way.extend(entries.into_iter().map(|at| (at, sent)));
            if under_way.is_empty() {
                break;
            }
            // Some stay under way, so that a hit finds them.
            let leave = if stopping { 0 } else { under_way.len() / 2 };
            while under_way.len() > leave {
                let Ok(reply) = self.client.receive() else {
                    return under_way.into_iter().map(|(_, sent)| sent).collect();
                };
                let (at, _) = under_way.pop_front().expect("more than none");
                self.journal.heard(at, &reply);
                progress.acknowledged.fetch_add(1, Ordering::SeqCst);
                progress.under_way.fetch_sub(1, Ordering::SeqCst);
            }
        }
        under_way.into_iter().map(|(_, sent)| sent).collect()
    }

    /// What to do next, and about which hold. `None`: nothing is left to do until answers come.
    fn next(&mut self, takes_left: &mut u64) -> Option<(usize, Act)> {
        let settles = self.crowd.settle && !self.journal.idle.is_empty();
        let takes = *takes_left > 0 && !(settles && self.rng.random_bool(0.45));
        if takes {
            *takes_left -= 1;
            let lines = match self.rng.random_range(0..10) {
                0 => vec![("a", 1), ("b", 1)],
                1 => vec![("a", 2)],
                _ => vec![("a", 1)],
            };
            return Some((self.journal.open(lines), Act::Take));
        }
        if !settles {
            return None;
        }
        let place = self.rng.random_range(0..self.journal.idle.len());
        let at = self.journal.idle.swap_remove(place);
        let state = &self.journal.entries[at].told.as_ref().expect("idle").state;
        let acts: &[Act] = match state.as_str() {
            "held" => &[Act::Confirm, Act::Confirm, Act::Release, Act::Extend, Act::TooMuch],
            "confirmed" => &[Act::Confirm, Act::Take],
            "released" => &[Act::Release, Act::Take],
            _ => &[Act::Take],
        };
        Some((at, acts[self.rng.random_range(0..acts.len())]))
    }
}

/// Checks everything that all clients were told together: numbers, units, and what the service says
/// of itself. Nobody is in doubt any more.
pub(crate) fn totals(served: &Served, journals: &[Journal], stock: &[(&str, u64)]) {
    let mut numbers: Vec<u64> = journals.iter().flat_map(Journal::numbers).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "numbers are gapless");
    let mut resp = Resp::connect(served.resp);
    for (sku, total) in stock {
        let in_state = |state: &str| journals.iter().map(|one| one.units(sku, state)).sum::<u64>();
        let (held, sold) = (in_state("held"), in_state("confirmed"));
        let left = total - held - sold;
        let shown = resp.one(&format!("DROP.STOCK t-1 {sku}"));
        let expected =
            format!("$5 total :{total} $9 available :{left} $4 held :{held} $4 sold :{sold}");
        assert!(shown.ends_with(&expected), "{shown}, expected {expected}");
    }
    let audit = http(served.http, "GET /v1/drops/t-1/audit", &[], "").json();
    assert_eq!(audit["ok"], true, "{audit}");
}
