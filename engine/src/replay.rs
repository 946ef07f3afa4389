//! Records applied to plain state, in order: how the engine comes back after a start, and how a
//! campaign comes to be in the first place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use crate::Timestamp;
use crate::book::{Book, Page, Turn};
use crate::buyers::{Shard, WaitRow, WaitRowState};
use crate::campaign::{Campaign, Occurrence};
use crate::catalogue::{CampaignRecord, Catalogue, DeletedRecord, Put, PutDrop};
use crate::fault::{Fault, planted};
use crate::goods::Goods;
use crate::hold::HoldState;
use crate::ids::Slot;
use crate::journal::Stamp;
use crate::journal::record::{Grant, Join, Record, Refund};
use crate::journal::settlement::Settlement;
use crate::limits::{GRACE_AFTER_RESTART_MS, SHARDS};
use crate::phase::Phase;
use crate::terms::{History, Terms};

/// A drop as its records so far made it.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) index: u32,
    pub(crate) id: Box<str>,
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) occurrence: Occurrence,
    pub(crate) terms: History,
    pub(crate) names: SipHasher13,
    pub(crate) goods: Goods,
    /// For each item, whether units of it count for a limit of its own.
    pub(crate) limited: Arc<[bool]>,
    /// None before the first grant.
    pub(crate) shards: Vec<Shard>,
    /// Its campaign is deleted.
    pub(crate) forgotten: bool,
    /// As of the end of the replay.
    pub(crate) page: Page,
}

/// Everything the records so far made.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) book: Book,
    pub(crate) sales: Vec<Replayed>,
    pub(crate) catalogue: Catalogue,
}

/// Why a record cannot be: the journal is not one this engine wrote.
pub(crate) type Impossible = &'static str;

pub(crate) const NO_SHARD: Impossible = "a shard that does not exist";
pub(crate) const NO_HOLD: Impossible = "a hold that does not exist";
pub(crate) const OTHER_ROW: Impossible = "a hold out of its row";
pub(crate) const OTHER_STATE: Impossible = "a change that the hold's state does not allow";

impl Replayed {
    /// The drops that a campaign makes, the first of them at index `first`.
    pub(crate) fn drops_of(put: &CampaignRecord, first: u32) -> Vec<Self> {
        let campaign = &put.campaign;
        let drops = put.drops(first).filter(|drop| !drop.kept);
        let drop = |PutDrop { index, occurrence, .. }| {
            let goods = Goods::of(campaign, occurrence.number);
            let page = Page::new(goods.counts());
            Self {
                index,
                id: campaign.drop_id(occurrence.number).into(),
                campaign: Arc::clone(campaign),
                occurrence,
                terms: History::new(occurrence.number, Arc::clone(campaign), occurrence.closes_at),
                names: SipHasher13::new_with_keys(put.hash_key[0], put.hash_key[1]),
                limited: goods.items().iter().map(|item| item.limit != 0).collect(),
                goods,
                shards: Vec::new(),
                forgotten: false,
                page,
            }
        };
        drops.map(drop).collect()
    }

    /// Which items count for a limit of their own.
    pub(crate) fn limits(&self) -> impl Fn(u16) -> bool + use<> {
        let limited = Arc::clone(&self.limited);
        move |item: u16| limited.get(usize::from(item)) == Some(&true)
    }

    fn shard(&mut self, slot: Slot) -> Result<&mut Shard, Impossible> {
        if self.shards.is_empty() {
            self.make_shards();
        }
        self.shards.get_mut(usize::from(slot.shard)).ok_or(NO_SHARD)
    }

    /// Rows to make room for in each shard, for the stock that can still be sold.
    pub(crate) fn room(&self) -> usize {
        self.goods.rows_expected()
    }

    #[cold]
    fn make_shards(&mut self) {
        let room = self.room();
        self.shards = (0..SHARDS).map(|_| Shard::with_room(room)).collect();
    }

    /// The hold at `slot`, which must be in that state.
    fn hold(&mut self, slot: Slot, state: HoldState) -> Result<&mut Shard, Impossible> {
        let shard = self.shard(slot)?;
        if slot.row as usize >= shard.rows() {
            return Err(NO_HOLD);
        }
        if shard.row(slot.row).state() != state {
            return Err(OTHER_STATE);
        }
        Ok(shard)
    }

