//! What records about holds do to the book: numbers, and units that move. Whoever replays records
//! does it in this way, whether it keeps the holds or only sums them up.

use crate::book::{Moves, Turn};
use crate::journal::record::{Grant, Line, Refund};
use crate::replay::{Impossible, Replay, Replayed};

impl Replayed {
    /// What lines move, and the gifts of those that got theirs.
    fn moves(&self, lines: &[Line], gifts: u32) -> Result<Moves, Impossible> {
        if !self.goods.has_items(lines) {
            return Err("a line that names no item");
        }
        let gives = |place: usize| lines.get(place).and_then(|l| self.goods.get(l.item).gift);
        if (0..32).any(|place| gifts & (1 << place) != 0 && gives(place).is_none()) {
            return Err("a gift that does not exist");
        }
        Ok(self.goods.moves(lines, gifts))
    }
}

impl Replay {
    /// A hold is granted: it has the next number, and its units are there.
    pub(crate) fn book_grant(&mut self, sale: u32, grant: &Grant<'_>) -> Result<(), Impossible> {
        let turn = if grant.confirmed { Turn::Bought } else { Turn::Held };
        self.book_taken(sale, &grant.lines, grant.gifts, turn)?;
        let page = self.book.page_mut(sale);
        if page.last_number.checked_add(1) != Some(grant.number) {
            return Err("a number out of order");
        }
        page.last_number = grant.number;
        Ok(())
    }

    /// Units of a hold leave what is available. A journal that oversells is damaged; the engine
    /// says so instead of panicking.
    pub(crate) fn book_taken(
        &mut self,
        sale: u32,
        lines: &[Line],
        gifts: u32,
        turn: Turn,
    ) -> Result<(), Impossible> {
        let moves = self.sale(sale)?.moves(lines, gifts)?;
        let page = self.book.page(sale);
        for (place, &(good, _)) in moves.iter().enumerate() {
            // A gift may come with several lines.
            let same = moves.iter().take(place + 1).filter(|(other, _)| *other == good);
            let units: u64 = same.map(|(_, units)| u64::from(*units)).sum();
            let count = page.goods.get(usize::from(good)).ok_or("a good that does not exist")?;
            if count.available().is_some_and(|left| u64::from(left) < units) {
                return Err("more units than there are");
            }
        }
        self.book.turn(sale, &moves, turn);
        Ok(())
    }

    /// A live hold is confirmed, or its units come free.
    pub(crate) fn book_ended(
        &mut self,
        sale: u32,
        lines: &[Line],
        gifts: u32,
        turn: Turn,
    ) -> Result<(), Impossible> {
        let moves = self.sale(sale)?.goods.moves(lines, gifts);
        self.book.turn(sale, &moves, turn);
        Ok(())
    }

    /// Units of an order come back, of which so many are left.
    pub(crate) fn book_refund(
        &mut self,
        sale: u32,
        refund: &Refund<'_>,
        kept: &[Line],
        gifts: u32,
    ) -> Result<(), Impossible> {
        let lines = &refund.lines;
        let left = |back: &Line| kept.iter().find(|line| line.item == back.item);
        let has = |back: &Line| left(back).is_some_and(|line| line.quantity >= back.quantity);
        let once = lines.is_sorted_by(|a, b| a.item < b.item);
        if !once || !lines.iter().all(|back| back.quantity > 0 && has(back)) {
            return Err("a refund of what was not bought");
        }
        let moves = self.sale(sale)?.goods.moves_back(kept, gifts, lines);
        let turn = if refund.restock { Turn::Restocked } else { Turn::Withdrawn };
        self.book.turn(sale, &moves, turn);
        Ok(())
    }
}
