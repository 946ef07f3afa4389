//! What becomes of a hold: confirmed, released, extended, expired. Each exactly once, under its
//! customer's shard. A hold that has expired may still be paid for, if its units are there.

use crate::Timestamp;
use crate::admission;
use crate::book::{Moves, Turn};
use crate::buyers::Shard;
use crate::fault::{Fault, planted};
use crate::hold::{Hold, HoldState};
use crate::ids::{HoldId, Slot};
use crate::journal::record::Record;
use crate::journal::{Class, Room};
use crate::limits::SHARDS;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::request::check_payment;
use crate::sale::{Sale, SaleCore};

/// A hold that is to be freed.
#[derive(Clone, Copy, Debug)]
struct Freed<'a> {
    /// What it becomes.
    state: HoldState,
    /// Units that go back to stock.
    moves: &'a Moves,
    /// Whether the basket mutex is held.
    under_mutex: bool,
}

impl Sale {
    /// Makes a hold an order. Repeating it with the same payment gives the same answer. An expired
    /// hold becomes one too, with the number it had, while its units and a required gift are free,
    /// its customer's limit allows it and the drop is not closed.
    ///
    /// `payment` is 1 to 128 visible ASCII characters; it may be left out where the total is 0.
    ///
    /// # Errors
    /// [`Malformed`](Refusal::Malformed), [`UnknownHold`](Refusal::UnknownHold),
    /// [`Conflict`](Refusal::Conflict) for another payment, [`WrongState`](Refusal::WrongState)
    /// once released or refunded, [`Expired`](Refusal::Expired),
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn confirm<'p>(
        &self,
        id: &HoldId,
        payment: impl Into<Option<&'p str>>,
    ) -> Result<Pending<Hold>, Refusal> {
        let payment = payment.into();
        check_payment(payment)?;
        let payment = payment.unwrap_or_default();
        let _watch = self.0.shared.journal.pass(Class::End)?;
        let (mut shard, row) = self.locate(id)?;
        match shard.row(row).state() {
            HoldState::Held => {}
            HoldState::Confirmed if shard.payment(shard.row(row)) == payment => {
                return Ok(self.answer(&shard, row));
            }
            HoldState::Confirmed => return Err(Refusal::Conflict),
            HoldState::Released | HoldState::Refunded => return Err(Refusal::WrongState),
            HoldState::Expired => {
                drop(shard);
                return self.confirm_late(id, payment);
            }
        }
        let lines = shard.lines(shard.row(row));
        if payment.is_empty() && self.0.goods.total(&lines) > 0 {
            return Err(Refusal::Malformed("payment"));
        }
        let (sale, slot) = (self.0.index, id.slot());
        let moves = self.0.moves(&shard, row);
        let now = self.0.shared.clock.now();
        let appended = self.0.shared.journal.append(now, Room::Own, |book, _| {
            book.turn(sale, &moves, Turn::Confirmed);
            Ok(Record::Confirmed { sale, slot, payment })
        });
        let stamp = appended.unwrap_or_else(|never: std::convert::Infallible| match never {});
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
        let _watch = self.0.shared.journal.pass(Class::End)?;
        match self.release_now(id, false)? {
            Some(answer) => Ok(answer),
            None => self.release_slow(id),
        }
    }

    /// Somebody waits for the units.
    #[cold]
    fn release_slow(&self, id: &HoldId) -> Result<Pending<Hold>, Refusal> {
        let mut line = self.0.basket.lock();
        let answer = self.release_now(id, true)?;
        // What the line cannot have yet it gets with the next look.
        let _ = self.0.serve(&mut line);
        Ok(answer.expect("under the mutex the line is served"))
    }

    /// `None`: somebody waits for the units, and `under_mutex` says that the mutex is not held.
    fn release_now(
        &self,
        id: &HoldId,
        under_mutex: bool,
    ) -> Result<Option<Pending<Hold>>, Refusal> {
        let (mut shard, row) = self.locate(id)?;
        match shard.row(row).state() {
            HoldState::Held => {}
            HoldState::Confirmed if planted(Fault::ReleaseAfterConfirm) => {}
            HoldState::Released | HoldState::Expired => return Ok(Some(self.answer(&shard, row))),
            HoldState::Confirmed | HoldState::Refunded => return Err(Refusal::WrongState),
        }
        let mut moves = self.0.moves(&shard, row);
        if planted(Fault::GiftKept) {
            moves.retain(|(good, _)| usize::from(*good) < self.0.goods.items().len());
        }
        if planted(Fault::GiveBackBeforeLog) {
            self.0.put_back(&moves);
            moves.clear();
            std::thread::yield_now();
        }
        let freed = Freed { state: HoldState::Released, moves: &moves, under_mutex };
        if !self.0.free(&mut shard, row, id.slot(), freed) {
            return Ok(None);
        }
        let answer = self.answer(&shard, row);
        drop(shard);
        if planted(Fault::FreedTwice) {
            self.0.put_back(&moves);
        }
        Ok(Some(answer))
    }

    /// Gives a hold more time: until now + the drop's TTL, but at most twice that after it was
    /// granted, and never less than it had.
    ///
    /// # Errors
    /// [`UnknownHold`](Refusal::UnknownHold), [`WrongState`](Refusal::WrongState) once confirmed or
    /// released, [`Expired`](Refusal::Expired), [`Closed`](Refusal::Closed) once the drop is,
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn extend(&self, id: &HoldId) -> Result<Pending<Hold>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let (mut shard, row) = self.locate(id)?;
        let now = self.0.shared.clock.now();
        let hold = shard.row(row);
        match hold.state() {
            HoldState::Held => {}
            HoldState::Confirmed | HoldState::Released | HoldState::Refunded => {
                return Err(Refusal::WrongState);
            }
            HoldState::Expired => return Err(Refusal::Expired),
        }
        let ttl_ms = self.0.rules().hold_ttl_ms;
        let latest = hold.created_at.plus_ms(2 * ttl_ms);
        let mut expires_at = hold.ends_at;
        let sale = self.0.index;
        let stamp = self.0.shared.journal.append(now, Room::Own, |book, _| {
            let page = book.page(sale);
            // In a pause the hold's time stands still.
            let from = page.pause.map_or(now, |pause| pause.at);
            expires_at = from.plus_ms(ttl_ms).min(latest).max(hold.ends_at);
            match page.phase {
                Phase::Closed | Phase::Settled => Err(Some(Refusal::Closed)),
                _ if expires_at == hold.ends_at => Err(None),
                _ => Ok(Record::Extended { sale, slot: id.slot(), expires_at }),
            }
        });
        match stamp {
            Ok(stamp) => shard.extended(row, expires_at, stamp),
            Err(None) => {} // it has that much time already
            Err(Some(refusal)) => return Err(refusal),
        }
        Ok(self.answer(&shard, row))
    }

    /// Makes an expired hold an order, if it can still have what it had.
    ///
    /// INVARIANT(J2): the units leave stock before the record that sells them.
    #[cold]
    fn confirm_late(&self, id: &HoldId, payment: &str) -> Result<Pending<Hold>, Refusal> {
        // INVARIANT(F1): the hold has ended; what is kept on a full disk is for those that live.
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let mut line = self.0.basket.lock();
        self.0.serve(&mut line)?;
        let (mut shard, row) = self.locate(id)?;
        let hold = *shard.row(row);
        if hold.state() != HoldState::Expired {
            drop((shard, line)); // somebody else paid for it meanwhile
            return self.confirm(id, payment);
        }
        let lines = shard.lines(&hold);
        if payment.is_empty() && self.0.goods.total(&lines) > 0 {
            return Err(Refusal::Malformed("payment"));
        }
        let within = self.0.within_limits(&lines, Some((&shard, hold.buyer)));
        if !within && !planted(Fault::LatePaymentUnlimited) {
            return Err(Refusal::Expired);
        }
        // INVARIANT(S3): in a pause the line is not served, and not passed by.
        if line.idle_units(&self.0.goods) > 0 && !planted(Fault::LatePaymentPassesBy) {
            return Err(Refusal::Expired);
        }
        let taken = admission::take_basket(&self.0.goods, &lines);
        let gifts = taken.map_err(|_| Refusal::Expired)?;
        let moves = self.0.goods.moves(&lines, gifts);
        let (sale, slot, now) = (self.0.index, id.slot(), self.0.shared.clock.now());
        let stamp = self.0.shared.journal.append(now, Room::Own, |book, _| {
            if book.page(sale).phase >= Phase::Closed || self.0.is_over(now) {
                return Err(Refusal::Expired);
            }
            book.turn(sale, &moves, Turn::Bought);
            Ok(Record::PaidLate { sale, slot, gifts, payment })
        });
        let back = stamp.is_err() || planted(Fault::LatePaymentOversells);
        admission::decide(&self.0.goods, &moves, back);
        shard.paid_late(row, gifts, payment, stamp?, |item| self.0.is_limited(item));
        Ok(self.answer(&shard, row))
    }
}

