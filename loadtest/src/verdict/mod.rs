//! The verdict: three witnesses of one sale, and whether they agree.

mod finding;
mod holds;
mod judge;
mod stock;
mod witness;

pub use finding::Finding;
pub use judge::{Verdict, verdict};
pub use witness::{Witness, WitnessHold, WitnessItem};
