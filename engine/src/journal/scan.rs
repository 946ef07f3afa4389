//! Every frame of some segments, in order: read in windows, so that memory does not grow with a
//! segment, and if wanted by a second thread, which reads and checks while the first one applies.

use std::io;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::frame::{self, Head, SECTOR, Seen};
use super::storage::{FileName, Storage, StorageFile, read_at};
use crate::error::Error;

/// Bytes read at once; more only for a frame that is longer.
const WINDOW_BYTES: usize = 2 << 20;
const _: () = assert!(WINDOW_BYTES.is_multiple_of(SECTOR));
/// Windows that the reading thread may be ahead.
const WINDOWS_AHEAD: usize = 4;

/// A segment to read, from a byte on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) segment: u64,
    pub(super) from: u64,
}

/// What stands at one place.
#[derive(Debug)]
pub(super) enum Piece {
    /// A valid frame; where its records lie in the window.
    Frame { head: Head, records: Range<usize>, checksum: u32 },
    /// The first sector of some that are neither a frame nor zeros.
    Bad,
}

/// Some bytes of a segment, and what was found in them.
#[derive(Debug)]
pub(super) struct Window {
    /// Which of the parts, counted from 0.
    pub(super) part: usize,
    pub(super) bytes: Vec<u8>,
    /// By offset in the segment.
    pub(super) pieces: Vec<(u64, Piece)>,
}

type Take<'a> = dyn FnMut(Window) -> Result<(), Error> + 'a;

/// Hands every window of `parts` that is not all zeros to `take`, in order; `ahead`: reads on a
/// second thread.
///
/// # Errors
/// The first of reading or of `take`.
pub(super) fn each(
    storage: &dyn Storage,
    parts: &[Part],
    ahead: bool,
    take: &mut Take<'_>,
) -> Result<(), Error> {
    if !ahead {
        return read(storage, parts, take);
    }
    thread::scope(|scope| {
        let (send, receive) = sync_channel(WINDOWS_AHEAD);
        let gone = |_| Error::Io(io::ErrorKind::BrokenPipe.into());
        let reader = thread::Builder::new().name("jangteo-read".to_owned());
        let reader = reader.spawn_scoped(scope, move || {
            read(storage, parts, &mut |window| send.send(window).map_err(gone))
        })?;
        // A window that is refused lets go of the channel, and that ends the reader.
        let taken = receive.into_iter().try_for_each(take);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(read)
    })
}

