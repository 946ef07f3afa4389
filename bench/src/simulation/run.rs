//! Plays a seed from start to end.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ledger::{Around, sums, whole};
use super::line::Waiter;
use super::stage::{Happened, Life, Stage};
use super::step::Step;
use crate::auditor::judge;
use crate::command::{Command, Exchange, No, Reply};
use crate::faulty::Call;
use crate::invariants::Count;
use crate::local::Show;
use crate::plan::OPENS_MS;
use crate::violation::{Violation, require};
use crate::workload::Workload;

/// Least operations of a seed.
const OPERATIONS_MIN: u64 = 1_000;
/// Least faults of a seed that really happened.
const FAULTS_MIN: u64 = 3;
/// A seed that has not had them by then is inconclusive.
const STEPS_MAX: u64 = 4_000;
/// Both audits once in so many steps, besides at every start.
const AUDIT_EVERY: u64 = 200;

type Checked = Result<(), Violation>;

/// What a seed saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Steps drawn.
    pub steps: u64,
    /// Operations: commands, ticks, puts and flushes.
    pub operations: u64,
    /// What happened meanwhile.
    pub happened: Happened,
    /// A digest of every command, reply and call of the storage.
    pub digest: u64,
}

impl Played {
    /// Faults that really happened.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.happened.troubles + self.happened.crashes
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let (a, b) = (&self.happened, &other.happened);
        Self {
            steps: self.steps + other.steps,
            operations: self.operations + other.operations,
            happened: Happened {
                troubles: a.troubles + b.troubles,
                lost: a.lost + b.lost,
                crashes: a.crashes + b.crashes,
                starts: a.starts + b.starts,
                failed_starts: a.failed_starts + b.failed_starts,
                latched: a.latched + b.latched,
                short: a.short + b.short,
                pauses: a.pauses + b.pauses,
                served: a.served + b.served,
                stocked: a.stocked + b.stocked,
                closed: a.closed + b.closed,
                shown: a.shown + b.shown,
            },
            digest: self.digest ^ other.digest,
        }
    }

    /// Whether enough was done and went wrong for the seed to count.
    #[must_use]
    pub const fn is_conclusive(&self) -> bool {
        self.operations >= OPERATIONS_MIN && self.faults() >= FAULTS_MIN
    }
}

/// A violation, and the step at which it was found.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What was found.
    pub violation: Violation,
    /// The step.
    pub step: u64,
}

/// Plays all of `seed`.
///
/// # Errors
/// What was found, and at which step.
pub fn run(seed: u64) -> Result<Played, Trouble> {
    play(seed, &|_| true)
}

/// Plays the steps of `seed` that `keep` keeps.
///
/// # Errors
/// As [`run`].
pub fn play(seed: u64, keep: &dyn Fn(u64) -> bool) -> Result<Played, Trouble> {
    let mut step = 0;
    let played = catch_unwind(AssertUnwindSafe(|| played(seed, keep, &mut step)));
    let played = played.unwrap_or_else(|panic| Err(crate::hammer::panicked(&*panic)));
    played.map_err(|violation| Trouble { violation, step })
}

fn played(seed: u64, keep: &dyn Fn(u64) -> bool, step: &mut u64) -> Result<Played, Violation> {
    let mut stage = Stage::new(seed);
    let workload = Workload::new(&stage.plan, seed, 0);
    let life = stage.start(0)?;
    let mut run = Run { stage, workload, life: Some(life), played: Played::default() };
    while !run.is_over() && *step < STEPS_MAX {
        *step += 1;
        // Drawn in any case: what is left out changes nothing else.
        run.workload.reseed(seed, *step << 1 | 1 << 63);
        let draw = Step::draw(seed, *step);
        if keep(*step) {
            run.step(*step, draw)?;
        }
    }
    run.end(*step)?;
    Ok(run.result(*step))
}

struct Run {
    stage: Stage,
    workload: Workload,
    life: Option<Life>,
    played: Played,
}

impl Run {
    fn is_over(&self) -> bool {
        let faults = self.stage.happened.troubles + self.stage.happened.crashes;
        self.played.operations >= OPERATIONS_MIN && faults >= FAULTS_MIN
    }

