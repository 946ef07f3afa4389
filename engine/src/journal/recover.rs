//! Reading a journal back: which records count, and is anything wrong?
//!
//! # Rules
//!
//! 1. Records are read in order of sequence, without a gap, along the chain of checksums.
//! 2. *Vouched for* is every record up to the highest durable-up-to of any valid frame.
//! 3. Reading stops at the first frame that is not valid. Every vouched record must have been read
//!    by then; otherwise something that was on disk is not any more: corruption, and the engine
//!    does not start. What is not vouched for was never acknowledged: a torn tail. But a batch that
//!    goes on exactly where reading stopped, in the same epoch, was written after what is damaged
//!    there, a marker, had been flushed: no torn tail.
//! 4. Each start of the engine is an epoch and writes to fresh segments only. Its first frame takes
//!    the place of everything at or after its first sequence in older segments.
//! 5. What was read but not vouched for is kept aside, to be *written again*: after a crash of the
//!    process or a failed flush, a read that succeeds proves nothing about the disk.
//! 6. A snapshot stands for the records up to its sequence: reading begins behind the frame that
//!    ends with it. What a snapshot's name says was vouched for before the snapshot was made, so it
//!    must be found even if the snapshot cannot be read.
//! 7. Where older segments were dropped, a snapshot stands for what lay in them, or the engine does
//!    not start. Who only reads may begin at the first frame kept, and the chain with it.
//! 8. Beside a running engine the bytes change under the reader, so a later frame may be seen and
//!    an earlier one not. There only what was vouched for before reading began must be found whole.
//!
//! These are the first eight of `docs/journal-format.md`; the last two are kept by `replay` and by
//! the start of an engine.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use super::frame::{self, Head, SECTOR, Seen};
use super::record::Record;
use super::scan::{self, Part, Piece, Window};
use super::storage::{FileName, Storage, read_from, segments, snapshots};
use crate::Timestamp;
use crate::error::{Corruption, Error};
use crate::fault::{Fault, planted};

/// What a journal holds, besides the records handed out.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The first record that was to be handed out.
    pub(crate) first_sequence: u64,
    /// The last record that a later frame vouches for, and where its frame ends.
    pub(crate) vouched: Origin,
    /// The last record handed out, and where its frame ends.
    pub(crate) last: Origin,
    /// Records after the last one that is vouched for, as bytes, and how many.
    pub(crate) again: Vec<u8>,
    pub(crate) again_records: u32,
    /// Of the last start that is seen.
    pub(crate) epoch: u32,
    pub(crate) incarnation: u32,
    /// Frames with records that count.
    pub(crate) batches: u64,
    pub(crate) next_segment: u64,
    /// Segments that hold nothing.
    pub(crate) blank: Vec<u64>,
    /// Where an unacknowledged batch was cut short, if one was.
    pub(crate) torn: Option<Place>,
}

/// The end of a frame with records: where reading can go on if what was before is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The frame's last record; 0 before the first one.
    pub(crate) sequence: u64,
    /// That record's time.
    pub(crate) at: Timestamp,
    /// The frame's checksum, epoch and incarnation.
    pub(crate) checksum: u32,
    pub(crate) epoch: u32,
    pub(crate) incarnation: u32,
    /// The first byte after it; segment 0 before the first record.
    pub(crate) end: Place,
}

impl Default for Origin {
    fn default() -> Self {
        let end = Place { segment: 0, offset: 0 };
        Self { sequence: 0, at: Timestamp::default(), checksum: 0, epoch: 0, incarnation: 1, end }
    }
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

/// How much of a journal to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Where to begin.
    pub(crate) from: Origin,
    /// Whether the first record that is kept will do in place of the first one (rule 7).
    pub(crate) kept_only: bool,
    /// What is known to have been durable.
    pub(crate) vouched_min: u64,
    /// Frames that vouch for more than this are not believed.
    pub(crate) vouched_max: u64,
    /// Segments and batches that begin behind this record are not read.
    pub(crate) until: u64,
    /// Whether a second thread may read ahead.
    pub(crate) ahead: bool,
}

impl Extent {
    /// Everything, on this thread.
    pub(crate) fn all(storage: &dyn Storage) -> io::Result<Self> {
        let (from, vouched_min) = (Origin::default(), named_by_snapshots(storage)?);
        let (vouched_max, until) = (u64::MAX, u64::MAX);
        Ok(Self { from, kept_only: false, vouched_min, vouched_max, until, ahead: false })
    }
}

/// The highest sequence that a snapshot, readable or not, has in its name (rule 6).
pub(super) fn named_by_snapshots(storage: &dyn Storage) -> io::Result<u64> {
    Ok(snapshots(storage)?.last().copied().unwrap_or(0))
}

