//! The stock of an item or gift is set anew while the drop is announced or on sale.

use crate::book::Count;
use crate::fault::{Fault, planted};
use crate::journal::record::Record;
use crate::journal::{Class, Room};
use crate::limits::UNITS_MAX;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::sale::{Sale, SaleCore};
use crate::view::SaleView;

/// Why a total was not recorded.
enum No {
    /// It changed meanwhile.
    Again,
    Refused(Refusal),
}

impl Sale {
    /// Sets the total of an item or gift, in units; `was` is what the caller takes it for.
    ///
    /// # Errors
    /// [`Malformed`](Refusal::Malformed), [`UnknownSku`](Refusal::UnknownSku),
    /// [`Conflict`](Refusal::Conflict) if the total is not what it `was`,
    /// [`WrongState`](Refusal::WrongState) for fewer units than are held and sold, for unlimited
    /// stock and once the drop is closed, [`Overloaded`](Refusal::Overloaded),
    /// [`Unavailable`](Refusal::Unavailable).
    pub fn set_stock(
        &self,
        sku: &str,
        total: u32,
        was: Option<u32>,
    ) -> Result<Pending<SaleView>, Refusal> {
        if total > UNITS_MAX {
            return Err(Refusal::Malformed("total"));
        }
        let _watch = self.0.shared.journal.pass(Class::New)?;
        let good = self.0.goods.find_good(sku).ok_or(Refusal::UnknownSku)?;
        let mut line = self.0.basket.lock();
        self.0.serve(&mut line)?;
        loop {
            let before = self.page().0.goods.get(usize::from(good)).and_then(|count| count.total);
            if was.is_some() && was != before {
                return Err(Refusal::Conflict);
            }
            match self.0.set_total(good, before.ok_or(Refusal::WrongState)?, total) {
                Ok(()) => {
                    // What the line cannot have yet it gets with the next look.
                    let _ = self.0.serve(&mut line);
                    return Ok(self.shown());
                }
                Err(No::Refused(refusal)) => return Err(refusal),
                Err(No::Again) => {}
            }
        }
    }
}

impl SaleCore {
    /// Records the new total of a good, if it is still `before`.
    ///
    /// INVARIANT(J2): units that go leave stock before the record, units that come enter it inside.
    ///
    /// IMPORTANT: only under the basket mutex.
    fn set_total(&self, good: u16, before: u32, total: u32) -> Result<(), No> {
        let refused = |refusal| Err(No::Refused(refusal));
        let Some(cell) = &self.goods.get(good).cell else { return refused(Refusal::WrongState) };
        let (less, more) = (before.saturating_sub(total), total.saturating_sub(before));
        if less > 0 && cell.take_undecided(less).is_err() {
            return refused(Refusal::WrongState);
        }
        let now = self.shared.clock.now();
        let appended = self.shared.journal.append(now, Room::Own, |book, _| {
            let page = book.page_mut(self.index);
            if page.phase >= Phase::Closed {
                return Err(No::Refused(Refusal::WrongState));
            }
            let count = page.goods.get_mut(usize::from(good)).expect("a good has a count");
            if count.total != Some(before) {
                return Err(No::Again);
            }
            *count = Count { total: Some(total), ..*count };
            // INVARIANT(S1): `available` panics if more is held and sold.
            let _ = count.available();
            cell.put_back(more);
            Ok(Record::Stocked { sale: self.index, good, total, shown: (&*page).into() })
        });
        if less > 0 {
            if appended.is_err() || planted(Fault::LoweredStockOnSale) {
                cell.put_back(less);
            }
            cell.decide();
        }
        appended.map(|_| ())
    }
}
