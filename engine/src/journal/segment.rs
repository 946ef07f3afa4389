//! Segments: the files of the journal, made ahead of need and filled one after another.
//!
//! A segment is written with zeros and synced before it is used. A commit then only overwrites
//! bytes that exist: it can neither find the disk full nor make the file system's own structures
//! part of its flush.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Durability;
use super::append::Batch;
use super::frame::{self, Head};
use super::recover::{Origin, Place};
use super::storage::{FileName, Storage, StorageFile, write_all};
use crate::fault::{Fault, planted};
use crate::limits::PREPARED_SEGMENTS_MAX;
use crate::sync::{Condvar, Mutex, wait_at_most, wait_on};

/// Zeros are written and synced in slices of this size, so that a commit's own flush never waits
/// behind a whole segment.
const SLICE_BYTES: usize = 1 << 20;
/// While there is time, slices are shorter, with a rest after each, so that it hardly waits at all.
const SMALL_SLICE_BYTES: usize = 128 << 10;
const REST: Duration = Duration::from_millis(4);
/// Length of a segment made where it is needed at once, unless segments are shorter anyway.
const FIRST_BYTES: u64 = 4 << 10;
/// On a full disk segments may be shorter, down to this part of the usual length.
const SMALLEST_PART: u64 = 64;
/// How long to wait before asking a full disk again.
const RETRY: Duration = Duration::from_millis(100);
/// In `buffered` durability the file is flushed after this many bytes, and when idle.
const BUFFERED_BYTES: u64 = 8 << 20;

/// A segment that holds nothing but synced zeros.
#[derive(Debug)]
pub(crate) struct Blank {
    id: u64,
    file: Box<dyn StorageFile>,
    bytes: u64,
}

