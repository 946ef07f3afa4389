//! Commands to the engine: the only file that calls it for a client.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jangteo::limits::ORDERS_PAGE_MAX;
use jangteo::{
    Campaign, Change, Engine, Error, EventId, Events, EventsError, EventsReady, Health, Hold,
    HoldId, HoldOrWait, Orders, Pending, Refusal, Report, Sale, SaleView, Timestamp, Wait, WaitId,
    check_customer, check_payment,
};

use crate::access::{Caller, admit, admit_to_hold, admit_to_wait};
use crate::command::{Answer, Command, Filter, HoldAsk, Refused, Turn};
use crate::engine_slot::EngineSlot;
use crate::in_flight::InFlight;
use crate::metrics::{HoldCounts, Metrics, Reason};
use crate::page::{drop_bytes, page};
use crate::rate::Rates;

/// A request that does not say for whom, and comes with no token that does.
const NO_CUSTOMER: Refusal = Refusal::Malformed("customer");

/// Runs commands. Owns one atomic flag: a panic was caught, so no more holds are granted. Relaxed,
/// since nothing else is read by it.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    engine: EngineSlot,
    broken: AtomicBool,
    rates: Rates,
    in_flight: Arc<InFlight>,
    metrics: Arc<Metrics>,
    holds: HoldCounts,
}

impl Dispatcher {
    pub(crate) fn new(
        engine: EngineSlot,
        rates: Rates,
        in_flight: Arc<InFlight>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (broken, holds) = (AtomicBool::new(false), HoldCounts::default());
        Self { engine, broken, rates, in_flight, metrics, holds }
    }

