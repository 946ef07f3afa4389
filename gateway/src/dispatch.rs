//! Commands to the engine: the only file that calls it for a client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jangteo::{
    Engine, EventId, Events, EventsError, EventsReady, Health, Hold, HoldId, Pending, Refusal,
    Sale, SaleView, Timestamp, check_customer, check_payment,
};

use crate::access::{Caller, admit, admit_to_hold};
use crate::command::{Answer, Command, Filter, HoldAsk, Refused};
use crate::in_flight::InFlight;
use crate::metrics::{HoldCounts, Metrics, Reason};
use crate::rate::Rates;

/// A request that does not say for whom, and comes with no token that does.
const NO_CUSTOMER: Refusal = Refusal::Malformed("customer");

/// Runs commands. Owns one atomic flag: a panic was caught, so no more holds are granted. Relaxed,
/// since nothing else is read by it.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    engine: Engine,
    broken: AtomicBool,
    rates: Rates,
    in_flight: Arc<InFlight>,
    metrics: Arc<Metrics>,
    holds: HoldCounts,
}

impl Dispatcher {
    pub(crate) fn new(
        engine: Engine,
        rates: Rates,
        in_flight: Arc<InFlight>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (broken, holds) = (AtomicBool::new(false), HoldCounts::default());
        Self { engine, broken, rates, in_flight, metrics, holds }
    }

    /// For what is no command: figures of the whole.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What came of holds so far.
    pub(crate) const fn holds(&self) -> &HoldCounts {
        &self.holds
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    pub(crate) fn health(&self) -> Health {
        self.engine.health()
    }

    /// Snapshots that the start passed over.
    pub(crate) fn snapshots_passed_over(&self) -> &[String] {
        self.engine.snapshots_passed_over()
    }

    pub(crate) fn torn_tail(&self) -> Option<&str> {
        self.engine.torn_tail()
    }

    /// Events after `after`. Waits for files.
    pub(crate) fn events(
        &self,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Events, EventsError> {
        self.engine.events(after, limit)
    }

    /// Is ready once there may be events after `after`.
    pub(crate) fn events_ready(&self, after: EventId) -> EventsReady {
        self.engine.events_ready(after)
    }

    /// Whether an invariant broke: nothing is granted until a restart.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Runs one command, if the caller may. Never waits for the disk.
    pub(crate) fn run<'a>(
        &self,
        caller: &'a Caller,
        mut command: Command<'a>,
    ) -> Result<Answer, Refused> {
        if let Err(denied) = admit(caller, &mut command) {
            // `malformed` comes first, for strangers too.
            return Err(command.check().map_or_else(Refused::Sale, |()| denied.into()));
        }
        if let Err(refused) = self.make_room(caller, &command) {
            return Err(command.check().map_or_else(Refused::Sale, |()| refused));
        }
        if self.is_broken() && matches!(command, Command::Hold(_)) {
            return Err(Refused::Broken);
        }
        match catch_unwind(AssertUnwindSafe(|| self.answer(caller, command))) {
            Ok(answer) => answer,
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                tracing::error!("an invariant broke; no more holds are granted");
                Err(Refused::Broken)
            }
        }
    }

    /// Whether there is room for the command now: it comes before everything that the engine says.
    #[inline]
    fn make_room(&self, caller: &Caller, command: &Command<'_>) -> Result<(), Refused> {
        if let Err(early) = self.rates.take(caller, command, || self.now()) {
            self.metrics.turned_away.count(early.reason);
            return Err(early.into());
        }
        self.in_flight.admits(command).map_err(|overloaded| {
            self.metrics.turned_away.count(Reason::Overloaded);
            overloaded.into()
        })
    }

    fn answer(&self, caller: &Caller, command: Command<'_>) -> Result<Answer, Refused> {
        match command {
            Command::Hold(ask) => Ok(Answer::Hold(self.hold(&ask)?)),
            Command::Confirm { hold, payment } => {
                // `malformed` comes before `unknown_hold`.
                check_payment(payment)?;
                self.of(caller, hold, true, |sale, id| sale.confirm(id, payment))
            }
            Command::Release { hold } => self.of(caller, hold, false, Sale::release),
            Command::Extend { hold } => self.of(caller, hold, false, Sale::extend),
            Command::Get { hold } => self.of(caller, hold, false, Sale::get),
            Command::Find { drop, customer } => {
                let customer = customer.ok_or(NO_CUSTOMER)?;
                check_customer(customer)?;
                Ok(Answer::Holds(self.sale(drop)?.find(customer)))
            }
            Command::Drop { drop } => Ok(Answer::Drop(Box::new(self.sale(drop)?.view().0))),
            Command::Drops(filter) => Ok(self.drops(&filter)?),
            Command::Audit { drop } => Ok(Answer::Audit(self.sale(drop)?.audit())),
        }
    }

    fn sale(&self, drop: &str) -> Result<Sale, Refusal> {
        self.engine.sale(drop).ok_or(Refusal::UnknownDrop)
    }

    fn hold(&self, ask: &HoldAsk<'_>) -> Result<Pending<Hold>, Refusal> {
        if ask.customer.is_none() {
            return Err(NO_CUSTOMER);
        }
        let (drop, held) = match self.engine.sale(ask.drop) {
            Some(sale) => (Some(sale.index()), sale.hold(&ask.request())),
            None => (None, Err(self.unknown_drop(ask))),
        };
        self.holds.count(drop, &held);
        held
    }

    /// What comes before `unknown_drop` in the order of checks, or that.
    #[cold]
    fn unknown_drop(&self, ask: &HoldAsk<'_>) -> Refusal {
        let said = ask.check().and_then(|()| self.engine.admits_holds());
        said.err().unwrap_or(Refusal::UnknownDrop)
    }

    /// Does something to the hold of that name, `confirm` it or anything else. A text that is no
    /// name at all names no hold.
    fn of(
        &self,
        caller: &Caller,
        hold: &str,
        confirm: bool,
        act: impl FnOnce(&Sale, &HoldId) -> Result<Pending<Hold>, Refusal>,
    ) -> Result<Answer, Refused> {
        let id: HoldId = hold.parse().map_err(|_| Refusal::UnknownHold)?;
        let sale = self.engine.sale_of(&id).ok_or(Refusal::UnknownHold)?;
        admit_to_hold(caller, confirm, || Ok(sale.get(&id)?.into_parts().0))?;
        Ok(Answer::Hold(act(&sale, &id)?))
    }

    fn drops(&self, filter: &Filter<'_>) -> Result<Answer, Refusal> {
        let after = match filter.after {
            Some(id) => {
                let sale = self.engine.sale(id).ok_or(Refusal::Malformed("after"))?;
                Some((sale.opens_at(), sale))
            }
            None => None,
        };
        let behind = |sale: &Sale| {
            let place = (sale.opens_at(), sale.id());
            after.as_ref().is_none_or(|(opens_at, after)| (*opens_at, after.id()) < place)
        };
        let sales = self.engine.sales();
        let mut wanted = sales
            .iter()
            .filter(|sale| filter.campaign.is_none_or(|id| sale.campaign().id == id))
            .filter(|sale| filter.phases.is_empty() || filter.phases.contains(&sale.phase()))
            .filter(|sale| behind(sale));
        let views: Vec<SaleView> =
            wanted.by_ref().take(filter.limit).map(|sale| sale.view().0).collect();
        Ok(Answer::Drops(views, wanted.next().is_some()))
    }
}
