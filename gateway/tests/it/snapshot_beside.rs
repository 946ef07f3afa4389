//! A snapshot that is made beside a service that sells, and what the buyers notice of it.
//!
//! `JANGTEO_SNAPSHOTS` says how many are made (1), each beside a service of its own, and
//! `JANGTEO_SNAPSHOT_HOLDS` how many holds there are before (20,000). Units are asked for in bursts,
//! at half the rate at which those first holds were granted. Meanwhile the maker of the snapshot is
//! stopped and continued, turn by turn, so that what else goes on in the machine and in the service
//! falls on both kinds of turns alike. With `JANGTEO_SNAPSHOT_RATIO` the 99th percentile beside
//! snapshots may be, by the median of those looks, so many times what it is without; else it is
//! only printed, since a busy machine has its own.
//!
//! The drop opens as it is put, as one does before which its tables were made: one that grows makes
//! a percent of the buyers wait for some milliseconds, with and without a snapshot.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::{Resp, connect, http};
use crate::process::{Served, jangteo};
use crate::shop::campaign_at;
use crate::torture::{count, now_ms};

const BUYERS: u32 = 8;
/// Holds that a buyer asks for at once.
const BURST: u32 = 16;
/// What each is answered with: the hold's id.
const REPLY: usize = "$26\r\n".len() + 26 + "\r\n".len();
/// For so long the snapshot is made, and for so long it is not, in turns.
const TURN: Duration = Duration::from_millis(200);
/// What is left of a turn with it is over so long after.
const AFTER: Duration = Duration::from_millis(5);
/// Units that can be held: as many as a drop has room for before it opens.
const UNITS: u32 = 4_000_000;

struct Buyer {
    stream: TcpStream,
    number: u32,
    next: u32,
}

impl Buyer {
    fn connect(served: &Served, number: u32) -> Self {
        Self { stream: connect(served.resp), number, next: 0 }
    }

    /// Asks for a burst, each unit for a customer of its own, and reads every answer.
    fn burst(&mut self) {
        assert!((self.next + BURST) * BUYERS <= UNITS, "more is asked for than there is");
        let asks = (self.next..self.next + BURST)
            .map(|next| format!("DROP.HOLD t-1 c-{}-{next} 1 a 1 BRIEF", self.number));
        self.stream.write_all(&Resp::encoded(&asks.collect::<Vec<_>>())).unwrap();
        let mut replies = [0; BURST as usize * REPLY];
        self.stream.read_exact(&mut replies).unwrap();
        let granted = replies.chunks(REPLY).all(|reply| reply.starts_with(b"$26\r\n"));
        assert!(granted, "not granted: {}", replies.escape_ascii());
        self.next += BURST;
    }

    /// Asks for a burst every `each` until it is `over`: when each was due and how long it took
    /// from then on.
    fn keep_on(&mut self, each: Duration, over: &AtomicBool) -> Vec<(Instant, Duration)> {
        let mut due = Instant::now() + each * self.number / BUYERS;
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.burst();
            took.push((due, due.elapsed()));
            due += each;
        }
        took
    }
}

/// As fast as they are granted: holds a second.
fn sell(buyers: &mut [Buyer], holds: u32) -> f64 {
    let bursts = holds.div_ceil(BURST * BUYERS);
    let begun = Instant::now();
    thread::scope(|scope| {
        for buyer in buyers {
            scope.spawn(move || (0..bursts).for_each(|_| buyer.burst()));
        }
    });
    f64::from(bursts * BURST * BUYERS) / begun.elapsed().as_secs_f64()
}

/// What buyers notice while `meanwhile` goes on, at that rate.
fn bursts(buyers: &mut [Buyer], per_s: f64, meanwhile: impl FnOnce()) -> Vec<(Instant, Duration)> {
    let each = Duration::from_secs_f64(f64::from(BURST * BUYERS) / per_s);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let keep_on = |buyer| scope.spawn(|| Buyer::keep_on(buyer, each, &over));
        let buying: Vec<_> = buyers.iter_mut().map(keep_on).collect();
        meanwhile();
        over.store(true, Ordering::Relaxed);
        buying.into_iter().flat_map(|buyer| buyer.join().unwrap()).collect()
    })
}