impl SaleCore {
    /// Expires what is due, and returns how many holds that were. A wave that would fill the open
    /// batch goes on at the next tick.
    pub(crate) fn expire_due(&self, now: Timestamp) -> u64 {
        let now = if planted(Fault::EarlyExpiry) { now.plus_ms(1_000) } else { now };
        let mut expired = 0;
        let waited = !self.basket.lock().is_empty();
        for index in 0..u8::try_from(SHARDS - 1).unwrap_or(u8::MAX) + 1 {
            // One hold at a time: nobody waits long for the shard.
            while self.shared.journal.pass(Class::End).is_ok()
                && self.expire_one(index, now, waited)
            {
                expired += 1;
            }
        }
        expired
    }

    /// Expires the next hold that is due in a shard, if there is one; `waited`: somebody waits.
    fn expire_one(&self, index: u8, now: Timestamp, waited: bool) -> bool {
        let mut line = waited.then(|| self.basket.lock());
        let mut shard = self.shard(index);
        let Some(row) = shard.due(now) else { return false };
        let moves = self.moves(&shard, row);
        let slot = Slot { shard: index, row };
        let freed = Freed { state: HoldState::Expired, moves: &moves, under_mutex: waited };
        if !self.free(&mut shard, row, slot, freed) {
            shard.put_off(row);
            return false;
        }
        drop(shard);
        if let Some(line) = &mut line {
            // What the line cannot have yet it gets with the next look.
            let _ = self.serve(line);
        }
        true
    }

