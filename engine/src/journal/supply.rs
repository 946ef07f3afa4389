//! Blank segments, made ahead of need: the files of the journal before anything is in them.
//!
//! A segment is written with zeros and synced before it is used. A commit then only overwrites
//! bytes that exist: it can neither find the disk full nor make the file system's own structures
//! part of its flush.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::frame;
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

/// A segment that holds nothing but synced zeros.
#[derive(Debug)]
pub(crate) struct Blank {
    pub(super) id: u64,
    pub(super) file: Box<dyn StorageFile>,
    pub(super) bytes: u64,
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

impl Pool {
    /// Whether nothing is missing. Then the last failure counts no more: nobody asks the disk again
    /// before something is, and it may have room by then.
    fn has_enough(&mut self) -> bool {
        let enough = self.ready.len() >= self.want;
        if enough {
            self.failed = None;
        }
        enough
    }

    /// Whether it is no use to wait after this failure. A full disk can have room again, and
    /// nothing is lost by waiting; else it is broken.
    fn is_hopeless(&self, failure: io::ErrorKind) -> bool {
        self.impatient || !is_full(failure)
    }
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
            if pool.has_enough() {
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
    pub(crate) fn make_missing(&self) {
        if !self.threaded && !self.pool.lock().has_enough() {
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
    pub(super) fn take(&self, last: u64) -> Option<Blank> {
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
            if pool.stopping
                || !self.threaded
                || pool.failed.is_some_and(|kind| pool.is_hopeless(kind))
            {
                return None;
            }
            pool = wait_on(&self.changed, pool);
        }
    }

    /// Makes `blank` longer, for a batch that has no room in it otherwise. Waits for room on a full
    /// disk, as one waits for a segment.
    pub(super) fn lengthen(&self, blank: &mut Blank, bytes: u64) -> io::Result<()> {
        while let Err(error) = blank.lengthen(bytes, |_| SLICE_BYTES) {
            let pool = self.pool.lock();
            if pool.stopping || !self.threaded || pool.is_hopeless(error.kind()) {
                return Err(error);
            }
            drop(wait_at_most(&self.changed, &self.pool, pool, RETRY));
        }
        Ok(())
    }

    /// So many bytes are left in the segment that is being written.
    pub(super) fn left(&self, bytes: u64) {
        self.pool.lock().current_left = bytes;
    }

    /// Whether a thread makes segments.
    pub(super) const fn is_threaded(&self) -> bool {
        self.threaded
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

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::journal::Directory;

    const MIB: u64 = 1 << 20;

    /// A directory on a disk with so many bytes left.
    #[derive(Debug)]
    struct Narrow {
        directory: Directory,
        left: Arc<AtomicU64>,
    }

    #[derive(Debug)]
    struct NarrowFile(Box<dyn StorageFile>, Arc<AtomicU64>);

    impl Storage for Narrow {
        fn list(&self) -> io::Result<Vec<FileName>> {
            self.directory.list()
        }
        fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
            let file = self.directory.create(name)?;
            Ok(Box::new(NarrowFile(file, Arc::clone(&self.left))))
        }
        fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
            self.directory.open(name)
        }
        fn remove(&self, name: FileName) -> io::Result<()> {
            self.directory.remove(name)
        }
        fn sync_directory(&self) -> io::Result<()> {
            self.directory.sync_directory()
        }
        fn free_bytes(&self) -> io::Result<u64> {
            Ok(self.left.load(Ordering::Relaxed))
        }
        fn describe(&self, name: FileName) -> String {
            self.directory.describe(name)
        }
    }

    impl StorageFile for NarrowFile {
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(bytes, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            let less = |left: u64| left.checked_sub(bytes.len() as u64);
            let taken = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            taken.map_err(|_| io::ErrorKind::StorageFull)?;
            self.0.write_at(bytes, offset)
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
        fn length(&self) -> io::Result<u64> {
            self.0.length()
        }
    }

    fn narrow(directory: &tempfile::TempDir, left: u64) -> (Arc<AtomicU64>, Supply) {
        let directory = Directory::lock(directory.path()).unwrap();
        let left = Arc::new(AtomicU64::new(left));
        let storage = Arc::new(Narrow { directory, left: Arc::clone(&left) });
        (left, Supply::new(storage, MIB, 1, true))
    }

    #[test]
    fn a_disk_that_was_full_is_asked_again_once_nothing_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let (left, supply) = narrow(&directory, MIB);
        supply.want(2 * MIB);
        thread::scope(|scope| {
            scope.spawn(|| supply.keep_ready());
            let until = |is: &dyn Fn(&Pool) -> bool| {
                while !is(&supply.pool.lock()) {
                    thread::yield_now();
                }
            };
            until(&|pool| pool.ready.len() == 1 && pool.failed.is_some());
            supply.want(MIB);
            left.store(10 * MIB, Ordering::Relaxed);
            until(&|pool| pool.failed.is_none());
            assert_eq!(supply.room(), 11 * MIB);
            supply.stop();
        });
    }

    #[test]
    fn a_batch_that_is_longer_than_its_segment_waits_for_room() {
        let directory = tempfile::tempdir().unwrap();
        let (left, supply) = narrow(&directory, MIB);
        let mut blank = supply.make_now(MIB).unwrap();
        thread::scope(|scope| {
            let longer = scope.spawn(|| supply.lengthen(&mut blank, 3 * MIB));
            for _ in 0..2 {
                left.fetch_add(MIB, Ordering::Relaxed);
                while left.load(Ordering::Relaxed) > 0 {
                    thread::yield_now();
                }
            }
            longer.join().unwrap().unwrap();
        });
        assert_eq!((blank.bytes, blank.file.length().unwrap()), (3 * MIB, 3 * MIB));
        supply.give_up_when_failing();
        let given_up = supply.lengthen(&mut blank, 4 * MIB).unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::StorageFull);
    }

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
