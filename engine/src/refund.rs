//! Units of an order that come back: all that is left of it, or some of its lines.

use smallvec::SmallVec;

use crate::book::{Moves, Turn};
use crate::buyers::Shard;
use crate::fault::{Fault, planted};
use crate::hold::{Hold, HoldState};
use crate::ids::HoldId;
use crate::journal::record::{self, Line, Lines, Record};
use crate::journal::{Class, Room};
use crate::limits::{KEY_MAX, QUANTITY_MAX};
use crate::pending::Pending;
use crate::refusal::Refusal;
use crate::request::{check_lines, check_text};
use crate::sale::{Sale, SaleCore};

/// What is to come back of an order: without lines all that is left.
///
/// ```
/// use jangteo::Refund;
/// let refund = Refund::all().id("r-1");
/// let one = Refund::all().line("onion-3kg", 1).restock(false);
/// # let _ = (refund, one);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Refund<'a> {
    id: Option<&'a str>,
    lines: SmallVec<[(&'a str, u32); 2]>,
    restock: Option<bool>,
}

impl<'a> Refund<'a> {
    /// All that is left.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only `quantity` units of an item, and what further lines name. Lines of the same item are
    /// summed.
    #[must_use]
    pub fn line(mut self, sku: &'a str, quantity: u32) -> Self {
        self.lines.push((sku, quantity));
        self
    }

    /// Names the refund, in 1 to 128 visible ASCII characters: under the same name it is done once
    /// for its hold.
    #[must_use]
    pub fn id(mut self, id: &'a str) -> Self {
        self.id = Some(id);
        self
    }

    /// Whether the units are on sale again, or leave the total; left out, the drop's rule says so.
    #[must_use]
    pub fn restock(mut self, restock: bool) -> Self {
        self.restock = Some(restock);
        self
    }

    /// Whether it is well-formed, as far as can be said without a drop.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] naming the part.
    pub fn check(&self) -> Result<(), Refusal> {
        self.id.map_or(Ok(()), |id| check_text(id, KEY_MAX, "refund"))?;
        if self.lines.is_empty() { Ok(()) } else { check_lines(&self.lines) }
    }
}

impl Sale {
    /// Takes units of an order back. Its customer's limit is free of them; they are on sale again,
    /// or leave the total. Refunding what is refunded, or again under the same name, gives the
    /// same answer.
    ///
    /// A gift comes back with the last unit of its line.
    ///
    /// # Errors
    /// [`Malformed`](Refusal::Malformed), [`UnknownHold`](Refusal::UnknownHold),
    /// [`UnknownSku`](Refusal::UnknownSku), [`Conflict`](Refusal::Conflict) for another refund of
    /// the same name, [`Expired`](Refusal::Expired), [`WrongState`](Refusal::WrongState) for a hold
    /// that is no order or has fewer units left, [`Overloaded`](Refusal::Overloaded),
    /// [`Unavailable`](Refusal::Unavailable).
    pub fn refund(&self, id: &HoldId, refund: &Refund<'_>) -> Result<Pending<Hold>, Refusal> {
        refund.check()?;
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        match self.refund_now(id, refund, false)? {
            Some(answer) => Ok(answer),
            None => self.refund_slow(id, refund),
        }
    }

    /// Somebody waits for the units.
    #[cold]
    fn refund_slow(&self, id: &HoldId, refund: &Refund<'_>) -> Result<Pending<Hold>, Refusal> {
        let mut line = self.0.basket.lock();
        let answer = self.refund_now(id, refund, true)?;
        // What the line cannot have yet it gets with the next look.
        let _ = self.0.serve(&mut line);
        Ok(answer.expect("under the mutex the line is served"))
    }

    /// `None`: somebody waits for the units, and `under_mutex` says that the mutex is not held.
    fn refund_now(
        &self,
        id: &HoldId,
        refund: &Refund<'_>,
        under_mutex: bool,
    ) -> Result<Option<Pending<Hold>>, Refusal> {
        let (mut shard, row) = self.locate(id)?;
        let asked = self.0.asked(refund)?;
        let restock = refund.restock.unwrap_or(self.0.rules().restock_refunds);
        let name = refund.id.unwrap_or_default();
        let is_named = !name.is_empty() && !planted(Fault::RefundForgotten);
        if let Some(before) =
            shard.refunds(row, u64::MAX).find(|before| is_named && *before.name == *name)
        {
            let same = before.restock == restock
                && before.all == asked.is_empty()
                && (before.all || before.lines == asked);
            return if same { Ok(Some(self.answer(&shard, row))) } else { Err(Refusal::Conflict) };
        }
        match shard.row(row).state() {
            HoldState::Confirmed => {}
            HoldState::Refunded => return Ok(Some(self.answer(&shard, row))),
            HoldState::Expired => return Err(Refusal::Expired),
            HoldState::Held | HoldState::Released => return Err(Refusal::WrongState),
        }
        let all = asked.is_empty();
        let kept = shard.kept(row);
        let lines = if all { left_of(&kept) } else { within(&kept, asked)? };
        let moves = self.0.goods.moves_back(&kept, shard.row(row).gifts, &lines);
        let refund = record::Refund { slot: id.slot(), lines, all, restock, name };
        let recorded = self.0.record_refund(&mut shard, &refund, &moves, under_mutex);
        Ok(recorded.then(|| self.answer(&shard, row)))
    }
}

impl SaleCore {
    /// The lines asked for, by item, those of the same item summed; none for all.
    fn asked(&self, refund: &Refund<'_>) -> Result<Lines, Refusal> {
        let mut lines = Lines::new();
        for &(sku, quantity) in &refund.lines {
            let item = self.goods.find(sku).ok_or(Refusal::UnknownSku)?;
            let quantity = u16::try_from(quantity).expect("limits.rs bounds a quantity");
            match lines.iter_mut().find(|line| line.item == item) {
                Some(line) => line.quantity += quantity,
                None => lines.push(Line { item, quantity }),
            }
        }
        lines.sort_unstable_by_key(|line| line.item);
        Ok(lines)
    }

    /// Appends and applies a refund, and says whether it did: units that somebody waits for are
    /// freed under the mutex only.
    ///
    /// INVARIANT(J2): units go back to stock inside the append of the record that frees them.
    fn record_refund(
        &self,
        shard: &mut Shard,
        refund: &record::Refund<'_>,
        moves: &Moves,
        under_mutex: bool,
    ) -> bool {
        let now = self.shared.clock.now();
        let turn = if refund.restock { Turn::Restocked } else { Turn::Withdrawn };
        let appended = self.shared.journal.append(now, Room::Own, |book, _| {
            if refund.restock && !under_mutex && self.goods.are_awaited(moves) {
                return Err(());
            }
            book.turn(self.index, moves, turn);
            if refund.restock {
                self.put_back(moves);
            }
            Ok(Record::Refunded { sale: self.index, refund: refund.clone() })
        });
        let Ok(stamp) = appended else { return false };
        shard.refunded(refund, stamp, |item| self.is_limited(item));
        true
    }
}

/// Every line of which something is left.
fn left_of(kept: &Lines) -> Lines {
    kept.iter().copied().filter(|line| line.quantity > 0).collect()
}

/// The lines asked for, if the order has as many units left.
fn within(kept: &Lines, asked: Lines) -> Result<Lines, Refusal> {
    let left = |item: u16| kept.iter().find(|line| line.item == item).map_or(0, |l| l.quantity);
    if asked.iter().all(|line| line.quantity <= left(line.item)) {
        Ok(asked)
    } else {
        Err(Refusal::WrongState)
    }
}

const _: () = assert!(QUANTITY_MAX <= u16::MAX as u32, "a quantity is two bytes");