    /// Appends and applies a release or an expiry, and says whether it did: nothing expires while
    /// the drop is paused, and units that somebody waits for are freed under the mutex only.
    ///
    /// The units go back inside the append, so that whoever sees them available can have them.
    fn free(&self, shard: &mut Shard, row: u32, slot: Slot, freed: Freed<'_>) -> bool {
        let Freed { state, moves, under_mutex } = freed;
        let sale = self.index;
        let record = match state {
            HoldState::Expired => Record::Expired { sale, slot },
            _ => Record::Released { sale, slot },
        };
        let all = self.moves(shard, row);
        let now = self.shared.clock.now();
        let appended = self.shared.journal.append(now, Room::Own, |book, _| {
            let paused = book.page(sale).phase == Phase::Paused;
            let stopped = state == HoldState::Expired && paused && !planted(Fault::PauseIgnored);
            if stopped || (!under_mutex && self.goods.are_awaited(&all)) {
                return Err(());
            }
            book.turn(sale, &all, Turn::Freed);
            self.put_back(moves);
            Ok(record)
        });
        let Ok(stamp) = appended else { return false };
        shard.freed(row, state, stamp, |item| self.is_limited(item));
        true
    }

    /// What a hold set aside.
    pub(crate) fn moves(&self, shard: &Shard, row: u32) -> Moves {
        let hold = shard.row(row);
        self.goods.moves(&shard.lines(hold), hold.gifts)
    }
}
