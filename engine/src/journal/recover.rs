//! Reading a journal back: which records count, and is anything wrong?
//!
//! # Rules
//!
//! 1. Records are read in order of sequence, without a gap, along the chain of checksums.
//! 2. *Vouched for* is every record up to the highest durable-up-to of any valid frame.
//! 3. Reading stops at the first frame that is not valid. Every vouched record must have been read
//!    by then; otherwise something that was on disk is not any more: corruption, and the engine
//!    does not start. What is not vouched for was never acknowledged: a torn tail.
//! 4. Each start of the engine is an epoch and writes to fresh segments only. Its first frame takes
//!    the place of everything at or after its first sequence in older segments.
//! 5. What was read but not vouched for is kept aside, to be *written again*: after a crash of the
//!    process or a failed flush, a read that succeeds proves nothing about the disk.
//! 6. Beside a running engine the bytes change under the reader, so a later frame may be seen and
//!    an earlier one not. There only what was vouched for before reading began must be found whole.

use std::io;

use super::frame::{self, Head, SECTOR, Seen};
use super::record::Record;
use super::storage::{FileName, Storage, read_all, read_front, segments};
use crate::Timestamp;
use crate::error::{Corruption, Error};
use crate::fault::{Fault, planted};

/// What a journal holds, besides the records handed out.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Last sequence that a later frame vouches for, and the checksum of its frame.
    pub(crate) vouched: u64,
    pub(crate) checksum: u32,
    /// Records after that, as bytes, and how many.
    pub(crate) again: Vec<u8>,
    pub(crate) again_records: u32,
    pub(crate) epoch: u32,
    pub(crate) incarnation: u32,
    /// Frames with records that count.
    pub(crate) batches: u64,
    pub(crate) last_at: Timestamp,
    pub(crate) next_segment: u64,
    /// Segments that hold nothing.
    pub(crate) blank: Vec<u64>,
    /// Where an unacknowledged batch was cut short, if one was.
    pub(crate) torn: Option<Place>,
}

/// A byte of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl Place {
    /// What to call its file in messages to people.
    pub(crate) fn file(self, storage: &dyn Storage) -> String {
        storage.describe(FileName::Segment(self.segment))
    }

    /// What to call it.
    pub(crate) fn describe(self, storage: &dyn Storage) -> String {
        format!("{}: byte {}", self.file(storage), self.offset)
    }
}

/// Called for each record that counts: sequence, time, record.
pub(crate) type Apply<'a> = dyn FnMut(u64, Timestamp, &Record<'_>) -> Result<(), &'static str> + 'a;

/// Reads all of `storage` and hands every record that counts to `apply`, in order.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte; [`Error::Io`].
pub(crate) fn recover(storage: &dyn Storage, apply: &mut Apply<'_>) -> Result<Recovered, Error> {
    read(storage, u64::MAX, apply)
}

/// Likewise, while an engine may be writing to `storage` (rule 6).
///
/// # Errors
/// As [`recover`]; also [`Error::Io`] if an engine that starts removes a blank segment meanwhile.
pub(crate) fn read_beside(
    storage: &dyn Storage,
    apply: &mut Apply<'_>,
) -> Result<Recovered, Error> {
    let mut vouched = 0;
    for id in segments(storage)? {
        let bytes = read_all(&*storage.open(FileName::Segment(id))?)?;
        let mut offset = 0;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            offset += match frame::look(rest, id) {
                Seen::Frame { head, .. } => {
                    vouched = vouched.max(head.durable_up_to);
                    head.frame_bytes()
                }
                Seen::Nothing | Seen::Bad => SECTOR,
            };
        }
    }
    read(storage, vouched, apply)
}

/// Reads it, believing no frame that vouches for more than `vouched_max`.
fn read(
    storage: &dyn Storage,
    vouched_max: u64,
    apply: &mut Apply<'_>,
) -> Result<Recovered, Error> {
    let ids = segments(storage)?;
    let mut reading = Reading {
        storage,
        apply,
        vouched_max,
        next: 1,
        previous: 0,
        stopped: None,
        tail: Vec::new(),
        found: Recovered { incarnation: 1, next_segment: 1, ..Recovered::default() },
    };
    let mut heads = Vec::with_capacity(ids.len());
    for &id in &ids {
        heads.push(first_head(storage, id)?);
        reading.found.next_segment = id + 1;
    }
    for (place, &id) in ids.iter().enumerate() {
        let later = heads.iter().skip(place + 1).flatten();
        let epoch = heads.get(place).copied().flatten().map_or(0, |head| head.epoch);
        let replaced = later.filter(|head| head.epoch > epoch).map(|head| head.first_sequence);
        reading.segment(id, replaced.min().unwrap_or(u64::MAX))?;
    }
    reading.finish(ids.last().copied())
}

/// The head of a segment's first frame, if that is valid.
pub(super) fn first_head(storage: &dyn Storage, id: u64) -> io::Result<Option<Head>> {
    let file = storage.open(FileName::Segment(id))?;
    let first_sector = read_front(&*file, SECTOR)?;
    let bytes = read_front(&*file, frame::claimed_bytes(&first_sector))?;
    match frame::look(&bytes, id) {
        Seen::Frame { head, .. } => Ok(Some(head)),
        Seen::Nothing | Seen::Bad => Ok(None),
    }
}