impl Blank {
    /// Adds zeros up to `bytes` and syncs them, in slices as long as `slice` says when it is told
    /// how far this is.
    fn lengthen(&mut self, bytes: u64, slice: impl Fn(u64) -> usize) -> io::Result<()> {
        let zeros = vec![0; SLICE_BYTES.min(usize::try_from(bytes).unwrap_or(SLICE_BYTES))];
        while self.bytes < bytes {
            let left = usize::try_from(bytes - self.bytes).unwrap_or(usize::MAX);
            let zeros = zeros.get(..left.min(slice(self.bytes))).unwrap_or(&zeros);
            write_all(&*self.file, zeros, self.bytes)?;
            self.file.sync()?;
            self.bytes += zeros.len() as u64;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Pool {
    ready: VecDeque<Blank>,
    next_id: u64,
    want: usize,
    /// Bytes left in the segment being written.
    current_left: u64,
    /// How the last attempt to make a segment failed, if it did.
    failed: Option<io::ErrorKind>,
    /// Whether to give up, instead of waiting, when no segment can be made.
    impatient: bool,
    stopping: bool,
}

/// Blank segments, and the thread that makes them.
#[derive(Debug)]
pub(crate) struct Supply {
    storage: Arc<dyn Storage>,
    segment_bytes: u64,
    /// Whether a thread keeps segments ready; without it whoever needs one makes it.
    threaded: bool,
    pool: Mutex<Pool>,
    changed: Condvar,
}

impl Supply {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segment_bytes: u64,
        next_id: u64,
        threaded: bool,
    ) -> Self {
        let pool = Pool {
            ready: VecDeque::new(),
            next_id,
            want: 1,
            current_left: 0,
            failed: None,
            impatient: false,
            stopping: false,
        };
        Self { storage, segment_bytes, threaded, pool: Mutex::new(pool), changed: Condvar::new() }
    }

    /// Keeps enough blank segments ready until [`Supply::stop`]. Runs on its own thread.
    pub(crate) fn keep_ready(&self) {
        let mut pool = self.pool.lock();
        while !pool.stopping {
            if pool.ready.len() >= pool.want {
                pool = wait_on(&self.changed, pool);
                continue;
            }
            drop(pool);
            let made = self.make_largest(self.next_id(), |made| self.rest(made));
            pool = self.pool.lock();
            match made {
                Ok(blank) => {
                    pool.failed = None;
                    pool.ready.push_back(blank);
                    self.changed.notify_all();
                }
                Err(error) => {
                    // The disk watch sees it, and commits that need the segment.
                    pool.failed = Some(error.kind());
                    self.changed.notify_all();
                    if !pool.stopping {
                        pool = wait_at_most(&self.changed, &self.pool, pool, RETRY);
                    }
                }
            }
        }
    }

    /// How long the next slice may be of a segment that has `made` bytes. Rests first, unless it is
    /// not the last that is wanted, or would soon be waited for: more than half as many bytes are
    /// used up already of the one before.
    fn rest(&self, made: u64) -> usize {
        let pool = self.pool.lock();
        let ready: u64 = pool.ready.iter().map(|blank| blank.bytes).sum();
        let more = pool.ready.len() + 1 < pool.want;
        if more || pool.stopping || pool.current_left + ready + made / 2 < self.segment_bytes {
            return SLICE_BYTES;
        }
        if made > 0 {
            drop(wait_at_most(&self.changed, &self.pool, pool, REST));
        }
        SMALL_SLICE_BYTES
    }

    /// Without a thread for it: makes one of the segments that are to be ready, if any is missing.
    pub(crate) fn prepare(&self) {
        let wanted = {
            let pool = self.pool.lock();
            !self.threaded && pool.ready.len() < pool.want
        };
        if wanted {
            let made = self.make_largest(self.next_id(), |_| SLICE_BYTES);
            let mut pool = self.pool.lock();
            pool.failed = made.as_ref().err().map(io::Error::kind);
            pool.ready.extend(made);
        }
    }

    /// Makes a segment of at least `bytes` on this thread: a short one, so that an engine that is
    /// started again and again does not fill the disk with segments it hardly used.
    pub(crate) fn make_now(&self, bytes: u64) -> io::Result<Blank> {
        self.make(self.next_id(), bytes.max(self.segment_bytes.min(FIRST_BYTES)), |_| SLICE_BYTES)
    }

    fn next_id(&self) -> u64 {
        let mut pool = self.pool.lock();
        pool.next_id += 1;
        pool.next_id - 1
    }

    /// Makes a blank segment, of the usual size or a half, a quarter ... of it: on a full disk the
    /// room that a start got back from blank segments must all be of use, or live holds could not
    /// end.
    fn make_largest(&self, id: u64, slice: impl Fn(u64) -> usize) -> io::Result<Blank> {
        let mut bytes = self.segment_bytes;
        let smallest = (bytes / SMALLEST_PART).max(frame::SECTOR as u64);
        let free = self.storage.free_bytes().unwrap_or(u64::MAX);
        loop {
            let last = bytes <= smallest;
            let tried = (last || bytes <= free).then(|| self.make(id, bytes, &slice));
            match tried {
                Some(Err(error)) if is_full(error.kind()) && !last => {}
                Some(made) => return made,
                None => {}
            }
            bytes = (bytes / 2).next_multiple_of(frame::SECTOR as u64);
        }
    }

    fn make(&self, id: u64, bytes: u64, slice: impl Fn(u64) -> usize) -> io::Result<Blank> {
        // What could not be created may be somebody else's.
        let file = self.storage.create(FileName::Segment(id))?;
        let mut blank = Blank { id, file, bytes: 0 };
        let listed = || {
            if planted(Fault::SkipDirectorySync) { Ok(()) } else { self.storage.sync_directory() }
        };
        match blank.lengthen(bytes, slice).and_then(|()| listed()) {
            Ok(()) => Ok(blank),
            Err(error) => {
                // Gives the room back; a leftover is only zeros.
                let _ = self.storage.remove(FileName::Segment(id));
                Err(error)
            }
        }
    }

    /// Takes a blank segment numbered after `last`, waiting for one if need be. `None` if nobody
    /// makes them, or the engine stops first.
    fn take(&self, last: u64) -> Option<Blank> {
        let mut pool = self.pool.lock();
        loop {
            while let Some(blank) = pool.ready.pop_front() {
                self.changed.notify_all();
                if blank.id > last {
                    return Some(blank);
                }
                // IMPORTANT: reading back goes by number, and a later one has been filled already.
                let _ = self.storage.remove(FileName::Segment(blank.id)); // it is only zeros
            }
            // A full disk can have room again, and nothing is lost by waiting; else it is broken.
            let hopeless = |kind| pool.impatient || !is_full(kind);
            if pool.stopping || !self.threaded || pool.failed.is_some_and(hopeless) {
                return None;
            }
            pool = wait_on(&self.changed, pool);
        }
    }

    /// Whether a batch of `bytes`, and a marker, can be written without waiting for a segment.
    pub(crate) fn has_ready(&self, bytes: u64) -> bool {
        let pool = self.pool.lock();
        !self.threaded
            || !pool.ready.is_empty()
            || pool.current_left >= bytes + 2 * frame::SECTOR as u64
    }

    /// Asks for blank segments of `bytes` together, from now on.
    pub(crate) fn want(&self, bytes: u64) {
        let segments = usize::try_from(bytes.div_ceil(self.segment_bytes)).unwrap_or(1);
        self.pool.lock().want = segments.clamp(1, PREPARED_SEGMENTS_MAX);
        self.changed.notify_all();
    }

    /// Bytes that records can still fill: prepared ones, and what the disk could yet take.
    pub(crate) fn room(&self) -> u64 {
        let (prepared, failed) = {
            let pool = self.pool.lock();
            let ready: u64 = pool.ready.iter().map(|blank| blank.bytes).sum();
            (ready + pool.current_left, pool.failed)
        };
        let free = if failed.is_some() { 0 } else { self.storage.free_bytes().unwrap_or(0) };
        // What does not make a whole segment cannot be used.
        prepared + free / self.segment_bytes * self.segment_bytes
    }

    /// From now on nobody waits for a segment that cannot be made.
    pub(crate) fn give_up_when_failing(&self) {
        self.pool.lock().impatient = true;
        self.changed.notify_all();
    }

    pub(crate) const fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(crate) const fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    pub(crate) fn stop(&self) {
        self.pool.lock().stopping = true;
        self.changed.notify_all();
    }
}

/// Whether an error may pass by itself: somebody makes room.
const fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

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

    /// Whether [`Writer::mark`] has anything to do.
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
        self.supply.pool.lock().current_left = segment.bytes - self.offset;
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
                blank.lengthen(needed, |_| SLICE_BYTES)?; // a batch may be longer than a segment
                blank
            }
            // Nobody makes them any more, and what is still under way must not fail on a sound
            // disk.
            None if self.supply.threaded => self.supply.make_now(needed)?,
            None => self.supply.make_now(needed.max(self.supply.segment_bytes))?,
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

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use super::*;
    use crate::journal::Directory;

    const MIB: u64 = 1 << 20;

    #[test]
    fn slices_are_short_while_there_is_time() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Arc::new(Directory::lock(directory.path()).unwrap());
        let supply = Supply::new(storage, 64 * MIB, 1, true);
        let slice = |left, made| {
            supply.pool.lock().current_left = left;
            supply.rest(made)
        };
        assert_eq!(slice(64 * MIB, 0), SMALL_SLICE_BYTES);
        assert_eq!(slice(63 * MIB, MIB), SLICE_BYTES, "as much is used up as is made");
        assert_eq!(slice(63 * MIB, 2 * MIB), SMALL_SLICE_BYTES);
        supply.want(128 * MIB);
        assert_eq!(slice(64 * MIB, 0), SLICE_BYTES, "another one is wanted too");
        supply.want(64 * MIB);
        supply.stop();
        assert_eq!(slice(64 * MIB, 0), SLICE_BYTES, "who ends waits for it");
    }
}
