//! Snapshots: what all records up to a sequence made, so that a start replays only what follows.
//!
//! A snapshot only shortens recovery. It holds nothing that the journal does not, it is made only
//! of records that were vouched for, and a start that cannot read it passes it over, says so, and
//! reads the one before it or the whole journal.
//!
//! # File
//!
//! `<sequence, 20 digits>.snapshot`: sections, one after the other, each with a checksum of its own
//! that covers its place in the file ([`section`]). The last one counts them all and says that
//! the file is complete. Written under its final name: until that last section is there, it is no
//! snapshot.
//!
//! `make -> write -> section`, at a [`pace`], and back by [`load`]; [`live`] is an engine that ends,
//! [`compare`] sets a snapshot against the journal.

mod compare;
mod head;
mod live;
mod load;
mod make;
mod pace;
mod section;
#[cfg(test)]
#[cfg(not(jangteo_loom))]
mod tests;
mod write;

pub(crate) use compare::{Compared, compare};
pub(crate) use live::Ended;
pub(crate) use load::{EachRead, Loaded, beyond, is_whole, load, load_each, newest, newest_each};
pub use make::{SnapshotMade, make_snapshot, snapshot_directory, snapshot_directory_with_progress};
pub(crate) use make::{make, state_at, store};
pub use pace::SnapshotProgress;
