//! The orders of all drops, summed up as their records come, without keeping them: how a report is
//! made from files.
//!
//! A hold is kept while it is live; afterwards only if a later record of the same part names it
//! ([`parts`](super::parts)): an order of which something comes back, an expired hold that is paid
//! for late. An order is added to the sums of its drop as it is confirmed, and what comes back of
//! it later is taken off, exactly: sums are wider than what they are reported as.
//!
//! So memory grows with the holds that are live at one time, and not with the orders.
//!
//! What a record about a hold may not do is found as a start finds it (`replay`): a row, a state, a
//! number, units or a gift that cannot be. Not looked at are customers, keys and the waiting line,
//! which have no part in what orders come to; the audit judges those.

use std::collections::{BTreeMap, HashMap};

use super::fold::{Counting, Tally, is_order};
use super::parts::{Later, Which};
use crate::Timestamp;
use crate::book::Turn;
use crate::buyers::{HoldRow, HoldState, Shard, take_off};
use crate::fault::{Fault, planted};
use crate::ids::Slot;
use crate::journal::record::{Grant, Lines, Record, Refund};
use crate::journal::settlement::Sums;
use crate::limits::{ROWS_MAX, SHARDS};
use crate::replay::{Impossible, NO_HOLD, NO_SHARD, OTHER_ROW, OTHER_STATE, Replay, Replayed};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orders {
    later: Later,
    kept: HashMap<Which, Kept>,
    drops: BTreeMap<u32, OfDrop>,
}

const DROP_SEEN: &str = "who looks at a hold looked at its drop";

/// A hold that something may yet happen to.
#[derive(Debug)]
struct Kept {
    state: HoldState,
    gifts: u32,
    bought: Lines,
    /// What of that its customer still has.
    left: Lines,
}

#[derive(Debug)]
struct OfDrop {
    counting: Counting,
    tally: Tally,
    /// Holds so far, of each shard.
    rows: [u32; SHARDS],
}

impl Kept {
    fn granted(grant: &Grant<'_>) -> Self {
        let state = if grant.confirmed { HoldState::Confirmed } else { HoldState::Held };
        let (gifts, bought, left) = (grant.gifts, grant.lines.clone(), grant.lines.clone());
        Self { state, gifts, bought, left }
    }

    fn in_row(shard: &Shard, hold: &HoldRow, row: u32) -> Self {
        let (bought, left) = (shard.lines(hold), shard.kept(row));
        Self { state: hold.state(), gifts: hold.gifts, bought, left }
    }

    fn refund(&mut self, refund: &Refund<'_>) {
        take_off(&mut self.left, &refund.lines);
        if self.left.iter().all(|line| line.quantity == 0) {
            self.state = HoldState::Refunded;
        }
    }

    fn pay_late(&mut self, gifts: u32) {
        (self.state, self.gifts) = (HoldState::Confirmed, gifts);
    }
}

impl OfDrop {
    /// A file never changes prices or rules of a drop that goes on, so those it was made with hold.
    fn new(sale: &Replayed) -> Self {
        let campaign = &sale.campaign;
        let counting = Counting::of(&campaign.ledger, campaign, sale.occurrence.number);
        Self { tally: counting.nothing(), counting, rows: [0; SHARDS] }
    }

    fn rows(&mut self, shard: usize) -> Result<&mut u32, Impossible> {
        self.rows.get_mut(shard).ok_or(NO_SHARD)
    }
}

/// A shard of a snapshot, taken out of its drop, and its place.
fn taken_out(sale: &mut Replayed, place: usize) -> Result<(Shard, u8), Impossible> {
    let shards = std::mem::take(&mut sale.shards);
    let shard = shards.into_iter().nth(place).ok_or(NO_SHARD)?;
    Ok((shard, u8::try_from(place).map_err(|_| NO_SHARD)?))
}

impl Orders {
    /// None yet; `later`: what the records of the first part name.
    pub(super) fn before(later: Later) -> Self {
        Self { later, ..Self::default() }
    }

    /// Goes on with the next part. What this one names is still to be followed up to here, through
    /// the snapshot and through the records.
    pub(super) fn go_on(&mut self, later: Later) {
        self.kept.retain(|_, hold| hold.state == HoldState::Held);
        self.later = later;
    }

