//! The whole engine with its journal, on one thread, from one seed: workload, clock, disk, crashes.
//!
//! `step` draws what happens next; `stage` is the engine on its faulty disk, its deaths and its
//! starts; `pause` stops and resumes its drop, `by_hand` closes it and sets its stock, `line` is
//! who waits; `ledger` checks after every step what one step can tell; `run` plays a seed, and
//! `shrink` finds the steps that a failure needs. What is checked,
//! and when, is in `docs/verification.md`.

mod by_hand;
mod ledger;
mod line;
mod pause;
mod run;
mod shrink;
mod stage;
mod step;

pub use run::{Played, Trouble, play, run};
pub use shrink::{Shrunk, shrink};
pub use stage::Happened;
pub use step::{Step, Turn};
