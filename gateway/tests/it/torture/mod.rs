//! Torture of the real process: clients that keep journals of their own of what they were told,
//! and whatever can befall the process beside them.
//!
//! Each failure prints the seed. A seed repeats what the clients ask and when the process is to be
//! hit, not how threads and processes meet.

mod client;
mod clock;
mod drop;
mod full;
mod journal;
mod latch;
mod pause;
mod seed;
mod volume;

pub(crate) use client::{Client, Reply, Wire};
pub(crate) use drop::{Crowd, Shopped, totals};
pub(crate) use journal::Journal;
pub(crate) use seed::{count, now_ms, rng, seed};
