//! Putting a campaign into a running engine: its record, and what it says of the drops.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Change;
use super::plan::Plan;
use crate::campaign::Campaign;
use crate::catalogue::{Catalogue, Put};
use crate::engine::{Engine, EngineCore};
use crate::error::Error;
use crate::journal::record::Record;
use crate::journal::{Class, Look, Room, Stamp};
use crate::refusal::Refusal;
use crate::sale::Sale;
use crate::terms::Terms;

impl Engine {
    /// Puts a campaign: its drops exist from now on. Putting the same one again changes nothing.
    ///
    /// If there is one of this id, what is still to come of it is replaced. A drop that is revealed
    /// or has opened is fixed: of it the campaign may only repeat what is recorded, change titles,
    /// add areas, or move the closing later while it is not closed. Such a drop goes on with its
    /// holds, numbers and keys. All of it takes effect, or nothing does.
    ///
    /// # Durability
    /// When this returns, the campaign is as durable as a hold would be.
    ///
    /// # Errors
    /// [`Error::Conflict`] with a drop that is fixed and the key that would change;
    /// [`Error::Overloaded`], [`Error::Unavailable`], [`Error::TooMany`],
    /// [`Error::OutcomeUnknown`].
    pub fn put(&self, campaign: Campaign) -> Result<(), Error> {
        self.put_if(campaign, |_| true).map(drop)
    }

    /// As [`put`](Self::put), but only if the campaign of this id that is recorded, or that there
    /// is none, is what the caller expects. Says what became of the drops.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] if `expected` says no; else as [`put`](Self::put).
    pub fn put_if(
        &self,
        campaign: Campaign,
        expected: impl FnOnce(Option<&Campaign>) -> bool,
    ) -> Result<Vec<Change>, Error> {
        self.core().put(&Arc::new(campaign), expected)
    }

    /// What [`put`](Self::put) would do to the drops at this moment. Does nothing.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn would_put(&self, campaign: Campaign) -> Result<Vec<Change>, Error> {
        let core = self.core();
        let catalogue = core.catalogue.lock();
        Ok(core.plan(&catalogue, &Arc::new(campaign))?.changes)
    }
}

impl EngineCore {
    fn put(
        &self,
        campaign: &Arc<Campaign>,
        expected: impl FnOnce(Option<&Campaign>) -> bool,
    ) -> Result<Vec<Change>, Error> {
        let mut catalogue = self.catalogue.lock();
        let recorded = catalogue.get(&campaign.id).map(|put| &*put.record.campaign);
        if !expected(recorded) {
            return Err(Error::PreconditionFailed);
        }
        if recorded == Some(&**campaign) {
            return self.made_durable().map(|()| Vec::new());
        }
        let (changes, drops) = self.change(&mut catalogue, campaign)?;
        self.warm_near(drops.into_iter());
        self.tick();
        self.made_durable().map(|()| changes)
    }

    fn change(
        &self,
        catalogue: &mut Catalogue,
        campaign: &Arc<Campaign>,
    ) -> Result<(Vec<Change>, Vec<u32>), Error> {
        let _ticking = self.ticking.lock(); // no clock step falls between record and drops
        let _watch = self.shared.journal.pass(Class::New).map_err(|refusal| match refusal {
            Refusal::Overloaded => Error::Overloaded,
            _ => Error::Unavailable,
        })?;
        let (plan, stamp) = loop {
            let plan = self.plan(catalogue, campaign)?;
            if let Some(stamp) = self.record(&plan) {
                break (plan, stamp);
            }
        };
        let Plan { record, first, mut made, over: replaced, changes, .. } = plan;
        for drop in &mut made {
            drop.page = self.shared.journal.read(|book, _| book.page(drop.index).clone());
        }
        self.adopt(made);
        let put = Put::new(stamp.sequence, first, record);
        self.list(put.indices());
        // A drop of the same name has been replaced by now; these have none.
        let over: BTreeSet<u32> = replaced.iter().map(|sale| sale.0.index).collect();
        self.by_id.retain(|_, sale| !over.contains(&sale.0.index));
        // Who was about to ask one that has a successor hears what the successor says: not yet.
        let gone = replaced.iter().filter(|sale| !self.by_id.contains_key(sale.id()));
        let gone: Vec<&Sale> = gone.collect();
        self.shared.journal.read(|book, _| {
            gone.iter().for_each(|sale| sale.0.phase.set(book.page(sale.0.index)));
        });
        let drops = put.indices().collect();
        catalogue.add(put);
        self.expect();
        Ok((changes, drops))
    }

    /// Appends the campaign's record, and does what it says of the drops that are there. `None` if
    /// one of them is not any more as it was when this was planned.
    fn record(&self, plan: &Plan) -> Option<Stamp> {
        let now = self.shared.clock.now();
        let appended = self.shared.journal.append(now, Room::Own, |book, stamp| {
            if !plan.holds(book, self.shared.clock.now()) {
                return Err(());
            }
            for drop in &plan.made {
                book.add_in_place_of(drop.page.clone(), plan.in_place_of(drop));
            }
            for sale in &plan.over {
                book.page_mut(sale.0.index).end();
            }
            for one in &plan.kept {
                let (campaign, closes_at) = (Arc::clone(&plan.record.campaign), one.closes_at);
                let terms = Terms { since: stamp.sequence, campaign, closes_at };
                one.sale.0.terms.change(terms, one.same);
            }
            Ok(Record::Campaign { first_sale: plan.first, json: &plan.json })
        });
        appended.ok()
    }

    /// Waits until everything appended so far is durable.
    pub(crate) fn made_durable(&self) -> Result<(), Error> {
        match self.shared.journal.wait(self.shared.journal.last_sequence()) {
            Look::Durable => Ok(()),
            _ => Err(Error::OutcomeUnknown),
        }
    }
}
