//! Deleting a campaign: its holds, customers and payments are in no answer any more.
//!
//! On disk they stay until their segments are dropped (`retention`), and in backups.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::book::Book;
use crate::buyers::Shard;
use crate::catalogue::DeletedRecord;
use crate::engine::{Engine, EngineCore};
use crate::journal::record::Record;
use crate::journal::{Class, Room};
use crate::ledger::Report;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::sale::Sale;

impl Engine {
    /// Deletes a campaign of which nothing was ever granted, or whose drops are all settled. From
    /// now on it is unknown, its drops and holds too, and the feed leaves out what happened to
    /// them; its [report](Engine::report) is kept. Another campaign may take its id.
    ///
    /// The answer is durable with its [`Pending`].
    ///
    /// # Errors
    /// [`UnknownCampaign`](Refusal::UnknownCampaign), [`WrongState`](Refusal::WrongState),
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn delete(&self, id: &str) -> Result<Pending<()>, Refusal> {
        self.core().delete(id)
    }
}

impl EngineCore {
    fn delete(&self, id: &str) -> Result<Pending<()>, Refusal> {
        let mut catalogue = self.catalogue.lock();
        let _ticking = self.ticking.lock();
        let _watch = self.shared.journal.pass(Class::Hold)?;
        let put = catalogue.get(id).ok_or(Refusal::UnknownCampaign)?;
        let (first_sale, indices) = (put.first, put.indices().collect::<BTreeSet<u32>>());
        let campaign = Arc::clone(&put.record.campaign);
        let sales: Vec<Sale> = {
            let all = self.sales.read();
            indices.iter().filter_map(|index| all.get(*index as usize).cloned()).collect()
        };
        // Before the orders are gone. Refunds that come between are told by no later report.
        let report = Report::of(&campaign, &self.drop_sums(&sales));
        let deleted = DeletedRecord { campaign: campaign.id.clone(), report: Some(report) };
        let json = deleted.to_json();
        // Nothing is under way on any hold, and nobody joins a line.
        let mut lines: Vec<_> = sales.iter().map(|sale| sale.0.basket.lock()).collect();
        let _nothing_new = self.shared.making.lock();
        let mut shards: Vec<_> = sales.iter().flat_map(|sale| sale.0.shards()).collect();
        let now = self.shared.clock.now();
        let stamp = self.shared.journal.append(now, Room::Own, |book: &mut Book, _| {
            if !book.may_forget(&indices) {
                return Err(Refusal::WrongState);
            }
            book.forget(&indices);
            for sale in &sales {
                sale.0.phase.set(book.page(sale.0.index));
                sale.0.forget();
            }
            Ok(Record::Deleted { first_sale, json: &json })
        })?;
        shards.iter_mut().for_each(|shard| **shard = Shard::default());
        drop(shards);
        for (line, sale) in lines.iter_mut().zip(&sales) {
            line.end(&sale.0.goods);
        }
        self.by_id.retain(|_, sale| !indices.contains(&sale.0.index));
        catalogue.delete(deleted);
        Ok(Pending::new(&self.shared.journal, stamp.sequence, ()))
    }
}

impl Book {
    /// Whether nothing of these drops was ever granted, or all of them are settled.
    pub(crate) fn may_forget(&self, drops: &BTreeSet<u32>) -> bool {
        let all = |holds: &dyn Fn(u32) -> bool| drops.iter().all(|&index| holds(index));
        all(&|index| self.page(index).last_number == 0)
            || all(&|index| self.page(index).phase == Phase::Settled)
    }

    /// Ends those of these drops that have not ended.
    pub(crate) fn forget(&mut self, drops: &BTreeSet<u32>) {
        for &index in drops {
            self.page_mut(index).end();
        }
    }
}
