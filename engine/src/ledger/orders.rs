//! The orders of all drops, summed up as their records come, without keeping them: how a report is
//! made from files.
//!
//! A hold is kept while it is live; afterwards only if a later record of the same part names it
//! ([`parts`](super::parts)): an order of which something comes back, an expired hold that is paid
//! for late. An order is added to the sums of its drop as it is confirmed, and what comes back of
//! it later is taken off, exactly: what a rule comes to is summed up wider than it is reported.
//!
//! So memory grows with the holds that are live at one time, and not with the orders.
//!
//! What a record about a hold may not do is found as a start finds it (`replay`): a row, a state, a
//! number, units or a gift that cannot be. Not looked at are customers, keys and the waiting line,
//! which have no part in what orders come to; the audit judges those.

use std::collections::BTreeMap;

use super::fold::{Counting, Tally, is_order};
use super::kept::{Holds, Kept};
use super::parts::{Later, Which};
use crate::Timestamp;
use crate::book::Turn;
use crate::buyers::{HoldState, Shard};
use crate::fault::{Fault, planted};
use crate::ids::Slot;
use crate::journal::record::{Grant, Lines, Record, Refund};
use crate::journal::settlement::Sums;
use crate::limits::{ROWS_MAX, SHARDS};
use crate::replay::{Impossible, NO_HOLD, NO_SHARD, OTHER_ROW, OTHER_STATE, Replay, Replayed};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orders {
    holds: Holds,
    drops: BTreeMap<u32, OfDrop>,
}

const DROP_SEEN: &str = "who looks at a hold looked at its drop";