    /// Takes over what a shard of a snapshot has, and empties its drop.
    pub(super) fn take(&mut self, sale: &mut Replayed, place: usize) -> Result<(), Impossible> {
        let (shard, place) = taken_out(sale, place)?;
        let of_drop = self.drops.entry(sale.index).or_insert_with(|| OfDrop::new(sale));
        *of_drop.rows(place.into())? = u32::try_from(shard.rows()).map_err(|_| OTHER_ROW)?;
        for (hold, row) in shard.all().zip(0..) {
            let which = (sale.index, Slot { shard: place, row });
            let hold = Kept::in_row(&shard, hold, row);
            if is_order(hold.state) {
                self.add(which, &hold);
            }
            self.keep(which, hold);
        }
        Ok(())
    }

    /// Likewise, but only of what this part names.
    pub(super) fn follow_shard(
        &mut self,
        sale: &mut Replayed,
        place: usize,
    ) -> Result<(), Impossible> {
        let (shard, place) = taken_out(sale, place)?;
        for (hold, row) in shard.all().zip(0..) {
            let which = (sale.index, Slot { shard: place, row });
            if self.later.names(which) {
                self.kept.insert(which, Kept::in_row(&shard, hold, row));
            }
        }
        Ok(())
    }

    /// Follows what this part names through a record that was applied in an earlier one. A hold
    /// that is live where this part begins is kept already, and comes out the same.
    pub(super) fn follow(&mut self, record: &Record<'_>) {
        let mut change = |sale: u32, slot: Slot, change: &dyn Fn(&mut Kept)| {
            self.kept.get_mut(&(sale, slot)).into_iter().for_each(change);
        };
        match record {
            Record::Granted { sale, grant } if self.later.names((*sale, grant.slot)) => {
                self.kept.insert((*sale, grant.slot), Kept::granted(grant));
            }
            Record::Confirmed { sale, slot, .. } => {
                change(*sale, *slot, &|hold| hold.state = HoldState::Confirmed);
            }
            Record::Released { sale, slot } => {
                change(*sale, *slot, &|hold| hold.state = HoldState::Released);
            }
            Record::Expired { sale, slot } => {
                change(*sale, *slot, &|hold| hold.state = HoldState::Expired);
            }
            Record::PaidLate { sale, slot, gifts, .. } => {
                change(*sale, *slot, &|hold| hold.pay_late(*gifts));
            }
            Record::Refunded { sale, refund } => {
                change(*sale, refund.slot, &|hold| hold.refund(refund));
            }
            _ => {}
        }
    }

    /// Applies one record; `replay` gets what is not about a hold, and has the book.
    pub(super) fn apply(
        &mut self,
        replay: &mut Replay,
        (sequence, at): (u64, Timestamp),
        record: &Record<'_>,
    ) -> Result<(), Impossible> {
        match record {
            Record::Granted { sale, grant } => self.granted(replay, *sale, grant),
            Record::Confirmed { sale, slot, .. } => {
                self.ended(replay, (*sale, *slot), HoldState::Confirmed)
            }
            Record::Released { sale, slot } => {
                self.ended(replay, (*sale, *slot), HoldState::Released)
            }
            Record::Expired { sale, slot } => {
                self.ended(replay, (*sale, *slot), HoldState::Expired)
            }
            Record::Refunded { sale, refund } => self.refunded(replay, *sale, refund),
            Record::PaidLate { sale, slot, gifts, .. } => {
                self.paid_late(replay, (*sale, *slot), *gifts)
            }
            Record::Extended { sale, slot, .. } => {
                let which = (*sale, *slot);
                let held = self.take_out(replay, which, HoldState::Held)?;
                self.kept.insert(which, held);
                Ok(())
            }
            Record::Waited { .. } | Record::Left { .. } => Ok(()),
            Record::Deleted { .. } => {
                replay.apply(sequence, at, record)?;
                self.forget(replay);
                Ok(())
            }
            Record::Resumed { .. }
            | Record::Stepped { .. }
            | Record::Campaign { .. }
            | Record::Opened { .. }
            | Record::Closed { .. }
            | Record::Paused { .. }
            | Record::Unpaused { .. }
            | Record::Stocked { .. }
            | Record::Settled { .. } => replay.apply(sequence, at, record),
        }
    }

