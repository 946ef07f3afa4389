//! A short sale on a medium in memory, with every change of the medium logged: what was
//! acknowledged and what was issued at each, and what the drop was after every record.

use std::collections::BTreeMap;
use std::sync::Arc;

use jangteo::{Engine, Error, FileName, HoldState, ManualClock, Timestamp};

use crate::auditor::judge;
use crate::command::{Answer, Command};
use crate::faulty::{FaultyStorage, Logged, Medium};
use crate::local::{Local, Show};
use crate::plan::{OPENS_MS, Plan, Profile, SALE};
use crate::rng::Rng;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};
use crate::workload::Workload;

/// Least rest of a live hold after a restart, ms.
const GRACE_MS: u64 = jangteo::limits::GRACE_AFTER_RESTART_MS;

/// Every hold of the drop by number; none before the drop exists.
pub type State = Option<Vec<Answer>>;

/// Up to which change of the medium some things are so.
#[derive(Clone, Copy, Debug)]
struct Point {
    logged: usize,
    /// Everything up to this sequence was shown to somebody, or could have been.
    acknowledged: u64,
    /// The last sequence appended.
    issued: u64,
    now_ms: u64,
}

/// A sale that was played.
#[derive(Debug)]
pub struct Scene {
    plan: Arc<Plan>,
    seed: u64,
    segment_bytes: u64,
    /// Every change of the medium.
    pub log: Vec<Logged>,
    points: Vec<Point>,
    states: BTreeMap<u64, State>,
    /// What lies there in the end.
    pub medium: Medium,
}

/// What may be found after a crash.
#[derive(Debug)]
pub struct Expected<'s> {
    scene: &'s Scene,
    acknowledged: u64,
    issued: u64,
    /// What the clock shows then.
    pub now_ms: u64,
}

impl Scene {
    /// Plays so many commands of `seed`; ends in good order, with a marker, if `ends`.
    ///
    /// # Errors
    /// What is wrong even without a fault.
    pub fn play(
        seed: u64,
        commands: u32,
        segment_bytes: u64,
        ends: bool,
    ) -> Result<Self, Violation> {
        let mut plan = Plan::of(Profile::Market, 1, commands);
        plan.ttl_ms = 600_000;
        let plan = Arc::new(plan);
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS + 1)));
        let storage = FaultyStorage::new();
        storage.record();
        let states = BTreeMap::from([(0, None), (1, None)]);
        let (log, medium) = (Vec::new(), Medium::default());
        let points = Vec::new();
        let mut scene = Self { plan, seed, segment_bytes, log, points, states, medium };
        let engine = scene.open(&storage, &clock);
        let engine = engine.map_err(|error| Violation::of("J3", error.to_string()))?;
        scene.points.push(Point {
            logged: storage.logged(),
            acknowledged: 0,
            issued: 1,
            now_ms: OPENS_MS + 1,
        });
        let put = engine.put(scene.plan.campaign());
        put.map_err(|error| Violation::of("J1", error.to_string()))?;
        scene.note(&engine, &storage, &clock);
        scene.act(&engine, &storage, &clock)?;
        if !ends {
            let flushed = engine.flush();
            flushed.map_err(|error| Violation::of("J1", error.to_string()))?;
            scene.note(&engine, &storage, &clock);
            storage.kill();
        }
        drop(engine);
        if let Some(last) = scene.points.last().copied() {
            let logged = storage.logged();
            scene.points.push(Point { logged, acknowledged: last.issued, ..last });
        }
        scene.medium = storage.medium();
        scene.log = storage.take_log();
        Ok(scene)
    }

    /// Some commands wait for the disk, some do not; once all that is held expires.
    fn act(
        &mut self,
        engine: &Engine,
        storage: &FaultyStorage,
        clock: &Arc<ManualClock>,
    ) -> Result<(), Violation> {
        let mut rng = Rng::stream(self.seed, 1 << 40);
        let mut shadow = Shadow::new(&self.plan);
        let mut workload = Workload::new(&self.plan, self.seed, 0);
        let mut local = Local::counting(engine, clock, &self.plan, 0);
        let commands = self.plan.commands;
        for number in 0..commands {
            local.show(if rng.chance(60) { Show::Durable } else { Show::IfDurable });
            let command = match rng.below(100) {
                _ if number == commands / 2 => Command::Pass { ms: 600_001, tick: true },
                0..4 => Command::Pass { ms: u64::from(rng.below(50)), tick: true },
                _ => workload.next(&shadow),
            };
            let exchange = local.send(command);
            let exchange = exchange.map_err(|error| Violation::of("J1", error.to_string()))?;
            shadow.may_have_ticked(exchange.answered_ms);
            judge(&mut shadow, &exchange)?;
            self.note(engine, storage, clock);
        }
        Ok(())
    }

    fn note(&mut self, engine: &Engine, storage: &FaultyStorage, clock: &Arc<ManualClock>) {
        let issued = engine.sale(SALE).map_or(1, |sale| sale.view().1);
        let acknowledged = issued - engine.backlog();
        let now_ms = jangteo::Clock::now(&**clock).as_ms();
        self.states.insert(issued, self.state(engine));
        self.points.push(Point { logged: storage.logged(), acknowledged, issued, now_ms });
    }

    fn open(&self, storage: &FaultyStorage, clock: &Arc<ManualClock>) -> Result<Engine, Error> {
        let options = Engine::options().storage(Arc::new(storage.process()));
        let options = options.clock(clock.clone()).background(false);
        options.segment_bytes(self.segment_bytes).id_seed([self.seed, 0]).open()
    }

    /// Starts an engine on `storage` when the clock shows `now_ms`.
    ///
    /// # Errors
    /// The engine's own.
    pub fn start(&self, storage: &FaultyStorage, now_ms: u64) -> Result<Engine, Error> {
        self.open(storage, &Arc::new(ManualClock::at(Timestamp::from_ms(now_ms))))
    }

    /// Every hold that the engine knows.
    #[must_use]
    pub fn state(&self, engine: &Engine) -> State {
        let sale = engine.sale(SALE)?;
        let (_, holds) = sale.audit_holds().into_parts().0;
        let answers = holds.iter().filter_map(|hold| {
            let (hold, _) = sale.get(&hold.id).ok()?.into_parts();
            Some(Answer::of(&hold, |sku| self.plan.place(sku)))
        });
        let mut answers: Vec<Answer> = answers.collect();
        answers.sort_unstable_by_key(|answer| answer.number);
        Some(answers)
    }

    /// What may be found if the machine ends after so many logged changes.
    #[must_use]
    pub fn after(&self, changes: usize) -> Expected<'_> {
        let place = self.points.partition_point(|point| point.logged <= changes);
        let before = place.checked_sub(1).and_then(|place| self.points.get(place));
        let within = self.points.get(place).or(self.points.last());
        let acknowledged = before.map_or(0, |point| point.acknowledged);
        let issued = within.map_or(0, |point| point.issued);
        let now_ms = within.map_or(OPENS_MS + 1, |point| point.now_ms);
        Expected { scene: self, acknowledged, issued, now_ms }
    }

    /// What must be found where nothing may be missing.
    #[must_use]
    pub fn whole(&self) -> Expected<'_> {
        let last = self.after(usize::MAX);
        Expected { acknowledged: last.issued, ..last }
    }

    /// Whether the last frame written is a batch with records, and the one before it a marker.
    #[must_use]
    pub fn last_batch_follows_a_marker(&self) -> bool {
        let mut frames = self.log.iter().rev().filter_map(|change| match change {
            Logged::Write(_, _, bytes) if bytes.starts_with(b"\x89JGT") => {
                Some(bytes.get(32..36) != Some(&[0; 4]))
            }
            _ => None,
        });
        [frames.next(), frames.next()] == [Some(true), Some(false)]
    }

    /// Where the last batch with records lies: file, offset, length.
    #[must_use]
    pub fn last_batch(&self) -> Option<(FileName, usize, usize)> {
        self.log.iter().rev().find_map(|change| match change {
            Logged::Write(name, at, bytes) if bytes.get(32..36) != Some(&[0; 4]) => {
                Some((*name, *at, bytes.len()))
            }
            _ => None,
        })
    }
}

