//! Performs commands on an engine in this process.

use std::sync::Arc;
use std::time::Instant;

use jangteo::{
    Clock, Engine, Hold, HoldOrWait, HoldRequest, ManualClock, OutcomeUnknown, Pending, Refund,
    Refusal, Sale, Ticket, Wait,
};

use crate::command::{Answer, Command, Customer, Exchange, Key, No, Place, Reply, Units};
use crate::plan::{Plan, SALE};

/// When answers are shown to the auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Each when it is durable.
    Durable,
    /// At once; all of them are waited for after so many commands. For journals, whose flush many
    /// answers share.
    Early(u32),
    /// At once if durable, else as [`Reply::Unknown`]: nobody flushes for them.
    IfDurable,
}

/// What tells the order of requests and answers.
#[derive(Clone, Copy, Debug)]
enum Watch {
    /// Time since then.
    Since(Instant),
    /// A counter, the same in every run.
    Counted(u64),
}

/// One client's way to the engine.
#[derive(Debug)]
pub struct Local {
    engine: Engine,
    sale: Sale,
    clock: Arc<ManualClock>,
    plan: Arc<Plan>,
    watch: Watch,
    show: Show,
    unwaited: u32,
    last: Option<Ticket>,
}

impl Local {
    /// A way to the plan's drop, which must have been put.
    ///
    /// # Panics
    /// If the engine does not know the drop.
    #[must_use]
    pub fn new(
        engine: &Engine,
        clock: &Arc<ManualClock>,
        plan: &Arc<Plan>,
        started: Instant,
        show: Show,
    ) -> Self {
        Self {
            engine: engine.clone(),
            sale: engine.sale(SALE).expect("the plan's campaign was put"),
            clock: Arc::clone(clock),
            plan: Arc::clone(plan),
            watch: Watch::Since(started),
            show,
            unwaited: 0,
            last: None,
        }
    }

    /// Likewise, for one thread and runs that are all alike: order is counted on from `counted`.
    ///
    /// # Panics
    /// As [`Local::new`].
    #[must_use]
    pub fn counting(
        engine: &Engine,
        clock: &Arc<ManualClock>,
        plan: &Arc<Plan>,
        counted: u64,
    ) -> Self {
        let local = Self::new(engine, clock, plan, Instant::now(), Show::Durable);
        Self { watch: Watch::Counted(counted), ..local }
    }

    /// Shows answers as `show` says from now on.
    pub fn show(&mut self, show: Show) {
        self.show = show;
    }

    /// Performs one command.
    ///
    /// # Errors
    /// [`OutcomeUnknown`] if an answer that was shown early never became durable.
    pub fn send(&mut self, command: Command) -> Result<Exchange, OutcomeUnknown> {
        let sent_ms = self.clock.now().as_ms();
        let sent_ns = self.now_ns();
        let reply = self.perform(&command);
        let answered_ns = self.now_ns();
        let answered_ms = self.clock.now().as_ms();
        if let Show::Early(burst) = self.show {
            self.unwaited += 1;
            if self.unwaited >= burst {
                self.settle()?;
            }
        }
        let reached_ms = 0;
        Ok(Exchange { command, reply, sent_ns, answered_ns, sent_ms, answered_ms, reached_ms })
    }

    /// Waits for everything that was shown early.
    ///
    /// # Errors
    /// [`OutcomeUnknown`] if it never becomes durable.
    pub fn settle(&mut self) -> Result<(), OutcomeUnknown> {
        self.unwaited = 0;
        self.last.take().map_or(Ok(()), |ticket| ticket.wait())
    }

    fn now_ns(&mut self) -> u64 {
        match &mut self.watch {
            Watch::Since(started) => {
                u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
            }
            Watch::Counted(count) => {
                *count += 1;
                *count
            }
        }
    }