    /// Likewise, still held.
    fn held(&mut self, slot: Slot) -> Result<&mut Shard, Impossible> {
        self.hold(slot, HoldState::Held)
    }

    /// The wait at `slot`, which must still be one.
    fn waiting(&mut self, slot: Slot) -> Result<&mut Shard, Impossible> {
        let shard = self.shard(slot)?;
        let waits = |wait: &WaitRow| wait.state == WaitRowState::Waiting;
        if shard.wait(slot.row).is_some_and(waits) {
            Ok(shard)
        } else {
            Err("a change of a wait that is over")
        }
    }
}

impl Replay {
    /// Applies one record.
    pub(crate) fn apply(
        &mut self,
        sequence: u64,
        at: Timestamp,
        record: &Record<'_>,
    ) -> Result<(), Impossible> {
        let stamp = Stamp { sequence, at };
        match record {
            Record::Resumed { now } => {
                self.resumed(*now);
                Ok(())
            }
            Record::Stepped { step_ms } => {
                let shards = self.sales.iter_mut().flat_map(|sale| &mut sale.shards);
                shards.for_each(|shard| shard.stepped(*step_ms));
                self.book.step(sequence, *step_ms);
                Ok(())
            }
            Record::Campaign { first_sale, json } => self.put(sequence, *first_sale, json),
            Record::Deleted { json, .. } => self.delete(json),
            Record::Opened { sale, .. } => self.phase(*sale, Phase::Open),
            Record::Closed { sale, pause_ms, .. } => {
                self.unpaused(*sale, *pause_ms)?;
                self.phase(*sale, Phase::Closed)
            }
            Record::Paused { sale, now, .. } => {
                self.sale(*sale)?;
                self.book.page_mut(*sale).pause(*now);
                Ok(())
            }
            Record::Unpaused { sale, pause_ms, .. } => self.unpaused(*sale, *pause_ms),
            Record::Stocked { sale, good, total, .. } => self.stocked(*sale, *good, *total),
            Record::Granted { sale, grant } => self.granted(*sale, grant, stamp),
            Record::Confirmed { sale, slot, payment } => {
                self.turn(*sale, *slot, Turn::Confirmed)?;
                self.sale(*sale)?.held(*slot)?.confirmed(slot.row, payment, stamp);
                Ok(())
            }
            Record::Released { sale, slot } => self.freed(*sale, *slot, HoldState::Released, stamp),
            Record::Expired { sale, slot } => self.freed(*sale, *slot, HoldState::Expired, stamp),
            Record::Refunded { sale, refund } => self.refunded(*sale, refund, stamp),
            Record::PaidLate { sale, slot, gifts, payment } => {
                self.paid_late(*sale, *slot, *gifts, payment, stamp)
            }
            Record::Waited { sale, join } => self.waited(*sale, join, stamp),
            Record::Left { sale, slot } => {
                let sale = self.sale(*sale)?;
                let limited = sale.limits();
                sale.waiting(*slot)?.left(slot.row, stamp, limited);
                Ok(())
            }
            Record::Extended { sale, slot, expires_at } => {
                self.sale(*sale)?.held(*slot)?.extended(slot.row, *expires_at, stamp);
                Ok(())
            }
            Record::Settled { settlement, .. } => self.settled(settlement),
        }
    }

    /// Puts the book's pages beside their drops, once there is nothing more to apply.
    pub(crate) fn finish(&mut self) {
        for sale in &mut self.sales {
            sale.page = self.book.page(sale.index).clone();
        }
    }

    pub(crate) fn sale(&mut self, index: u32) -> Result<&mut Replayed, Impossible> {
        self.sales.get_mut(index as usize).ok_or("a drop that does not exist")
    }

    fn put(&mut self, sequence: u64, first_sale: u32, json: &str) -> Result<(), Impossible> {
        let record = CampaignRecord::from_json(json).ok_or("a campaign that cannot be read")?;
        let old = self.catalogue.get(&record.campaign.id);
        let there: Vec<u32> = old.into_iter().flat_map(Put::indices).collect();
        if !record.kept.values().all(|index| there.contains(index)) {
            return Err("a campaign that keeps what it does not have");
        }
        let over: Vec<u32> = there.into_iter().filter(|index| !record.keeps(*index)).collect();
        let number =
            |index: &u32| Some((self.sales.get(*index as usize)?.occurrence.number, *index));
        let places: BTreeMap<u32, u32> = over.iter().filter_map(number).collect();
        self.adopt(Put::new(sequence, first_sale, record), &places)?;
        over.into_iter().for_each(|index| self.book.page_mut(index).end());
        Ok(())
    }