impl Expected<'_> {
    /// What may be found if the last batch is lost besides.
    #[must_use]
    pub fn without_last_batch(mut self) -> Self {
        let before = self.scene.points.iter().rev().map(|point| point.acknowledged);
        let issued = self.issued;
        self.acknowledged = before.filter(|&sequence| sequence < issued).max().unwrap_or(0);
        self
    }

    /// INVARIANT(J3): what an engine found is what was after some record, at or after everything
    /// acknowledged and not after everything issued: each change wholly in or wholly out.
    ///
    /// # Errors
    /// That it is not.
    pub fn check(&self, engine: &Engine) -> Result<(), Violation> {
        if let Some(sale) = engine.sale(SALE) {
            let audit = sale.audit().into_parts().0;
            require(audit.ok, "audit", || format!("{:?}", audit.violations))?;
        }
        let found = self.scene.state(engine);
        let floor_ms = self.now_ms + GRACE_MS;
        let states = self.scene.states.range(..=self.issued).rev();
        // The state at the last acknowledged record is that after the last note before it.
        let mut enough = false;
        let mut candidates = states.take_while(|(sequence, _)| {
            let take = !enough;
            enough = **sequence <= self.acknowledged;
            take
        });
        let same = candidates.any(|(_, state)| same(state, &found, floor_ms));
        require(same, "J3", || {
            let count = found.as_ref().map(Vec::len);
            let (from, to) = (self.acknowledged, self.issued);
            format!("{count:?} holds, which is no state between records {from} and {to}")
        })
    }
}

/// Whether two states are the same, where a live hold has at least its rest after a start.
fn same(expected: &State, found: &State, floor_ms: u64) -> bool {
    match (expected, found) {
        (None, None) => true,
        (Some(expected), Some(found)) => {
            let rest = |answer: &Answer| {
                let held = answer.state == HoldState::Held;
                answer.expires_ms.map(|ms| if held { ms.max(floor_ms) } else { ms })
            };
            let alike = |(a, b): (&Answer, &Answer)| {
                rest(a) == rest(b)
                    && (a.id, a.number, a.state, a.created_ms)
                        == (b.id, b.number, b.state, b.created_ms)
                    && (&a.lines, &a.gifts, &a.payment) == (&b.lines, &b.gifts, &b.payment)
            };
            expected.len() == found.len() && expected.iter().zip(found).all(alike)
        }
        _ => false,
    }
}
