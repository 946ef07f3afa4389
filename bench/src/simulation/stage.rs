//! The engine on its faulty disk: its deaths, its starts, and what must be there after each.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash};
use std::sync::Arc;

use jangteo::audit::audit_storage;
use jangteo::{Campaign, Clock, Engine, Error, ManualClock, Phase, Sale, Stock, Timestamp};

use super::by_hand::Closing;
use super::step::Start;
use crate::auditor::judge;
use crate::command::{Command, Exchange, No, Reply};
use crate::faulty::{FaultyStorage, Trouble};
use crate::invariants::{Count, World, counts};
use crate::local::{Local, Show};
use crate::plan::{OPENS_MS, Plan, SALE};
use crate::rng::Rng;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};

type Checked = Result<(), Violation>;

/// Small, so that a run goes through many.
const SEGMENT_BYTES: u64 = 8 << 10;
/// A snapshot at the end of an engine that appended so many records.
const SNAPSHOT_AFTER: u64 = 60;
/// Least rest of a live hold after a restart, ms.
const GRACE_MS: u64 = jangteo::limits::GRACE_AFTER_RESTART_MS;
/// The other campaign, of which only the put is played.
const SIDE: &str = "side-1";
/// So many starts in a row may fail before one is left alone.
const STARTS_MAX: u64 = 6;

/// A process that is alive.
pub(super) struct Life {
    pub(super) engine: Engine,
    pub(super) local: Local,
    pub(super) sale: Sale,
    /// How many troubles the disk had had when it was started.
    troubles: u64,
}

/// What happened, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Calls that went wrong, the deaths among them.
    pub troubles: u64,
    /// Sectors and directory entries that a loss of power took.
    pub lost: u64,
    /// Losses of power that took something, and kills that left something unflushed.
    pub crashes: u64,
    /// Starts of the engine that came to their end.
    pub starts: u64,
    /// Starts that failed, or died.
    pub failed_starts: u64,
    /// Latched journals.
    pub latched: u64,
    /// Times the disk ran short for holds.
    pub short: u64,
    /// Pauses that began and ended.
    pub pauses: u64,
    /// Holds that were granted from the line.
    pub served: u64,
    /// Totals that were set.
    pub stocked: u64,
    /// Drops that were closed by hand.
    pub closed: u64,
    /// Holds that were shown.
    pub shown: u64,
}

pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) storage: FaultyStorage,
    pub(super) shadow: Shadow,
    pub(super) happened: Happened,
    pub(super) digest: DefaultHasher,
    /// Orders requests and answers.
    pub(super) counted: u64,
    /// The latest time at which the drop stood, as far as its phase tells.
    pub(super) reached_ms: u64,
    /// Last number given.
    pub(super) last_number: u32,
    /// Steps of the clock that may not have been recorded.
    pub(super) steps_ms: Vec<i64>,
    /// Units of the other campaign, as they may have been put; 0: never put.
    pub(super) side: BTreeSet<u32>,
    /// When a pause began of which it is not known whether it ended.
    pub(super) pausing: Option<u64>,
    /// Whether it was closed by hand.
    pub(super) closing: Closing,
    /// Totals of each good that may be recorded.
    pub(super) totals: Vec<BTreeSet<u32>>,
    /// Whether somebody in line may not have been served for want of room on the disk.
    pub(super) is_unserved: bool,
    /// Whether the disk has a bound just now.
    pub(super) bounded: bool,
    lives: u64,
    chance: Rng,
    /// Whether the opening is durable: somebody was shown a grant.
    put: bool,
}

