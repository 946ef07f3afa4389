//! One section of a snapshot: a head of 32 bytes, then up to a few megabytes.
//!
//! | bytes | field |
//! |---|---|
//! | 0-3 | magic: `89 4a 47 53` |
//! | 4-5 | version of the format: 1 |
//! | 6 | kind |
//! | 7 | 0 |
//! | 8-15 | the snapshot's sequence, so that bytes of another snapshot never validate |
//! | 16-23 | offset of this section in the file, so that none stands in another's place |
//! | 24-27 | bytes that follow |
//! | 28-31 | checksum: CRC32C (Castagnoli) of head and bytes, with this field 0 |

use std::io;

use super::pace::Pace;
use crate::journal::{StorageFile, read_at, write_all};

/// Bytes before a section's own.
pub(crate) const HEAD: usize = 32;
/// Version of the on-disk format.
pub(crate) const VERSION: u16 = 1;
/// A section of a table is ended once it is this long.
const FULL_BYTES: usize = 1 << 20;
/// Longest section that is read: a campaign's, or a full one and one more entry.
const LENGTH_MAX: usize = 8 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 2 << 20;

const MAGIC: [u8; 4] = [0x89, b'J', b'G', b'S'];
const CHECKSUM_AT: usize = 28;
const _: () = assert!(CHECKSUM_AT + 4 == HEAD && FULL_BYTES < LENGTH_MAX);
const _: () = assert!(crate::journal::record::CAMPAIGN_RECORD_MAX + 64 < LENGTH_MAX);

/// What a section holds; its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Where in the journal the snapshot stands.
    Head = 1,
    /// A campaign as it was put.
    Campaign = 2,
    /// Phase, numbers and units of a drop.
    Page = 3,
    /// How much a shard of a drop's buyers holds.
    Shard = 4,
    /// Tables of the shard before.
    Rows = 5,
    Buyers = 6,
    Texts = 7,
    Lines = 8,
    /// Nothing follows.
    End = 9,
    /// Steps of the wall clock that live holds followed: sequence and milliseconds.
    Steps = 10,
    /// Drops that are paused: index, what they were before, since when.
    Pauses = 11,
    /// What happened to holds of the shard before after they were over.
    Afterwards = 12,
    /// Places in the line of customers of the shard before.
    Waits = 13,
    /// What was settled, as records of settlements with one drop each.
    Settled = 18,
    /// A campaign as it was put while drops of it went on.
    Change = 19,
    /// The campaign before is deleted.
    Deleted = 20,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::Head,
        Self::Campaign,
        Self::Page,
        Self::Shard,
        Self::Rows,
        Self::Buyers,
        Self::Texts,
        Self::Lines,
        Self::End,
        Self::Steps,
        Self::Pauses,
        Self::Afterwards,
        Self::Waits,
        Self::Settled,
        Self::Change,
        Self::Deleted,
    ];
}

/// Where a snapshot's bytes go.
pub(crate) trait Sink {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// Whatever the sink says; nothing is put after that.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Puts sections together.
pub(crate) struct Writer<'s> {
    sink: &'s mut dyn Sink,
    sequence: u64,
    at: u64,
    sections: u64,
    section: Vec<u8>,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(sink: &'s mut dyn Sink, sequence: u64) -> Self {
        Self { sink, sequence, at: 0, sections: 0, section: vec![0; HEAD] }
    }

    /// The section that is being made; append to it.
    pub(crate) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.section
    }

    /// Sections ended so far.
    pub(crate) const fn sections(&self) -> u64 {
        self.sections
    }

    /// Ends the section.
    pub(crate) fn end(&mut self, kind: Kind) -> io::Result<()> {
        let length = self.section.len() - HEAD;
        let length = u32::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&[kind as u8, 0]);
        head.extend_from_slice(&self.sequence.to_le_bytes());
        head.extend_from_slice(&self.at.to_le_bytes());
        head.extend_from_slice(&length.to_le_bytes());
        head.resize(HEAD, 0);
        let (place, bytes) = self.section.split_at_mut(HEAD);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&head), bytes);
        place.copy_from_slice(&head);
        let (_, last) = place.split_at_mut(CHECKSUM_AT);
        last.copy_from_slice(&checksum.to_le_bytes());
        self.sink.put(&self.section)?;
        self.at += self.section.len() as u64;
        self.sections += 1;
        self.section.truncate(HEAD);
        Ok(())
    }

    /// Ends the section if it is long enough.
    pub(crate) fn end_if_full(&mut self, kind: Kind) -> io::Result<()> {
        if self.section.len() >= FULL_BYTES { self.end(kind) } else { Ok(()) }
    }

    /// Ends the section if there is anything in it.
    pub(crate) fn end_if_any(&mut self, kind: Kind) -> io::Result<()> {
        if self.section.len() > HEAD { self.end(kind) } else { Ok(()) }
    }
}

