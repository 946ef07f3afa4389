//! The book: what is reported. Phases, numbers and unit counts of every sale, moved only inside an
//! append, so that every answer agrees with a prefix of the journal.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use crate::Timestamp;
use crate::journal::settlement::{Settled, Settlement};
use crate::phase::Phase;

/// Units of goods (items, then gifts) that one change moves.
pub(crate) type Moves = SmallVec<[(u16, u32); 4]>;

/// Units of one item or gift. `available` is what is left of `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// `None`: unlimited.
    pub(crate) total: Option<u32>,
    pub(crate) held: u64,
    pub(crate) sold: u64,
}

impl Count {
    /// Units that are neither held nor sold; `None` if unlimited.
    pub(crate) fn available(&self) -> Option<u32> {
        let gone = self.held + self.sold;
        self.total.map(|total| {
            let left = u64::from(total).checked_sub(gone).expect("INVARIANT(S1): nothing oversold");
            u32::try_from(left).expect("no more than the total")
        })
    }
}

impl Count {
    /// Units leave the total.
    fn withdraw(&mut self, units: u64) {
        let less = |total: u32| u64::from(total).checked_sub(units);
        let less = |total| less(total).and_then(|total| u32::try_from(total).ok());
        self.total = self.total.map(|total| less(total).expect("what was sold is of the total"));
    }
}

/// The counts of a sale's items, then gifts. Most sales have one item.
pub(crate) type Counts = SmallVec<[Count; 1]>;

/// One sale's page. What a grant of the one item moves is in one line of the cache, since that line
/// goes from core to core with each.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Page {
    pub(crate) goods: Counts,
    pub(crate) holds_live: u64,
    pub(crate) orders: u64,
    pub(crate) last_number: u32,
    pub(crate) phase: Phase,
    pub(crate) pause: Option<Pause>,
}

const _: () = assert!(std::mem::offset_of!(Page, pause) <= 64);

/// A pause that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// When it began: no time passes for the drop's holds since then.
    pub(crate) at: Timestamp,
    /// What the drop was before: scheduled or open.
    pub(crate) from: Phase,
}

impl Page {
    /// Whether nothing can be sold any more: closed, and no hold is live.
    pub(crate) fn is_over(&self) -> bool {
        self.phase >= Phase::Closed && self.holds_live == 0
    }

    /// Units sold of the first `items` goods.
    pub(crate) fn sold(&self, items: usize) -> u64 {
        self.goods.iter().take(items).map(|count| count.sold).sum()
    }
}

/// All pages, by index of the sale.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pages: Vec<Page>,
    /// Sales with holds that keep units and may yet end.
    live: BTreeSet<u32>,
    /// Steps of the wall clock that live holds followed: sequence, and milliseconds.
    steps: Vec<(u64, i64)>,
    /// What was settled of each sale that has a settlement, by index.
    settled: BTreeMap<u32, Settled>,
}

/// What happened to a hold, as the book sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Units go from available to held.
    Held,
    /// Units go from available to sold.
    Bought,
    /// Units go from held to sold.
    Confirmed,
    /// Units go from held to available.
    Freed,
    /// Units go from sold to available.
    Restocked,
    /// Units that were sold leave the total.
    Withdrawn,
}

impl Page {
    /// The page of a drop that was just announced.
    pub(crate) fn new(goods: Counts) -> Self {
        let phase = Phase::Scheduled;
        Self { phase, pause: None, last_number: 0, holds_live: 0, orders: 0, goods }
    }

    /// Whether the drop has not opened yet, paused or not.
    pub(crate) fn awaits_opening(&self) -> bool {
        let from = self.pause.map_or(self.phase, |pause| pause.from);
        from == Phase::Scheduled
    }

    /// The drop is over; nothing was granted, or everything is settled.
    pub(crate) fn end(&mut self) {
        self.pause = None;
        self.phase = self.phase.max(Phase::Closed);
    }

    /// Stops the time of the drop's holds.
    pub(crate) fn pause(&mut self, at: Timestamp) {
        self.pause = Some(Pause { at, from: self.phase });
        self.phase = Phase::Paused;
    }

    /// Goes on as what it was, if it was paused; for how long it was, in milliseconds.
    pub(crate) fn unpause(&mut self, at: Timestamp) -> u64 {
        self.pause.take().map_or(0, |pause| {
            self.phase = pause.from;
            at.as_ms().saturating_sub(pause.at.as_ms())
        })
    }
}

impl Book {
    pub(crate) fn page(&self, sale: u32) -> &Page {
        self.pages.get(sale as usize).expect("a sale has a page from its first mention on")
    }

    pub(crate) fn page_mut(&mut self, sale: u32) -> &mut Page {
        self.pages.get_mut(sale as usize).expect("a sale has a page from its first mention on")
    }

    pub(crate) fn add(&mut self, page: Page) {
        self.pages.push(page);
    }

