//! The stock word as a value: packing and arithmetic, no atomics.

use crate::limits::UNITS_MAX;

/// Some units were taken by a hold that may yet put them back.
const UNDECIDED: u32 = 1 << 30;
/// Customers wait in line.
const LINE: u32 = 1 << 31;
const LEFT: u32 = UNDECIDED - 1;

const _: () = assert!(UNITS_MAX <= LEFT, "units fit below the flags");

/// A value of the stock word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u32);

impl Word {
    pub(crate) const fn of_units(units: u32) -> Self {
        assert!(units <= UNITS_MAX, "limits.rs bounds the units of an item");
        Self(units)
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn left(self) -> u32 {
        self.0 & LEFT
    }

    pub(crate) const fn is_undecided(self) -> bool {
        self.0 & UNDECIDED != 0
    }

    pub(crate) const fn has_line(self) -> bool {
        self.0 & LINE != 0
    }

    /// The word with `units` fewer, or `None` if fewer are left.
    #[must_use]
    pub(crate) const fn minus(self, units: u32) -> Option<Self> {
        if self.left() < units { None } else { Some(Self(self.0 - units)) }
    }

    /// The word with `units` more.
    #[must_use]
    pub(crate) const fn plus(self, units: u32) -> Self {
        // INVARIANT(S1): a unit is put back at most as often as it was taken.
        assert!(units <= UNITS_MAX - self.left(), "more units came back than were taken");
        Self(self.0 + units)
    }

    #[must_use]
    pub(crate) const fn undecided(self) -> Self {
        Self(self.0 | UNDECIDED)
    }

    #[must_use]
    pub(crate) const fn decided(self) -> Self {
        Self(self.0 & !UNDECIDED)
    }

    #[must_use]
    pub(crate) const fn with_line(self, line: bool) -> Self {
        Self(if line { self.0 | LINE } else { self.0 & !LINE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word of up to 12 units with every flag.
    fn small_words() -> impl Iterator<Item = Word> {
        (0..=12).flat_map(|units| {
            let word = Word::of_units(units);
            [word, word.undecided(), word.with_line(true), word.with_line(true).undecided()]
        })
    }

    #[test]
    fn taking_and_putting_back_touch_units_only() {
        for word in small_words() {
            for units in 0..=13 {
                let flags = (word.is_undecided(), word.has_line());
                match word.minus(units) {
                    Some(less) => {
                        assert_eq!(less.left() + units, word.left());
                        assert_eq!((less.is_undecided(), less.has_line()), flags);
                        assert_eq!(less.plus(units), word);
                    }
                    None => assert!(word.left() < units),
                }
            }
        }
    }

    #[test]
    fn marks_touch_their_own_bit_only() {
        for word in small_words() {
            assert!(word.undecided().is_undecided());
            assert!(!word.decided().is_undecided());
            for marked in [word.undecided(), word.decided()] {
                assert_eq!((marked.left(), marked.has_line()), (word.left(), word.has_line()));
            }
            assert_eq!(Word::from_bits(word.bits()), word);
        }
    }

    #[test]
    fn the_largest_stock_fits() {
        let full = Word::of_units(UNITS_MAX).with_line(true).undecided();
        assert_eq!(full.left(), UNITS_MAX);
        assert_eq!(full.minus(UNITS_MAX).map(Word::left), Some(0));
    }

    #[test]
    #[should_panic(expected = "more units came back")]
    fn a_unit_that_comes_back_twice_is_noticed() {
        let _ = Word::of_units(UNITS_MAX).plus(1);
    }
}