/// Why a snapshot cannot be used: the byte, and what is wrong there.
#[derive(Debug)]
pub(crate) enum Unreadable {
    At(u64, &'static str),
    Io(io::Error),
}

/// Takes a snapshot's sections apart; every byte it hands out has been checked.
#[derive(Debug)]
pub(crate) struct Reader<'f> {
    file: &'f dyn StorageFile,
    sequence: u64,
    length: u64,
    /// Bytes read and not handed out yet, and where they begin.
    window: Vec<u8>,
    used: usize,
    window_at: u64,
    sections: u64,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(file: &'f dyn StorageFile, sequence: u64) -> Result<Self, Unreadable> {
        let length = file.length().map_err(Unreadable::Io)?;
        let window = Vec::new();
        Ok(Self { file, sequence, length, window, used: 0, window_at: 0, sections: 0 })
    }

    /// Where the next section begins.
    pub(crate) const fn at(&self) -> u64 {
        self.window_at + self.used as u64
    }

    /// Sections handed out so far.
    pub(crate) const fn sections(&self) -> u64 {
        self.sections
    }

    /// Whether everything was handed out.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.at() == self.length
    }

    /// An error at the section that was handed out last, or will be next.
    pub(crate) const fn wrong<T>(&self, why: &'static str) -> Result<T, Unreadable> {
        Err(Unreadable::At(self.at(), why))
    }

    /// The next section.
    pub(crate) fn next(&mut self) -> Result<(Kind, &[u8]), Unreadable> {
        let at = self.at();
        let bad = |why| Unreadable::At(at, why);
        let head: [u8; HEAD] = self
            .fill(HEAD)?
            .and_then(|bytes| bytes.first_chunk().copied())
            .ok_or_else(|| bad("it ends here"))?;
        let u32_at = |from: usize| {
            let bytes = head.get(from..).and_then(|bytes| bytes.first_chunk());
            u32::from_le_bytes(*bytes.expect("the head is that long"))
        };
        let u64_at = |from| u64::from(u32_at(from)) | (u64::from(u32_at(from + 4)) << 32);
        let [_, _, _, _, v1, v2, kind, zero, ..] = head;
        if !head.starts_with(&MAGIC) {
            return Err(bad("no section"));
        }
        if u16::from_le_bytes([v1, v2]) != VERSION {
            return Err(bad("a version that is not known"));
        }
        let length = usize::try_from(u32_at(24)).unwrap_or(usize::MAX);
        if zero != 0 || u64_at(8) != self.sequence || u64_at(16) != at || length > LENGTH_MAX {
            return Err(bad("a section of another place"));
        }
        let kind = Kind::ALL.into_iter().find(|one| *one as u8 == kind);
        self.fill(HEAD + length)?.ok_or_else(|| bad("a section that is cut short"))?;
        let from = self.used;
        self.used += HEAD + length;
        self.sections += 1;
        let section = self.window.get(from..self.used).unwrap_or_default();
        let (start, bytes) = section.split_at_checked(HEAD).unwrap_or_default();
        let (start, checksum) = start.split_at_checked(CHECKSUM_AT).unwrap_or_default();
        let computed = crc32c::crc32c_append(crc32c::crc32c(start), &[0; 4]);
        if crc32c::crc32c_append(computed, bytes).to_le_bytes() != checksum {
            return Err(bad("a wrong checksum"));
        }
        Ok((kind.ok_or_else(|| bad("a section of an unknown kind"))?, bytes))
    }

    /// Makes the next `wanted` bytes stand in the window; `None` if the file ends before.
    fn fill(&mut self, wanted: usize) -> Result<Option<&[u8]>, Unreadable> {
        if self.window.len() - self.used < wanted {
            self.window.drain(..self.used);
            self.window_at += self.used as u64;
            self.used = 0;
            let have = self.window.len();
            let rest = self.length.saturating_sub(self.window_at + have as u64);
            let more = READ_BYTES.max(wanted).min(usize::try_from(rest).unwrap_or(usize::MAX));
            self.window.resize(have + more, 0);
            let (_, place) = self.window.split_at_mut(have);
            let read = read_at(self.file, place, self.window_at + have as u64);
            let read = read.map_err(Unreadable::Io)?;
            self.window.truncate(have + read);
        }
        Ok(self.window.get(self.used..self.used + wanted))
    }
}

/// Writes a file in slices, each flushed by itself, so that no flush of somebody else waits behind
/// the whole of it.
pub(crate) struct FileSink<'f> {
    file: &'f dyn StorageFile,
    pace: &'f Pace<'f>,
    at: u64,
    unflushed: usize,
}

impl<'f> FileSink<'f> {
    pub(crate) const fn new(file: &'f dyn StorageFile, pace: &'f Pace<'f>) -> Self {
        Self { file, pace, at: 0, unflushed: 0 }
    }

    /// Bytes put.
    pub(crate) const fn written(&self) -> u64 {
        self.at
    }

    /// Flushes what is not.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.unflushed = 0;
        self.file.sync()
    }
}

impl Sink for FileSink<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(self.pace.slice_bytes()) {
            self.pace.go_on()?;
            write_all(self.file, part, self.at)?;
            self.at += part.len() as u64;
            self.unflushed += part.len();
            if self.unflushed >= self.pace.slice_bytes() {
                self.flush()?;
                self.pace.flushed();
            }
        }
        Ok(())
    }
}