    /// Adds the page of a drop that takes the place of another: it is paused if that one is.
    pub(crate) fn add_in_place_of(&mut self, mut page: Page, other: Option<u32>) {
        if let Some(pause) = other.and_then(|other| self.page(other).pause) {
            page.pause(pause.at);
        }
        self.add(page);
    }

    /// Puts a page in the place of one on which nothing had happened yet.
    pub(crate) fn restore(&mut self, sale: u32, page: Page) {
        if page.holds_live > 0 {
            self.live.insert(sale);
        }
        *self.page_mut(sale) = page;
    }

    /// Holds of all sales that keep units and may yet end.
    pub(crate) fn holds_live(&self) -> u64 {
        self.live.iter().map(|sale| self.page(*sale).holds_live).sum()
    }

    /// The wall clock was stepped, and live holds followed.
    pub(crate) fn step(&mut self, sequence: u64, step_ms: i64) {
        self.steps.push((sequence, step_ms));
        let pauses = self.pages.iter_mut().filter_map(|page| page.pause.as_mut());
        pauses.for_each(|pause| pause.at = pause.at.moved_ms(step_ms));
    }

    /// Those steps, in their order.
    pub(crate) fn steps(&self) -> &[(u64, i64)] {
        &self.steps
    }

    /// By how many milliseconds the clock was stepped after the record `after`, up to `until`.
    pub(crate) fn stepped(&self, after: u64, until: u64) -> i64 {
        let between = self.steps.iter().filter(|(at, _)| (after + 1..=until).contains(at));
        between.fold(0, |sum, (_, step_ms)| sum.saturating_add(*step_ms))
    }

    /// Some rules of a campaign were settled; `whole`: that was all of them.
    pub(crate) fn settle(&mut self, settlement: &Settlement, whole: bool) {
        for (sale, sums) in &settlement.drops {
            let (rules, sums) = (settlement.rules.clone(), sums.clone());
            self.settled.insert(*sale, Settled { rules, sums });
            if whole {
                self.page_mut(*sale).phase = Phase::Settled;
            }
        }
    }

    /// What was settled of a sale.
    pub(crate) fn settled(&self, sale: u32) -> Option<&Settled> {
        self.settled.get(&sale)
    }

    /// Likewise of all sales, by index.
    pub(crate) const fn all_settled(&self) -> &BTreeMap<u32, Settled> {
        &self.settled
    }

    /// The sales with such holds, by index.
    pub(crate) const fn live(&self) -> &BTreeSet<u32> {
        &self.live
    }

    /// Moves units as `turn` says.
    pub(crate) fn turn(&mut self, sale: u32, moves: &Moves, turn: Turn) {
        let page = self.page_mut(sale);
        let lived = page.holds_live > 0;
        match turn {
            Turn::Held => page.holds_live += 1,
            Turn::Bought => page.orders += 1,
            Turn::Confirmed => {
                page.holds_live -= 1;
                page.orders += 1;
            }
            Turn::Freed => page.holds_live -= 1,
            Turn::Restocked | Turn::Withdrawn => {}
        }
        for &(good, units) in moves {
            let count = page.goods.get_mut(usize::from(good)).expect("a line names a good");
            let units = u64::from(units);
            match turn {
                Turn::Held => count.held += units,
                Turn::Bought => count.sold += units,
                Turn::Confirmed => {
                    count.held -= units;
                    count.sold += units;
                }
                Turn::Freed => count.held -= units,
                Turn::Restocked => count.sold -= units,
                Turn::Withdrawn => {
                    count.sold -= units;
                    count.withdraw(units);
                }
            }
            // INVARIANT(S1): held + sold never pass the total; `available` panics if they do.
            let _ = count.available();
        }
        let lives = page.holds_live > 0;
        if lives != lived {
            let changed = if lives { self.live.insert(sale) } else { self.live.remove(&sale) };
            debug_assert!(changed, "a sale lives from its first live hold to its last");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn book() -> Book {
        let mut book = Book::default();
        let goods: Counts = smallvec![Count { total: Some(3), held: 0, sold: 0 }, Count::default()];
        book.add(Page { phase: Phase::Open, ..Page::new(goods) });
        book
    }

    #[test]
    fn units_move_and_none_is_lost() {
        let mut book = book();
        let moves: Moves = smallvec![(0, 2), (1, 5)];
        for turn in [Turn::Held, Turn::Confirmed] {
            book.turn(0, &moves, turn);
        }
        let one: Moves = smallvec![(0, 1)];
        book.turn(0, &one, Turn::Held);
        assert_eq!((book.holds_live(), book.page(0).goods[0].available()), (1, Some(0)));
        assert_eq!(book.live(), &BTreeSet::from([0]));
        book.turn(0, &one, Turn::Freed);
        let expected = Count { total: Some(3), held: 0, sold: 2 };
        assert_eq!((book.page(0).goods[0], book.page(0).orders), (expected, 1));
        assert!(book.live().is_empty());
    }

    #[test]
    #[should_panic(expected = "S1")]
    fn selling_more_than_there_is_panics() {
        let moves: Moves = smallvec![(0, 4)];
        book().turn(0, &moves, Turn::Held);
    }
}
