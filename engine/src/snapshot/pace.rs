//! How much of the machine the maker of a snapshot takes.

use std::cell::Cell;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::load::EachRead;
use crate::journal::recover::Origin;
use crate::replay::Replayed;

/// Work is done in parts of about this length.
const PART: Duration = Duration::from_micros(200);
/// A part is followed by a pause of so many times its length.
const PAUSES: u32 = 9;
/// One that ends with a flush, by so many. Whoever flushes meanwhile waits for the whole of it, so
/// flushes take half a percent of the time, out of sight of the 99th percentile.
const PAUSES_FLUSH: u32 = 199;
/// A machine that is so busy is waited for no longer.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Bytes written between two flushes: a flush of somebody else waits behind one at most.
const GENTLE_BYTES: usize = 128 << 10;
const FULL_BYTES: usize = 64 << 20;

/// How far a snapshot in the making has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotProgress {
    /// So many records were read of those that the last snapshot does not hold.
    Read {
        /// Records read.
        records: u64,
        /// Records there are.
        all: u64,
    },
    /// So many holds were written.
    Written {
        /// Holds written.
        holds: u64,
        /// Holds there are.
        all: u64,
    },
    /// It is on disk; it, and the one that is kept with it, are read back.
    Checking,
}

/// Who wants a snapshot made.
pub(crate) trait Asker {
    /// Whether it is not wanted any more.
    fn gave_up(&self) -> bool {
        false
    }

    /// Waits that long, or until it is not wanted any more.
    fn pause(&self, pause: Duration) {
        thread::sleep(pause);
    }

    /// Is told how far it has come.
    fn hear(&self, _: SnapshotProgress) {}
}

/// Waits for it, come what may.
impl Asker for () {}

/// Takes all of the machine, or a tenth of one core's time and half a percent of the disk's.
pub(crate) struct Pace<'a> {
    asker: &'a dyn Asker,
    /// When the part of the work began that no pause has followed yet.
    part: Option<Cell<Instant>>,
}

impl<'a> Pace<'a> {
    /// Nobody else needs the machine.
    pub(crate) const FULL: Pace<'static> = Pace { asker: &(), part: None };

    /// An engine runs beside.
    pub(crate) fn gentle(asker: &'a dyn Asker) -> Self {
        Self { asker, part: Some(Cell::new(Instant::now())) }
    }

    /// Goes on with the work, after a pause where it is time for one.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] if it is not wanted any more.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        if self.asker.gave_up() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.pause_after(PART, PAUSES);
        Ok(())
    }

    /// So much is done.
    pub(crate) fn tell(&self, progress: SnapshotProgress) {
        self.asker.hear(progress);
    }

    /// Something was flushed: pauses.
    pub(crate) fn flushed(&self) {
        self.pause_after(Duration::ZERO, PAUSES_FLUSH);
    }

    /// Pauses `times` as long as the part took, unless it took less than `least`.
    fn pause_after(&self, least: Duration, times: u32) {
        let Some(part) = &self.part else { return };
        let worked = part.get().elapsed();
        if worked >= least {
            self.asker.pause((worked * times).min(PAUSE_MAX));
            part.set(Instant::now());
        }
    }

    /// Bytes to write between two flushes.
    pub(crate) const fn slice_bytes(&self) -> usize {
        if self.part.is_some() { GENTLE_BYTES } else { FULL_BYTES }
    }
}

/// Reads a snapshot at this pace. Whether it is wanted is asked elsewhere: one that was not read to
/// its end is no damaged one.
impl EachRead for &Pace<'_> {
    fn begin(&mut self, _: Origin) {}

    fn read(&mut self, _: &mut Replayed, _: usize) -> Result<(), &'static str> {
        let _ = self.go_on();
        Ok(())
    }
}
