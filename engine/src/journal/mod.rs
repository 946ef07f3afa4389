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
//! and [`record`]. Reading back: [`recover`].

pub(crate) mod append;
mod commit;
pub(crate) mod frame;
pub(crate) mod gate;
pub(crate) mod record;
pub(crate) mod recover;
mod segment;
mod storage;
pub(crate) mod watermark;

pub(crate) use append::{Room, Stamp};
pub(crate) use commit::{Journal, Opened};
pub(crate) use gate::Class;
pub use storage::{Directory, Segment, Storage};
pub(crate) use watermark::{Interest, Look};

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, of the operating system, and the loss of power: the file is flushed
    /// to the disk before anything is acknowledged.
    #[default]
    Synced,
    /// The end of the process. What the operating system had not yet written is lost with it; the
    /// file is flushed every few megabytes and when idle.
    Buffered,
    /// Nothing: there is no journal.
    Memory,
}

impl Durability {
    /// The word for it on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Buffered => "buffered",
            Self::Memory => "memory",
        }
    }
}

impl std::str::FromStr for Durability {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        let all = [Self::Synced, Self::Buffered, Self::Memory];
        all.into_iter().find(|one| one.name() == name).ok_or("one of synced, buffered, memory")
    }
}
