//! Plays a sequence on the engine and on the model, and compares after every step.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use jangteo::audit::audit_directory;
use jangteo::{
    Directory, Engine, Hold, HoldId, HoldRequest, HoldState, ManualClock, Pending, Phase, Refusal,
    Sale, Storage, Timestamp,
};
use jangteo_bench::faulty::FaultyStorage;
use jangteo_bench::rng::Rng;

use super::compare::{
    Same, code, customer, key, same, same_hold, same_list, same_refusal, same_view, same_world,
};
use super::operation::{Ask, End, Jump, Operation, Payment, Sequence, Wrong};
use super::reference::{No, Reference};
use super::terms::{AREA, OPENS_MS, item_sku};

const SEGMENT_BYTES: u64 = 16 << 10;
/// Of so many sequences, one is audited from its files as well.
const AUDITED: u64 = 40;

/// How often what happened: the codes of the contract, and words for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exercised(pub(crate) BTreeMap<&'static str, u64>);

impl Exercised {
    pub(super) fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }
}

/// A change that may not be on disk yet.
pub(super) struct Undecided {
    pub(super) before: Reference,
    /// The hold that changed, if one did.
    pub(super) hold: Option<usize>,
}

/// The engine, the model, and what is between them.
pub(super) struct Stage<'a> {
    pub(super) seen: &'a mut Exercised,
    clock: Arc<ManualClock>,
    storage: FaultyStorage,
    rng: Rng,
    /// None only between two lives.
    engine: Option<Engine>,
    pub(super) sale: Sale,
    pub(super) world: Reference,
    /// The model before each change that may not be on disk yet, oldest first: what a crash may
    /// leave is one of these, or the present.
    pub(super) undecided: Vec<Undecided>,
    /// Every hold ever told of, also those that a crash took away.
    known: Vec<(HoldId, Rc<Ask>)>,
}

/// Plays it to the end.
///
/// # Errors
/// The first difference, and the step it showed at.
pub(crate) fn run(sequence: &Sequence, seen: &mut Exercised) -> Same {
    let start_ms = OPENS_MS - if sequence.early { 60_000 } else { 0 };
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(start_ms)));
    let storage = FaultyStorage::new();
    let engine = open(&storage, &clock)?;
    engine.put(sequence.terms.campaign()).map_err(|error| error.to_string())?;
    let mut stage = Stage {
        sale: engine.sale("t-1").ok_or("no drop")?,
        world: Reference::new(sequence.terms.clone(), start_ms),
        undecided: Vec::new(),
        known: Vec::new(),
        rng: Rng::new(sequence.operations.len() as u64),
        seen,
        clock,
        storage,
        engine: Some(engine),
    };
    for (number, operation) in sequence.operations.iter().enumerate() {
        let stepped = stage.step(operation).and_then(|()| {
            same("now", &stage.engine().now().as_ms(), &stage.world.now_ms)?;
            same_view(stage.sale.view().0, &stage.world)
        });
        stepped.map_err(|what| format!("at step {number}, {operation:?}: {what}"))?;
    }
    stage.finish().map_err(|what| format!("at the end: {what}"))
}

fn open(storage: &FaultyStorage, clock: &Arc<ManualClock>) -> Result<Engine, String> {
    let options = Engine::options().storage(Arc::new(storage.process())).clock(clock.clone());
    let options = options.background(false).segment_bytes(SEGMENT_BYTES);
    options.open().map_err(|error| format!("it does not open: {error}"))
}