/// Reads the journal and hands every record that counts to `apply`, in order.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte; [`Error::Io`].
pub(crate) fn recover(
    storage: &dyn Storage,
    extent: Extent,
    apply: &mut Apply<'_>,
) -> Result<Recovered, Error> {
    let (ids, heads) = heads_from(storage, extent.from)?;
    let from = beginning(storage, &extent, &ids, &heads)?;
    let mut reading = Reading {
        storage,
        apply,
        vouched_max: extent.vouched_max,
        until: extent.until,
        next: from.sequence + 1,
        previous: from.checksum,
        stopped: None,
        tail: VecDeque::new(),
        vouched: extent.vouched_min.clamp(from.sequence, extent.vouched_max.max(from.sequence)),
        segments: Vec::with_capacity(ids.len()),
        blank: BTreeSet::new(),
        found: Recovered {
            first_sequence: from.sequence + 1,
            vouched: from,
            last: from,
            epoch: from.epoch,
            incarnation: from.incarnation,
            next_segment: ids.last().map_or(1, |last| last + 1),
            ..Recovered::default()
        },
    };
    let mut parts = Vec::with_capacity(ids.len());
    for ((&segment, head), place) in ids.iter().zip(&heads).zip(1..) {
        if head.is_some_and(|head| head.first_sequence > extent.until) {
            continue;
        }
        let later = heads.iter().skip(place).flatten();
        let epoch = head.map_or(0, |head| head.epoch);
        let replaced = later.filter(|head| head.epoch > epoch).map(|head| head.first_sequence);
        reading.segments.push((segment, replaced.min().unwrap_or(u64::MAX)));
        let goes_on = segment == from.end.segment;
        parts.push(Part { segment, from: if goes_on { from.end.offset } else { 0 } });
        if !goes_on {
            reading.blank.insert(segment);
        }
    }
    scan::each(storage, &parts, extent.ahead, &mut |window| reading.window(&window))?;
    reading.finish(ids.last().copied())
}

/// The segments from the one on in which `from` ends, and the head of each one's first frame.
fn heads_from(storage: &dyn Storage, from: Origin) -> io::Result<(Vec<u64>, Vec<Option<Head>>)> {
    let ids: Vec<u64> =
        segments(storage)?.into_iter().filter(|id| *id >= from.end.segment).collect();
    let heads = ids.iter().map(|&id| first_head(storage, id)).collect::<io::Result<Vec<_>>>()?;
    Ok((ids, heads))
}

/// Where reading begins; an error if what would be read there is not kept, and nothing stands for
/// it (rule 7).
fn beginning(
    storage: &dyn Storage,
    extent: &Extent,
    ids: &[u64],
    heads: &[Option<Head>],
) -> Result<Origin, Error> {
    let Extent { from, kept_only, .. } = *extent;
    if from.end.segment != 0 {
        if ids.first() == Some(&from.end.segment) {
            return Ok(from);
        }
        let why = format!("missing: a snapshot goes on here, after record {}", from.sequence);
        let (file, offset) = (from.end.file(storage), from.end.offset);
        return Err(Error::Corrupt(Corruption { file, offset, why }));
    }
    let Some(kept) = first_kept(heads) else { return Ok(from) };
    if kept_only && named_by_snapshots(storage)? >= kept.sequence {
        return Ok(kept);
    }
    let place = Place { segment: ids.first().copied().unwrap_or(0), offset: 0 };
    let why = format!(
        "the journal begins here with record {}, and no snapshot stands for those before",
        kept.sequence + 1
    );
    Err(Error::Corrupt(Corruption { file: place.file(storage), offset: 0, why }))
}

/// The end of what is not kept any more; `None` if everything is. A segment whose front is damaged
/// hides nothing: nobody can tell what it began with.
fn first_kept(heads: &[Option<Head>]) -> Option<Origin> {
    let _front = heads.first()?.as_ref()?;
    let first = heads.iter().flatten().min_by_key(|head| head.first_sequence)?;
    let (sequence, checksum) = (first.first_sequence.checked_sub(1)?, first.previous);
    (sequence > 0).then(|| Origin { sequence, checksum, ..Origin::default() })
}

/// The last record of what is not kept any more; 0 if everything is.
///
/// # Errors
/// Any error of the medium.
pub(crate) fn last_dropped(storage: &dyn Storage) -> io::Result<u64> {
    let (_, heads) = heads_from(storage, Origin::default())?;
    Ok(first_kept(&heads).map_or(0, |kept| kept.sequence))
}

/// The head of a segment's first frame, if that is valid.
pub(crate) fn first_head(storage: &dyn Storage, id: u64) -> io::Result<Option<Head>> {
    let file = storage.open(FileName::Segment(id))?;
    let first_sector = read_from(&*file, 0, SECTOR)?;
    let Some(claimed) = frame::peek(&first_sector, id) else { return Ok(None) };
    let bytes = read_from(&*file, 0, claimed.frame_bytes())?;
    match frame::look(&bytes, id) {
        Seen::Frame { head, .. } => Ok(Some(head)),
        Seen::Nothing | Seen::Bad => Ok(None),
    }
}

