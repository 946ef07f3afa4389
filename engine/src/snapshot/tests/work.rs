//! Random work: several campaigns and replaced ones, every command, steps of the clock, restarts,
//! and snapshots at any time.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::medium::Medium;
use super::{assert_same_state, state};
use crate::audit::HoldAudit;
use crate::journal::{FileName, Storage};
use crate::snapshot::make_snapshot;
use crate::{Campaign, Durability, Engine, HoldRequest, ManualClock, Phase, Sale, Timestamp};

/// 2020-04-29 09:59 in Seoul.
const BEGINS_MS: u64 = 1_588_121_940_000;

fn campaign(id: &str, opens: &str, stock: u32) -> Campaign {
    let text = format!(
        r#"
[campaign]
id = "{id}"
title = "{id}"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T{opens}"
repeats = "FREQ=DAILY;COUNT=2"
closes_after = "2h"
[rules]
hold_ttl = "90s"
limit_per_customer = 40
auto_confirm = true
[[items]]
sku = "a"
title = "a"
price = 1000
stock = {stock}
limit_per_customer = 3
gift = {{ sku = "g", quantity = 1 }}
[[items]]
sku = "b"
title = "b"
price = 0
stock = "unlimited"
[[items]]
sku = "c"
title = "c"
price = 10
stock = {stock}
gift = {{ sku = "g", quantity = 2 }}
[[gifts]]
sku = "g"
title = "g"
stock = 60
"#
    );
    Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"))
}

pub(super) struct Work {
    pub(super) medium: Medium,
    clock: Arc<ManualClock>,
    rng: StdRng,
    ids: Vec<crate::HoldId>,
    asked: u64,
    puts: bool,
}

impl Work {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            medium: Medium::default(),
            clock: Arc::new(ManualClock::at(Timestamp::from_ms(BEGINS_MS))),
            rng: StdRng::seed_from_u64(seed),
            ids: Vec::new(),
            asked: 0,
            puts: true,
        }
    }

    pub(super) fn open_on(&self, medium: &Medium, snapshot_after: u64) -> Engine {
        let options = Engine::options().storage(Arc::new(medium.clone())).clock(self.clock.clone());
        let options = options.durability(Durability::Synced).segment_bytes(16 << 10);
        let options = options.background(false).id_seed([1, 2]).snapshot_after(snapshot_after);
        options.open().unwrap()
    }

    pub(super) fn open(&self, snapshot_after: u64) -> Engine {
        self.open_on(&self.medium, snapshot_after)
    }

    /// Some operations on an engine.
    pub(super) fn run(&mut self, engine: &Engine, operations: u32) {
        if engine.sales().is_empty() {
            for (id, opens) in [("x", "10:00:00"), ("y", "10:05:00"), ("z", "23:00:00")] {
                engine.put(campaign(id, opens, 90)).unwrap();
            }
            self.clock.advance(60_000);
            engine.tick();
        }
        for _ in 0..operations {
            self.step(engine);
        }
        engine.flush().unwrap();
    }

    fn step(&mut self, engine: &Engine) {
        // Mostly those that grant.
        let any = self.rng.random_range(0..8) == 0;
        let wanted = |sale: &Sale| any || sale.phase() == Phase::Open;
        let sales: Vec<Sale> = engine.sales().into_iter().filter(wanted).collect();
        match self.rng.random_range(0..40) {
            // A campaign's key is drawn anew with each put.
            0 if self.puts => {
                let id = ["x", "y", "z"][self.rng.random_range(0..3)];
                let opens = ["10:00:00", "10:05:00", "23:00:00"][self.rng.random_range(0..3)];
                // A campaign that is fixed stays as it is.
                let _ = engine.put(campaign(id, opens, self.rng.random_range(5..90)));
            }
            1 => {
                let most = if self.rng.random_range(0..20) == 0 { 7_200_000 } else { 60_000 };
                self.clock.advance(self.rng.random_range(0..most));
            }
            2 if self.rng.random_range(0..3) == 0 => {
                self.clock.step(self.rng.random_range(-50_000..50_000));
            }
            2..=4 => drop(engine.tick()),
            5..=20 => {
                if !sales.is_empty() {
                    let sale = &sales[self.rng.random_range(0..sales.len())];
                    self.hold(sale);
                }
            }
            turn => self.settle(engine, turn),
        }
    }

    fn hold(&mut self, sale: &Sale) {
        self.asked += 1;
        let customer = format!("c-{}", self.rng.random_range(0..60));
        let key = format!("k-{}", self.asked);
        let mut request = HoldRequest::new(&customer);
        for sku in ["a", "b", "c"] {
            if self.rng.random_range(0..2) == 0 {
                request = request.line(sku, self.rng.random_range(1..4));
            }
        }
        if self.rng.random_range(0..4) > 0 {
            request = request.key(&key);
        }
        if self.rng.random_range(0..4) == 0 {
            request = request.area("seoul");
        }
        if let Ok(held) = sale.hold(&request) {
            self.ids.push(held.wait().unwrap().id);
        }
    }

    fn settle(&mut self, engine: &Engine, turn: u32) {
        if self.ids.is_empty() {
            return;
        }
        let id = self.ids[self.rng.random_range(0..self.ids.len())];
        let Some(sale) = engine.sale_of(&id) else { return };
        let payment = format!("p-{}", self.rng.random_range(0..1_000));
        // Refusals are part of it.
        let _ = match turn % 3 {
            0 => sale.confirm(&id, payment.as_str()).map(drop),
            1 => sale.release(&id).map(drop),
            _ => sale.extend(&id).map(drop),
        };
    }
}