    /// For what is no command: figures of the whole. None while it is recovering.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.engine.get()
    }

    /// What came of holds so far.
    pub(crate) const fn holds(&self) -> &HoldCounts {
        &self.holds
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// Whether the journal is still being read back: no command is run yet.
    pub(crate) fn is_recovering(&self) -> bool {
        self.engine.get().is_none()
    }

    /// None while it is recovering.
    pub(crate) fn health(&self) -> Option<Health> {
        self.engine.get().map(Engine::health)
    }

    /// Snapshots that the start passed over.
    pub(crate) fn snapshots_passed_over(&self) -> &[String] {
        self.engine.get().map_or(&[], Engine::snapshots_passed_over)
    }

    pub(crate) fn torn_tail(&self) -> Option<&str> {
        self.engine.get()?.torn_tail()
    }

    /// The engine. IMPORTANT: only for whoever has asked whether it is there.
    fn recovered(&self) -> &Engine {
        self.engine.get().expect("it was there before, and stays")
    }

    /// Events after `after`, once it has recovered. Waits for files.
    pub(crate) fn events(
        &self,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Events, EventsError> {
        self.recovered().events(after, limit)
    }

    /// Likewise; is ready once there may be events after `after`.
    pub(crate) fn events_ready(&self, after: EventId) -> EventsReady {
        self.recovered().events_ready(after)
    }

    /// A further page of a drop's orders, for a call that was let in with its first. Never that of
    /// a drop which has the name by now.
    pub(crate) fn orders(sale: &Sale, after: u32) -> Result<Pending<Orders>, Refusal> {
        let page = sale.orders(after, ORDERS_PAGE_MAX);
        // Asked last: what was read before it was deleted is whole.
        if sale.is_deleted() { Err(Refusal::UnknownDrop) } else { Ok(page) }
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
        let Some(engine) = self.engine.get() else {
            return Err(command.check().map_or_else(Refused::Sale, |()| Refused::Recovering));
        };
        if self.is_broken() && matches!(command, Command::Hold(_)) {
            return Err(Refused::Broken);
        }
        self.unbroken(|| self.answer(engine, caller, command))?
    }

    /// Does something that has a broken invariant say so.
    fn unbroken<T>(&self, act: impl FnOnce() -> T) -> Result<T, Refused> {
        catch_unwind(AssertUnwindSafe(act)).map_err(|_| {
            self.broken.store(true, Ordering::Relaxed);
            tracing::error!("an invariant broke; no more holds are granted");
            Refused::Broken
        })
    }

    /// What a refusal is about, for a caller who may see it. None if it is not there any more.
    pub(crate) fn hold_now(&self, hold: &str) -> Option<Pending<Hold>> {
        let id: HoldId = hold.parse().ok()?;
        self.engine.get()?.sale_of(&id)?.get(&id).ok()
    }

    /// Likewise a drop.
    pub(crate) fn drop_now(&self, drop: &str) -> Option<SaleView> {
        Some(self.engine.get()?.sale(drop)?.view().0)
    }

    /// Likewise the drops of a campaign.
    pub(crate) fn drops_now(&self, campaign: &str) -> Vec<SaleView> {
        let sales = self.engine.get().map(Engine::sales).unwrap_or_default();
        let its = sales.iter().filter(|sale| sale.campaign_id() == campaign);
        its.map(|sale| sale.view().0).collect()
    }

    /// Likewise what a campaign came to. Works.
    pub(crate) fn report_now(&self, campaign: &str) -> Option<Pending<Report>> {
        self.engine.get()?.report(campaign)
    }

    /// The campaign of that id, as it is recorded, once it has recovered.
    pub(crate) fn campaign(&self, id: &str) -> Option<Arc<Campaign>> {
        let sales = self.recovered().sales();
        let sale = sales.iter().find(|sale| sale.campaign_id() == id);
        sale.map(Sale::campaign) // none is without a drop
    }

    /// Likewise all campaigns, by id.
    pub(crate) fn campaigns(&self) -> Vec<Arc<Campaign>> {
        let sales = self.recovered().sales();
        let all: BTreeMap<&str, &Sale> =
            sales.iter().map(|sale| (sale.campaign_id(), sale)).collect();
        all.into_values().map(Sale::campaign).collect()
    }

    /// Puts a campaign, once it has recovered. Waits for the disk.
    pub(crate) fn put(&self, campaign: Campaign) -> Result<Result<(), Error>, Refused> {
        self.unbroken(|| self.recovered().put(campaign))
    }

    /// Likewise, what that would do to the drops. Waits for nothing, but works.
    pub(crate) fn would_put(&self, campaign: Campaign) -> Result<Vec<Change>, Error> {
        self.recovered().would_put(campaign)
    }

    /// Deletes a campaign, once it has recovered.
    pub(crate) fn delete(&self, id: &str) -> Result<Pending<()>, Refused> {
        Ok(self.unbroken(|| self.recovered().delete(id))??)
    }

    /// Likewise, what would come of that.
    pub(crate) fn would_delete(&self, id: &str) -> Result<(), Refused> {
        Ok(self.recovered().would_delete(id)?)
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

    fn answer(
        &self,
        engine: &Engine,
        caller: &Caller,
        command: Command<'_>,
    ) -> Result<Answer, Refused> {
        match command {
            Command::Hold(ask) => Ok(Answer::HoldOrWait(self.hold(engine, &ask)?)),
            Command::Confirm { hold, payment } => {
                // `malformed` comes before `unknown_hold`.
                check_payment(payment)?;
                Self::of(engine, caller, hold, true, |sale, id| sale.confirm(id, payment))
            }
            Command::Release { hold } => Self::of(engine, caller, hold, false, Sale::release),
            Command::Extend { hold } => Self::of(engine, caller, hold, false, Sale::extend),
            Command::Refund(ask) => {
                ask.check()?;
                let refund = ask.refund();
                Self::of(engine, caller, ask.hold, false, |sale, id| sale.refund(id, &refund))
            }
            Command::Get { hold } => Self::of(engine, caller, hold, false, Sale::get),
            Command::Find { drop, customer } => {
                let customer = customer.ok_or(NO_CUSTOMER)?;
                check_customer(customer)?;
                let sale = Self::sale(engine, drop)?;
                // Waits first: a hold that one of them becomes meanwhile is not missed.
                let waits = sale.waits_of(customer);
                Ok(Answer::Found(sale.find(customer), waits))
            }
            Command::Wait { wait } => Self::of_wait(engine, caller, wait, Sale::wait),
            Command::Leave { wait } => Self::of_wait(engine, caller, wait, Sale::leave),
            Command::Drop { drop } => {
                Ok(Answer::Drop(Box::new(Self::sale(engine, drop)?.view().0)))
            }
            Command::Drops(filter) => Ok(Self::drops(engine, &filter)?),
            Command::Turn { drop, to } => {
                let sale = Self::sale(engine, drop)?;
                let turned = match to {
                    Turn::Pause => sale.pause(),
                    Turn::Resume => sale.resume(),
                    Turn::Close => sale.close(),
                };
                Ok(Answer::Changed(turned?))
            }
            Command::SetStock(ask) => {
                ask.check()?;
                let sale = Self::sale(engine, ask.drop)?;
                Ok(Answer::Changed(sale.set_stock(ask.sku, ask.total, ask.was)?))
            }
            Command::Orders { drop, after } => {
                let sale = Self::sale(engine, drop)?;
                let page = Self::orders(&sale, after)?;
                Ok(Answer::Orders(sale, page))
            }
            Command::Audit { drop } => Ok(Answer::Audit(Self::sale(engine, drop)?.audit())),
            Command::Report { campaign } => {
                Ok(Answer::Report(engine.report(campaign).ok_or(Refusal::UnknownCampaign)?))
            }
            Command::Settle { campaign, expect } => {
                Ok(Answer::Report(engine.settle(campaign, expect)?))
            }
        }
    }

    fn sale(engine: &Engine, drop: &str) -> Result<Sale, Refusal> {
        engine.sale(drop).ok_or(Refusal::UnknownDrop)
    }

    fn hold(&self, engine: &Engine, ask: &HoldAsk<'_>) -> Result<Pending<HoldOrWait>, Refusal> {
        if ask.customer.is_none() {
            return Err(NO_CUSTOMER);
        }
        let (drop, held) = match engine.sale(ask.drop) {
            Some(sale) => (Some(sale.index()), Self::hold_of(&sale, ask)),
            None => (None, Err(Self::unknown_drop(engine, ask))),
        };
        self.holds.count(drop, &held);
        held
    }

    /// Whoever uses the key of a wait again is answered with the wait, whether they would wait or
    /// not.
    fn hold_of(sale: &Sale, ask: &HoldAsk<'_>) -> Result<Pending<HoldOrWait>, Refusal> {
        let request = ask.request();
        if ask.wait {
            return sale.hold_or_wait(&request);
        }
        match sale.hold(&request) {
            Ok(hold) => Ok(hold.map(HoldOrWait::Hold)),
            Err(Refusal::Waiting(wait)) => Ok(wait.map(HoldOrWait::Wait)),
            Err(refusal) => Err(refusal),
        }
    }

    /// What comes before `unknown_drop` in the order of checks, or that.
    #[cold]
    fn unknown_drop(engine: &Engine, ask: &HoldAsk<'_>) -> Refusal {
        let said = ask.check().and_then(|()| engine.admits_holds());
        said.err().unwrap_or(Refusal::UnknownDrop)
    }

    /// Does something to the hold of that name, `confirm` it or anything else. A text that is no
    /// name at all names no hold.
    fn of(
        engine: &Engine,
        caller: &Caller,
        hold: &str,
        confirm: bool,
        act: impl FnOnce(&Sale, &HoldId) -> Result<Pending<Hold>, Refusal>,
    ) -> Result<Answer, Refused> {
        let id: HoldId = hold.parse().map_err(|_| Refusal::UnknownHold)?;
        let sale = engine.sale_of(&id).ok_or(Refusal::UnknownHold)?;
        admit_to_hold(caller, confirm, || Ok(sale.get(&id)?.into_parts().0))?;
        Ok(Answer::Hold(act(&sale, &id)?))
    }

    /// Likewise to the wait of that name.
    fn of_wait(
        engine: &Engine,
        caller: &Caller,
        wait: &str,
        act: impl FnOnce(&Sale, &WaitId) -> Result<Pending<Wait>, Refusal>,
    ) -> Result<Answer, Refused> {
        let id: WaitId = wait.parse().map_err(|_| Refusal::UnknownWait)?;
        let sale = engine.sale_of_wait(&id).ok_or(Refusal::UnknownWait)?;
        admit_to_wait(caller, || Ok(sale.wait(&id)?.into_parts().0))?;
        Ok(Answer::Wait(act(&sale, &id)?))
    }

    fn drops(engine: &Engine, filter: &Filter<'_>) -> Result<Answer, Refusal> {
        let after = match filter.after {
            Some(id) => {
                let sale = engine.sale(id).ok_or(Refusal::UnknownDrop)?;
                Some((sale.opens_at(), sale))
            }
            None => None,
        };
        let behind = |sale: &Sale| {
            let place = (sale.opens_at(), sale.id());
            after.as_ref().is_none_or(|(opens_at, after)| (*opens_at, after.id()) < place)
        };
        let sales = engine.sales();
        let wanted = sales
            .iter()
            .filter(|sale| filter.campaign.is_none_or(|id| sale.campaign_id() == id))
            .filter(|sale| filter.phases.is_empty() || filter.phases.contains(&sale.phase()))
            .filter(|sale| behind(sale));
        let view = |sale: &Sale| {
            let (view, _) = sale.view();
            if filter.bare { SaleView { items: None, gifts: None, ..view } } else { view }
        };
        let (views, more) = page(wanted.map(view), filter.limit, drop_bytes);
        Ok(Answer::Drops(views, more))
    }
}
