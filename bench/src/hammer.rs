//! One round: many threads on one drop, then quiet, then every check.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jangteo::{Durability, Engine, HoldRequest, HoldState, ManualClock, Timestamp};

use crate::auditor::judge;
use crate::command::{Command, Customer, Key, Units};
use crate::invariants::{World, counts};
use crate::local::{Local, Show};
use crate::plan::{Plan, Profile, SALE};
use crate::shadow::Shadow;
use crate::violation::{Violation, require};
use crate::workload::Workload;

/// What to do in one round.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// The kind of trouble.
    pub profile: Profile,
    /// Decides every client's commands; how the threads meet is chance.
    pub seed: u64,
    /// Threads, each one client.
    pub clients: u32,
    /// Commands of each.
    pub commands: u32,
    /// An empty directory for the journal; none: in memory.
    pub directory: Option<&'a Path>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands answered.
    pub operations: u64,
    /// Grants, confirms, releases, extensions and expiries.
    pub changes: u64,
    /// Baskets that took units and had to put them back.
    pub undone: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.changes += other.changes;
        self.undone += other.undone;
    }
}

/// A round that found something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The profile of the round.
    pub profile: Profile,
    /// Its seed.
    pub seed: u64,
    /// What it found.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, seed) = (self.profile.name(), self.seed);
        write!(f, "{}\n  again: oversell --profile {profile} --seed {seed}", self.violation)
    }
}

/// In a journalled round a client waits after so many commands.
const BURST: u32 = 64;
/// Small, so that a round goes through several.
const SEGMENT_BYTES: u64 = 1 << 20;
/// More free units than this are not sold out one by one at the end.
const SELL_OUT_MAX: u32 = 20_000;

/// Plays one round.
///
/// # Errors
/// The violation it found, with the round's profile and seed.
pub fn play(round: &Round<'_>) -> Result<Tally, Failure> {
    let played = catch_unwind(AssertUnwindSafe(|| play_round(round)));
    played.unwrap_or_else(|panic| Err(panicked(&*panic))).map_err(|violation| Failure {
        profile: round.profile,
        seed: round.seed,
        violation,
    })
}

pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    Violation::of("engine", format!("it panicked: {}", text.unwrap_or_default()))
}

struct Stage {
    plan: Arc<Plan>,
    clock: Arc<ManualClock>,
    engine: Engine,
    started: Instant,
    show: Show,
}

impl Stage {
    fn local(&self) -> Local {
        Local::new(&self.engine, &self.clock, &self.plan, self.started, self.show)
    }

    fn view(&self) -> Vec<crate::invariants::Count> {
        counts(&self.engine.sale(SALE).expect("it was put").view().0)
    }
}

fn open(round: &Round<'_>, clock: &Arc<ManualClock>) -> Result<Engine, Violation> {
    let options = Engine::options().clock(clock.clone()).background(false);
    let options = match round.directory {
        None => options.durability(Durability::Memory),
        Some(directory) => options.data(directory).segment_bytes(SEGMENT_BYTES),
    };
    options.open().map_err(|error| Violation::of("J3", format!("it does not open: {error}")))
}

fn play_round(round: &Round<'_>) -> Result<Tally, Violation> {
    let plan = Arc::new(Plan::of(round.profile, round.clients, round.commands));
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(plan.starts_ms())));
    let show = if round.directory.is_some() { Show::Early(BURST) } else { Show::Durable };
    let engine = open(round, &clock)?;
    let put = engine.put(plan.campaign());
    put.map_err(|error| Violation::of("J1", format!("the campaign was not put: {error}")))?;
    let stage = Stage { plan, clock, engine, started: Instant::now(), show };
    let mut shadows = crowd(round, &stage)?;

    // What is due by now has surely expired.
    let expired = stage.engine.tick();
    let now_ms = jangteo::Clock::now(&*stage.clock).as_ms();
    let believed: u64 = shadows.iter_mut().map(|shadow| shadow.expire(now_ms)).sum();
    require(believed >= expired, "answer", || format!("{expired} expired, not {believed}"))?;
    World::of(&shadows)?.check(&stage.view())?;
    shadows.push(sell_out(&stage)?);
    World::of(&shadows)?.check(&stage.view())?;

    let mut tally = Tally::default();
    for shadow in &shadows {
        let Shadow { operations, changes, undone, .. } = *shadow;
        tally += Tally { operations, changes, undone };
    }
    recall(&stage.engine, &shadows, "answer")?;
    if round.directory.is_some() {
        let before = stage.view();
        let Stage { engine, clock, .. } = stage;
        drop(engine);
        let engine = open(round, &clock)?;
        let after = counts(&engine.sale(SALE).expect("it was put").view().0);
        require(before == after, "J3", || format!("{before:?} came back as {after:?}"))?;
        recall(&engine, &shadows, "J3")?;
    }
    Ok(tally)
}