/// The first valid frame of a segment, wherever it lies.
pub(crate) fn first_valid(storage: &dyn Storage, id: u64) -> Result<Option<Head>, Error> {
    let mut first = None;
    scan::each(storage, &[Part { segment: id, from: 0 }], false, &mut |window| {
        first = first.or_else(|| {
            window.pieces.iter().find_map(|(_, piece)| match piece {
                Piece::Frame { head, .. } => Some(*head),
                Piece::Bad => None,
            })
        });
        Ok(())
    })?;
    Ok(first)
}

/// A frame whose records were handed out, though nothing vouches for it yet.
struct Tail {
    origin: Origin,
    records: u32,
    bytes: Vec<u8>,
}

struct Reading<'a, 'f> {
    storage: &'a dyn Storage,
    apply: &'a mut Apply<'f>,
    vouched_max: u64,
    /// Batches that begin behind this record are passed over.
    until: u64,
    next: u64,
    previous: u32,
    /// Where reading stopped, and why.
    stopped: Option<(Place, &'static str)>,
    tail: VecDeque<Tail>,
    /// Every record up to this one was durable.
    vouched: u64,
    /// Each segment, and from which sequence on its frames no longer count.
    segments: Vec<(u64, u64)>,
    blank: BTreeSet<u64>,
    found: Recovered,
}

impl Reading<'_, '_> {
    fn window(&mut self, window: &Window) -> Result<(), Error> {
        let (segment, replaced) = *self.segments.get(window.part).expect("a window of a segment");
        self.blank.remove(&segment);
        for (offset, piece) in &window.pieces {
            let place = Place { segment, offset: *offset };
            match piece {
                Piece::Bad => self.stop(place, "no valid batch"),
                Piece::Frame { head, records, checksum } => {
                    let records = window.bytes.get(records.clone()).unwrap_or_default();
                    self.frame(place, head, records, *checksum, replaced)?;
                }
            }
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
        let behind = head.first_sequence > self.until;
        if head.first_sequence >= replaced || behind {
            return Ok(());
        }
        let follows = head.first_sequence == self.next && head.previous == self.previous;
        if self.stopped.is_some() {
            if follows && !planted(Fault::BatchBehindDamage) {
                self.vouch(head.last_sequence());
            }
            return Ok(());
        }
        if !follows {
            self.stop(place, "a batch that does not follow the one before");
            return Ok(());
        }
        let (mut rest, mut last_at) = (records, self.found.last.at);
        for sequence in head.first_sequence..=head.last_sequence() {
            let decoded = Record::decode(rest);
            let Ok((at, record, length)) = decoded else {
                return Err(self.corrupt(place, "a record that cannot be read"));
            };
            (self.apply)(sequence, at, &record).map_err(|why| self.corrupt(place, why))?;
            last_at = at;
            rest = rest.get(length..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err(self.corrupt(place, "bytes after the last record of a batch"));
        }
        self.next = head.last_sequence() + 1;
        if head.records > 0 {
            self.previous = checksum;
            self.found.batches += 1;
            let Head { epoch, incarnation, .. } = *head;
            let end = Place { offset: place.offset + head.frame_bytes() as u64, ..place };
            let (sequence, at) = (head.last_sequence(), last_at);
            let origin = Origin { sequence, at, checksum, epoch, incarnation, end };
            self.found.last = origin;
            let tail = Tail { origin, records: head.records, bytes: records.to_vec() };
            self.tail.push_back(tail);
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
        self.vouched = self.vouched.max(sequence.min(self.vouched_max));
        self.let_go();
    }

    /// Lets go of the frames that are vouched for.
    fn let_go(&mut self) {
        let vouched = self.vouched;
        while let Some(first) = self.tail.pop_front_if(|tail| tail.origin.sequence <= vouched) {
            self.found.vouched = first.origin;
        }
    }

    fn corrupt(&self, place: Place, why: &'static str) -> Error {
        let file = place.file(self.storage);
        Error::Corrupt(Corruption { file, offset: place.offset, why: why.to_owned() })
    }

    fn finish(mut self, last_segment: Option<u64>) -> Result<Recovered, Error> {
        self.let_go();
        if planted(Fault::TruncateAtCorruption) {
            self.vouched = self.vouched.min(self.next - 1);
        }
        if planted(Fault::TrustPageCache) {
            self.vouched = self.next - 1;
            self.let_go();
        }
        // INVARIANT(J3): what was vouched for has been read, or the engine does not start.
        if self.vouched >= self.next {
            let end = Place { segment: last_segment.unwrap_or(0), offset: 0 };
            let (place, why) = self.stopped.unwrap_or((end, "the journal ends"));
            let why = format!("{why}: records {} to {} were durable", self.next, self.vouched);
            let file = place.file(self.storage);
            return Err(Error::Corrupt(Corruption { file, offset: place.offset, why }));
        }
        self.found.torn = self.stopped.map(|(place, _)| place);
        self.found.blank = self.blank.into_iter().collect();
        for tail in &self.tail {
            self.found.again.extend_from_slice(&tail.bytes);
            self.found.again_records += tail.records;
        }
        Ok(self.found)
    }
}
