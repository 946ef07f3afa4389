//! Plays a sequence on the engine and on the model, and compares after every step.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use jangteo::{
    Engine, Hold, HoldId, HoldOrWait, HoldRequest, HoldState, ManualClock, Pending, Phase, Refusal,
    Sale, Ticket, Timestamp, WaitId,
};
use jangteo_bench::faulty::FaultyStorage;
use jangteo_bench::rng::Rng;

use super::compare::{
    Same, code, customer, key, same, same_hold, same_line, same_list, same_refusal, same_view,
    same_wait,
};
use super::line::Got;
use super::operation::{Ask, Jump, Operation, Payment, Sequence, Wrong};
use super::reference::{No, Reference};
use super::terms::{AREA, OPENS_MS, item_sku};

const SEGMENT_BYTES: u64 = 16 << 10;
/// Of so many sequences, one is audited from its files as well.
pub(super) const AUDITED: u64 = 40;

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
    /// Likewise the place in the line.
    pub(super) place: Option<usize>,
}

/// The engine, the model, and what is between them.
pub(super) struct Stage<'a> {
    pub(super) seen: &'a mut Exercised,
    pub(super) clock: Arc<ManualClock>,
    pub(super) storage: FaultyStorage,
    pub(super) rng: Rng,
    /// The seed, and how often it was opened again.
    pub(super) lives: [u64; 2],
    /// None only between two lives.
    pub(super) engine: Option<Engine>,
    pub(super) sale: Sale,
    pub(super) world: Reference,
    /// The model before each change that may not be on disk yet, oldest first: what a crash may
    /// leave is one of these, or the present.
    pub(super) undecided: Vec<Undecided>,
    /// Every hold ever told of, also those that a crash took away.
    pub(super) known: Vec<(HoldId, Rc<Ask>)>,
    /// Likewise every place in the line.
    pub(super) places: Vec<(WaitId, Rc<Ask>)>,
}

/// Plays it to the end.
///
/// # Errors
/// The first difference, and the step it showed at.
pub(crate) fn run(sequence: &Sequence, seen: &mut Exercised) -> Same {
    let start_ms = OPENS_MS - if sequence.early { 60_000 } else { 0 };
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(start_ms)));
    let storage = FaultyStorage::new();
    let engine = open(&storage, &clock, [sequence.seed, 0])?;
    engine.put(sequence.terms.campaign()).map_err(|error| error.to_string())?;
    let mut stage = Stage {
        sale: engine.sale("t-1").ok_or("no drop")?,
        world: Reference::new(sequence.terms.clone(), start_ms),
        undecided: Vec::new(),
        known: Vec::new(),
        places: Vec::new(),
        lives: [sequence.seed, 0],
        rng: Rng::new(sequence.seed),
        seen,
        clock,
        storage,
        engine: Some(engine),
    };
    for (number, operation) in sequence.operations.iter().enumerate() {
        let stepped = stage.step(operation).and_then(|()| {
            same("now", &stage.engine().now().as_ms(), &stage.world.now_ms)?;
            stage.world.look();
            same_view(stage.sale.view().0, &stage.world)?;
            same_line(&stage.sale, &stage.world)
        });
        stepped.map_err(|what| format!("at step {number}, {operation:?}: {what}"))?;
    }
    stage.finish().map_err(|what| format!("at the end: {what}"))
}

pub(super) fn open(
    storage: &FaultyStorage,
    clock: &Arc<ManualClock>,
    life: [u64; 2],
) -> Result<Engine, String> {
    let options = Engine::options().storage(Arc::new(storage.process())).clock(clock.clone());
    let options = options.background(false).segment_bytes(SEGMENT_BYTES);
    options.id_seed(life).open().map_err(|error| format!("it does not open: {error}"))
}