/// All clients at once, until each has done its commands or one has found something.
fn crowd(round: &Round<'_>, stage: &Stage) -> Result<Vec<Shadow>, Violation> {
    let stop = AtomicBool::new(false);
    let client = |number: u32| -> Result<Shadow, Violation> {
        let mut shadow = Shadow::new(&stage.plan);
        let mut workload = Workload::new(&stage.plan, round.seed, number);
        let mut local = stage.local();
        let mut played = || {
            for _ in 0..round.commands {
                // Relaxed: a hint to end early, nothing is read because of it.
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let exchange = local.send(workload.next(&shadow)).map_err(unknown)?;
                judge(&mut shadow, &exchange)?;
            }
            local.settle().map_err(unknown)
        };
        let played = catch_unwind(AssertUnwindSafe(&mut played));
        let played = played.unwrap_or_else(|panic| Err(panicked(&*panic)));
        if played.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        played.map(|()| shadow)
    };
    std::thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> =
            (0..round.clients).map(|number| scope.spawn(move || client(number))).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(panicked(&*panic))));
        joined.collect()
    })
}

fn unknown(unknown: jangteo::OutcomeUnknown) -> Violation {
    Violation::of("J1", format!("nothing failed, but {unknown}"))
}

/// Buys whatever is free, one unit at a time, until every item is refused: what the engine reports
/// as free must be there, and no more.
fn sell_out(stage: &Stage) -> Result<Shadow, Violation> {
    let mut shadow = Shadow::new(&stage.plan);
    let mut local = stage.local();
    let mut customers = 0;
    for item in 0..u16::try_from(stage.plan.items).unwrap_or(0) {
        let free = stage.view().get(usize::from(item)).and_then(|count| count.available);
        for _ in 0..=free.filter(|&free| free <= SELL_OUT_MAX).unwrap_or(0) {
            customers += 1;
            let customer = Customer::own(u32::MAX >> 1, customers);
            let lines: Units = [(item, 1)].into_iter().collect();
            let command = Command::Hold { customer, key: Key(0), lines };
            let exchange = local.send(command).map_err(unknown)?;
            judge_last(&mut shadow, &exchange)?;
        }
    }
    local.settle().map_err(unknown)?;
    Ok(shadow)
}

/// In the end a single may be refused: all of them have been sold.
fn judge_last(shadow: &mut Shadow, exchange: &crate::command::Exchange) -> Result<(), Violation> {
    let refused =
        matches!(exchange.reply, crate::command::Reply::No(crate::command::No::SoldOut { .. }));
    if refused && let Command::Hold { lines, .. } = &exchange.command {
        shadow.operations += 1;
        shadow.refused.insert(lines.clone(), exchange.sent_ns);
        return Ok(());
    }
    judge(shadow, exchange)
}

/// INVARIANT(J3, K1): every hold that was acknowledged is there, with its number and state, and its
/// key still names it.
fn recall(engine: &Engine, shadows: &[Shadow], invariant: &'static str) -> Result<(), Violation> {
    let sale = engine.sale(SALE).expect("it was put");
    let world = World::of(shadows)?;
    for known in world.holds() {
        let found = sale.get(&known.id).ok().and_then(|pending| pending.wait().ok());
        let Some(hold) = found else {
            return Err(Violation::of(invariant, format!("{known:?} is not there")));
        };
        let same = hold.number == known.number
            && hold.customer() == known.customer.to_string()
            && hold.state == known.state;
        require(same, invariant, || format!("{known:?} came back as {hold:?}"))?;
        if known.state == HoldState::Held && known.number.is_multiple_of(16) {
            let (customer, key) = (known.customer.to_string(), known.key.to_string());
            let mut request = HoldRequest::new(&customer).key(&key);
            for &(item, units) in &known.lines {
                request = request.line(world.plan().good(item).sku, units);
            }
            let again = sale.hold(&request).ok().and_then(|pending| pending.wait().ok());
            let same = again.as_ref().is_some_and(|again| again.id == known.id && again.replayed);
            require(same, "K1", || format!("the key of {known:?} got {again:?}"))?;
        }
    }
    Ok(())
}
