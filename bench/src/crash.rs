//! One client on a medium that fails: whatever was shown must be there afterwards, and nothing
//! that cannot be known may have been shown.

use std::sync::Arc;
use std::time::Instant;

use jangteo::{Engine, Error, ManualClock, Timestamp};

use crate::auditor::judge;
use crate::command::{Command, Exchange, Reply};
use crate::faulty::{Call, FaultyStorage, Trouble};
use crate::invariants::{World, counts};
use crate::local::{Local, Show};
use crate::plan::{Plan, Profile, SALE};
use crate::rng::Rng;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};
use crate::workload::Workload;

/// What happens to the engine in the middle of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The machine loses power between two commands; nobody flushes for the last ones.
    PowerLoss,
    /// The process dies as it asks for its flush number so many; then power is lost as well.
    DeathAtFlush(u64),
    /// The flush number so many fails; the process goes on, and then power is lost.
    FailedFlush(u64),
    /// The write number so many fails, likewise.
    FailedWrite(u64),
    /// The process is killed as it asks for its flush number so many, so that what it wrote is in
    /// the cache only; a second one answers questions, and then power is lost.
    KillThenPowerLoss(u64),
    /// A bit flips where a durable record lies.
    FlippedBit,
}

/// What one run saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Flushes until the blow.
    pub flushes: u64,
    /// Holds that were shown.
    pub shown: usize,
    /// Requests whose outcome was not.
    pub unanswered: usize,
}

const COMMANDS: u32 = 120;
const SEGMENT_BYTES: u64 = 16 << 10;
/// In so many of 100 sectors that were not flushed, what was written is there all the same.
const SECTORS_KEPT: u32 = 30;

struct Ground {
    plan: Arc<Plan>,
    clock: Arc<ManualClock>,
    storage: FaultyStorage,
    rng: Rng,
    started: Instant,
}

/// Runs `seed` with one blow, and checks what is left.
///
/// # Errors
/// What was found. The text names the blow and the seed.
pub fn strike(seed: u64, blow: Blow) -> Result<Seen, Violation> {
    struck(seed, blow).map_err(|violation| Violation {
        text: format!("{blow:?}, seed {seed}: {}", violation.text),
        ..violation
    })
}

fn struck(seed: u64, blow: Blow) -> Result<Seen, Violation> {
    let plan = Arc::new(Plan::of(Profile::Churn, 1, COMMANDS));
    let mut ground = Ground {
        clock: Arc::new(ManualClock::at(Timestamp::from_ms(plan.starts_ms()))),
        plan,
        storage: FaultyStorage::new(),
        rng: Rng::stream(seed, 99),
        started: Instant::now(),
    };
    let engine = ground.open().map_err(|error| Violation::of("J3", error.to_string()))?;
    let put = engine.put(ground.plan.campaign());
    let (before, written) = (ground.flushes(), ground.storage.count(Call::Write));
    match blow {
        Blow::DeathAtFlush(number) | Blow::KillThenPowerLoss(number) => {
            ground.storage.plan(Call::Sync, before + number, Trouble::Die);
        }
        Blow::FailedWrite(number) => {
            ground.storage.plan(Call::Write, written + number, Trouble::Eio);
        }
        Blow::FailedFlush(number) => {
            ground.storage.plan(Call::Sync, before + number, Trouble::Eio);
        }
        _ => {}
    }
    put.map_err(|error| Violation::of("J1", error.to_string()))?;
    let mut shadow = Shadow::new(&ground.plan);
    ground.play(&engine, &mut shadow, seed)?;
    let mut seen = Seen {
        flushes: ground.flushes() - before,
        shown: shadow.holds().len(),
        unanswered: shadow.unanswered().count(),
    };
    match blow {
        Blow::KillThenPowerLoss(_) => ground.second_life(engine, &mut shadow)?,
        Blow::FlippedBit => return ground.flip(engine, &shadow).map(|()| seen),
        _ => {
            ground.storage.kill();
            drop(engine);
        }
    }
    ground.storage.lose_power(&mut ground.rng, SECTORS_KEPT);
    let engine = ground.open();
    let engine =
        engine.map_err(|error| Violation::of("J3", format!("it does not start: {error}")))?;
    ground.compare(&engine, &mut shadow)?;
    seen.unanswered -= shadow.unanswered().count();
    Ok(seen)
}

impl Ground {
    fn open(&self) -> Result<Engine, Error> {
        let options = Engine::options().storage(Arc::new(self.storage.process()));
        let options = options.clock(self.clock.clone()).background(false);
        options.segment_bytes(SEGMENT_BYTES).open()
    }

