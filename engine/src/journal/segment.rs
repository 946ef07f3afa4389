//! The end of the journal: frames are written into [blank segments](super::supply), one after the
//! other, and flushed as the durability asks.

use std::io;
use std::sync::Arc;

use super::Durability;
use super::append::Batch;
use super::frame::{self, Head};
use super::recover::{Origin, Place};
use super::storage::write_all;
use super::supply::{Blank, Supply};
use crate::fault::{Fault, planted};

/// In `buffered` durability the file is flushed after this many bytes, and when idle.
const BUFFERED_BYTES: u64 = 8 << 20;

/// The end of the journal: writes frames, one at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    supply: Arc<Supply>,
    durability: Durability,
    segment: Option<Blank>,
    offset: u64,
    epoch: u32,
    incarnation: u32,
    /// The end of the last frame with records.
    last: Origin,
    /// Last sequence written, and last one flushed.
    written: u64,
    flushed: u64,
    unflushed_bytes: u64,
    /// Whether a later frame, or a marker, says that everything written was durable.
    vouched: bool,
    /// The buffer that the next batch is appended to.
    pub(crate) spare: Vec<u8>,
}

impl Writer {
    /// A writer that goes on after the frame that ends at `last`.
    pub(crate) fn after(
        supply: Arc<Supply>,
        durability: Durability,
        last: Origin,
        (epoch, incarnation): (u32, u32),
    ) -> Self {
        Self {
            supply,
            durability,
            segment: None,
            offset: 0,
            epoch,
            incarnation,
            last,
            written: last.sequence,
            flushed: last.sequence,
            unflushed_bytes: 0,
            vouched: true,
            spare: Vec::new(),
        }
    }

    /// Starts writing at the front of `blank`.
    pub(crate) fn begin(&mut self, blank: Blank) {
        self.segment = Some(blank);
        self.offset = 0;
    }

    /// Writes a batch, and flushes it as the durability asks.
    ///
    /// # Errors
    /// Whatever the medium says: nothing written since the last flush is known after that (J4).
    pub(crate) fn write(&mut self, batch: Batch) -> io::Result<()> {
        self.write_unflushed(batch)?;
        if self.durability == Durability::Synced || self.unflushed_bytes >= BUFFERED_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes a batch, which the next flush makes durable.
    pub(crate) fn write_unflushed(&mut self, batch: Batch) -> io::Result<()> {
        let bytes = batch.frame.len() - frame::HEAD;
        let checksum = self.put(batch.frame, batch.first_sequence, batch.records, bytes)?;
        self.written = batch.first_sequence + u64::from(batch.records) - 1;
        let segment = self.segment.as_ref().map_or(0, |segment| segment.id);
        self.last = Origin {
            sequence: self.written,
            at: batch.last_at,
            checksum,
            epoch: self.epoch,
            incarnation: self.incarnation,
            end: Place { segment, offset: self.offset },
        };
        self.vouched = false;
        Ok(())
    }

    /// A planted fault: takes what was written for flushed.
    pub(crate) fn believe(&mut self) {
        (self.flushed, self.vouched) = (self.written, true);
    }

    /// When nothing waits: flushes what is not, and writes a marker if nothing vouches for the
    /// last frame yet.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(crate) fn mark(&mut self) -> io::Result<()> {
        if self.flushed < self.written {
            self.flush()?;
        }
        if !self.vouched {
            self.put(vec![0; frame::HEAD], self.written + 1, 0, 0)?; // no link of the chain
            self.flush()?;
            self.vouched = true;
        }
        Ok(())
    }

    /// The end of everything written, if all of it is vouched for.
    pub(crate) fn end(&self) -> Option<Origin> {
        (self.vouched && self.flushed == self.written).then_some(self.last)
    }

    /// Whether everything written is vouched for, so that [`Writer::mark`] has nothing to do.
    pub(crate) const fn is_marked(&self) -> bool {
        self.vouched
    }

    fn put(
        &mut self,
        mut bytes: Vec<u8>,
        first_sequence: u64,
        records: u32,
        length: usize,
    ) -> io::Result<u32> {
        let length = u32::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let needed = (bytes.len().next_multiple_of(frame::SECTOR)) as u64;
        self.roll(needed)?;
        let segment = self.segment.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let head = Head {
            segment: segment.id,
            epoch: self.epoch,
            incarnation: self.incarnation,
            first_sequence,
            records,
            bytes: length,
            durable_up_to: self.flushed + u64::from(planted(Fault::VouchTooFar)),
            previous: self.last.checksum,
        };
        let checksum = frame::seal(&mut bytes, &head);
        let written = write_all(&*segment.file, &bytes, self.offset);
        let full = written.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::StorageFull);
        if !(full && planted(Fault::FullDiskIsSuccess)) {
            written?;
        }
        self.offset += needed;
        self.unflushed_bytes += needed;
        self.supply.left(segment.bytes - self.offset);
        self.spare = bytes;
        Ok(checksum)
    }

    /// Goes on to the next segment if this one has no room for `needed` bytes.
    fn roll(&mut self, needed: u64) -> io::Result<()> {
        if self.segment.as_ref().is_some_and(|segment| self.offset + needed <= segment.bytes) {
            return Ok(());
        }
        if self.flushed < self.written {
            self.flush()?; // the old segment's file goes out of reach
        }
        let last = self.segment.as_ref().map_or(0, |segment| segment.id);
        let blank = match self.supply.take(last) {
            Some(mut blank) => {
                self.supply.lengthen(&mut blank, needed)?; // a batch may be longer than a segment
                blank
            }
            // Nobody makes them any more, and what is still under way must not fail on a sound
            // disk.
            None if self.supply.is_threaded() => self.supply.make_now(needed)?,
            None => self.supply.make_now(needed.max(self.supply.segment_bytes()))?,
        };
        self.begin(blank);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(segment) = self.segment.as_ref().filter(|_| !planted(Fault::SkipFlush)) {
            let mut synced = segment.file.sync();
            if synced.is_err() && planted(Fault::RetryFailedFlush) {
                synced = segment.file.sync();
            }
            if !planted(Fault::IgnoreFailedFlush) {
                synced?;
            }
        }
        self.flushed = self.written.max(self.flushed);
        self.unflushed_bytes = 0;
        Ok(())
    }
}