    fn perform(&mut self, command: &Command) -> Reply {
        match command {
            Command::Hold { customer, key, lines } => {
                let answer = self.ask(*customer, *key, lines, Sale::hold);
                self.hold_reply(answer)
            }
            Command::Join { customer, key, lines } => {
                let answer = self.ask(*customer, *key, lines, Sale::hold_or_wait);
                match answer.map(|pending| self.shown(pending)) {
                    Ok(Some(HoldOrWait::Hold(hold))) => Reply::Hold(self.answer(&hold)),
                    Ok(Some(HoldOrWait::Wait(wait))) => Reply::Wait(self.place(&wait)),
                    Ok(None) => Reply::Unknown,
                    Err(refusal) => self.refused(refusal),
                }
            }
            Command::Look { wait } => {
                let answer = self.sale.wait(wait);
                self.wait_reply(answer)
            }
            Command::Leave { wait } => {
                let answer = self.sale.leave(wait);
                self.wait_reply(answer)
            }
            Command::Confirm { hold, payment } => {
                let answer = self.sale.confirm(hold, payment.to_string().as_str());
                self.hold_reply(answer)
            }
            Command::Release { hold } => {
                let answer = self.sale.release(hold);
                self.hold_reply(answer)
            }
            Command::Extend { hold } => {
                let answer = self.sale.extend(hold);
                self.hold_reply(answer)
            }
            Command::Refund { hold } => {
                let answer = self.sale.refund(hold, &Refund::all());
                self.hold_reply(answer)
            }
            Command::RefundLine { hold, line: (item, units), name } => {
                let (sku, name) = (self.plan.good(*item).sku, name.to_string());
                let refund = Refund::all().line(sku, *units).id(&name);
                let answer = self.sale.refund(hold, &refund);
                self.hold_reply(answer)
            }
            Command::Get { hold } => {
                let answer = self.sale.get(hold);
                self.hold_reply(answer)
            }
            Command::Find { customer } => {
                let holds = self.sale.find(&customer.to_string());
                self.shown(holds).map_or(Reply::Unknown, |holds| Reply::Holds(self.answers(&holds)))
            }
            Command::Pass { ms, tick } => {
                self.clock.advance(*ms);
                Reply::Passed(tick.then(|| self.engine.tick()))
            }
        }
    }

    fn ask<T>(
        &self,
        customer: Customer,
        key: Key,
        lines: &Units,
        ask: impl FnOnce(&Sale, &HoldRequest<'_>) -> T,
    ) -> T {
        let (customer, key) = (customer.to_string(), key.to_string());
        let mut request = HoldRequest::new(&customer).key(&key);
        for &(item, units) in lines {
            request = request.line(self.plan.good(item).sku, units);
        }
        ask(&self.sale, &request)
    }

    fn answer(&self, hold: &Hold) -> Answer {
        Answer::of(hold, |sku| self.plan.place(sku))
    }

    fn place(&self, wait: &Wait) -> Place {
        Place::of(wait, |sku| self.plan.place(sku))
    }

    fn wait_reply(&mut self, answer: Result<Pending<Wait>, Refusal>) -> Reply {
        match answer.map(|pending| self.shown(pending)) {
            Ok(Some(wait)) => Reply::Wait(self.place(&wait)),
            Ok(None) => Reply::Unknown,
            Err(refusal) => self.refused(refusal),
        }
    }

    fn hold_reply(&mut self, answer: Result<Pending<Hold>, Refusal>) -> Reply {
        match answer {
            Ok(pending) => match self.shown(pending) {
                Some(hold) => Reply::Hold(self.answer(&hold)),
                None => Reply::Unknown,
            },
            Err(refusal) => self.refused(refusal),
        }
    }

    fn refused(&mut self, refusal: Refusal) -> Reply {
        let no = match refusal {
            Refusal::SoldOut { available } => No::SoldOut { available },
            Refusal::LimitReached(holds) => match self.shown(*holds) {
                Some(holds) => No::Limit(self.answers(&holds)),
                None => return Reply::Unknown,
            },
            Refusal::Waiting(wait) => match self.shown(*wait) {
                Some(wait) => return Reply::Wait(self.place(&wait)),
                None => return Reply::Unknown,
            },
            Refusal::KeyReused => No::KeyReused,
            Refusal::Conflict => No::Conflict,
            Refusal::Expired => No::Expired,
            Refusal::WrongState => No::WrongState,
            Refusal::NotOpen { .. } => No::NotOpen,
            Refusal::Closed => No::Closed,
            Refusal::Overloaded | Refusal::Unavailable => No::Busy,
            other => No::Other(other.code()),
        };
        Reply::No(no)
    }

    fn answers(&self, holds: &[Hold]) -> Vec<Answer> {
        holds.iter().map(|hold| self.answer(hold)).collect()
    }

    /// The answer, if it may be shown.
    fn shown<T>(&mut self, mut pending: Pending<T>) -> Option<T> {
        match self.show {
            Show::Durable => pending.wait().ok(),
            Show::IfDurable => pending.try_get().and_then(Result::ok),
            Show::Early(_) => {
                let (value, ticket) = pending.into_parts();
                if self.last.as_ref().is_none_or(|last| last.sequence() < ticket.sequence()) {
                    self.last = Some(ticket);
                }
                Some(value)
            }
        }
    }
}
