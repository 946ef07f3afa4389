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
/// A machine that is so busy is waited for no longer; nor is a maker that is not wanted any more.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Bytes written between two flushes: a flush of somebody else waits behind one at most.
const GENTLE_BYTES: usize = 128 << 10;
const FULL_BYTES: usize = 64 << 20;

/// Whether what is being made is not wanted any more.
pub(crate) trait StopAsked: std::fmt::Debug {
    fn is_asked(&self) -> bool;
}

/// Nobody asks.
impl StopAsked for () {
    fn is_asked(&self) -> bool {
        false
    }
}

/// Takes all of the machine, or a tenth of one core's time and half a percent of the disk's.
#[derive(Debug)]
pub(crate) struct Pace<'s> {
    stopped: &'s dyn StopAsked,
    /// When the part of the work began that no pause has followed yet.
    part: Option<Cell<Instant>>,
}

impl<'s> Pace<'s> {
    /// Nobody else needs the machine.
    pub(crate) const FULL: Pace<'static> = Pace { stopped: &(), part: None };

    /// An engine runs beside, until `stopped` asks.
    pub(crate) fn gentle(stopped: &'s dyn StopAsked) -> Self {
        Self { stopped, part: Some(Cell::new(Instant::now())) }
    }

    /// Goes on with the work, after a pause where it is time for one.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] if it is not wanted any more.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        if self.stopped.is_asked() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.pause_after(PART, PAUSES);
        Ok(())
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
            thread::sleep((worked * times).min(PAUSE_MAX));
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
