//! How many holds were asked for, by drop and by what came of it.
//!
//! Owns its counters, all relaxed: each only ever grows, and nothing else is read by one. Counting
//! costs two loads and one addition, and allocates once per drop: a refusal of a sold-out drop
//! allocates nothing. Drops are found by their index in blocks that double, so that finding one
//! takes no lock and no block ever moves.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::limits::SALES_MAX;
use jangteo::{HoldOrWait, Pending, Refusal};

use crate::codes::{CODES, Code};

/// What comes before the codes.
const ANSWERS: [&str; 3] = ["granted", "replayed", "waiting"];
const OUTCOMES: usize = ANSWERS.len() + CODES;
const GRANTED: usize = 0;
const REPLAYED: usize = 1;
const WAITING: usize = 2;

/// Drops in the first block; each block has twice as many as the one before.
const FIRST_BLOCK: u32 = 64;
const BLOCKS: usize = ((SALES_MAX + FIRST_BLOCK).ilog2() - FIRST_BLOCK.ilog2() + 1) as usize;

type Counts = [AtomicU64; OUTCOMES];
type Block = Box<[OnceLock<Box<Counts>>]>;

/// See the module.
#[derive(Debug)]
pub(crate) struct HoldCounts {
    of_no_drop: Counts,
    blocks: [OnceLock<Block>; BLOCKS],
}

impl Default for HoldCounts {
    fn default() -> Self {
        Self { of_no_drop: zeros(), blocks: array::from_fn(|_| OnceLock::new()) }
    }
}

impl HoldCounts {
    /// Counts what came of a hold of that drop, if it was any.
    #[inline]
    pub(crate) fn count(&self, drop: Option<u32>, held: &Result<Pending<HoldOrWait>, Refusal>) {
        let outcome = match held.as_ref().map(Pending::peek) {
            Ok(Some(HoldOrWait::Hold(hold))) if hold.replayed => REPLAYED,
            Ok(Some(HoldOrWait::Wait(wait))) if wait.replayed => REPLAYED,
            Ok(Some(HoldOrWait::Wait(_))) => WAITING,
            Ok(_) => GRANTED,
            Err(refusal) => ANSWERS.len() + Code::of(refusal) as usize,
        };
        let counts = drop.and_then(|drop| self.make(drop)).unwrap_or(&self.of_no_drop);
        if let Some(count) = counts.get(outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Outcomes of a drop, or of those that named none that exists, that were seen at all.
    pub(crate) fn seen(&self, drop: Option<u32>) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = match drop {
            Some(drop) => self.find(drop),
            None => Some(&self.of_no_drop),
        };
        let names = ANSWERS.into_iter().chain(Code::names());
        let counts = counts.into_iter().flatten().map(|count| count.load(Ordering::Relaxed));
        names.zip(counts).filter(|(_, count)| *count > 0)
    }

    fn find(&self, drop: u32) -> Option<&Counts> {
        let (block, place) = place(drop);
        self.blocks.get(block)?.get()?.get(place)?.get().map(AsRef::as_ref)
    }

    #[inline]
    fn make(&self, drop: u32) -> Option<&Counts> {
        let (block, place) = place(drop);
        let made = self
            .blocks
            .get(block)?
            .get_or_init(|| (0..FIRST_BLOCK << block).map(|_| OnceLock::new()).collect());
        Some(made.get(place)?.get_or_init(|| Box::new(zeros())))
    }
}

fn zeros() -> Counts {
    array::from_fn(|_| AtomicU64::new(0))
}

/// The block of a drop, and its place there.
fn place(drop: u32) -> (usize, usize) {
    let from_first = drop.saturating_add(FIRST_BLOCK);
    let log = from_first.ilog2();
    ((log - FIRST_BLOCK.ilog2()) as usize, (from_first - (1 << log)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drop_has_a_place_of_its_own() {
        let table = [(0, (0, 0)), (63, (0, 63)), (64, (1, 0)), (191, (1, 127)), (192, (2, 0))];
        for (drop, expected) in table {
            assert_eq!(place(drop), expected, "{drop}");
        }
        let (block, at) = place(SALES_MAX - 1);
        assert!(block < BLOCKS && at < (FIRST_BLOCK as usize) << block);
    }

    #[test]
    fn what_was_counted_is_seen_under_its_drop_and_nowhere_else() {
        let counts = HoldCounts::default();
        for drop in [Some(0), Some(70), Some(70), None] {
            counts.count(drop, &Err(Refusal::SoldOut { available: 0 }));
        }
        let seen = |drop| counts.seen(drop).collect::<Vec<_>>();
        assert_eq!(seen(Some(0)), [("sold_out", 1)]);
        assert_eq!(seen(Some(70)), [("sold_out", 2)]);
        assert_eq!(seen(None), [("sold_out", 1)]);
        assert_eq!((seen(Some(1)), seen(Some(1_000_000))), (vec![], vec![]));
        let again = allocation_counter::measure(|| {
            counts.count(Some(70), &Err(Refusal::SoldOut { available: 0 }));
        });
        assert_eq!((again.count_total, seen(Some(70))), (0, vec![("sold_out", 3)]));
    }
}