    /// Makes the drops of a campaign that was put, by number perhaps in the places of others, and
    /// has others go on with it.
    pub(crate) fn adopt(
        &mut self,
        put: Put,
        places: &BTreeMap<u32, u32>,
    ) -> Result<(), Impossible> {
        if put.first as usize != self.sales.len() {
            return Err("a campaign in the wrong place");
        }
        for drop in put.record.drops(put.first).filter(|drop| drop.kept) {
            let sale = self.sale(drop.index)?;
            if *sale.id != *put.record.campaign.drop_id(drop.occurrence.number) {
                return Err("a drop that goes on as another");
            }
            let (campaign, since) = (Arc::clone(&put.record.campaign), put.sequence);
            let closes_at = drop.occurrence.closes_at;
            let same = sale.terms.show_as(&campaign, closes_at);
            sale.terms.change(Terms { since, campaign, closes_at }, same);
        }
        for drop in Replayed::drops_of(&put.record, put.first) {
            let other = places.get(&drop.occurrence.number).copied();
            self.book.add_in_place_of(drop.page.clone(), other);
            self.sales.push(drop);
        }
        self.catalogue.add(put);
        Ok(())
    }

    fn delete(&mut self, json: &str) -> Result<(), Impossible> {
        let record = DeletedRecord::from_json(json).ok_or("a deletion that cannot be read")?;
        let put = self.catalogue.get(&record.campaign).ok_or("a campaign that does not exist")?;
        let indices: BTreeSet<u32> = put.indices().collect();
        if self.book.may_forget(&indices).is_none() {
            return Err("a deletion of a campaign that goes on");
        }
        self.book.forget(&indices);
        self.catalogue.delete(record);
        self.forget(&indices)
    }

    /// Their holds are let go of.
    pub(crate) fn forget(&mut self, indices: &BTreeSet<u32>) -> Result<(), Impossible> {
        for &index in indices {
            let sale = self.sale(index)?;
            sale.forgotten = true;
            sale.shards = Vec::new();
        }
        Ok(())
    }

    fn phase(&mut self, sale: u32, phase: Phase) -> Result<(), Impossible> {
        self.sale(sale)?;
        self.book.page_mut(sale).phase = phase;
        Ok(())
    }

    /// A settlement, if its drops are over and its rules are theirs.
    pub(crate) fn settled(&mut self, settlement: &Settlement) -> Result<(), Impossible> {
        let mut whole = true;
        for (sale, sums) in &settlement.drops {
            let ledger = &self.sale(*sale)?.campaign.ledger;
            let amounts: usize = ledger.iter().map(|rule| rule.beneficiaries.len()).sum();
            let last = settlement.rules.last();
            if amounts != sums.accrued.len()
                || last.is_some_and(|l| usize::from(*l) >= ledger.len())
            {
                return Err("a settlement of rules that do not exist");
            }
            whole &= settlement.rules.len() == ledger.len();
            if !self.book.page(*sale).is_over() {
                return Err("a settlement of a drop that is not over");
            }
        }
        self.book.settle(settlement, whole);
        Ok(())
    }

    fn granted(&mut self, index: u32, grant: &Grant<'_>, stamp: Stamp) -> Result<(), Impossible> {
        let sale = self.sale(index)?;
        let hash = sale.names.hash(grant.customer.as_bytes());
        let shard = sale.shard(grant.slot)?;
        if shard.next_row() != Some(grant.slot.row) {
            return Err(OTHER_ROW);
        }
        let buyer = shard.buyer(grant.customer, hash);
        let waits = |row| shard.wait(row).filter(|wait| wait.state == WaitRowState::Waiting);
        let its = |row| waits(row).is_some_and(|wait| Some(wait.buyer) == buyer.row);
        if grant.wait.is_some_and(|row| !its(row)) {
            return Err("a grant to somebody who does not wait");
        }
        self.book_grant(index, grant)?;
        let sale = self.sale(index)?;
        let created_at = grant.expires_at.minus_ms(sale.campaign.rules.hold_ttl_ms);
        let (names, limited) = (sale.names, &sale.limited);
        let shard = sale.shards.get_mut(usize::from(grant.slot.shard)).ok_or(NO_SHARD)?;
        let limited = |item: u16| limited.get(usize::from(item)) == Some(&true);
        shard.granted(&buyer, grant, created_at, stamp.sequence, &names, limited);
        Ok(())
    }