impl Stage<'_> {
    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open between two steps")
    }

    fn step(&mut self, operation: &Operation) -> Same {
        match operation {
            Operation::Hold { ask, joins, wait } => self.hold(&Rc::new(ask.clone()), *joins, *wait),
            Operation::AgainInLine { place, joins } => self.again_in_line(*place, *joins),
            Operation::LookAtPlace { place } => self.look_at_place(*place),
            Operation::Leave { place, wait } => self.leave(*place, *wait),
            Operation::Places { customer } => self.list_places(*customer),
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

    pub(super) fn hold(&mut self, ask: &Rc<Ask>, joins: bool, wait: bool) -> Same {
        let before = self.world.clone();
        let expected = if joins {
            self.world.hold_or_wait(ask)
        } else {
            self.world.hold(ask).map(|(hold, replayed)| (Got::Hold(hold), replayed))
        };
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
        let answer = if joins {
            self.sale.hold_or_wait(&request)
        } else {
            self.sale.hold(&request).map(|hold| hold.map(HoldOrWait::Hold))
        };
        match (expected, answer.map(Pending::into_parts)) {
            (Err(no), answer) => {
                let opened = Some(before).filter(|before| before.phase != self.world.phase);
                let undecided = |before| Undecided { before, hold: None, place: None };
                self.undecided.extend(opened.map(undecided));
                self.refused(answer, &no)
            }
            (Ok((Got::Hold(hold), replayed)), Ok((HoldOrWait::Hold(engine), ticket))) => {
                self.told(&ticket, hold, wait, (!replayed).then_some(before))?;
                self.granted(&engine, hold, replayed)
            }
            (Ok((Got::Place(place), replayed)), Ok((HoldOrWait::Wait(engine), ticket))) => {
                self.told_place(&ticket, place, wait, (!replayed).then_some(before))?;
                self.joined(&engine, place, replayed)
            }
            (expected, answer) => Err(format!("the engine says {answer:?}, not {expected:?}")),
        }
    }

    fn granted(&mut self, engine: &Hold, hold: usize, replayed: bool) -> Same {
        same("replayed", &engine.replayed, &replayed)?;
        self.seen.count(if replayed { "replayed" } else { "granted" }, 1);
        if !replayed {
            self.learn(engine.id, hold);
            let gifts = self.world.holds[hold].gifts.len() as u64;
            self.seen.count("gifts", gifts);
            let bought = self.world.holds[hold].state == HoldState::Confirmed;
            self.seen.count("confirmed as granted", u64::from(bought));
        }
        same_hold(engine, &self.world.holds[hold], &self.world)
    }

    /// The engine told a new hold's id.
    pub(super) fn learn(&mut self, id: HoldId, hold: usize) {
        let held = Rc::make_mut(&mut self.world.holds[hold]);
        held.id = Some(id);
        self.known.push((id, Rc::clone(&held.ask)));
    }

    /// INVARIANT(J6): what was shown of these holds no crash takes away, nor what came before.
    pub(super) fn shown(&mut self, these: impl Fn(&Reference, usize) -> bool) {
        self.durable(|world, undecided| undecided.hold.is_some_and(|hold| these(world, hold)));
    }

    /// Likewise the last of these changes.
    pub(super) fn durable(&mut self, these: impl Fn(&Reference, &Undecided) -> bool) {
        let last = self.undecided.iter().rposition(|undecided| these(&self.world, undecided));
        self.undecided.drain(..last.map_or(0, |last| last + 1));
    }

    /// An answer about a hold. It is waited for; or else the change that it tells of may be lost,
    /// with `before` left.
    fn told(
        &mut self,
        ticket: &Ticket,
        hold: usize,
        wait: bool,
        before: Option<Reference>,
    ) -> Same {
        let undecided = |before| Undecided { before, hold: Some(hold), place: None };
        self.undecided.extend(before.map(undecided));
        if wait {
            ticket.wait().map_err(|unknown| unknown.to_string())?;
            self.shown(|_, index| index == hold);
        }
        Ok(())
    }

    pub(super) fn refused<T: Debug>(&mut self, answer: Result<T, Refusal>, no: &No) -> Same {
        self.seen.count(code(no), 1);
        match (answer, no) {
            (Ok(granted), _) => Err(format!("the engine says {granted:?}, the model {no:?}")),
            (Err(Refusal::Waiting(wait)), No::Waiting(place)) => {
                let (wait, ticket) = wait.into_parts();
                self.told_place(&ticket, *place, true, None)?;
                same("replayed", &wait.replayed, &true)?;
                same_wait(&wait, *place, &self.world)
            }
            (Err(refusal), _) => {
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
            return self.hold(&ask, false, true);
        }
        let mut ask = (*ask).clone();
        let split = |(item, units): (usize, u32)| {
            let half = units / 2;
            [(item, units - half), (item, half)]
        };
        let lines = ask.lines.iter().rev().copied().flat_map(split);
        ask.lines = lines.filter(|(_, units)| *units > 0).collect();
        self.hold(&Rc::new(ask), false, true)
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
                let answer = answer.map_err(|refusal| format!("the engine refuses: {refusal}"))?;
                let (told, ticket) = answer.into_parts();
                self.told(&ticket, index, wait, changed.then_some(before))?;
                same_hold(&told, &self.world.holds[index], &self.world)?;
                self.serve()
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
    pub(super) fn tick(&mut self) -> Same {
        let expired = self.engine().tick();
        self.engine().flush().map_err(|unknown| unknown.to_string())?;
        let served = self.world.waiting().next().is_some() && expired > 1;
        let order = if served { self.expired()? } else { Vec::new() };
        same("expired now", &expired, &self.world.tick(&order))?;
        self.seen.count("expired by itself", expired);
        self.undecided.clear();
        self.learn_holds()
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
}