/// Makes a snapshot of `data` in turns, with the first turn before it. What turns there were,
/// those without it first.
fn make_in_turns(data: &Path) -> [Vec<Range<Instant>>; 2] {
    let mut turns = [Vec::new(), Vec::new()];
    let mut turn = |beside: bool, is_over: &mut dyn FnMut() -> bool| {
        // A pause that ran out while it stood ends at once: turns with it count from the first.
        let from = Instant::now() + if beside { Duration::ZERO } else { AFTER };
        let over = loop {
            let over = is_over();
            if over || from.elapsed() >= TURN {
                break over;
            }
            thread::sleep(Duration::from_millis(1));
        };
        turns[usize::from(beside)].push(from..Instant::now());
        over
    };
    turn(false, &mut || false);
    let mut maker = jangteo().arg("snapshot").arg(data).stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&maker);
    while !turn(true, &mut || maker.try_wait().unwrap().is_some()) {
        kill_process(pid, Signal::STOP).unwrap();
        turn(false, &mut || false);
        kill_process(pid, Signal::CONT).unwrap();
    }
    let made = maker.wait_with_output().unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success() && said.contains(" records in "), "{said}");
    turns
}

/// Of the bursts that were due in those turns, the 50th and 99th percentile in milliseconds.
fn percentiles(bursts: &[(Instant, Duration)], turns: &[Range<Instant>]) -> [f64; 2] {
    let within = |due| turns.iter().any(|turn| turn.contains(due));
    let due = bursts.iter().filter(|(due, _)| within(due));
    let mut took: Vec<_> = due.map(|(_, took)| took.as_secs_f64() * 1_000.0).collect();
    took.sort_by(f64::total_cmp);
    [50, 99].map(|percent| took[(took.len() - 1) * percent / 100])
}

/// Units that are held.
fn held(served: &Served) -> u64 {
    http(served.http, "GET /v1/drops/t-1", &[], "").json()["items"][0]["held"].as_u64().unwrap()
}

/// Sells `holds` with a service of its own, and then on at half the rate, beside a snapshot. How
/// many times as long the 99th percentile took beside it; what was granted is held, also by a start
/// from it.
fn look(holds: u32) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let campaign = directory.path().join("t.toml");
    let opens_now = campaign_at("t", now_ms() / 1_000, "", "");
    let stock = format!("stock = {UNITS}");
    std::fs::write(&campaign, opens_now.replace("stock = 100000", &stock)).unwrap();
    let data = directory.path().join("data");
    let served = Served::start(&data, &["--campaign", campaign.to_str().unwrap()]);
    let mut buyers: Vec<_> = (0..BUYERS).map(|number| Buyer::connect(&served, number)).collect();
    let most = sell(&mut buyers, holds);
    let mut turns = [Vec::new(), Vec::new()];
    let bursts = bursts(&mut buyers, most / 2.0, || turns = make_in_turns(&data));
    let [without, beside] = turns.each_ref().map(|turns| percentiles(&bursts, turns));
    let took: Duration = turns[1].iter().map(|turn| turn.end - turn.start).sum();
    let ratio = beside[1] / without[1];
    eprintln!(
        "at half of {most:.0} holds/s p50 and p99 {without:.2?} ms without, {beside:.2?} ms beside \
         a snapshot of {took:.1?}: p99 {ratio:.2} times",
    );

    let asked: u32 = buyers.iter().map(|buyer| buyer.next).sum();
    assert_eq!(held(&served), u64::from(asked), "what was granted is what is held");
    served.kill();
    let again = Served::start(&data, &[]);
    assert_eq!(held(&again), u64::from(asked), "a start from the snapshot and what followed it");
    let warned = http(again.http, "GET /readyz", &[], "").json()["warnings"].to_string();
    assert!(!warned.contains("snapshot"), "it was passed over: {warned}");
    assert_eq!(again.terminate(), Some(0));
    assert!(jangteo().arg("audit").arg(&data).output().unwrap().status.success());
    ratio
}

#[test]
fn a_snapshot_is_made_beside_a_service_that_sells() {
    let holds = u32::try_from(count("JANGTEO_SNAPSHOT_HOLDS", 20_000)).unwrap();
    let looks = 0..count("JANGTEO_SNAPSHOTS", 1);
    let mut ratios: Vec<_> = looks.map(|_| look(holds)).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    eprintln!("median {ratio:.2} times");
    if let Ok(limit) = std::env::var("JANGTEO_SNAPSHOT_RATIO") {
        assert!(ratio <= limit.parse().unwrap(), "{ratio}");
    }
}
