//! The orders of all drops, summed up as their records come, without keeping them: how a report is
//! made from files.
//!
//! A hold is kept while it is live; afterwards only if a later record names it, and only until that
//! can be no more: an order of which something comes back, an expired hold that is paid for late.
//! Which those are is known from a first look at the same records ([`Later`]). Every other order is
//! added to the sums of its drop as it is confirmed, and one that is kept as it is in the end, so
//! that nothing is ever taken off a sum.
//!
//! So memory grows with the holds that are live at one time and with those that come back or are
//! paid for late, not with the orders.
//!
//! What a record about a hold may not do is found as a start finds it (`replay`): a row, a state, a
//! number, units or a gift that cannot be. Not looked at are customers, keys and the waiting line,
//! which have no part in what orders come to; the audit judges those.

use std::collections::{BTreeMap, HashMap};

use super::fold::{Counting, is_order};
use crate::Timestamp;
use crate::book::Turn;
use crate::buyers::{HoldState, take_off};
use crate::fault::{Fault, planted};
use crate::ids::Slot;
use crate::journal::record::{Grant, Lines, Record, Refund};
use crate::journal::settlement::Sums;
use crate::limits::{ROWS_MAX, SHARDS};
use crate::replay::{Impossible, NO_HOLD, NO_SHARD, OTHER_ROW, OTHER_STATE, Replay, Replayed};

/// A hold of a drop.
type Which = (u32, Slot);

/// The holds that records name once they are over.
#[derive(Debug, Default)]
pub(super) struct Later(Vec<Which>);

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
    sums: Sums,
    /// Holds so far, of each shard.
    rows: [u32; SHARDS],
}

impl Later {
    /// Looks at the next record.
    pub(super) fn see(&mut self, record: &Record<'_>) {
        match record {
            Record::Refunded { sale, refund } => self.0.push((*sale, refund.slot)),
            Record::PaidLate { sale, slot, .. } => self.0.push((*sale, *slot)),
            _ => {}
        }
    }

    /// All records were seen.
    pub(super) fn finish(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
        self
    }

    fn names(&self, which: Which) -> bool {
        self.0.binary_search(&which).is_ok()
    }
}

impl OfDrop {
    /// A file never changes prices or rules of a drop that goes on, so those it was made with hold.
    fn new(sale: &Replayed) -> Self {
        let campaign = &sale.campaign;
        let counting = Counting::of(&campaign.ledger, campaign, sale.occurrence.number);
        Self { sums: counting.nothing(), counting, rows: [0; SHARDS] }
    }

    fn rows(&mut self, shard: usize) -> Result<&mut u32, Impossible> {
        self.rows.get_mut(shard).ok_or(NO_SHARD)
    }

    fn add(&mut self, order: &Kept) {
        self.counting.add_order(&mut self.sums, &order.bought, &order.left);
    }
}

impl Orders {
    /// None yet; `later`: what the records name that are to come.
    pub(super) fn before(later: Later) -> Self {
        Self { later, ..Self::default() }
    }

    /// Takes over what a shard of a snapshot has, and empties its drop.
    pub(super) fn take(&mut self, sale: &mut Replayed, place: usize) -> Result<(), Impossible> {
        let shards = std::mem::take(&mut sale.shards);
        let shard = shards.into_iter().nth(place).ok_or(NO_SHARD)?;
        let of_drop = self.drops.entry(sale.index).or_insert_with(|| OfDrop::new(sale));
        *of_drop.rows(place)? = u32::try_from(shard.rows()).map_err(|_| OTHER_ROW)?;
        let place = u8::try_from(place).map_err(|_| NO_SHARD)?;
        for (hold, row) in shard.all().zip(0..) {
            let (bought, left) = (shard.lines(hold), shard.kept(row));
            let hold = Kept { state: hold.state(), gifts: hold.gifts, bought, left };
            self.keep_or_add((sale.index, Slot { shard: place, row }), hold);
        }
        Ok(())
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
    pub(super) fn finish(mut self) -> BTreeMap<u32, Sums> {
        for ((sale, _), order) in self.kept.iter().filter(|(_, hold)| is_order(hold.state)) {
            if planted(Fault::OrderForgotten) {
                continue;
            }
            self.drops.get_mut(sale).expect(DROP_SEEN).add(order);
        }
        self.drops.into_iter().map(|(sale, of_drop)| (sale, of_drop.sums)).collect()
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

    /// Keeps a hold as it is now if something may yet happen to it; else adds it if it is an order.
    fn keep_or_add(&mut self, which: Which, hold: Kept) {
        let may_yet = match hold.state {
            HoldState::Held => true,
            HoldState::Confirmed | HoldState::Expired => self.later.names(which),
            HoldState::Released | HoldState::Refunded => false,
        };
        if may_yet {
            self.kept.insert(which, hold);
        } else if is_order(hold.state) {
            self.drops.get_mut(&which.0).expect(DROP_SEEN).add(&hold);
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
        let state = if grant.confirmed { HoldState::Confirmed } else { HoldState::Held };
        let (gifts, bought, left) = (grant.gifts, grant.lines.clone(), grant.lines.clone());
        self.keep_or_add((sale, grant.slot), Kept { state, gifts, bought, left });
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
        self.keep_or_add(which, hold);
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
        take_off(&mut hold.left, &refund.lines);
        if hold.left.iter().all(|line| line.quantity == 0) {
            hold.state = HoldState::Refunded;
        }
        self.keep_or_add(which, hold);
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
        (hold.state, hold.gifts) = (HoldState::Confirmed, gifts);
        self.keep_or_add(which, hold);
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