    fn result(mut self, steps: u64) -> Played {
        self.stage.happened.shown = self.stage.shadow.holds().len() as u64;
        self.stage.storage.digest().hash(&mut self.stage.digest);
        let digest = self.stage.digest.finish();
        Played { steps, happened: self.stage.happened, digest, ..self.played }
    }

    fn step(&mut self, number: u64, step: Step) -> Checked {
        let mut life = self.life.take().expect("a step begins with a process alive");
        let latched = life.engine.health().latched.is_some();
        let (writes, syncs) = self.touched();
        let troubles = self.stage.storage.happened();
        let line = self.stage.line(&life)?;
        let short = life.engine.health().disk_short;
        match step {
            Step::Ask { waits } => {
                let command = self.workload.next(&self.stage.shadow);
                self.ask(&mut life, command, &line, waits)?;
            }
            Step::Pass { ms, tick } => {
                self.stage.clock.advance(ms);
                if tick {
                    self.tick(&life, None)?;
                }
            }
            Step::Pause { ms } => self.stage.pause(&life, ms)?,
            Step::InLine { turn, waits } => {
                let request = self.workload.request(&self.stage.shadow);
                if let Some(command) = self.stage.next_in_line(turn, request) {
                    self.ask(&mut life, command, &line, waits)?;
                }
            }
            Step::RefundLine { waits } => {
                if let Some(command) = self.workload.refund_line(&self.stage.shadow) {
                    self.ask(&mut life, command, &line, waits)?;
                }
            }
            Step::Stock { good, total, waits } => {
                self.stage.set_stock(&life, good, total, waits)?;
            }
            Step::Close => self.stage.close(&life)?,
            Step::Clock { step_ms } => self.clock(&life, step_ms)?,
            Step::Put { units: Some(units) } => self.stage.put_side(&life, units)?,
            Step::Put { units: None } => self.put_again(&life)?,
            Step::Flush => self.flush(&life)?,
            Step::Plan { calls, trouble } => self.stage.plan_trouble(calls, trouble),
            Step::Room { bytes } => self.room(bytes),
            Step::Crash { .. } | Step::Restart => {}
        }
        let asked = !matches!(step, Step::Plan { .. } | Step::Room { .. } | Step::Crash { .. });
        self.played.operations += u64::from(asked);
        self.stage.happened.troubles += self.stage.storage.happened() - troubles;
        if latched {
            // INVARIANT(J4): nothing is written and no flush is tried after the first failure.
            let now = self.touched();
            require(now == (writes, syncs) || matches!(step, Step::Restart), "J4", || {
                format!("latched, and {:?} writes and flushes became {now:?}", (writes, syncs))
            })?;
        }
        if !self.stage.storage.has_died() {
            let ticked = matches!(
                step,
                Step::Pass { tick: true, .. } | Step::Clock { .. } | Step::Pause { .. }
            );
            self.stage.look_for_room(&life, short, ticked);
            self.stage.check_line(&life, &line)?;
        }
        self.after(number, step, life, latched)
    }

    /// Whether the process lives on after the step, and what follows if not.
    fn after(&mut self, number: u64, step: Step, life: Life, latched: bool) -> Checked {
        if !self.stage.storage.has_died() {
            self.check(&life, latched)?;
        }
        let (died, latched) =
            (self.stage.storage.has_died(), life.engine.health().latched.is_some());
        // A latched service goes on for a while, until somebody restarts it.
        let replaced = latched && number.is_multiple_of(8);
        let power = match step {
            Step::Crash { power } => Some(power),
            Step::Restart => None,
            _ if died || replaced || self.stage.pausing.is_some() => {
                Some(!number.is_multiple_of(3))
            }
            _ => {
                if number.is_multiple_of(AUDIT_EVERY) && !latched {
                    self.stage.audit(&life)?;
                }
                self.life = Some(life);
                return Ok(());
            }
        };
        let unflushed = life.engine.backlog() > 0;
        if let Some(power) = power {
            self.stage.storage.kill();
            drop(life);
            let lost = self.stage.happened.lost;
            self.stage.crash(power);
            let counts = unflushed || self.stage.happened.lost > lost;
            self.stage.happened.crashes += u64::from(counts && !died);
        } else {
            drop(life);
            if self.stage.storage.has_died() || latched {
                self.stage.crash(true);
            }
        }
        self.life = Some(self.stage.start(number)?);
        Ok(())
    }

