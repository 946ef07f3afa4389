//! The real process, killed in the middle of a drop, again and again.
//!
//! `JANGTEO_KILLS` says how many kills have to hit a running drop (20), `JANGTEO_SEED` the seed.

use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::process::{Served, jangteo, serve};
use crate::shop::{campaign_file, items};
use crate::torture::{Client, Crowd, Journal, Shopped, Wire, count, rng, seed, totals};

const CLIENTS: usize = 8;
/// Units of each item.
const STOCK: [(&str, u64); 2] = [("a", 200_000), ("b", 200_000)];
/// Holds that each client takes at most between two kills.
const TAKES: u64 = 2_000;
/// Kills on one directory, at most: the stock outlasts them.
const KILLS_OF_ONE: u64 = 8;
const _: () = assert!(CLIENTS as u64 * TAKES * (KILLS_OF_ONE + 2) < STOCK[0].1);
/// A kill comes this long after the first grant was acknowledged, at most, in milliseconds.
const WITHIN_MS: u64 = 250;

/// What was seen over all kills.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    missed: u64,
    kills_at_start: u64,
    directories: u64,
    holds: u64,
    unanswered: u64,
    survived: u64,
    slowest_start_ms: u128,
}

/// One directory, and the clients who know what was sold from it.
struct Directory {
    folder: tempfile::TempDir,
    journals: Vec<Journal>,
    rng: StdRng,
    last_start: Duration,
}

impl Directory {
    fn new(rng: StdRng) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stock = STOCK.map(|(sku, units)| (sku, u32::try_from(units).unwrap()));
        let file = campaign_file("limit_per_customer = 2", &items(&stock));
        std::fs::write(folder.path().join("t.toml"), file).unwrap();
        let journals = (0..CLIENTS).map(|n| Journal::new(format!("c{n}"))).collect();
        Self { folder, journals, rng, last_start: Duration::from_millis(50) }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn start(&mut self, more: &[&str]) -> Served {
        let begun = Instant::now();
        let served = Served::run(serve(&self.data(), more));
        self.last_start = begun.elapsed();
        served
    }

    /// Lets the crowd in and kills the process in the middle of it.
    fn strike(&mut self, served: Served) -> Shopped {
        let crowd = Crowd { takes: TAKES, settle: true };
        let pid = served.pid();
        let shopped = crowd.shop(&served, &mut self.journals, &mut self.rng, |rng, _| {
            thread::sleep(Duration::from_millis(rng.random_range(0..WITHIN_MS)));
            let at = Instant::now();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            at
        });
        served.kill();
        shopped
    }

    /// Kills a process that starts; whether it was not ready yet.
    fn strike_the_start(&mut self) -> bool {
        let mut child = serve(&self.data(), &[]).spawn().unwrap();
        let within_us = u64::try_from(self.last_start.as_micros()).unwrap().max(2);
        thread::sleep(Duration::from_micros(self.rng.random_range(1..within_us)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said.is_empty()
    }

    /// Checks what every client knows, over the wire that is not its own, and what follows.
    fn check(&mut self, served: &Served, all: bool) -> u64 {
        let wires = [Wire::Http, Wire::Resp];
        let survived = thread::scope(|scope| {
            let checks: Vec<_> = (self.journals.iter_mut().enumerate())
                .map(|(n, journal)| {
                    let mut client = Client::connect(served, wires[n % 2]);
                    scope.spawn(move || {
                        if all {
                            journal.check_all(&mut client)
                        } else {
                            journal.check_touched(&mut client)
                        }
                    })
                })
                .collect();
            checks.into_iter().map(|one| one.join().unwrap()).sum()
        });
        totals(served, &self.journals, &STOCK);
        survived
    }
}

fn audit(data: &Path) {
    let output = jangteo().arg("audit").arg(data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("ok: every rule holds at every record\n"), "{said}");
}

/// Kills on one directory until `left` are done or it has had its share.
fn one_directory(rng: StdRng, left: u64, seen: &mut Seen) {
    let mut directory = Directory::new(rng);
    let campaign = directory.folder.path().join("t.toml").to_str().unwrap().to_owned();
    let mut served = directory.start(&["--campaign", &campaign]);
    let kills = directory.rng.random_range(1..=KILLS_OF_ONE).min(left);
    for kill in 1..=kills {
        let shopped = directory.strike(served);
        if shopped.counts() {
            seen.kills += 1;
        } else {
            seen.missed += 1;
        }
        seen.unanswered += shopped.unanswered as u64;
        while directory.rng.random_bool(0.3) {
            seen.kills_at_start += u64::from(directory.strike_the_start());
        }
        audit(&directory.data());
        served = directory.start(&[]);
        seen.slowest_start_ms = seen.slowest_start_ms.max(directory.last_start.as_millis());
        seen.survived += directory.check(&served, kill == kills);
    }
    assert_eq!(served.terminate(), Some(0));
    audit(&directory.data());
    seen.directories += 1;
    seen.holds += directory.journals.iter().map(|one| one.numbers().count() as u64).sum::<u64>();
}

#[test]
fn no_acknowledged_hold_is_lost_when_the_process_is_killed() {
    let (seed, wanted) = (seed(), count("JANGTEO_KILLS", 20));
    let mut seen = Seen::default();
    while seen.kills < wanted {
        one_directory(rng(seed, seen.directories), wanted - seen.kills, &mut seen);
        eprintln!("{seen:?}");
        assert!(seen.missed <= 10 + wanted / 10, "too many kills hit nobody: {seen:?}");
    }
}
