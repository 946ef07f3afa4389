//! A report made from the files says what the engine does, whatever happened, however it is read
//! and in however many parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::audit::audit_directory;
use crate::limits::RETENTION_LOOK_MS;
use crate::{
    Campaign, Engine, HoldId, HoldOrWait, HoldRequest, HoldState, ManualClock, Phase, Refund, Sale,
    WaitId, snapshot_directory,
};

/// 2020-04-29 10:00 in Seoul.
const OPENS_MS: u64 = 1_588_122_000_000;
const DAY_MS: u64 = 86_400_000;
/// Orders that come back or are paid for late, in one part: many parts, some, and one.
const LATER_MAX: [usize; 4] = [1, 3, 20, REPORT_LATER_MAX];

/// Two weekly drops that sell out, of goods with and without a gift, of odd prices, and of one that
/// is free.
fn campaign(id: &str) -> Campaign {
    let text = format!(
        r#"
[campaign]
id = "{id}"
title = "{id}"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;COUNT=2"
closes_after = "6days"
[rules]
hold_ttl = "90s"
auto_confirm = true
[[items]]
sku = "a"
title = "a"
price = 1333
stock = 40
eligible = ["good"]
gift = {{ sku = "g", quantity = 1 }}
[[items]]
sku = "b"
title = "b"
price = 4999
stock = 40
[[items]]
sku = "free"
title = "free"
price = 0
stock = "unlimited"
[[gifts]]
sku = "g"
title = "g"
stock = 15
[[ledger]]
kind = "donation"
beneficiary = "hope"
rate = "50%"
[[ledger]]
kind = "credit"
rate = "1.5%"
eligible = "good"
beneficiary = [{{ id = "old", share = "60%" }}, {{ id = "young", share = "40%" }}]
"#
    );
    Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"))
}

type Done = BTreeMap<&'static str, u32>;

