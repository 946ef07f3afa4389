//! The journal read from any record on, beside the writer: where the event feed comes from.
//!
//! # Rules
//!
//! 1. Nothing above the watermark is asked for. So whatever is looked at was written before the
//!    watermark moved past it, and is never written again.
//! 2. Of all segments that begin at or before a record, the last one has it: each start of the
//!    engine takes the place of everything from its first sequence on (see
//!    [`recover`](super::recover), rule 4).
//! 3. On the way heads are believed, so that frames are passed by without being read. The frame
//!    that is handed out is whole and right.
//!
//! A segment is known by its first head. Within it some frames are remembered as they are passed,
//! so that going on where somebody left off does not begin at its front again.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::{self, HEAD, Head, Seen};
use super::record::{BadRecord, Record};
use super::recover::{Place, first_head, first_valid};
use super::storage::{FileName, Storage, StorageFile, read_from, segments};
use crate::Timestamp;
use crate::error::{Corruption, Error};
use crate::limits::FEED_MARK_BYTES;

/// Bytes that are read at once on the way from head to head.
const WINDOW_BYTES: usize = 64 << 10;
const _: () = assert!(HEAD < WINDOW_BYTES);

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed {
    storage: Arc<dyn Storage>,
    known: Mutex<Known>,
    /// Where a batch was damaged that was asked for: file, byte and what.
    damage: Mutex<Option<String>>,
}

/// What is known of the files; it may lag behind them.
#[derive(Debug, Default)]
struct Known {
    /// Segments whose frames count, by id and so by first sequence.
    segments: Vec<Mapped>,
    /// Segments whose first frame is damaged, though some of what they hold counts.
    headless: Vec<u64>,
    /// The frame that was handed out last: a big one is asked for many times.
    last: Option<Arc<Loaded>>,
}

#[derive(Debug)]
struct Mapped {
    id: u64,
    first_sequence: u64,
    /// Frames that were passed, far enough apart: next sequence, and offset.
    marks: Vec<(u64, u64)>,
}

/// A frame with records, whose checksum is right.
#[derive(Debug)]
pub(crate) struct Loaded {
    place: Place,
    head: Head,
    bytes: Vec<u8>,
}

/// A record, where it lies, and what comes with it.
#[derive(Debug)]
pub(crate) struct Located<'a> {
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) record: Record<'a>,
    /// Byte of the record in its segment.
    pub(crate) place: Place,
    /// Length of the record.
    pub(crate) bytes: usize,
}

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum NoFrame {
    /// What is kept begins at this sequence.
    Gone { first: u64 },
    /// The journal cannot be read.
    Failed(Error),
}

/// How a search in one segment ends.
enum Search {
    Found(Loaded),
    /// The segment's frames end here.
    End(Place),
}

