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
use crate::journal::{Class, Room, Stamp};
use crate::ledger::Report;
use crate::limits::SETTLE_TRIES_MAX;
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

    /// What [`delete`](Self::delete) would answer now. Nothing changes.
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete).
    pub fn would_delete(&self, id: &str) -> Result<(), Refusal> {
        self.core().would_delete(id)
    }
}

impl Sale {
    /// Whether its campaign was deleted: whoever still has the drop finds no hold in it.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.0.is_forgotten()
    }
}

impl EngineCore {
    fn delete(&self, id: &str) -> Result<Pending<()>, Refusal> {
        let mut catalogue = self.catalogue.lock();
        let _watch = self.shared.journal.pass(Class::New)?;
        let put = catalogue.get(id).ok_or(Refusal::UnknownCampaign)?;
        let (first_sale, indices) = (put.first, put.indices().collect::<BTreeSet<u32>>());
        let campaign = Arc::clone(&put.record.campaign);
        let sales: Vec<Sale> = {
            let all = self.sales.read();
            indices.iter().filter_map(|index| all.get(*index as usize).cloned()).collect()
        };
        for _ in 0..SETTLE_TRIES_MAX {
            let sold = self.shared.journal.read(|book, _| book.may_forget(&indices));
            let sold = sold.ok_or(Refusal::WrongState)?;
            // Before the orders are gone, and before anything is locked that a deadline needs.
            let report = Report::of(&campaign, &self.drop_sums(&sales));
            let deleted = DeletedRecord { campaign: campaign.id.clone(), report: Some(report) };
            if let Some(stamp) = self.forget(&sales, first_sale, &indices, &sold, &deleted) {
                self.by_id.retain(|_, sale| !indices.contains(&sale.0.index));
                catalogue.delete(deleted);
                return Ok(Pending::new(&self.shared.journal, stamp.sequence, ()));
            }
        }
        Err(Refusal::Overloaded)
    }

    fn would_delete(&self, id: &str) -> Result<(), Refusal> {
        let catalogue = self.catalogue.lock();
        let _watch = self.shared.journal.pass(Class::New)?;
        let put = catalogue.get(id).ok_or(Refusal::UnknownCampaign)?;
        let indices = put.indices().collect::<BTreeSet<u32>>();
        let may = self.shared.journal.read(|book, _| book.may_forget(&indices).is_some());
        if may { Ok(()) } else { Err(Refusal::WrongState) }
    }

    /// Deletes what these drops have, unless something was granted or refunded since `sold` were
    /// sold and the report was made.
    fn forget(
        &self,
        sales: &[Sale],
        first_sale: u32,
        indices: &BTreeSet<u32>,
        sold: &[u64],
        deleted: &DeletedRecord,
    ) -> Option<Stamp> {
        let json = deleted.to_json();
        let _ticking = self.ticking.lock();
        // Nothing is under way on any hold, and nobody joins a line.
        let mut lines: Vec<_> = sales.iter().map(|sale| sale.0.basket.lock()).collect();
        let _nothing_new = self.shared.making.lock();
        let mut shards: Vec<_> = sales.iter().flat_map(|sale| sale.0.shards()).collect();
        let now = self.shared.clock.now();
        let stamp = self.shared.journal.append(now, Room::Own, |book: &mut Book, _| {
            if book.may_forget(indices).as_deref() != Some(sold) {
                return Err(());
            }
            book.forget(indices);
            for sale in sales {
                sale.0.phase.set(book.page(sale.0.index));
                sale.0.forget();
            }
            Ok(Record::Deleted { first_sale, json: &json })
        });
        let stamp = stamp.ok()?;
        shards.iter_mut().for_each(|shard| **shard = Shard::default());
        drop(shards);
        for (line, sale) in lines.iter_mut().zip(sales) {
            line.end(&sale.0.goods);
        }
        Some(stamp)
    }
}

impl Book {
    /// Units that each of these drops has sold, if nothing of them was ever granted, or all of them
    /// are settled: then only a refund makes it other.
    pub(crate) fn may_forget(&self, drops: &BTreeSet<u32>) -> Option<Vec<u64>> {
        let pages = || drops.iter().map(|&index| self.page(index));
        let may = pages().all(|page| page.last_number == 0)
            || pages().all(|page| page.phase == Phase::Settled);
        may.then(|| pages().map(|page| page.sold(page.goods.len())).collect())
    }

    /// Ends those of these drops that have not ended.
    pub(crate) fn forget(&mut self, drops: &BTreeSet<u32>) {
        for &index in drops {
            self.page_mut(index).end();
        }
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use crate::{Campaign, Engine};

    #[test]
    fn deadlines_are_met_while_the_orders_of_a_campaign_are_counted() {
        let engine = Engine::options().durability(crate::Durability::Memory).background(false);
        let engine = engine.open().unwrap();
        let file = include_str!("../../docs/campaigns/try-it.toml");
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        let sale = engine.sale("try-it-1").unwrap();
        let counting = sale.0.shard(0); // nobody gets past it
        std::thread::scope(|scope| {
            let deleted = scope.spawn(|| engine.delete("try-it"));
            let core = engine.core();
            while core.catalogue.try_lock().is_some() {
                std::thread::yield_now();
            }
            // The deletion has begun, and cannot go on.
            for _ in 0..10_000 {
                std::thread::yield_now();
                assert!(core.ticking.try_lock().is_some(), "nobody can keep the time");
            }
            drop(counting);
            assert!(deleted.join().unwrap().is_ok());
        });
        assert!(engine.sale("try-it-1").is_none());
    }
}
