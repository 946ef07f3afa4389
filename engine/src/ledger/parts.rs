//! The parts that a report from files is made in, so that what it keeps of orders has a bound.
//!
//! A part ends with the last of so many records that name a hold which was over before, and only
//! the holds that these name are kept meanwhile. Where they were granted in an earlier part, all
//! that came before is read again for them: nothing of it is applied or checked another time, but
//! what happened to those holds is followed. So every record is applied once and in order, however
//! many parts there are; with one part nothing is read again.

use crate::ids::Slot;
use crate::journal::record::Record;

/// A hold of a drop.
pub(super) type Which = (u32, Slot);

/// The holds that the records of a part name once they are over.
#[derive(Debug, Default)]
pub(super) struct Later(Vec<Which>);

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
        Record::Refunded { sale, refund } => Some((*sale, refund.slot)),
        Record::PaidLate { sale, slot, .. } => Some((*sale, *slot)),
        _ => None,
    }
}

impl Later {
    /// Looks at the next record.
    pub(super) fn see(&mut self, record: &Record<'_>) {
        self.0.extend(named_by(record));
    }

    /// All records of the part were seen.
    pub(super) fn finish(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
        self
    }

    pub(super) fn names(&self, which: Which) -> bool {
        self.0.binary_search(&which).is_ok()
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.0.len()
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