/// A shop whose customers do whatever they can.
struct Shop {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    engine: Option<Engine>,
    rng: StdRng,
    holds: Vec<HoldId>,
    waits: Vec<WaitId>,
    asked: u32,
    done: Done,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let opens = Timestamp::from_ms(OPENS_MS);
        let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(opens));
        let clock = Arc::new(clock);
        let (rng, done) = (StdRng::seed_from_u64(seed), Done::new());
        let (holds, waits) = (Vec::new(), Vec::new());
        let mut shop = Self { directory, clock, engine: None, rng, holds, waits, asked: 0, done };
        shop.start();
        shop
    }

    fn start(&mut self) {
        self.engine = None;
        let options = Engine::options().data(self.directory.path()).clock(self.clock.clone());
        let options = options.background(false).segment_bytes(4_096).snapshot_after(u64::MAX);
        let options = options.retain_settled(Duration::from_millis(30 * DAY_MS));
        self.engine = Some(options.open().unwrap());
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Some calls about a drop; refusals are part of it.
    fn run(&mut self, drop: &str, calls: u32) {
        let sale = self.engine().sale(drop).unwrap();
        for _ in 0..calls {
            match self.below(30) {
                0..12 => self.ask(&sale),
                12..24 => self.change(&sale),
                24 => {
                    let pausing = sale.phase() == Phase::Open;
                    let done = if pausing { sale.pause().is_ok() } else { sale.resume().is_ok() };
                    self.count(if done && !pausing { "resumed" } else { "pause" });
                }
                25 => {
                    let total = u32::try_from(40 + self.below(40)).unwrap();
                    let _ = sale.set_stock("a", total, None);
                }
                26 => {
                    let wait = self.waits.choose(&mut self.rng);
                    let _ = wait.map(|wait| sale.leave(wait));
                }
                _ => {
                    let by = self.below(40_000) as u64;
                    self.clock.advance(by);
                    (0..self.engine().tick()).for_each(|_| self.count("expired"));
                }
            }
        }
        if sale.phase() == Phase::Paused {
            sale.resume().unwrap().wait().unwrap();
        }
    }

    fn ask(&mut self, sale: &Sale) {
        self.asked += 1;
        let (customer, key) = (format!("c-{}", self.below(40)), self.asked.to_string());
        let mut request = HoldRequest::new(&customer).key(&key);
        for sku in ["a", "b"] {
            if self.below(3) > 0 {
                request = request.line(sku, u32::try_from(1 + self.below(3)).unwrap());
            }
        }
        if self.below(6) == 0 {
            request = HoldRequest::new(&customer).line("free", 1).key(&key);
        }
        let answer = match self.below(3) {
            0 => sale.hold_or_wait(&request),
            _ => sale.hold(&request).map(|hold| hold.map(HoldOrWait::Hold)),
        };
        match answer.map(|answer| answer.into_parts().0) {
            Ok(HoldOrWait::Hold(hold)) => {
                self.count(if hold.state == HoldState::Held { "held" } else { "free" });
                if hold.gifts().next().is_some() {
                    self.count("gift");
                }
                self.holds.push(hold.id);
            }
            Ok(HoldOrWait::Wait(wait)) => self.waits.push(wait.id),
            Err(_) => {}
        }
    }

    fn change(&mut self, sale: &Sale) {
        // Who was served from the line has a hold too.
        let wait = self.waits.choose(&mut self.rng);
        let served = wait.and_then(|wait| sale.wait(wait).ok()?.into_parts().0.hold);
        let served = served.filter(|id| !self.holds.contains(id));
        if let Some(id) = served {
            self.count("from the line");
            self.holds.push(id);
        }
        let recent = self.holds.len().saturating_sub(30);
        let Some(&id) = self.holds[recent..].choose(&mut self.rng) else { return };
        let Ok(was) = sale.get(&id).map(|hold| hold.into_parts().0.state) else { return };
        let (what, done) = match self.below(8) {
            0..4 => {
                let late = was == HoldState::Expired;
                let what = if late { "paid late" } else { "confirmed" };
                (what, sale.confirm(&id, "p").map(drop))
            }
            4 => ("released", sale.release(&id).map(drop)),
            5 => ("extended", sale.extend(&id).map(drop)),
            6 => ("refunded whole", sale.refund(&id, &Refund::all()).map(drop)),
            _ => ("refunded in part", sale.refund(&id, &Refund::all().line("a", 1)).map(drop)),
        };
        if done.is_ok() {
            self.count(what);
        }
    }

    /// Everything so far is durable, and the files say so.
    fn vouch(&self) {
        self.engine().flush().unwrap();
        self.engine().flush_soon();
    }

    /// The engine and the files say the same of every campaign.
    fn same(&self, how: &str) {
        self.vouch();
        let journal = Directory::unlocked(&self.directory.path().join("journal")).unwrap();
        for id in ["sold", "gone", "nobody"] {
            let text = |report: &Report| serde_json::to_string(report).unwrap();
            let live = self.engine().report(id).map(|report| text(&report.wait().unwrap()));
            for later_max in LATER_MAX {
                let files = report_in_parts(&journal, id, later_max).unwrap();
                assert_eq!(files.as_ref().map(text), live, "{id}, {how}, {later_max} at a time");
            }
        }
    }

    fn snapshot(&self) {
        self.vouch();
        snapshot_directory(self.directory.path()).unwrap().unwrap();
    }

    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("journal")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == kind));
        files.sort();
        files
    }

    /// The same with the newest snapshots damaged, as many as that: near their ends, when almost
    /// all of them has been read.
    fn same_without(&self, newest: usize, how: &str) {
        self.vouch();
        let files = self.files("snapshot");
        let files = &files[files.len() - newest..];
        let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        for (file, bytes) in files.iter().zip(&whole) {
            let mut bytes = bytes.clone();
            let place = bytes.len() - 50;
            bytes[place] ^= 1;
            fs::write(file, bytes).unwrap();
        }
        self.same(how);
        files.iter().zip(whole).for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
    }

    fn close(&mut self, campaign: &str) {
        for number in [1, 2] {
            let sale = self.engine().sale(&format!("{campaign}-{number}")).unwrap();
            sale.close().unwrap().wait().unwrap();
        }
        self.clock.advance(DAY_MS); // nobody pays any more
        self.engine().tick();
        self.engine().settle(campaign, &[]).unwrap().wait().unwrap();
    }

    /// Some orders come back, although all is settled.
    fn refund_some(&mut self, drop: &str, calls: u32) {
        let sale = self.engine().sale(drop).unwrap();
        for _ in 0..calls {
            let Some(&id) = self.holds.choose(&mut self.rng) else { return };
            let line = self.below(2) == 0;
            let refund = if line { Refund::all().line("b", 1) } else { Refund::all() };
            let before = sale.get(&id).map(|hold| hold.into_parts().0.state);
            if sale.refund(&id, &refund).is_ok() && before.ok() == Some(HoldState::Confirmed) {
                self.count("refunded after the settlement");
            }
        }
    }

    /// Looks as often as something is dropped.
    fn drop_old(&self) -> usize {
        let mut dropped = 0;
        loop {
            let first = self.files("segment")[0].clone();
            self.clock.advance(RETENTION_LOOK_MS);
            self.engine().tick();
            if first.exists() {
                return dropped;
            }
            dropped += 1;
        }
    }
}