    /// What must hold after every step.
    fn check(&mut self, life: &Life, latched: bool) -> Checked {
        let counts = self.stage.counts(life);
        sums(&self.stage.plan, &self.stage.shadow.totals, &counts)?;
        let health = life.engine.health();
        let fair = self.stage.is_troubled(life) || self.stage.bounded;
        require(health.latched.is_none() || latched || fair, "J4", || {
            format!("nothing went wrong, but: {health:?}")
        })?;
        self.stage.happened.latched += u64::from(health.latched.is_some() && !latched);
        Ok(())
    }

    fn touched(&self) -> (u64, u64) {
        (self.stage.storage.count(Call::Write), self.stage.storage.count(Call::Sync))
    }

    fn ask(&mut self, life: &mut Life, command: Command, line: &[Waiter], waits: bool) -> Checked {
        life.local.show(if waits { Show::Durable } else { Show::IfDurable });
        let before = self.stage.counts(life);
        let exchange = self.stage.send(life, command)?;
        if !self.stage.storage.has_died() {
            self.judge_counts(life, &before, line, &exchange)?;
            self.judge_health(life, waits, &exchange)?;
            if matches!(exchange.command, Command::Hold { .. } | Command::Join { .. }) {
                self.stage.reached_ms = self.stage.reached_ms.max(self.stage.turned_ms(life));
            }
        }
        judge(&mut self.stage.shadow, &exchange)
    }

    fn judge_counts(
        &mut self,
        life: &Life,
        before: &[Count],
        line: &[Waiter],
        exchange: &Exchange,
    ) -> Checked {
        if self.stage.is_unserved && !line.is_empty() {
            // Whoever comes next finds that the line is served first, or that nobody is.
            return Ok(());
        }
        let after = self.stage.counts(life);
        let Stage { plan, shadow, last_number, .. } = &self.stage;
        // It was sealed before, and nothing was sold.
        let whole = if before.is_empty() && !after.is_empty() {
            whole(plan, &shadow.totals)
        } else {
            Vec::new()
        };
        let before = if whole.is_empty() { before } else { &whole };
        let (now_ms, last_number) = (self.stage.now_ms(), *last_number);
        let closed = self.stage.is_closed(life);
        let short = life.engine.health().disk_short;
        let after = &after;
        let around =
            Around { plan, shadow, before, after, line, last_number, now_ms, closed, short };
        let granted = around.check(&exchange.command, &exchange.reply)?;
        self.stage.last_number += u32::from(granted);
        Ok(())
    }

