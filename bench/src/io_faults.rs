//! Any call of the storage fails in any way it can: nothing is acknowledged after it that is not
//! durable, the engine latches or refuses, and everything acknowledged is there after a restart.

use std::sync::Arc;

use jangteo::{Engine, Error, ManualClock, Timestamp};

use crate::auditor::judge;
use crate::command::{Command, No, Reply};
use crate::crash::recall;
use crate::faulty::{Call, FaultyStorage, Trouble};
use crate::invariants::counts;
use crate::local::{Local, Show};
use crate::plan::{OPENS_MS, Plan, Profile, SALE};
use crate::rng::Rng;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};
use crate::workload::Workload;

/// Operations of a run.
pub const OPERATIONS: u32 = 500;
/// So many of them after the journal latched.
const AFTER_LATCH: u32 = 12;
const SEGMENT_BYTES: u64 = 16 << 10;

/// What runs saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Runs.
    pub runs: u64,
    /// Calls that failed.
    pub happened: u64,
    /// Starts that failed.
    pub refused_starts: u64,
    /// Journals that latched.
    pub latched: u64,
    /// Runs that nothing went wrong in: the call could not fail that way.
    pub nothing: u64,
}

impl Faults {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            happened: self.happened + other.happened,
            refused_starts: self.refused_starts + other.refused_starts,
            latched: self.latched + other.latched,
            nothing: self.nothing + other.nothing,
        }
    }
}

/// How many calls a run makes in which nothing fails.
///
/// # Errors
/// What is wrong even so.
pub fn calls() -> Result<u64, Violation> {
    let mut run = Run::new(&[]);
    run.play()?;
    Ok(run.storage.calls())
}

/// Runs with these calls failing; then the process is killed, or the machine loses power.
///
/// # Errors
/// What was found.
pub fn fail(planned: &[(u64, Trouble)], power: bool) -> Result<Faults, Violation> {
    let mut run = Run::new(planned);
    let played = run.play().and_then(|()| run.after(power));
    played.map_err(|violation| Violation {
        text: format!("{planned:?}, power lost: {power}: {}", violation.text),
        ..violation
    })?;
    let happened = run.storage.happened();
    run.seen.nothing = u64::from(happened == 0);
    Ok(Faults { runs: 1, happened, ..run.seen })
}

struct Run {
    plan: Arc<Plan>,
    clock: Arc<ManualClock>,
    storage: FaultyStorage,
    shadow: Shadow,
    seen: Faults,
}

impl Run {
    fn new(planned: &[(u64, Trouble)]) -> Self {
        let mut plan = Plan::of(Profile::Market, 1, OPERATIONS);
        plan.ttl_ms = 600_000;
        let plan = Arc::new(plan);
        let storage = FaultyStorage::new();
        planned.iter().for_each(|&(call, trouble)| storage.plan_any(call, trouble));
        Self {
            shadow: Shadow::new(&plan),
            plan,
            clock: Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS + 1))),
            storage,
            seen: Faults::default(),
        }
    }

    fn open(&self) -> Result<Engine, Error> {
        let options = Engine::options().storage(Arc::new(self.storage.process()));
        let options = options.clock(self.clock.clone()).background(false);
        options.segment_bytes(SEGMENT_BYTES).id_seed([7, 7]).open()
    }

    /// Opens it, once more for every start that fails for a reason.
    fn start(&mut self) -> Result<Engine, Violation> {
        loop {
            let happened = self.storage.happened();
            match self.open() {
                Ok(engine) => return Ok(engine),
                Err(error) => {
                    let fair =
                        self.storage.happened() > happened && !matches!(error, Error::Corrupt(_));
                    require(fair, "J3", || format!("it does not start: {error}"))?;
                    self.seen.refused_starts += 1;
                }
            }
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        let engine = self.start()?;
        engine.tick();
        if engine.put(self.plan.campaign()).is_err() {
            self.seen.latched += u64::from(engine.health().latched.is_some());
            return Ok(());
        }
        let mut workload = Workload::new(&self.plan, 1, 0);
        let mut local = Local::counting(&engine, &self.clock, &self.plan, 0);
        let mut rng = Rng::stream(1, 1);
        let mut after = 0;
        for number in 0..OPERATIONS {
            local.show(if rng.chance(70) { Show::Durable } else { Show::IfDurable });
            let tick = number.is_multiple_of(16);
            let command = workload.next(&self.shadow);
            let command = if tick { Command::Pass { ms: 1, tick } } else { command };
            self.step(&engine, &mut local, command)?;
            after += u32::from(engine.health().latched.is_some());
            if after > AFTER_LATCH {
                break;
            }
        }
        self.seen.latched += u64::from(after > 0);
        Ok(())
    }

    fn step(
        &mut self,
        engine: &Engine,
        local: &mut Local,
        command: Command,
    ) -> Result<(), Violation> {
        let look = || {
            let view = engine.sale(SALE).map(|sale| counts(&sale.view().0)).unwrap_or_default();
            let touched = (self.storage.count(Call::Write), self.storage.count(Call::Sync));
            (view, touched)
        };
        let latched = engine.health().latched.is_some();
        let before = look();
        let exchange = local.send(command);
        let exchange = exchange.map_err(|error| Violation::of("J1", error.to_string()))?;
        // INVARIANT(J4): after the first failure nothing changes, is written or is flushed.
        require(!latched || look() == before, "J4", || format!("latched, and {exchange:?}"))?;
        let health = engine.health();
        let told = health.latched.is_some() || health.disk_short;
        let busy = exchange.reply == Reply::No(No::Busy);
        require(!busy || told || self.storage.happened() > 0, "J4", || format!("{exchange:?}"))?;
        judge(&mut self.shadow, &exchange)
    }

    fn after(&mut self, power: bool) -> Result<(), Violation> {
        if power {
            self.storage.lose_power(&mut Rng::stream(self.storage.calls(), 5), 40);
        } else {
            self.storage.kill();
        }
        let engine = self.start()?;
        if engine.sale(SALE).is_none() {
            let none = self.shadow.holds().is_empty();
            return require(none, "J1", || "the campaign is lost".to_owned());
        }
        let mut local = Local::counting(&engine, &self.clock, &self.plan, 1 << 32);
        self.shadow.gave_back_ns = 1 << 32;
        recall(&engine, &mut local, &mut self.shadow)
    }
}
