//! What becomes of a hold: confirmed, released, extended, expired. Each exactly once, under its
//! customer's shard.

use crate::Timestamp;
use crate::book::{Moves, Turn};
use crate::buyers::Shard;
use crate::fault::{Fault, planted};
use crate::hold::{Hold, HoldState};
use crate::ids::{HoldId, Slot};
use crate::journal::record::Record;
use crate::journal::{Class, Room, Stamp};
use crate::limits::SHARDS;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::request::check_payment;
use crate::sale::{Sale, SaleCore};

impl Sale {
    /// Makes a hold an order. Repeating it with the same payment gives the same answer.
    ///
    /// `payment` is 1 to 128 visible ASCII characters; it may be left out where the total is 0.
    ///
    /// # Errors
    /// [`Malformed`](Refusal::Malformed), [`UnknownHold`](Refusal::UnknownHold),
    /// [`Conflict`](Refusal::Conflict) for another payment, [`WrongState`](Refusal::WrongState)
    /// once released, [`Expired`](Refusal::Expired), [`Overloaded`](Refusal::Overloaded),
    /// [`Unavailable`](Refusal::Unavailable).
    pub fn confirm<'p>(
        &self,
        id: &HoldId,
        payment: impl Into<Option<&'p str>>,
    ) -> Result<Pending<Hold>, Refusal> {
        let payment = payment.into();
        check_payment(payment)?;
        let payment = payment.unwrap_or_default();
        let _watch = self.0.shared.journal.pass(Class::Settle)?;
        let (mut shard, row) = self.locate(id)?;
        match shard.row(row).state() {
            HoldState::Held => {}
            HoldState::Confirmed if shard.payment(shard.row(row)) == payment => {
                return Ok(self.answer(&shard, row));
            }
            HoldState::Confirmed => return Err(Refusal::Conflict),
            HoldState::Released => return Err(Refusal::WrongState),
            HoldState::Expired => return Err(Refusal::Expired),
        }
        let lines = shard.lines(shard.row(row));
        if payment.is_empty() && self.0.goods.total(&lines) > 0 {
            return Err(Refusal::Malformed("payment"));
        }
        let (sale, slot) = (self.0.index, id.slot());
        let record = Record::Confirmed { sale, slot, payment };
        let stamp = self.0.turn(&shard, row, Turn::Confirmed, record, || {});
        shard.confirmed(row, payment, stamp);
        Ok(self.answer(&shard, row))
    }

    /// Gives a hold up: its units are free again. Repeating it gives the same answer; so does
    /// releasing what has expired, which stays expired.
    ///
    /// # Errors
    /// [`UnknownHold`](Refusal::UnknownHold), [`WrongState`](Refusal::WrongState) once confirmed,
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn release(&self, id: &HoldId) -> Result<Pending<Hold>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Settle)?;
        let (mut shard, row) = self.locate(id)?;
        match shard.row(row).state() {
            HoldState::Held => {}
            HoldState::Confirmed if planted(Fault::ReleaseAfterConfirm) => {}
            HoldState::Released | HoldState::Expired => return Ok(self.answer(&shard, row)),
            HoldState::Confirmed => return Err(Refusal::WrongState),
        }
        let mut moves = self.0.moves(&shard, row);
        if planted(Fault::GiftKept) {
            moves.retain(|(good, _)| usize::from(*good) < self.0.goods.items().len());
        }
        if planted(Fault::GiveBackBeforeLog) {
            self.0.give_back(&moves);
            moves.clear();
            std::thread::yield_now();
        }
        let late = self.0.free(&mut shard, row, id.slot(), HoldState::Released, &moves);
        let answer = self.answer(&shard, row);
        drop(shard);
        self.0.give_back(&late);
        if planted(Fault::FreedTwice) {
            self.0.give_back(&moves);
        }
        Ok(answer)
    }

    /// Gives a hold more time: until now + the drop's TTL, but at most twice that after it was
    /// granted, and never less than it had.
    ///
    /// # Errors
    /// [`UnknownHold`](Refusal::UnknownHold), [`WrongState`](Refusal::WrongState) once confirmed or
    /// released, [`Expired`](Refusal::Expired), [`Closed`](Refusal::Closed) once the drop is,
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn extend(&self, id: &HoldId) -> Result<Pending<Hold>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Extend)?;
        let (mut shard, row) = self.locate(id)?;
        let now = self.0.shared.clock.now();
        let hold = shard.row(row);
        match hold.state() {
            HoldState::Held => {}
            HoldState::Confirmed | HoldState::Released => return Err(Refusal::WrongState),
            HoldState::Expired => return Err(Refusal::Expired),
        }
        let ttl_ms = self.0.rules().hold_ttl_ms;
        let latest = hold.created_at.plus_ms(2 * ttl_ms);
        let expires_at = now.plus_ms(ttl_ms).min(latest).max(hold.ends_at);
        let sale = self.0.index;
        let stamp =
            self.0.shared.journal.append(now, Room::Own, |book, _| match book.page(sale).phase {
                Phase::Closed | Phase::Settled => Err(Some(Refusal::Closed)),
                _ if expires_at == hold.ends_at => Err(None),
                _ => Ok(Record::Extended { sale, slot: id.slot(), expires_at }),
            });
        match stamp {
            Ok(stamp) => shard.extended(row, expires_at, stamp),
            Err(None) => {} // it has that much time already
            Err(Some(refusal)) => return Err(refusal),
        }
        Ok(self.answer(&shard, row))
    }
}