    /// What the orders of each drop come to that ever had a hold.
    pub(super) fn finish(self) -> BTreeMap<u32, Sums> {
        self.drops.into_iter().map(|(sale, of_drop)| (sale, of_drop.tally.finish())).collect()
    }

    fn of(&mut self, replay: &mut Replay, sale: u32) -> Result<&mut OfDrop, Impossible> {
        let replayed = replay.sale(sale)?;
        Ok(self.drops.entry(sale).or_insert_with(|| OfDrop::new(replayed)))
    }

    /// The hold, which must be in that state.
    fn take_out(
        &mut self,
        replay: &mut Replay,
        which: Which,
        state: HoldState,
    ) -> Result<Kept, Impossible> {
        let (sale, slot) = which;
        if slot.row >= *self.of(replay, sale)?.rows(slot.shard.into())? {
            return Err(NO_HOLD);
        }
        // One that was let go of is over, and no record names it.
        self.kept.remove(&which).filter(|hold| hold.state == state).ok_or(OTHER_STATE)
    }

    /// Adds a hold that has become an order.
    fn add(&mut self, which: Which, order: &Kept) {
        if planted(Fault::OrderForgotten) && self.later.names(which) {
            return;
        }
        let OfDrop { counting, tally, .. } = self.drops.get_mut(&which.0).expect(DROP_SEEN);
        counting.add_order(tally, &order.bought, &order.left);
    }

    /// Keeps a hold as it is now if something may yet happen to it.
    fn keep(&mut self, which: Which, hold: Kept) {
        let may_yet = match hold.state {
            HoldState::Held => true,
            HoldState::Confirmed | HoldState::Expired => self.later.names(which),
            HoldState::Released | HoldState::Refunded => false,
        };
        if may_yet {
            self.kept.insert(which, hold);
        }
    }

    fn granted(
        &mut self,
        replay: &mut Replay,
        sale: u32,
        grant: &Grant<'_>,
    ) -> Result<(), Impossible> {
        let rows = self.of(replay, sale)?.rows(grant.slot.shard.into())?;
        if *rows != grant.slot.row || *rows >= ROWS_MAX {
            return Err(OTHER_ROW);
        }
        *rows += 1;
        replay.book_grant(sale, grant)?;
        let (which, hold) = ((sale, grant.slot), Kept::granted(grant));
        if grant.confirmed {
            self.add(which, &hold);
        }
        self.keep(which, hold);
        Ok(())
    }

    fn ended(
        &mut self,
        replay: &mut Replay,
        which: Which,
        state: HoldState,
    ) -> Result<(), Impossible> {
        let mut hold = self.take_out(replay, which, HoldState::Held)?;
        let turn = if is_order(state) { Turn::Confirmed } else { Turn::Freed };
        replay.book_ended(which.0, &hold.bought, hold.gifts, turn)?;
        hold.state = state;
        if is_order(state) {
            self.add(which, &hold);
        }
        self.keep(which, hold);
        Ok(())
    }

    fn refunded(
        &mut self,
        replay: &mut Replay,
        sale: u32,
        refund: &Refund<'_>,
    ) -> Result<(), Impossible> {
        let which = (sale, refund.slot);
        let mut hold = self.take_out(replay, which, HoldState::Confirmed)?;
        replay.book_refund(sale, refund, &hold.left, hold.gifts)?;
        let before = hold.left.clone();
        hold.refund(refund);
        let OfDrop { counting, tally, .. } = self.drops.get_mut(&sale).expect(DROP_SEEN);
        counting.add_refund(tally, &hold.bought, [&before, &hold.left]);
        self.keep(which, hold);
        Ok(())
    }

    fn paid_late(
        &mut self,
        replay: &mut Replay,
        which: Which,
        gifts: u32,
    ) -> Result<(), Impossible> {
        let mut hold = self.take_out(replay, which, HoldState::Expired)?;
        replay.book_taken(which.0, &hold.bought, gifts, Turn::Bought)?;
        hold.pay_late(gifts);
        self.add(which, &hold);
        self.keep(which, hold);
        Ok(())
    }

    /// The holds of the drops that are deleted are let go of.
    fn forget(&mut self, replay: &Replay) {
        let there = |sale: u32| replay.sales.get(sale as usize).is_some_and(|it| !it.forgotten);
        self.drops.retain(|sale, _| there(*sale));
        self.kept.retain(|(sale, _), _| there(*sale));
    }
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests;
