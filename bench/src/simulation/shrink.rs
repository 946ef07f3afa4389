//! Which steps a failure needs: leaves out ever smaller groups of steps, as long as it still fails.

use std::collections::BTreeSet;

use super::run::{Trouble, play};
use super::step::Step;

/// A failure with few steps left.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The steps that are needed, with what they are.
    pub steps: Vec<(u64, Step)>,
    /// What is found with those.
    pub trouble: Trouble,
    /// How many plays it took.
    pub plays: u32,
}

/// Most plays that shrinking takes.
const PLAYS_MAX: u32 = 2_000;

/// Shrinks the failure of `seed`; a shrunk one breaks the same invariant.
#[must_use]
pub fn shrink(seed: u64, trouble: Trouble) -> Shrunk {
    let mut kept: Vec<u64> = (1..=trouble.step).collect();
    let mut best = trouble;
    let mut plays = 0;
    let mut size = kept.len().div_ceil(2);
    while size > 0 && plays < PLAYS_MAX {
        let mut at = 0;
        while at < kept.len() && plays < PLAYS_MAX {
            let without: BTreeSet<u64> = kept
                .iter()
                .enumerate()
                .filter(|(place, _)| !(at..at + size).contains(place))
                .map(|(_, &step)| step)
                .collect();
            plays += 1;
            match play(seed, &|step| without.contains(&step)) {
                Err(found) if found.violation.invariant == best.violation.invariant => {
                    kept = without.into_iter().filter(|&step| step <= found.step).collect();
                    best = found;
                }
                _ => at += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let steps = kept.iter().map(|&step| (step, Step::draw(seed, step))).collect();
    Shrunk { steps, trouble: best, plays }
}
