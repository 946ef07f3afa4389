//! The only file that touches a stock word. Rules and orderings: [`super`].

use super::word::Word;
use crate::fault::{Fault, planted};
use crate::sync::{AtomicU32, Ordering};

/// One item's (or gift's) stock.
#[derive(Debug)]
pub(crate) struct Cell(AtomicU32);

/// What became of an attempt to take units without the basket mutex.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// They are the caller's to keep.
    Taken,
    /// Fewer are left, and that is final (rule 5).
    Short { left: u32 },
    /// Wait for the basket mutex and look again (rules 5 and 7).
    Slow,
}

/// What a look at the word says about taking some units.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Enough are left just now.
    Enough,
    /// Fewer are left, and that is final (rule 5).
    Short { left: u32 },
    /// Only who holds the basket mutex can tell.
    Slow,
}

impl Cell {
    pub(crate) fn of_units(units: u32) -> Self {
        Self(AtomicU32::new(Word::of_units(units).bits()))
    }

    fn load(&self) -> Word {
        Word::from_bits(self.0.load(Ordering::Acquire))
    }

    /// Whether `units` could be taken, without taking them.
    #[inline]
    pub(crate) fn look(&self, units: u32) -> Look {
        let word = self.load();
        if units > word.left() && !word.is_undecided() {
            Look::Short { left: word.left() }
        } else if units > word.left() || word.has_line() {
            Look::Slow
        } else {
            Look::Enough
        }
    }

    /// Takes `units` if that many are left (rules 3, 5, 6, 7). A refusal is one load.
    #[inline]
    pub(crate) fn try_take(&self, units: u32) -> Take {
        let mut word = self.load();
        if planted(Fault::CheckThenTake) {
            return self.check_then_take(word, units);
        }
        loop {
            match judge(word, units) {
                Ok(less) => match self.swap(word, less) {
                    Ok(()) => return Take::Taken,
                    Err(seen) => word = seen,
                },
                Err(answer) => return answer,
            }
        }
    }

    /// A planted fault: what was looked at may have changed before it is taken.
    #[cold]
    fn check_then_take(&self, word: Word, units: u32) -> Take {
        match judge(word, units) {
            Ok(less) => {
                self.0.store(less.bits(), Ordering::Release);
                Take::Taken
            }
            Err(answer) => answer,
        }
    }

    /// Takes `units` and marks the word undecided, or says how many are left (rule 4).
    ///
    /// IMPORTANT: only under the sale's basket mutex.
    pub(crate) fn take_undecided(&self, units: u32) -> Result<(), u32> {
        self.update(|word| word.minus(units).map(Word::undecided)).map_err(Word::left)
    }

    /// Clears the mark: what this hold took is its own, or back (rule 4).
    ///
    /// IMPORTANT: only under the sale's basket mutex, after any [`Cell::put_back`] of that hold.
    pub(crate) fn decide(&self) {
        let cleared = self.update(|word| Some(word.decided()));
        debug_assert!(cleared.is_ok(), "clearing a bit cannot be refused");
    }

    /// Whether somebody waits for units.
    pub(crate) fn is_awaited(&self) -> bool {
        self.load().has_line()
    }

    /// Says whether somebody waits for units (rule 7).
    ///
    /// IMPORTANT: only under the sale's basket mutex, or when nobody else knows the word.
    pub(crate) fn set_awaited(&self, awaited: bool) {
        let set = self.update(|word| Some(word.with_line(awaited)));
        debug_assert!(set.is_ok(), "setting a bit cannot be refused");
    }

    /// Puts `units` back, line or not.
    pub(crate) fn put_back(&self, units: u32) {
        let back = self.update(|word| Some(word.plus(units)));
        debug_assert!(back.is_ok(), "putting back cannot be refused");
    }

    /// Units left: out of date as soon as it is read, but that under the basket mutex and with LINE
    /// set nobody takes of them.
    pub(crate) fn left(&self) -> u32 {
        self.load().left()
    }

    /// Applies `change` until no other thread interferes; `Err` is the word that it declined.
    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Result<(), Word> {
        let mut word = self.load();
        loop {
            let changed = change(word).ok_or(word)?;
            match self.swap(word, changed) {
                Ok(()) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    #[inline]
    fn swap(&self, from: Word, to: Word) -> Result<(), Word> {
        self.0
            .compare_exchange_weak(from.bits(), to.bits(), Ordering::Release, Ordering::Acquire)
            .map(|_| ())
            .map_err(Word::from_bits)
    }
}

/// The word with `units` taken, or the answer why not.
#[inline]
fn judge(word: Word, units: u32) -> Result<Word, Take> {
    match word.minus(units) {
        Some(_) if word.has_line() => Err(Take::Slow),
        Some(less) => Ok(less),
        None if word.is_undecided() => Err(Take::Slow),
        None => Err(Take::Short { left: word.left() }),
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_last_unit_goes_to_one() {
        let cell = Cell::of_units(1);
        assert_eq!(cell.try_take(1), Take::Taken);
        assert_eq!(cell.try_take(1), Take::Short { left: 0 });
        cell.put_back(1);
        assert_eq!(cell.try_take(1), Take::Taken);
    }

    #[test]
    fn an_undecided_unit_is_not_sold_out() {
        let cell = Cell::of_units(3);
        assert_eq!(cell.take_undecided(2), Ok(()));
        assert_eq!(cell.try_take(1), Take::Taken, "enough is enough");
        assert_eq!(cell.look(1), Look::Slow);
        assert_eq!(cell.try_take(1), Take::Slow);
        cell.put_back(2);
        cell.decide();
        assert_eq!(cell.try_take(3), Take::Short { left: 2 });
        assert_eq!(cell.look(2), Look::Enough);
    }

    #[test]
    fn a_line_sends_takers_under_the_mutex_and_nobody_else() {
        let cell = Cell::of_units(5);
        cell.set_awaited(true);
        assert!(cell.is_awaited());
        assert_eq!((cell.look(5), cell.try_take(1)), (Look::Slow, Take::Slow));
        assert_eq!(cell.look(6), Look::Short { left: 5 });
        assert_eq!(cell.try_take(6), Take::Short { left: 5 });
        assert_eq!(cell.take_undecided(2), Ok(()), "who holds the mutex serves the line");
        cell.put_back(2);
        cell.decide();
        cell.set_awaited(false);
        assert_eq!((cell.is_awaited(), cell.try_take(5)), (false, Take::Taken));
    }
}