    /// INVARIANT(J4): "unknown" and "unavailable" are said for a reason, and after a failure nothing
    /// else is said of a change. INVARIANT(F1): confirms and releases come before new holds.
    fn judge_health(&mut self, life: &Life, waits: bool, exchange: &Exchange) -> Checked {
        let health = life.engine.health();
        let latched = health.latched.is_some();
        // A payment that comes late waits for the line, if that cannot be served.
        let over = |hold| {
            let known = self.stage.shadow.by_id(hold);
            known.is_some_and(|known| known.may_be_over(self.stage.now_ms()))
        };
        let ends = match exchange.command {
            Command::Confirm { hold, .. } => !over(hold),
            Command::Release { .. } => true,
            _ => false,
        };
        let wrong = |text: &str| {
            Violation::of("J4", format!("{:?}: {text}, with {health:?}", exchange.command))
        };
        match &exchange.reply {
            Reply::Unknown if waits && !latched => Err(wrong("unknown")),
            Reply::No(No::Busy) if !latched && (ends || !health.disk_short) => Err(wrong("busy")),
            Reply::No(No::Busy) => {
                self.stage.happened.short += u64::from(!latched);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The engine does what is due; `stepped` is what its clock was stepped by just before.
    fn tick(&mut self, life: &Life, stepped: Option<i64>) -> Checked {
        let before_ms = self.stage.now_ms();
        let was_latched = life.engine.health().latched.is_some();
        let troubles = self.stage.storage.happened();
        let expired = life.engine.tick();
        let undisturbed = self.stage.storage.happened() == troubles;
        let now_ms = self.stage.now_ms();
        expired.hash(&mut self.stage.digest);
        self.stage.counted += 1;
        self.stage.shadow.gave_back_ns = self.stage.counted;
        let lost = self.stage.storage.has_died() || life.engine.health().latched.is_some();
        if let Some(step_ms) = stepped {
            self.stage.shadow.stepped(before_ms, step_ms);
            if lost {
                self.stage.steps_ms.push(step_ms);
            }
        }
        if was_latched {
            return Ok(());
        }
        self.stage.reached_ms = self.stage.reached_ms.max(now_ms);
        let (surely, perhaps) = self.stage.shadow.ticked(now_ms);
        if self.stage.storage.has_died() {
            return Ok(());
        }
        require((surely..=perhaps).contains(&expired), "answer", || {
            format!("{expired} holds expired, not {surely} to {perhaps}")
        })?;
        let health = life.engine.health();
        let plenty = undisturbed && !self.stage.bounded && !lost;
        require(!health.disk_short || !plenty, "F1", || {
            "short of room on a disk that has plenty".to_owned()
        })
    }

    /// Not back over the opening or the closing: whether the record of those survives a crash is
    /// open then, and so would be what clients are to be told.
    fn clock(&mut self, life: &Life, step_ms: i64) -> Checked {
        let now_ms = self.stage.now_ms();
        let closes_ms = self.stage.plan.closes_ms().unwrap_or(u64::MAX);
        let floor_ms = if now_ms >= closes_ms {
            closes_ms
        } else if now_ms >= OPENS_MS {
            OPENS_MS
        } else {
            0
        };
        let to_ms = now_ms.saturating_add_signed(step_ms).max(floor_ms);
        let step_ms = to_ms.cast_signed() - now_ms.cast_signed();
        self.stage.clock.step(step_ms);
        self.tick(life, Some(step_ms))
    }

    fn put_again(&mut self, life: &Life) -> Checked {
        let put = life.engine.put(self.stage.plan.campaign());
        let health = life.engine.health();
        let fair = put.is_ok() || health.latched.is_some() || self.stage.storage.has_died();
        require(fair, "J4", || format!("nothing is wrong, but: {put:?}"))
    }

    fn flush(&mut self, life: &Life) -> Checked {
        let flushed = life.engine.flush();
        let latched = life.engine.health().latched.is_some();
        let fair = flushed.is_ok() || latched || self.stage.storage.has_died();
        require(fair, "J4", || "a flush failed and nothing is latched".to_owned())
    }

    fn room(&mut self, bytes: Option<u64>) {
        let Some(bytes) = bytes else { return self.stage.give_room() };
        self.stage.bounded = true;
        let used = self.stage.storage.used();
        self.stage.storage.faults(|faults| faults.capacity = Some(used + bytes));
    }

    /// After everything is over and due: what was shown is there, and no unit was lost or made.
    fn end(&mut self, step: u64) -> Checked {
        drop(self.life.take());
        self.stage.give_room();
        self.stage.crash(true);
        let mut life = self.stage.start(step + 1)?;
        // A step back that was not recorded leaves a hold that much longer.
        self.stage.clock.advance(86_400_000);
        self.tick(&life, None)?;
        self.stage.audit(&life)?;
        let holds: Vec<_> = self.stage.shadow.live().map(|known| known.id).collect();
        life.local.show(Show::Durable);
        for hold in holds {
            let exchange = self.stage.send(&mut life, Command::Get { hold })?;
            judge(&mut self.stage.shadow, &exchange)?;
        }
        self.stage.world(&life)?;
        let counts = self.stage.counts(&life);
        for count in &counts {
            let whole = count.total.is_none_or(|total| {
                let gone = count.sold.unwrap_or(0) + count.held.unwrap_or(0);
                count.held.is_none()
                    || u64::from(count.available.unwrap_or(0)) + gone == u64::from(total)
            });
            require(whole && count.held.unwrap_or(0) == 0, "S1", || {
                format!("everything is due, and there is {count:?}")
            })?;
        }
        Ok(())
    }
}
