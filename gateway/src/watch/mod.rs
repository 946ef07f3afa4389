//! Watchers of drops, over both wires.
//!
//! A drop that somebody watches has one task (`teller`), which looks at it a few times a second. If
//! anything has changed it is encoded once (`shown`), put where every watcher finds it (`watched`),
//! and the watchers are woken in slices. What is told are absolute values, so a watcher that is
//! slow only ever takes the newest and nothing is kept for it. `hub` knows which drops are watched
//! and how many watchers there may be.

mod hub;
mod shown;
mod teller;
mod watched;

pub(crate) use hub::{Hub, begin};
pub(crate) use shown::{CHANNEL, Form};
pub(crate) use watched::Watch;