/// A frame whose records were handed out, though nothing vouches for it yet.
struct Tail {
    last_sequence: u64,
    records: u32,
    bytes: Vec<u8>,
    checksum: u32,
}

struct Reading<'a, 'f> {
    storage: &'a dyn Storage,
    apply: &'a mut Apply<'f>,
    vouched_max: u64,
    next: u64,
    previous: u32,
    /// Where reading stopped, and why.
    stopped: Option<(Place, &'static str)>,
    tail: Vec<Tail>,
    found: Recovered,
}

impl Reading<'_, '_> {
    /// Reads one segment, whose frames from sequence `replaced` on no longer count.
    fn segment(&mut self, id: u64, replaced: u64) -> Result<(), Error> {
        let bytes = read_all(&*self.storage.open(FileName::Segment(id))?)?;
        let mut offset = 0;
        let mut blank = true;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let place = Place { segment: id, offset: offset as u64 };
            match frame::look(rest, id) {
                Seen::Nothing => offset += SECTOR,
                Seen::Bad => {
                    self.stop(place, "no valid batch");
                    blank = false;
                    offset += SECTOR;
                }
                Seen::Frame { head, records, checksum } => {
                    blank = false;
                    self.frame(place, &head, records, checksum, replaced)?;
                    offset += head.frame_bytes();
                }
            }
        }
        if blank {
            self.found.blank.push(id);
        }
        Ok(())
    }

    fn stop(&mut self, place: Place, why: &'static str) {
        self.stopped.get_or_insert((place, why));
    }

    fn frame(
        &mut self,
        place: Place,
        head: &Head,
        records: &[u8],
        checksum: u32,
        replaced: u64,
    ) -> Result<(), Error> {
        if head.durable_up_to >= head.first_sequence {
            return Err(self.corrupt(place, "a batch that vouches for itself"));
        }
        if head.epoch > self.found.epoch {
            self.begin_epoch(head);
        }
        self.vouch(head.durable_up_to);
        if self.stopped.is_some() || head.first_sequence >= replaced {
            return Ok(());
        }
        if head.first_sequence != self.next || head.previous != self.previous {
            self.stop(place, "a batch that does not follow the one before");
            return Ok(());
        }
        let mut rest = records;
        for sequence in head.first_sequence..=head.last_sequence() {
            let decoded = Record::decode(rest);
            let Ok((at, record, length)) = decoded else {
                return Err(self.corrupt(place, "a record that cannot be read"));
            };
            (self.apply)(sequence, at, &record).map_err(|why| self.corrupt(place, why))?;
            self.found.last_at = at;
            rest = rest.get(length..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err(self.corrupt(place, "bytes after the last record of a batch"));
        }
        self.next = head.last_sequence() + 1;
        if head.records > 0 {
            self.previous = checksum;
            self.found.batches += 1;
            self.tail.push(Tail {
                last_sequence: head.last_sequence(),
                records: head.records,
                bytes: records.to_vec(),
                checksum,
            });
        }
        Ok(())
    }

    /// A newer start of the engine goes on where it found the journal to end (rule 4).
    fn begin_epoch(&mut self, head: &Head) {
        self.found.epoch = head.epoch;
        self.found.incarnation = head.incarnation;
        if head.first_sequence == self.next {
            self.stopped = None;
        }
    }

    /// Everything up to `sequence` was durable (rule 2).
    fn vouch(&mut self, sequence: u64) {
        self.found.vouched = self.found.vouched.max(sequence.min(self.vouched_max));
        let vouched = self.found.vouched;
        while let Some(first) = self.tail.first().filter(|tail| tail.last_sequence <= vouched) {
            self.found.checksum = first.checksum;
            self.tail.remove(0);
        }
    }

    fn corrupt(&self, place: Place, why: &'static str) -> Error {
        let file = place.file(self.storage);
        Error::Corrupt(Corruption { file, offset: place.offset, why: why.to_owned() })
    }

    fn finish(mut self, last_segment: Option<u64>) -> Result<Recovered, Error> {
        if planted(Fault::TruncateAtCorruption) {
            self.found.vouched = self.found.vouched.min(self.next - 1);
        }
        if planted(Fault::TrustPageCache) {
            (self.found.vouched, self.found.checksum) = (self.next - 1, self.previous);
            self.tail.clear();
        }
        // INVARIANT(J3): what was vouched for has been read, or the engine does not start.
        if self.found.vouched >= self.next {
            let end = Place { segment: last_segment.unwrap_or(0), offset: 0 };
            let (place, why) = self.stopped.unwrap_or((end, "the journal ends"));
            let why =
                format!("{why}: records {} to {} were durable", self.next, self.found.vouched);
            let file = place.file(self.storage);
            return Err(Error::Corrupt(Corruption { file, offset: place.offset, why }));
        }
        self.found.torn = self.stopped.map(|(place, _)| place);
        for tail in &self.tail {
            self.found.again.extend_from_slice(&tail.bytes);
            self.found.again_records += tail.records;
        }
        Ok(self.found)
    }
}