impl Stage<'_> {
    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open between two steps")
    }

    fn step(&mut self, operation: &Operation) -> Same {
        match operation {
            Operation::Hold { ask, wait } => self.hold(&Rc::new(ask.clone()), *wait),
            Operation::Again { hold, reordered } => self.again(*hold, *reordered),
            Operation::Malformed(wrong) => self.malformed(*wrong),
            Operation::Confirm { hold, payment, wait } => self.confirm(*hold, *payment, *wait),
            Operation::Release { hold, wait } => self.release(*hold, *wait),
            Operation::Extend { hold, wait } => self.extend(*hold, *wait),
            Operation::Refund { hold, refunding, wait } => self.refund(*hold, refunding, *wait),
            Operation::Turn { turn, wait } => self.turn(*turn, *wait),
            Operation::SetStock { good, total, was, wait } => {
                self.set_stock(*good, *total, *was, *wait)
            }
            Operation::Get { hold } => self.get(*hold),
            Operation::Find { customer } => {
                same_list(&self.sale, *customer, &self.world)?;
                self.shown(|world, index| world.holds[index].ask.customer == *customer);
                Ok(())
            }
            Operation::Tick => self.tick(),
            Operation::Pass { ms } => self.pass(*ms),
            Operation::Jump(jump) => self.jump(*jump),
            Operation::Step { ms } => {
                self.clock.step(*ms);
                self.world.step_ms += ms;
                self.seen.count("clock stepped", 1);
                Ok(())
            }
            Operation::Restart { end, away_ms, stepped_ms } => {
                self.restart(*end, *away_ms, *stepped_ms)
            }
            Operation::Put { changed } => self.put(changed.as_deref()),
        }
    }

    fn hold(&mut self, ask: &Rc<Ask>, wait: bool) -> Same {
        let before = self.world.clone();
        let expected = self.world.hold(ask);
        let name = customer(ask.customer);
        let key = ask.key.map(key);
        let mut request = HoldRequest::new(&name);
        for &(item, units) in &ask.lines {
            request = request.line(item_sku(item), units);
        }
        request = ask
            .area
            .iter()
            .fold(request, |request, served| request.area(if *served { AREA } else { "busan" }));
        request = key.iter().fold(request, |request, key| request.key(key));
        let answer = self.sale.hold(&request);
        let (hold, replayed) = match expected {
            Err(no) => {
                let opened = Some(before).filter(|before| before.phase != self.world.phase);
                self.undecided.extend(opened.map(|before| Undecided { before, hold: None }));
                return self.refused(answer, &no);
            }
            Ok(granted) => granted,
        };
        let engine = self.told(answer, hold, wait, (!replayed).then_some(before))?;
        same("replayed", &engine.replayed, &replayed)?;
        self.seen.count(if replayed { "replayed" } else { "granted" }, 1);
        if !replayed {
            Rc::make_mut(&mut self.world.holds[hold]).id = Some(engine.id);
            self.known.push((engine.id, Rc::clone(ask)));
            let gifts = self.world.holds[hold].gifts.len() as u64;
            self.seen.count("gifts", gifts);
            let bought = self.world.holds[hold].state == HoldState::Confirmed;
            self.seen.count("confirmed as granted", u64::from(bought));
        }
        same_hold(&engine, &self.world.holds[hold], &self.world)
    }

    /// INVARIANT(J6): what was shown of these holds no crash takes away, nor what came before.
    fn shown(&mut self, these: impl Fn(&Reference, usize) -> bool) {
        let last = self
            .undecided
            .iter()
            .rposition(|undecided| undecided.hold.is_some_and(|hold| these(&self.world, hold)));
        self.undecided.drain(..last.map_or(0, |last| last + 1));
    }

    /// The engine's answer, which must be a hold. It is waited for; or else the change that it
    /// tells of may be lost, with `before` left.
    fn told(
        &mut self,
        answer: Result<Pending<Hold>, Refusal>,
        hold: usize,
        wait: bool,
        before: Option<Reference>,
    ) -> Result<Hold, String> {
        let hold = Some(hold);
        self.undecided.extend(before.map(|before| Undecided { before, hold }));
        let pending = answer.map_err(|refusal| format!("the engine refuses: {refusal}"))?;
        if !wait {
            return Ok(pending.into_parts().0);
        }
        let told = pending.wait().map_err(|unknown| unknown.to_string())?;
        self.shown(|_, index| Some(index) == hold);
        Ok(told)
    }

    pub(super) fn refused(&mut self, answer: Result<Pending<Hold>, Refusal>, no: &No) -> Same {
        self.seen.count(code(no), 1);
        match answer {
            Ok(pending) => {
                let hold = pending.into_parts().0;
                Err(format!("the engine grants {hold:?}, the model says {no:?}"))
            }
            Err(refusal) => {
                same_refusal(refusal, no)?;
                if let No::LimitReached(numbers) = no {
                    self.shown(|world, index| numbers.contains(&world.holds[index].number));
                }
                Ok(())
            }
        }
    }

    fn again(&mut self, hold: usize, reordered: bool) -> Same {
        let Some((_, ask)) = self.known(hold) else { return Ok(()) };
        if !reordered {
            return self.hold(&ask, true);
        }
        let mut ask = (*ask).clone();
        let split = |(item, units): (usize, u32)| {
            let half = units / 2;
            [(item, units - half), (item, half)]
        };
        let lines = ask.lines.iter().rev().copied().flat_map(split);
        ask.lines = lines.filter(|(_, units)| *units > 0).collect();
        self.hold(&Rc::new(ask), true)
    }

    pub(super) fn known(&self, hold: usize) -> Option<(HoldId, Rc<Ask>)> {
        let count = self.known.len().max(1);
        self.known.get(hold % count).cloned()
    }

    fn malformed(&mut self, wrong: Wrong) -> Same {
        let long = "x".repeat(129);
        let request = |customer| HoldRequest::new(customer).line(item_sku(0), 1);
        let request = match wrong {
            Wrong::NoLines => HoldRequest::new("c-1"),
            Wrong::NoUnits => request("c-1").line(item_sku(4), 0),
            Wrong::TooManyUnits => request("c-1").line(item_sku(4), 1_001),
            Wrong::TooManyUnitsTogether => request("c-1").line(item_sku(0), 1_000),
            Wrong::TooManyLines => {
                const SKUS: [&str; 20] = [
                    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
                    "q", "r", "s", "t",
                ];
                SKUS.iter().fold(request("c-1"), |request, sku| request.line(sku, 1))
            }
            Wrong::NoCustomer => request(""),
            Wrong::LongCustomer => request(&long[..65]),
            Wrong::SpaceInKey => request("c-1").key("k 1"),
            Wrong::LongKey => request("c-1").key(&long),
            Wrong::EmptyArea => request("c-1").area(""),
        };
        let answer = self.sale.hold(&request);
        self.refused(answer, &No::Plain("malformed"))
    }

    /// One of the calls on a hold: `model` says whether it changes anything.
    pub(super) fn settle(
        &mut self,
        hold: usize,
        wait: bool,
        what: &'static str,
        model: impl FnOnce(&mut Reference, usize) -> Result<bool, No>,
        engine: impl FnOnce(&Sale, &HoldId) -> Result<Pending<Hold>, Refusal>,
    ) -> Same {
        let Some((id, _)) = self.known(hold) else { return Ok(()) };
        let answer = engine(&self.sale, &id);
        let Some(index) = self.world.find(&id) else {
            return self.refused(answer, &No::Plain("unknown_hold"));
        };
        let before = self.world.clone();
        match model(&mut self.world, index) {
            Err(no) => self.refused(answer, &no),
            Ok(changed) => {
                self.seen.count(if changed { what } else { "told again" }, 1);
                let told = self.told(answer, index, wait, changed.then_some(before))?;
                same_hold(&told, &self.world.holds[index], &self.world)
            }
        }
    }

    fn confirm(&mut self, hold: usize, payment: Payment, wait: bool) -> Same {
        let text = match payment {
            Payment::Missing => None,
            Payment::Number(number) => Some(format!("p-{number}")),
            Payment::TooLong => Some("p".repeat(129)),
        };
        let text = text.as_deref();
        if payment == Payment::TooLong {
            let Some((id, _)) = self.known(hold) else { return Ok(()) };
            let answer = self.sale.confirm(&id, text);
            return self.refused(answer, &No::Plain("malformed"));
        }
        let late = self
            .known(hold)
            .and_then(|(id, _)| self.world.find(&id))
            .is_some_and(|index| self.world.holds[index].state == HoldState::Expired);
        let what = if late { "paid late" } else { "confirmed" };
        let model = |world: &mut Reference, index| world.confirm(index, text);
        self.settle(hold, wait, what, model, |sale, id| sale.confirm(id, text))
    }

    fn release(&mut self, hold: usize, wait: bool) -> Same {
        self.settle(hold, wait, "released", Reference::release, Sale::release)
    }

    fn extend(&mut self, hold: usize, wait: bool) -> Same {
        let wait = wait || self.world.hides();
        self.settle(hold, wait, "extended", Reference::extend, Sale::extend)
    }

    fn get(&mut self, hold: usize) -> Same {
        self.settle(hold, true, "read", |_, _| Ok(false), Sale::get)
    }

    /// What the engine's own thread would do now. It is flushed, so that no crash takes half of it.
    fn tick(&mut self) -> Same {
        let expired = self.engine().tick();
        same("expired now", &expired, &self.world.tick())?;
        self.seen.count("expired by itself", expired);
        self.engine().flush().map_err(|unknown| unknown.to_string())?;
        self.undecided.clear();
        Ok(())
    }

    fn pass(&mut self, ms: u64) -> Same {
        self.clock.advance(ms);
        self.world.pass_to(self.world.now_ms + ms);
        let closes_ms = self.world.terms.closes_ms();
        // The engine's own thread meets a closing to the millisecond.
        let closes = closes_ms.is_some_and(|at| at <= self.world.now_ms);
        if closes && matches!(self.world.phase, Phase::Open | Phase::Paused) {
            self.tick()
        } else {
            Ok(())
        }
    }

    fn jump(&mut self, jump: Jump) -> Same {
        let (at_ms, before) = match jump {
            Jump::Seconds(seconds) => (Some(self.world.now_ms + u64::from(seconds) * 1_000), false),
            Jump::Deadline { before } => (self.world.next_deadline_ms(), before),
            Jump::Opening { before } => (Some(OPENS_MS), before),
            Jump::Closing { before } => (self.world.terms.closes_ms(), before),
        };
        if let Some(at_ms) = at_ms.map(|at_ms| at_ms - u64::from(before)) {
            self.clock.advance_to(Timestamp::from_ms(at_ms));
            self.world.pass_to(self.world.now_ms.max(at_ms));
        }
        self.tick()
    }

    fn put(&mut self, changed: Option<&super::terms::Terms>) -> Same {
        let terms = changed.unwrap_or(&self.world.terms).clone();
        let expected = self.world.put(&terms);
        match (self.engine().put(terms.campaign()), expected) {
            (Ok(()), Ok(())) => {
                self.undecided.clear();
                self.sale = self.engine().sale("t-1").ok_or("the drop is gone")?;
                self.seen.count("put", 1);
                Ok(())
            }
            (Err(jangteo::Error::Conflict { .. }), Err(_)) => {
                self.seen.count("put refused", 1);
                Ok(())
            }
            (engine, model) => Err(format!("put: the engine says {engine:?}, the model {model:?}")),
        }
    }

    fn restart(&mut self, end: End, away_ms: u64, stepped_ms: i64) -> Same {
        let mut may_be = match end {
            End::Clean => Vec::new(),
            _ => self.undecided.drain(..).map(|undecided| undecided.before).collect(),
        };
        self.undecided.clear();
        may_be.push(self.world.clone());
        match end {
            End::Clean => {}
            End::Killed => self.storage.kill(),
            End::PowerLoss => {
                self.storage.lose_power(&mut self.rng, 40);
            }
        }
        // The old engine goes; what is left of it can be read and changes nothing.
        drop(self.engine.take());
        let answer = self.sale.hold(&HoldRequest::new("c-1").line(item_sku(0), 1));
        self.refused(answer, &No::Plain("unavailable"))?;

        self.clock.advance(away_ms);
        if stepped_ms != 0 {
            self.clock.step(stepped_ms);
            jangteo::Clock::resync(&*self.clock);
        }
        let now_ms = jangteo::Clock::now(&*self.clock).as_ms();
        self.engine = Some(open(&self.storage, &self.clock)?);
        self.sale = self.engine().sale("t-1").ok_or("the drop is gone")?;
        let (latest_ms, count) = (self.world.latest_ms.max(now_ms), may_be.len());
        let mut differs = String::new();
        for (number, mut world) in may_be.into_iter().enumerate().rev() {
            (world.latest_ms, world.now_ms) = (latest_ms, now_ms);
            world.step_ms = if stepped_ms == 0 { self.world.step_ms } else { 0 };
            world.restart();
            match self.same_everything(&world) {
                Ok(()) => {
                    self.world = world;
                    self.seen.count("changes lost", (count - 1 - number) as u64);
                    let what = ["restarted", "killed", "without power"];
                    self.seen.count(what[end as usize], 1);
                    return Ok(());
                }
                Err(what) => differs = format!("{differs}\n  {} changes kept: {what}", number),
            }
        }
        Err(format!("what was left fits no state that it may have been in: {differs}"))
    }

    /// Whatever can be asked, asked of both.
    fn same_everything(&self, world: &Reference) -> Same {
        same_world(&self.sale, world)?;
        for (id, _) in &self.known {
            match (self.sale.get(id), world.find(id)) {
                (Err(Refusal::UnknownHold), None) => {}
                (Ok(pending), Some(index)) => {
                    let hold = pending.wait().map_err(|unknown| unknown.to_string())?;
                    same_hold(&hold, &world.holds[index], world)?;
                }
                (engine, index) => return Err(format!("{id:?}: {engine:?}, {index:?}")),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Same {
        self.tick()?;
        self.same_everything(&self.world)?;
        self.seen.count("sequences", 1);
        if self.seen.0["sequences"] % AUDITED != 1 {
            return Ok(());
        }
        let Stage { engine, storage, world, seen, .. } = self;
        drop(engine);
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        save(&storage, &directory.path().join("journal")).map_err(|error| error.to_string())?;
        let found = audit_directory(directory.path()).map_err(|error| error.to_string())?;
        same("violations of the files", &found.violations, &Vec::new())?;
        let drop = found.drops.last().ok_or("no drop in the files")?;
        let holds = [
            (drop.holds.held, HoldState::Held),
            (drop.holds.confirmed, HoldState::Confirmed),
            (drop.holds.released, HoldState::Released),
            (drop.holds.expired, HoldState::Expired),
            (drop.holds.refunded, HoldState::Refunded),
        ];
        for (count, state) in holds {
            let model = world.holds.iter().filter(|held| held.state == state).count();
            same("holds in the files", &count, &(model as u64))?;
        }
        seen.count("files audited", 1);
        Ok(())
    }
}

/// Writes what lies in memory to a directory.
fn save(storage: &FaultyStorage, path: &Path) -> std::io::Result<()> {
    let directory = Directory::lock(path)?;
    for name in storage.list()? {
        let from = storage.open(name)?;
        let mut bytes = vec![0; usize::try_from(from.length()?).expect("it lies in memory")];
        from.read_at(&mut bytes, 0)?;
        directory.create(name)?.write_at(&bytes, 0)?;
    }
    Ok(())
}