    fn freed(
        &mut self,
        sale: u32,
        slot: Slot,
        state: HoldState,
        stamp: Stamp,
    ) -> Result<(), Impossible> {
        self.turn(sale, slot, Turn::Freed)?;
        let limited = self.sale(sale)?.limits();
        let shard = self.sale(sale)?.held(slot)?;
        shard.freed(slot.row, state, stamp, limited);
        Ok(())
    }

    fn refunded(
        &mut self,
        index: u32,
        refund: &Refund<'_>,
        stamp: Stamp,
    ) -> Result<(), Impossible> {
        let sale = self.sale(index)?;
        let limited = sale.limits();
        let slot = refund.slot;
        let shard = sale.hold(slot, HoldState::Confirmed)?;
        let (kept, gifts) = (shard.kept(slot.row), shard.row(slot.row).gifts);
        self.book_refund(index, refund, &kept, gifts)?;
        self.sale(index)?.shard(slot)?.refunded(refund, stamp, limited);
        Ok(())
    }

    fn waited(&mut self, sale: u32, join: &Join<'_>, stamp: Stamp) -> Result<(), Impossible> {
        let sale = self.sale(sale)?;
        if !sale.goods.has_items(&join.lines) {
            return Err("a line that names no item");
        }
        let limited = sale.limits();
        let hash = sale.names.hash(join.customer.as_bytes());
        let shard = sale.shard(join.slot)?;
        if shard.next_wait() != join.slot.row {
            return Err("a wait out of its row");
        }
        let buyer = shard.buyer(join.customer, hash);
        shard.waited(&buyer, join, stamp.at, stamp.sequence, limited);
        Ok(())
    }

    fn paid_late(
        &mut self,
        index: u32,
        slot: Slot,
        gifts: u32,
        payment: &str,
        stamp: Stamp,
    ) -> Result<(), Impossible> {
        let sale = self.sale(index)?;
        let limited = sale.limits();
        let shard = sale.hold(slot, HoldState::Expired)?;
        let lines = shard.lines(shard.row(slot.row));
        self.book_taken(index, &lines, gifts, Turn::Bought)?;
        self.sale(index)?.shard(slot)?.paid_late(slot.row, gifts, payment, stamp, limited);
        Ok(())
    }

    fn unpaused(&mut self, index: u32, pause_ms: u64) -> Result<(), Impossible> {
        let shards = &mut self.sale(index)?.shards;
        if pause_ms > 0 {
            shards.iter_mut().for_each(|shard| shard.unpaused(pause_ms));
        }
        let page = self.book.page_mut(index);
        if let Some(pause) = page.pause.take() {
            page.phase = pause.from;
        }
        Ok(())
    }

    fn stocked(&mut self, index: u32, good: u16, total: u32) -> Result<(), Impossible> {
        self.sale(index)?;
        let count = self.book.page_mut(index).goods.get_mut(usize::from(good));
        let count = count.ok_or("a good that does not exist")?;
        if count.total.is_none() || count.held + count.sold > u64::from(total) {
            return Err("a total below what is held and sold");
        }
        count.total = Some(total);
        Ok(())
    }

    fn turn(&mut self, index: u32, slot: Slot, turn: Turn) -> Result<(), Impossible> {
        let sale = self.sale(index)?;
        let shard = sale.held(slot)?;
        let row = *shard.row(slot.row);
        let lines = shard.lines(&row);
        self.book_ended(index, &lines, row.gifts, turn)
    }

    /// The engine was started as the clock showed `now`: every live hold gets a fair rest of its
    /// time.
    fn resumed(&mut self, now: Timestamp) {
        for sale in &mut self.sales {
            let grace_ms = sale.campaign.rules.hold_ttl_ms.min(GRACE_AFTER_RESTART_MS);
            let grace_ms = if planted(Fault::NoGraceAfterRestart) { 0 } else { grace_ms };
            let page = self.book.page(sale.index);
            if page.holds_live > 0 {
                // In a pause the hold's time stands still.
                let earliest = page.pause.map_or(now, |pause| pause.at).plus_ms(grace_ms);
                sale.shards.iter_mut().for_each(|shard| shard.resumed(earliest));
            }
        }
    }
}