    fn flushes(&self) -> u64 {
        self.storage.count(Call::Sync)
    }

    fn local(&self, engine: &Engine, show: Show) -> Local {
        Local::new(engine, &self.clock, &self.plan, self.started, show)
    }

    /// Some commands wait for the disk, others are looked at once, as an impatient client would.
    fn play(&mut self, engine: &Engine, shadow: &mut Shadow, seed: u64) -> Result<(), Violation> {
        let mut workload = Workload::new(&self.plan, seed, 0);
        let mut patient = self.local(engine, Show::Durable);
        let mut impatient = self.local(engine, Show::IfDurable);
        for number in 0..COMMANDS {
            if self.storage.has_died() {
                break;
            }
            // The last ones are never flushed for.
            let waits = number < COMMANDS - 20 && self.rng.chance(50);
            let local = if waits { &mut patient } else { &mut impatient };
            let command = workload.next(shadow);
            let retry = matches!(command, Command::Hold { .. }).then(|| command.clone());
            let exchange = self.heard(send(local, command)?);
            let unheard = exchange.reply == Reply::Unknown;
            judge(shadow, &exchange)?;
            // The same key again, before anybody flushed: no more may be known than the first time.
            if let Some(command) = retry.filter(|_| unheard) {
                judge(shadow, &self.heard(send(&mut impatient, command)?))?;
            }
        }
        Ok(())
    }

    /// What a dead process answers reaches nobody.
    fn heard(&self, exchange: Exchange) -> Exchange {
        let died = self.storage.has_died();
        if died { Exchange { reply: Reply::Unknown, ..exchange } } else { exchange }
    }

    fn compare(&self, engine: &Engine, shadow: &mut Shadow) -> Result<(), Violation> {
        recall(engine, &mut self.local(engine, Show::Durable), shadow)
    }

    /// After a kill the cache still shows what was never flushed. Whatever the next process shows
    /// of it must survive what follows.
    fn second_life(&self, engine: Engine, shadow: &mut Shadow) -> Result<(), Violation> {
        self.storage.kill();
        drop(engine);
        let engine = self.open().map_err(|error| Violation::of("J3", error.to_string()))?;
        self.compare(&engine, shadow)?;
        self.storage.kill();
        drop(engine);
        Ok(())
    }

    /// Where a durable record is damaged, the engine must refuse to start.
    fn flip(&self, engine: Engine, shadow: &Shadow) -> Result<(), Violation> {
        drop(engine); // in good order: everything is durable and marked
        let Some(known) = shadow.holds().first() else { return Ok(()) };
        let customer = known.customer.to_string();
        let Some((segment, offset)) = self.storage.medium().find(customer.as_bytes()) else {
            return Err(Violation::of("J1", format!("{known:?} is not in the journal")));
        };
        self.storage.kill();
        self.storage.flip(segment, offset * 8);
        match self.open() {
            Err(Error::Corrupt(corruption)) => {
                let names =
                    corruption.file == format!("{segment:?}") && corruption.offset <= offset as u64;
                require(names, "J3", || format!("byte {offset} of {segment:?}, not {corruption:?}"))
            }
            other => {
                let text = format!("byte {offset} of {segment:?} flipped, and: {other:?}");
                Err(Violation::of("J3", text))
            }
        }
    }
}

/// Everything that was shown is there, each command left open can be settled by repeating it,
/// and the sums are right.
pub(crate) fn recall(
    engine: &Engine,
    local: &mut Local,
    shadow: &mut Shadow,
) -> Result<(), Violation> {
    local.show(Show::Durable);
    let holds: Vec<_> = shadow.holds().iter().map(|known| known.id).collect();
    for hold in holds {
        let exchange = send(local, Command::Get { hold })?;
        require(matches!(exchange.reply, Reply::Hold(_)), "J3", || {
            format!("{:?} was shown and is lost", shadow.by_id(hold))
        })?;
        judge(shadow, &exchange)?;
    }
    let open: Vec<_> = shadow.unanswered().map(|(&who, lines)| (who, lines.clone())).collect();
    for ((customer, key), lines) in open {
        let exchange = send(local, Command::Hold { customer, key, lines })?;
        judge(shadow, &exchange)?;
        if matches!(exchange.reply, Reply::No(_)) {
            shadow.settle_open(customer, key);
        }
    }
    let view = counts(&engine.sale(SALE).expect("it was put").view().0);
    World::of(std::slice::from_ref(shadow))?.check(&view)
}

fn send(local: &mut Local, command: Command) -> Result<Exchange, Violation> {
    local.send(command).map_err(|unknown| Violation::of("J1", unknown.to_string()))
}