#[derive(Debug)]
struct OfDrop {
    counting: Counting,
    tally: Tally,
    /// Holds so far, of each shard.
    rows: [u32; SHARDS],
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
        Self { holds: Holds::before(later), ..Self::default() }
    }

    /// Goes on with the next part. What this one names is still to be followed up to here, through
    /// the snapshot and through the records.
    pub(super) fn go_on(&mut self, later: Later) {
        self.holds.go_on(later);
    }

    /// Takes over what a shard of a snapshot has, and empties its drop.
    pub(super) fn take(&mut self, sale: &mut Replayed, place: usize) -> Result<(), Impossible> {
        let (shard, place) = taken_out(sale, place)?;
        let of_drop = self.drops.entry(sale.index).or_insert_with(|| OfDrop::new(sale));
        *of_drop.rows(place.into())? = u32::try_from(shard.rows()).map_err(|_| OTHER_ROW)?;
        for (hold, row) in shard.all().zip(0..) {
            let which = Which::new(sale.index, Slot { shard: place, row });
            let hold = Kept::in_row(&shard, hold, row);
            if is_order(hold.state) {
                self.add(which, &hold);
            }
            self.holds.keep(which, hold);
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
            let named = self.holds.named_mut(Which::new(sale.index, Slot { shard: place, row }));
            if let Some(place) = named {
                *place = Some(Kept::in_row(&shard, hold, row));
            }
        }
        Ok(())
    }

    /// Follows what this part names through a record that was applied in an earlier one.
    pub(super) fn follow(&mut self, record: &Record<'_>) {
        match record {
            Record::Granted { sale, grant } => {
                if let Some(place) = self.holds.named_mut(Which::new(*sale, grant.slot)) {
                    *place = Some(Kept::granted(grant));
                }
            }
            Record::Confirmed { sale, slot, .. } => {
                self.change(*sale, *slot, |hold| hold.state = HoldState::Confirmed);
            }
            Record::Released { sale, slot } => {
                self.change(*sale, *slot, |hold| hold.state = HoldState::Released);
            }
            Record::Expired { sale, slot } => {
                self.change(*sale, *slot, |hold| hold.state = HoldState::Expired);
            }
            Record::PaidLate { sale, slot, gifts, .. } => {
                self.change(*sale, *slot, |hold| hold.pay_late(*gifts));
            }
            Record::Refunded { sale, refund } => {
                self.change(*sale, refund.slot, |hold| hold.refund(refund));
            }
            _ => {}
        }
    }

    fn change(&mut self, sale: u32, slot: Slot, change: impl FnOnce(&mut Kept)) {
        if let Some(Some(hold)) = self.holds.named_mut(Which::new(sale, slot)) {
            change(hold);
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
                self.ended(replay, *sale, *slot, HoldState::Confirmed)
            }
            Record::Released { sale, slot } => {
                self.ended(replay, *sale, *slot, HoldState::Released)
            }
            Record::Expired { sale, slot } => self.ended(replay, *sale, *slot, HoldState::Expired),
            Record::Refunded { sale, refund } => self.refunded(replay, *sale, refund),
            Record::PaidLate { sale, slot, gifts, .. } => {
                self.paid_late(replay, *sale, *slot, *gifts)
            }
            Record::Extended { sale, slot, .. } => {
                let held = self.take_out(replay, (*sale, *slot), HoldState::Held)?;
                self.holds.keep(Which::new(*sale, *slot), held);
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
        (sale, slot): (u32, Slot),
        state: HoldState,
    ) -> Result<Kept, Impossible> {
        if slot.row >= *self.of(replay, sale)?.rows(slot.shard.into())? {
            return Err(NO_HOLD);
        }
        // One that was let go of is over, and no record of this part names it.
        let hold = self.holds.take(Which::new(sale, slot));
        hold.filter(|hold| hold.state == state).ok_or(OTHER_STATE)
    }

    /// Adds a hold that has become an order.
    fn add(&mut self, which: Which, order: &Kept) {
        if planted(Fault::OrderForgotten) && self.holds.names(which) {
            return;
        }
        let OfDrop { counting, tally, .. } = self.drops.get_mut(&which.sale()).expect(DROP_SEEN);
        counting.add_order(tally, order.bought(), order.left());
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
        let (which, hold) = (Which::new(sale, grant.slot), Kept::granted(grant));
        if grant.confirmed {
            self.add(which, &hold);
        }
        self.holds.keep(which, hold);
        Ok(())
    }

    fn ended(
        &mut self,
        replay: &mut Replay,
        sale: u32,
        slot: Slot,
        state: HoldState,
    ) -> Result<(), Impossible> {
        let mut hold = self.take_out(replay, (sale, slot), HoldState::Held)?;
        let turn = if is_order(state) { Turn::Confirmed } else { Turn::Freed };
        replay.book_ended(sale, hold.bought(), hold.gifts, turn)?;
        hold.state = state;
        let which = Which::new(sale, slot);
        if is_order(state) {
            self.add(which, &hold);
        }
        self.holds.keep(which, hold);
        Ok(())
    }

    fn refunded(
        &mut self,
        replay: &mut Replay,
        sale: u32,
        refund: &Refund<'_>,
    ) -> Result<(), Impossible> {
        let mut hold = self.take_out(replay, (sale, refund.slot), HoldState::Confirmed)?;
        replay.book_refund(sale, refund, hold.left(), hold.gifts)?;
        let before = Lines::from_slice(hold.left());
        hold.refund(refund);
        let OfDrop { counting, tally, .. } = self.drops.get_mut(&sale).expect(DROP_SEEN);
        counting.add_refund(tally, hold.bought(), [&before, hold.left()]);
        self.holds.keep(Which::new(sale, refund.slot), hold);
        Ok(())
    }

    fn paid_late(
        &mut self,
        replay: &mut Replay,
        sale: u32,
        slot: Slot,
        gifts: u32,
    ) -> Result<(), Impossible> {
        let mut hold = self.take_out(replay, (sale, slot), HoldState::Expired)?;
        replay.book_taken(sale, hold.bought(), gifts, Turn::Bought)?;
        hold.pay_late(gifts);
        let which = Which::new(sale, slot);
        self.add(which, &hold);
        self.holds.keep(which, hold);
        Ok(())
    }

    /// The holds of the drops that are deleted are let go of.
    fn forget(&mut self, replay: &Replay) {
        let there = |sale: u32| replay.sales.get(sale as usize).is_some_and(|it| !it.forgotten);
        self.drops.retain(|sale, _| there(*sale));
        self.holds.forget(|sale| !there(sale));
    }
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests;