/// A year of a shop; what its customers did.
fn year(seed: u64) -> Done {
    let mut shop = Shop::new(seed);
    for id in ["gone", "sold"] {
        shop.engine().put(campaign(id)).unwrap();
    }
    shop.engine().tick();
    shop.run("gone-1", 60);
    shop.same("one campaign");
    shop.close("gone");
    shop.same("it is settled");
    shop.engine().delete("gone").unwrap().wait().unwrap();
    shop.holds.clear();
    shop.waits.clear();
    shop.clock.advance(1);
    shop.run("sold-1", 150);
    shop.same("from the journal");
    shop.snapshot();
    shop.same("from a snapshot");
    shop.run("sold-1", 100);
    shop.start();
    shop.run("sold-1", 50);
    shop.same("from a snapshot, and on after it");
    shop.same_without(1, "the only snapshot is damaged");
    shop.clock.advance(8 * DAY_MS);
    shop.engine().tick();
    shop.snapshot();
    shop.run("sold-2", 100);
    shop.refund_some("sold-1", 5);
    shop.same("both drops");
    shop.close("sold");
    shop.same("settled");
    for drop in ["sold-1", "sold-2"] {
        shop.refund_some(drop, 40);
    }
    shop.same("refunds after the settlement");
    shop.same_without(1, "from the older snapshot");
    shop.same_without(2, "from the journal, all of it");
    let found = audit_directory(shop.directory.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);

    for id in ["later-1", "later-2"] {
        shop.engine().put(campaign(id)).unwrap();
        shop.snapshot();
    }
    shop.clock.advance(31 * DAY_MS);
    assert!(shop.drop_old() > 3, "seed {seed}");
    shop.same("the oldest segments are dropped");
    shop.refund_some("sold-1", 40);
    shop.same("refunds of what only snapshots know");
    shop.same_without(1, "from the older of the snapshots that are left");
    shop.done
}

#[test]
fn a_report_from_the_files_is_the_one_of_the_engine() {
    let mut all = Done::new();
    for seed in 1..=5 {
        year(seed).into_iter().for_each(|(what, times)| *all.entry(what).or_default() += times);
    }
    for what in [
        "held",
        "free",
        "gift",
        "confirmed",
        "paid late",
        "released",
        "expired",
        "extended",
        "resumed",
        "from the line",
        "refunded whole",
        "refunded in part",
        "refunded after the settlement",
    ] {
        assert!(all.get(what).is_some_and(|times| *times >= 5), "{what}: {all:?}");
    }
}