impl Feed {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, known: Mutex::default(), damage: Mutex::default() }
    }

    /// The first sequence that is kept.
    ///
    /// # Errors
    /// Any error of the medium.
    pub(crate) fn first(&self) -> Result<u64, Error> {
        let mut known = self.known.lock();
        known.look_around(&*self.storage)?; // the oldest may have been dropped
        match known.headless_behind(0) {
            None => Ok(known.first()),
            Some(place) => Err(self.note(corrupt(&*self.storage, place, DAMAGED.to_owned()))),
        }
    }

    /// The frame that has the record `sequence`, which must be durable.
    ///
    /// # Errors
    /// See [`NoFrame`].
    pub(crate) fn frame(&self, sequence: u64) -> Result<Arc<Loaded>, NoFrame> {
        self.find(sequence).map_err(|missing| match missing {
            NoFrame::Failed(error) => NoFrame::Failed(self.note(error)),
            gone @ NoFrame::Gone { .. } => gone,
        })
    }

    /// The damage that was met last, if any was.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.lock().clone()
    }

    /// Remembers damage.
    fn note(&self, error: Error) -> Error {
        if matches!(error, Error::Corrupt(_)) {
            *self.damage.lock() = Some(error.to_string());
        }
        error
    }

    fn find(&self, sequence: u64) -> Result<Arc<Loaded>, NoFrame> {
        let mut known = self.known.lock();
        if let Some(last) = known.last.as_ref().filter(|last| last.has(sequence)) {
            return Ok(Arc::clone(last));
        }
        known.last = None;
        // Twice, since what is known may lag behind the files.
        let mut end = known.search(&*self.storage, sequence)?;
        if !matches!(end, Some(Search::Found(_))) {
            known.look_around(&*self.storage)?;
            end = known.search(&*self.storage, sequence)?;
        }
        match end {
            Some(Search::Found(loaded)) => {
                let loaded = Arc::new(loaded);
                known.last = Some(Arc::clone(&loaded));
                Ok(loaded)
            }
            None => match known.headless_behind(0) {
                None => Err(NoFrame::Gone { first: known.first() }),
                Some(place) => Err(corrupt(&*self.storage, place, DAMAGED.to_owned()).into()),
            },
            Some(Search::End(place)) => {
                let place = known.headless_behind(place.segment).unwrap_or(place);
                let why = format!("record {sequence} was durable and is not there");
                Err(corrupt(&*self.storage, place, why).into())
            }
        }
    }

    /// Nobody is about to go on in the middle of this frame.
    pub(crate) fn done_with(&self, loaded: &Arc<Loaded>) {
        let mut known = self.known.lock();
        if known.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, loaded)) {
            known.last = None;
        }
    }

    /// A frame that cannot be what the engine wrote.
    pub(crate) fn corrupt(&self, loaded: &Loaded, why: &str) -> Error {
        self.note(corrupt(&*self.storage, loaded.place, why.to_owned()))
    }
}

impl Known {
    fn first(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.first_sequence)
    }

    /// Takes in segments that were added, or dropped.
    fn look_around(&mut self, storage: &dyn Storage) -> Result<(), Error> {
        let ids = segments(storage)?;
        self.segments.retain(|segment| ids.binary_search(&segment.id).is_ok());
        self.headless.retain(|id| ids.binary_search(id).is_ok());
        let last = self.segments.last().map_or(0, |segment| segment.id);
        let mut without = Vec::new();
        for id in ids.into_iter().filter(|id| *id > last) {
            // None: blank as yet, or its first frame is just being written.
            let Some(head) = there(first_head(storage, id))?.flatten() else {
                without.push(id);
                continue;
            };
            for before in without.drain(..) {
                self.see_headless(storage, before, &head)?;
            }
            self.map(id, &head);
        }
        Ok(())
    }

    fn map(&mut self, id: u64, head: &Head) {
        let first_sequence = head.first_sequence;
        self.segments.retain(|segment| segment.first_sequence < first_sequence);
        self.segments.push(Mapped { id, first_sequence, marks: Vec::new() });
    }

    /// A segment in which no first frame was found, and one after it that has one, `next`: it is
    /// blank, was cut short by a crash, was written meanwhile, or is damaged.
    fn see_headless(&mut self, storage: &dyn Storage, id: u64, next: &Head) -> Result<(), Error> {
        if let Some(head) = there(first_head(storage, id))?.flatten() {
            self.map(id, &head);
            return Ok(());
        }
        let first = match first_valid(storage, id) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            first => first?,
        };
        // What a later start wrote again, or nobody was told of, begins no earlier than that.
        if first.is_some_and(|first| first.first_sequence < next.first_sequence) {
            self.headless.push(id);
        }
        Ok(())
    }

    /// The front of a damaged segment between `segment` and the next one that is mapped.
    fn headless_behind(&self, segment: u64) -> Option<Place> {
        let next = self.segments.iter().map(|mapped| mapped.id).find(|id| *id > segment);
        let between = |id: &&u64| **id > segment && next.is_none_or(|next| **id < next);
        self.headless.iter().find(between).map(|id| Place { segment: *id, offset: 0 })
    }

    /// Looks for the frame with `sequence`. `None`: no segment that is there begins before it.
    fn search(&mut self, storage: &dyn Storage, sequence: u64) -> Result<Option<Search>, Error> {
        let behind = self.segments.partition_point(|one| one.first_sequence <= sequence);
        let segment = behind.checked_sub(1).and_then(|place| self.segments.get_mut(place));
        let Some(segment) = segment else { return Ok(None) };
        match there(storage.open(FileName::Segment(segment.id)))? {
            Some(file) => segment.search(storage, &*file, sequence).map(Some),
            None => Ok(None),
        }
    }
}