fn read(storage: &dyn Storage, parts: &[Part], take: &mut Take<'_>) -> Result<(), Error> {
    for (part, &Part { segment, from }) in parts.iter().enumerate() {
        let file = storage.open(FileName::Segment(segment))?;
        let mut at = Reader { file: &*file, segment, length: file.length()?, at: from };
        let mut in_bad = false;
        while at.at < at.length {
            let bytes = at.window()?;
            let (pieces, taken) = at.pieces(&bytes, &mut in_bad);
            if taken == 0 {
                break; // the file became shorter
            }
            at.at += taken as u64;
            if !pieces.is_empty() {
                take(Window { part, bytes, pieces })?;
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    file: &'a dyn StorageFile,
    segment: u64,
    length: u64,
    at: u64,
}

impl Reader<'_> {
    /// The next bytes; all of the frame they begin with, if they do.
    fn window(&self) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(WINDOW_BYTES)];
        let read = read_at(self.file, &mut bytes, self.at)?;
        bytes.truncate(read);
        let whole = frame::peek(&bytes, self.segment).map(|head| head.frame_bytes()).unwrap_or(0);
        if read == WINDOW_BYTES && (read + 1..=left).contains(&whole) {
            bytes.resize(whole, 0);
            let (_, rest) = bytes.split_at_mut(read);
            let more = read_at(self.file, rest, self.at + read as u64)?;
            bytes.truncate(read + more);
        }
        Ok(bytes)
    }

    /// What is in a window, and how many of its bytes that accounts for.
    fn pieces(&self, bytes: &[u8], in_bad: &mut bool) -> (Vec<(u64, Piece)>, usize) {
        let mut pieces = Vec::new();
        let mut offset = 0;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let place = self.at + offset as u64;
            if offset > 0 && self.goes_on(rest, place) {
                break;
            }
            match frame::look(rest, self.segment) {
                Seen::Nothing => {
                    *in_bad = false;
                    offset += SECTOR;
                }
                Seen::Bad => {
                    if !std::mem::replace(in_bad, true) {
                        pieces.push((place, Piece::Bad));
                    }
                    offset += SECTOR;
                }
                Seen::Frame { head, records, checksum } => {
                    *in_bad = false;
                    let from = offset + frame::HEAD;
                    let records = from..from + records.len();
                    pieces.push((place, Piece::Frame { head, records, checksum }));
                    offset += head.frame_bytes();
                }
            }
        }
        (pieces, offset)
    }

    /// Whether what begins here may be a frame that goes on behind the window.
    fn goes_on(&self, rest: &[u8], place: u64) -> bool {
        let whole =
            frame::peek(rest, self.segment).map(|head| head.frame_bytes()).unwrap_or(SECTOR);
        whole > rest.len() && place + whole as u64 <= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::super::storage::{Directory, write_all};
    use super::*;

    /// Records of these lengths, each in a frame of its own, one after the other.
    fn segment(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (&length, first_sequence) in lengths.iter().zip(1..) {
            let mut one = vec![7; frame::HEAD + length];
            let head = Head {
                segment: 1,
                epoch: 1,
                incarnation: 1,
                first_sequence,
                records: 1,
                bytes: u32::try_from(length).unwrap(),
                durable_up_to: 0,
                previous: 0,
            };
            frame::seal(&mut one, &head);
            bytes.extend_from_slice(&one);
        }
        bytes
    }

    fn seen(storage: &Directory, ahead: bool) -> Vec<(u64, Option<u64>)> {
        let mut all = Vec::new();
        let parts = [Part { segment: 1, from: 0 }];
        let mut take = |window: Window| {
            for (at, piece) in window.pieces {
                all.push((
                    at,
                    match piece {
                        Piece::Frame { head, records, .. } => {
                            assert!(window.bytes[records].iter().all(|&byte| byte == 7));
                            Some(head.first_sequence)
                        }
                        Piece::Bad => None,
                    },
                ));
            }
            Ok(())
        };
        each(storage, &parts, ahead, &mut take).unwrap();
        all
    }

    #[test]
    fn frames_longer_than_a_window_and_across_two_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Directory::lock(directory.path()).unwrap();
        let lengths = [100, WINDOW_BYTES - 700, 900, 3 * WINDOW_BYTES, 1, WINDOW_BYTES, 5];
        let mut bytes = segment(&lengths);
        let whole = bytes.len() as u64;
        bytes.resize(bytes.len() + 3 * WINDOW_BYTES, 0);
        let late = bytes.len() as u64;
        bytes.extend_from_slice(&[9; 3 * SECTOR]);
        let file = storage.create(FileName::Segment(1)).unwrap();
        write_all(&*file, &bytes, 0).unwrap();
        for ahead in [false, true] {
            let all = seen(&storage, ahead);
            let sequences: Vec<_> = all.iter().filter_map(|(_, sequence)| *sequence).collect();
            assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(all.last(), Some(&(late, None)), "one run of bad sectors, not three");
            assert!(all.iter().rev().nth(1).unwrap().0 < whole);
        }
        // A head that claims more than there is: bad, and what follows is found.
        let mut cut = segment(&[3 * WINDOW_BYTES]);
        cut.truncate(SECTOR);
        write_all(&*file, &cut, 0).unwrap();
        write_all(&*file, &vec![0; 4 * WINDOW_BYTES], SECTOR as u64).unwrap();
        let all = seen(&storage, false);
        assert_eq!(all[0], (0, None));
    }

    #[test]
    fn a_refused_window_ends_the_reader() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Directory::lock(directory.path()).unwrap();
        let file = storage.create(FileName::Segment(1)).unwrap();
        write_all(&*file, &segment(&[WINDOW_BYTES; 12]), 0).unwrap();
        let mut windows = 0;
        let parts = [Part { segment: 1, from: 0 }];
        let refused = each(&storage, &parts, true, &mut |_| {
            windows += 1;
            Err(Error::Unavailable)
        });
        assert!(matches!(refused, Err(Error::Unavailable)));
        assert_eq!(windows, 1);
    }
}