impl Stage {
    pub(super) fn new(seed: u64) -> Self {
        let plan = Arc::new(Plan::of(crate::plan::Profile::Market, 1, 1_000));
        let mut chance = Rng::stream(seed, u64::MAX);
        let totals = plan.goods.iter().map(|good| good.units.into_iter().collect()).collect();
        let starts_ms = OPENS_MS - u64::from(chance.below(8_000));
        Self {
            seed,
            clock: Arc::new(ManualClock::at(Timestamp::from_ms(starts_ms))),
            shadow: Shadow::new(&plan),
            plan,
            storage: FaultyStorage::new(),
            happened: Happened::default(),
            digest: DefaultHasher::new(),
            counted: 0,
            reached_ms: 0,
            last_number: 0,
            steps_ms: Vec::new(),
            side: BTreeSet::from([0]),
            pausing: None,
            closing: Closing::No,
            totals,
            is_unserved: false,
            bounded: false,
            lives: 0,
            chance,
            put: false,
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now().as_ms()
    }

    fn open(&self) -> Result<Engine, Error> {
        let options = Engine::options().storage(Arc::new(self.storage.process()));
        let options = options.clock(self.clock.clone()).background(false);
        let options = options.segment_bytes(SEGMENT_BYTES).snapshot_after(SNAPSHOT_AFTER);
        options.id_seed([self.seed, self.lives]).open()
    }

    /// Starts the engine, in spite of everything `start` plans, and checks what is there.
    pub(super) fn start(&mut self, step: u64) -> Result<Life, Violation> {
        for attempt in 0.. {
            let start = Start::draw(self.seed, step, self.lives);
            self.lives += 1;
            if let Some((calls, trouble)) = start.plan.filter(|_| attempt < STARTS_MAX) {
                self.storage.plan_any(self.storage.calls() + calls, trouble);
            }
            let planned = self.storage.happened();
            let opened = self.open();
            let wrong = self.storage.happened() - planned;
            self.happened.troubles += wrong;
            if self.storage.has_died() {
                drop(opened);
            } else {
                match opened {
                    Ok(engine) => {
                        self.storage.clear_plan();
                        if let Some(life) = self.begin(engine)? {
                            return Ok(life);
                        }
                    }
                    // INVARIANT(J3): what the disk really has is never taken for damage.
                    Err(error @ Error::Corrupt(_)) => {
                        return Err(Violation::of("J3", format!("it does not start: {error}")));
                    }
                    Err(error) => {
                        let fair = wrong > 0 || self.bounded;
                        require(fair, "J3", || format!("nothing is wrong, but: {error}"))?;
                    }
                }
            }
            self.happened.failed_starts += 1;
            if self.bounded && attempt >= STARTS_MAX {
                self.give_room();
            }
            self.crash(start.power);
        }
        unreachable!("a start without a plan comes to its end")
    }

    pub(super) fn give_room(&mut self) {
        self.bounded = false;
        self.storage.faults(|faults| faults.capacity = None);
    }

    /// The process is gone, and the power if `power`.
    pub(super) fn crash(&mut self, power: bool) {
        if power {
            let lost = self.storage.lose_power(&mut self.chance, 40);
            self.happened.lost += lost;
        } else {
            self.storage.kill();
        }
    }

    /// What must hold of an engine that was just started.
    fn begin(&mut self, engine: Engine) -> Result<Option<Life>, Violation> {
        self.happened.starts += 1;
        let now_ms = self.now_ms();
        self.shadow.unstepped(&std::mem::take(&mut self.steps_ms));
        self.shadow.resumed(now_ms, GRACE_MS.min(self.plan.ttl_ms));
        self.counted += 1;
        self.shadow.gave_back_ns = self.counted;
        let troubles = self.storage.happened();
        let Some(sale) = engine.sale(SALE) else {
            require(!self.put, "J1", || "the campaign is lost".to_owned())?;
            return self.put_first(engine, troubles);
        };
        self.put = true;
        let local = Local::counting(&engine, &self.clock, &self.plan, self.counted);
        let mut life = Life { engine, local, sale, troubles };
        if !self.end_pause(&life)? {
            return Ok(None);
        }
        self.phase(&life)?;
        self.totals_are(&life)?;
        self.audit(&life)?;
        self.side_is(&life)?;
        self.recall(&mut life)?;
        self.count_numbers(&life);
        self.is_unserved = life.engine.health().disk_short;
        Ok(Some(life))
    }

    fn put_first(&mut self, engine: Engine, troubles: u64) -> Result<Option<Life>, Violation> {
        engine.tick(); // a segment that could not be made at the start can be made now
        let put = engine.put(self.plan.campaign());
        require(put.is_ok() || self.bounded, "J1", || format!("nothing is wrong, but: {put:?}"))?;
        self.put = put.is_ok();
        let Some(sale) = engine.sale(SALE).filter(|_| self.put) else { return Ok(None) };
        let local = Local::counting(&engine, &self.clock, &self.plan, self.counted);
        let life = Life { engine, local, sale, troubles };
        self.phase(&life)?;
        self.last_number = 0;
        Ok(Some(life))
    }

    /// INVARIANT(T1): the phase is one that the clock has justified, and what was shown stands.
    fn phase(&mut self, life: &Life) -> Checked {
        let closes_ms = self.plan.closes_ms().unwrap_or(u64::MAX);
        let most_ms = self.reached_ms.max(self.now_ms());
        let phase = life.sale.phase();
        let fair = match phase {
            Phase::Scheduled => self.now_ms() < OPENS_MS && self.shadow.holds().is_empty(),
            Phase::Open => most_ms >= OPENS_MS && self.now_ms() < closes_ms,
            Phase::Closed => most_ms >= closes_ms || self.closing != Closing::No,
            _ => false,
        };
        require(fair, "T1", || format!("{phase:?} at {}, after {most_ms}", self.now_ms()))?;
        self.closing_is(phase)?;
        self.reached_ms = match phase {
            Phase::Open => self.now_ms().max(OPENS_MS),
            Phase::Closed => self.now_ms().max(closes_ms),
            _ => self.now_ms(),
        };
        Ok(())
    }

    /// Both audits, of this very moment.
    pub(super) fn audit(&mut self, life: &Life) -> Checked {
        let (audit, _) = life.sale.audit().into_parts();
        require(audit.ok, "audit", || format!("{:?}", audit.violations))?;
        self.last_number = u32::try_from(audit.holds).unwrap_or(u32::MAX);
        let medium = FaultyStorage::of(self.storage.medium());
        let found = audit_storage(&medium);
        let found = found.map_err(|error| Violation::of("J3", format!("the audit: {error}")))?;
        require(found.ok, "audit", || format!("{:?}", found.violations))
    }

    /// The other campaign is one of those that may have been put.
    fn side_is(&mut self, life: &Life) -> Checked {
        let units = life.engine.sale(SIDE).map_or(0, |sale| {
            let stock = sale.campaign().items.first().map(|item| item.stock);
            if let Some(Stock::Units(units)) = stock { units } else { u32::MAX }
        });
        require(self.side.contains(&units), "J1", || {
            format!("the other campaign has {units} units, not one of {:?}", self.side)
        })?;
        self.side = BTreeSet::from([units]);
        Ok(())
    }

    /// Everything that was shown is there; what was left open is settled by asking again.
    fn recall(&mut self, life: &mut Life) -> Checked {
        life.local.show(Show::Durable);
        let holds: Vec<_> = self.shadow.holds().iter().map(|known| known.id).collect();
        for hold in holds {
            let exchange = self.send(life, Command::Get { hold })?;
            let shown = matches!(exchange.reply, Reply::Hold(_));
            require(shown, "J3", || format!("{:?} is lost", self.shadow.by_id(hold)))?;
            judge(&mut self.shadow, &exchange)?;
        }
        let open: Vec<_> =
            self.shadow.unanswered().map(|(&who, lines)| (who, lines.clone())).collect();
        let mut open = open;
        open.sort_unstable();
        self.recall_line(life)?;
        for ((customer, key), lines) in open {
            let exchange = self.send(life, Command::Hold { customer, key, lines })?;
            judge(&mut self.shadow, &exchange)?;
            match exchange.reply {
                // What was granted is not told of either, while the disk is short.
                Reply::No(No::Busy) => {}
                Reply::No(_) => self.shadow.settle_open(customer, key),
                Reply::Hold(ref answer) if !answer.replayed => self.last_number += 1,
                _ => {}
            }
        }
        self.world(life)
    }

    /// Everything that the clients know and the counts of this moment agree; sealed, there are
    /// none.
    pub(super) fn world(&self, life: &Life) -> Checked {
        let counts = self.counts(life);
        let world = World::of(std::slice::from_ref(&self.shadow))?;
        if counts.is_empty() { Ok(()) } else { world.check(&counts) }
    }

    /// Asks, and notes what was asked and answered.
    pub(super) fn send(
        &mut self,
        life: &mut Life,
        command: Command,
    ) -> Result<Exchange, Violation> {
        let sent = life.local.send(command);
        let exchange = sent.map_err(|unknown| Violation::of("J1", unknown.to_string()))?;
        self.counted = exchange.answered_ns;
        let died = self.storage.has_died();
        let reply = if died { Reply::Unknown } else { exchange.reply };
        (&exchange.command, &reply).hash(&mut self.digest);
        let reached_ms = self.reached_ms;
        Ok(Exchange { reply, reached_ms, ..exchange })
    }

    /// The time at which the drop stands now, as far as its phase tells.
    pub(super) fn turned_ms(&self, life: &Life) -> u64 {
        match life.sale.phase() {
            Phase::Scheduled => 0,
            Phase::Open => OPENS_MS,
            _ => self.plan.closes_ms().unwrap_or(u64::MAX),
        }
    }

    /// Whether nothing is sold any more.
    pub(super) fn is_closed(&self, life: &Life) -> bool {
        self.plan.closes_ms().is_some_and(|at| at <= self.now_ms())
            || life.sale.phase() >= Phase::Closed
    }

    pub(super) fn counts(&self, life: &Life) -> Vec<Count> {
        counts(&life.sale.view().0)
    }

    /// Whether something went wrong in this life.
    pub(super) fn is_troubled(&self, life: &Life) -> bool {
        self.storage.happened() > life.troubles
    }

    /// Puts the other campaign, with so many units.
    pub(super) fn put_side(&mut self, life: &Life, units: u32) -> Checked {
        let put = life.engine.put(side(units));
        self.shadow.may_have_ticked(self.now_ms()); // a put does what is due
        self.reached_ms = self.reached_ms.max(self.turned_ms(life));
        self.counted += 1;
        self.shadow.gave_back_ns = self.counted;
        if self.storage.has_died() {
            self.side.insert(units);
            return Ok(());
        }
        match put {
            Ok(()) => self.side = BTreeSet::from([units]),
            Err(Error::OutcomeUnknown) => {
                self.side.insert(units);
            }
            Err(Error::Unavailable) => {}
            Err(error) => return Err(Violation::of("answer", format!("put: {error}"))),
        }
        let health = life.engine.health();
        let fair = put.is_ok() || health.latched.is_some() || health.disk_short;
        require(fair, "J4", || format!("nothing is wrong, but: {put:?}"))
    }

    /// Lets trouble come in so many calls.
    pub(super) fn plan_trouble(&self, calls: u64, trouble: Trouble) {
        self.storage.plan_any(self.storage.calls() + calls, trouble);
    }
}

/// The other campaign: it opens a year later.
fn side(units: u32) -> Campaign {
    let text = format!(
        "[campaign]\nid = \"side\"\ntitle = \"side\"\ncurrency = \"KRW\"\n\
         time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2021-04-29T10:00:00\"\n\
         [[items]]\nsku = \"s\"\ntitle = \"s\"\nprice = 1\nstock = {units}\n"
    );
    Campaign::parse(&text).expect("a campaign without a fault")
}