impl Mapped {
    fn search(
        &mut self,
        storage: &dyn Storage,
        file: &dyn StorageFile,
        sequence: u64,
    ) -> Result<Search, Error> {
        let behind = self.marks.partition_point(|(first, _)| *first <= sequence);
        let mark = behind.checked_sub(1).and_then(|place| self.marks.get(place));
        let mut offset = mark.map_or(0, |(_, offset)| *offset);
        let mut heads = Heads::new(file, self.id);
        loop {
            let place = Place { segment: self.id, offset };
            let Some(head) = heads.at(offset)? else {
                return Ok(Search::End(place));
            };
            if head.records > 0 && head.first_sequence > sequence {
                return Ok(Search::End(place));
            }
            if head.last_sequence() >= sequence {
                return load(storage, file, place, &head).map(Search::Found);
            }
            offset += head.frame_bytes() as u64;
            self.mark(head.last_sequence() + 1, offset);
        }
    }

    fn mark(&mut self, next_sequence: u64, offset: u64) {
        let last = self.marks.last().map_or(0, |(_, offset)| *offset);
        if offset >= last + FEED_MARK_BYTES {
            self.marks.push((next_sequence, offset));
        }
    }
}

/// The heads of a segment's frames, read in larger pieces.
pub(crate) struct Heads<'a> {
    file: &'a dyn StorageFile,
    segment: u64,
    bytes: Vec<u8>,
    from: u64,
}

impl<'a> Heads<'a> {
    pub(crate) const fn new(file: &'a dyn StorageFile, segment: u64) -> Self {
        Self { file, segment, bytes: Vec::new(), from: 0 }
    }

    /// What the head at `offset` says, whether the frame is right or not; `None` if there is none.
    pub(crate) fn at(&mut self, offset: u64) -> io::Result<Option<Head>> {
        let inside = offset.checked_sub(self.from).and_then(|at| usize::try_from(at).ok());
        let has = |at: usize| at.saturating_add(HEAD) <= self.bytes.len();
        let at = match inside.filter(|at| has(*at)) {
            Some(at) => at,
            None => {
                self.bytes = read_from(self.file, offset, WINDOW_BYTES)?;
                self.from = offset;
                0
            }
        };
        Ok(frame::peek(self.bytes.get(at..).unwrap_or_default(), self.segment))
    }
}

fn load(
    storage: &dyn Storage,
    file: &dyn StorageFile,
    place: Place,
    head: &Head,
) -> Result<Loaded, Error> {
    let bytes = read_from(file, place.offset, head.frame_bytes())?;
    match frame::look(&bytes, place.segment) {
        Seen::Frame { head, .. } => Ok(Loaded { place, head, bytes }),
        Seen::Nothing | Seen::Bad => Err(corrupt(storage, place, DAMAGED.to_owned())),
    }
}

/// What there is, if the file is not gone meanwhile.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

const DAMAGED: &str = "a batch that was durable is damaged";

fn corrupt(storage: &dyn Storage, place: Place, why: String) -> Error {
    let file = storage.describe(FileName::Segment(place.segment));
    Error::Corrupt(Corruption { file, offset: place.offset, why })
}

impl Loaded {
    fn has(&self, sequence: u64) -> bool {
        (self.head.first_sequence..=self.head.last_sequence()).contains(&sequence)
    }

    /// Sequence of the last record.
    pub(crate) const fn last_sequence(&self) -> u64 {
        self.head.last_sequence()
    }