impl SaleCore {
    /// Expires what is due, and returns how many holds that were. A wave that would fill the open
    /// batch goes on at the next tick.
    pub(crate) fn expire_due(&self, now: Timestamp) -> u64 {
        let now = if planted(Fault::EarlyExpiry) { now.plus_ms(1_000) } else { now };
        let mut expired = 0;
        for index in 0..u8::try_from(SHARDS - 1).unwrap_or(u8::MAX) + 1 {
            // One hold at a time: nobody waits long for the shard.
            while self.shared.journal.pass(Class::Settle).is_ok() && self.expire_one(index, now) {
                expired += 1;
            }
        }
        expired
    }

    fn expire_one(&self, index: u8, now: Timestamp) -> bool {
        let mut shard = self.shard(index);
        let Some(row) = shard.due(now) else { return false };
        let moves = self.moves(&shard, row);
        let slot = Slot { shard: index, row };
        let late = self.free(&mut shard, row, slot, HoldState::Expired, &moves);
        drop(shard);
        self.give_back(&late);
        true
    }

    /// Appends and applies a release or an expiry. The units go back inside the append, so that
    /// whoever sees them available can have them; what a line waits for is returned, for
    /// [`SaleCore::give_back`] once the shard is let go of.
    fn free(
        &self,
        shard: &mut Shard,
        row: u32,
        slot: Slot,
        state: HoldState,
        moves: &Moves,
    ) -> Moves {
        let sale = self.index;
        let record = match state {
            HoldState::Expired => Record::Expired { sale, slot },
            _ => Record::Released { sale, slot },
        };
        let mut late = Moves::new();
        let then = || late = self.put_back(moves);
        let stamp = self.turn(shard, row, Turn::Freed, record, then);
        shard.freed(row, state, stamp, |item| self.is_limited(item));
        late
    }

    /// Appends a record that moves a hold's units in the book, and does `then` in the same step.
    fn turn(
        &self,
        shard: &Shard,
        row: u32,
        turn: Turn,
        record: Record<'_>,
        then: impl FnOnce(),
    ) -> Stamp {
        let moves = self.moves(shard, row);
        let now = self.shared.clock.now();
        let appended = self.shared.journal.append(now, Room::Own, |book, _| {
            book.turn(self.index, &moves, turn);
            then();
            Ok(record)
        });
        appended.unwrap_or_else(|never: std::convert::Infallible| match never {})
    }

    /// What a hold set aside.
    pub(crate) fn moves(&self, shard: &Shard, row: u32) -> Moves {
        let hold = shard.row(row);
        self.goods.moves(&shard.lines(hold), hold.gifts)
    }
}