#[test]
fn a_snapshot_and_what_follows_come_to_what_the_whole_journal_does() {
    let (mut snapshots, mut records) = (0, 0);
    for seed in 0..40 {
        let mut work = Work::new(seed);
        for round in 0..6 {
            let what = format!("seed {seed}, round {round}");
            let snapshot_after = if round % 2 == 0 { u64::MAX } else { 40 };
            let engine = work.open(snapshot_after);
            assert!(engine.snapshots_passed_over().is_empty(), "{what}");
            work.run(&engine, 60);
            if round % 3 == 1 {
                let made = make_snapshot(&work.medium).unwrap().unwrap();
                assert!(made.passed_over.is_empty(), "{what}: {made:?}");
                assert_same_state(&work.medium, &what);
                work.run(&engine, 30);
            }
            assert_same_state(&work.medium, &what);
            drop(engine);
            assert_same_state(&work.medium, &what);
            let names = work.medium.list().unwrap();
            let kept = names.iter().filter(|name| matches!(name, FileName::Snapshot(_))).count();
            assert!(kept <= 2, "{what}");
            snapshots += kept;
        }
        records += state(&work.medium, true).0.sequence;
    }
    assert!(snapshots > 200 && records > 8_000, "{snapshots}, {records}");
}

#[test]
fn an_engine_from_a_snapshot_answers_and_goes_on_as_one_from_the_journal() {
    let mut granted = 0;
    for seed in 100..130 {
        let mut work = Work::new(seed);
        let engine = work.open(u64::MAX);
        work.run(&engine, 150);
        drop(engine);
        let plain = work.medium.fork();
        make_snapshot(&work.medium).unwrap().unwrap();
        let forks = [work.medium.fork(), plain];
        // The same commands of the same seed, on both.
        let ends = forks.map(|medium| {
            let mut again = Work::new(seed);
            again.puts = false;
            again.ids.clone_from(&work.ids);
            again.clock.advance(400_000);
            let engine = again.open_on(&medium, u64::MAX);
            again.run(&engine, 150);
            let sale = |sale: &Sale| {
                let (audit, mut holds) = sale.audit_holds().wait().unwrap();
                assert!(audit.ok, "{:?}", audit.violations);
                holds.sort_by_key(|hold| hold.number);
                let shown = |hold: &HoldAudit| {
                    let hold = sale.get(&hold.id).unwrap().wait().unwrap();
                    serde_json::to_string(&hold).unwrap()
                };
                (sale.id().to_owned(), audit.items, holds.iter().map(shown).collect::<Vec<_>>())
            };
            engine.sales().iter().map(sale).collect::<Vec<_>>()
        });
        assert_eq!(ends[0], ends[1], "seed {seed}");
        granted += ends[0].iter().map(|(_, _, holds)| holds.len()).sum::<usize>();
    }
    assert!(granted > 1_000, "{granted}");
}