    /// The records from `sequence` on.
    pub(crate) fn records(
        &self,
        sequence: u64,
    ) -> impl Iterator<Item = Result<Located<'_>, BadRecord>> {
        let end = HEAD + self.head.bytes as usize;
        let mut at = HEAD;
        (self.head.first_sequence..=self.head.last_sequence()).filter_map(move |this| {
            let rest = self.bytes.get(at..end).unwrap_or_default();
            let place = Place { offset: self.place.offset + at as u64, ..self.place };
            if this < sequence {
                at += Record::length(rest);
                return None;
            }
            let located = Record::decode(rest).map(|(at, record, bytes)| Located {
                sequence: this,
                at,
                record,
                place,
                bytes,
            });
            at += Record::length(rest);
            Some(located)
        })
    }
}

impl From<Error> for NoFrame {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Shown;
    use crate::journal::{Directory, write_all};
    use crate::phase::Phase;

    /// A segment with these batches: first sequence, and how many records, all of them openings of
    /// drop `epoch`.
    fn segment(storage: &Directory, id: u64, epoch: u32, batches: &[(u64, u32)]) {
        let mut bytes = Vec::new();
        for &(first_sequence, records) in batches {
            let mut frame = vec![0; HEAD];
            for _ in 0..records {
                Record::Opened { sale: epoch, shown: Shown::unknown(Phase::Open) }
                    .encode(Timestamp::default(), &mut frame);
            }
            let head = Head {
                segment: id,
                epoch,
                incarnation: 1,
                first_sequence,
                records,
                bytes: u32::try_from(frame.len() - HEAD).unwrap(),
                durable_up_to: first_sequence - 1,
                previous: 0,
            };
            frame::seal(&mut frame, &head);
            bytes.extend_from_slice(&frame);
        }
        let file = storage.create(FileName::Segment(id)).unwrap();
        write_all(&*file, &bytes, 0).unwrap();
    }

    /// Which start wrote the record that is told.
    fn epoch_of(feed: &Feed, sequence: u64) -> u32 {
        let loaded = feed.frame(sequence).unwrap();
        let located = loaded.records(sequence).next().unwrap().unwrap();
        assert_eq!(located.sequence, sequence);
        let Record::Opened { sale, .. } = located.record else { panic!("{:?}", located.record) };
        sale
    }

    #[test]
    fn a_later_start_takes_the_place_of_what_it_wrote_again() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Directory::lock(directory.path()).unwrap();
        segment(&storage, 1, 1, &[(1, 2), (3, 2)]);
        segment(&storage, 2, 1, &[(5, 0), (5, 3)]);
        segment(&storage, 4, 2, &[(3, 4)]);
        segment(&storage, 5, 2, &[(7, 0), (7, 1)]);
        let storage: Arc<dyn Storage> = Arc::new(storage);
        for order in [[1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1], [5, 1, 7, 4, 6, 2, 3]] {
            let feed = Feed::new(Arc::clone(&storage));
            for sequence in order {
                let epoch = if sequence < 3 { 1 } else { 2 };
                assert_eq!(epoch_of(&feed, sequence), epoch, "record {sequence}");
            }
        }
    }

    #[test]
    fn segments_that_come_and_go_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Arc::new(Directory::lock(directory.path()).unwrap());
        segment(&storage, 1, 1, &[(1, 2)]);
        let feed = Feed::new(Arc::clone(&storage) as Arc<dyn Storage>);
        assert_eq!((feed.first().unwrap(), epoch_of(&feed, 2)), (1, 1));
        assert!(matches!(feed.frame(3), Err(NoFrame::Failed(Error::Corrupt(_)))));
        segment(&storage, 2, 3, &[(3, 2)]);
        assert_eq!(epoch_of(&feed, 3), 3);
        storage.remove(FileName::Segment(1)).unwrap();
        assert!(matches!(feed.frame(1), Err(NoFrame::Gone { first: 3 })));
        assert_eq!((feed.first().unwrap(), epoch_of(&feed, 4)), (3, 3));
    }
}
