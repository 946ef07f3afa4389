//! The parts that a report from files is made in, so that what it keeps of orders has a bound.
//!
//! A part ends with the last of so many records that name a hold which was over before, and only
//! the holds that these name are kept meanwhile. Where they were granted in an earlier part, all
//! that came before is read again for them: nothing of it is applied or checked another time, but
//! what happened to those holds is followed. So every record is applied once and in order, however
//! many parts there are; with one part nothing is read again.

use crate::ids::Slot;
use crate::journal::record::Record;
use crate::limits::SALES_MAX;

/// A hold of a drop: drop, shard and row in one word, from the highest bits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Which(u64);

const _: () = assert!(SALES_MAX <= 1 << 24, "a drop is in 24 bits");

/// The holds that the records of a part name once they are over.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// In order, each once.
    names: Vec<Which>,
    /// Most holds are not named; a bit says so of almost all of them.
    filter: Vec<u64>,
}

/// With so many, one hold in eight that is not named is looked for in vain.
const FILTER_BITS_EACH: usize = 8;
/// Odd, and its bits without a pattern: 2^64 divided by the golden ratio.
const SPREADING: u64 = 0x9e37_79b9_7f4a_7c15;

/// A first look at all records.
#[derive(Debug)]
pub(super) struct Look {
    later_max: usize,
    /// Records so far of the last part that name such a hold.
    naming: usize,
    first: Later,
    ends: Vec<u64>,
}

/// The hold that the record names, if that was over before.
fn named_by(record: &Record<'_>) -> Option<Which> {
    match record {
        Record::Refunded { sale, refund } => Some(Which::new(*sale, refund.slot)),
        Record::PaidLate { sale, slot, .. } => Some(Which::new(*sale, *slot)),
        _ => None,
    }
}

impl Which {
    pub(super) fn new(sale: u32, slot: Slot) -> Self {
        Self((u64::from(sale) << 40) | (u64::from(slot.shard) << 32) | u64::from(slot.row))
    }

    /// The drop.
    pub(super) fn sale(self) -> u32 {
        u32::try_from(self.0 >> 40).expect("a drop is in 24 bits")
    }

    /// Its bit in a filter of so many words, and which of them has it.
    fn bit(self, words: usize) -> (usize, u64) {
        let spread = self.0.wrapping_mul(SPREADING);
        let word = (u128::from(spread) * words as u128) >> 64;
        (usize::try_from(word).unwrap_or(usize::MAX), 1 << (spread % 64))
    }
}

impl Later {
    /// Looks at the next record.
    pub(super) fn see(&mut self, record: &Record<'_>) {
        self.names.extend(named_by(record));
    }

    /// All records of the part were seen.
    pub(super) fn finish(mut self) -> Self {
        self.names.sort_unstable();
        self.names.dedup();
        self.names.shrink_to_fit();
        let words = (self.names.len() * FILTER_BITS_EACH).div_ceil(64);
        self.filter = vec![0; words];
        for which in &self.names {
            let (word, bit) = which.bit(words);
            self.filter.get_mut(word).into_iter().for_each(|word| *word |= bit);
        }
        self
    }

    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Which> {
        self.names.iter().copied()
    }

    pub(super) fn names(&self, which: Which) -> bool {
        self.place(which).is_some()
    }

    /// Which of the names it is.
    pub(super) fn place(&self, which: Which) -> Option<usize> {
        let (word, bit) = which.bit(self.filter.len());
        let maybe = self.filter.get(word).is_some_and(|word| word & bit != 0);
        if maybe { self.names.binary_search(&which).ok() } else { None }
    }
}

impl Look {
    /// No part has more than `later_max` records that name such a hold.
    pub(super) fn new(later_max: usize) -> Self {
        Self { later_max, naming: 0, first: Later::default(), ends: Vec::new() }
    }

    /// Looks at the next record.
    pub(super) fn see(&mut self, sequence: u64, record: &Record<'_>) {
        if named_by(record).is_none() {
            return;
        }
        if self.ends.is_empty() {
            self.first.see(record);
        }
        self.naming += 1;
        if self.naming >= self.later_max {
            self.ends.push(sequence);
            self.naming = 0;
        }
    }

    /// All records up to `last` were seen: what those of the first part name, and the last record
    /// of each part.
    pub(super) fn finish(mut self, last: u64) -> (Later, Vec<u64>) {
        if self.ends.last() != Some(&last) {
            self.ends.push(last);
        }
        (self.first.finish(), self.ends)
    }
}
