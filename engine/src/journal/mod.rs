//! The journal: what makes a hold durable. Append, group commit, watermark, recovery.
//!
//! A change is *appended* (sequence, time, place in the open batch), *committed* (the batch is
//! written and flushed by whoever leads) and *published* (the watermark moves past it; those who
//! wait are told). Nothing names a change to the outside before that.
//!
//! # Rules
//!
//! - **J1** A change that was acknowledged survives the end of the process and the loss of power:
//!   it is acknowledged after the flush that covers it.
//! - **J2** Units leave stock before their record is appended, and return after the record that
//!   frees them is. So no prefix of the journal oversells.
//! - **J3** Recovery reads back every acknowledged change, and every other one whole or not at all:
//!   a batch has one checksum.
//! - **J4** The first write or flush that fails latches: nothing is acknowledged after it and the
//!   flush is never tried again, since the operating system may have thrown the bytes away and a
//!   second flush would say all is well.
//! - **J5** One sequencing point: see [`append`].
//! - **J6** An answer that names a hold waits for that hold's last record.
//!
//! `append -> commit -> segment -> storage`, and back by `watermark`. Formats: [`frame`] (batches)
//! and [`record`]. Reading back: [`scan`] (frames, in windows) and [`recover`] (which of them
//! count).

pub(crate) mod append;
pub(crate) mod beside;
mod bytes;
mod carried;
mod commit;
mod durability;
pub(crate) mod feed;
mod flushes;
pub(crate) mod frame;
#[cfg(test)]
mod fuzzed;
pub(crate) mod gate;
pub(crate) mod record;
pub(crate) mod recover;
mod scan;
mod segment;
pub(crate) mod settlement;
mod storage;
mod supply;
pub(crate) mod watermark;

pub(crate) use append::{Room, Stamp};
pub(crate) use commit::{Journal, Opened};
pub use durability::Durability;
pub use flushes::{BATCH_BOUNDS, FLUSH_BOUNDS_US, Flushes};
pub(crate) use gate::Class;
pub use storage::{Directory, FileName, Storage, StorageFile};
pub(crate) use storage::{read_at, read_from, segments, snapshots, write_all};
pub(crate) use watermark::{Interest, Look};
