//! A batch of records as it lies in a segment: a head of 64 bytes, the records, zeros up to the
//! next sector.
//!
//! | bytes | field |
//! |---|---|
//! | 0-3 | magic: `89 4a 47 54`, no text can contain it |
//! | 4-5 | version of the format: 1 |
//! | 6-7 | 0 |
//! | 8-15 | id of the segment, so that bytes of another segment never validate |
//! | 16-19 | epoch: which start of the engine wrote this |
//! | 20-23 | incarnation: 1 until the directory is restored from a backup |
//! | 24-31 | sequence of the first record (of the next one, in a marker) |
//! | 32-35 | number of records; 0 in a marker |
//! | 36-39 | bytes of records |
//! | 40-47 | durable up to: every record up to this sequence was on disk before this was written |
//! | 48-51 | checksum of the frame with records before this one |
//! | 52-55 | checksum: CRC32C (Castagnoli) of the whole frame, padding included, with this field 0 |
//! | 56-63 | 0 |
//!
//! A frame starts on a sector boundary and fills whole sectors, so writing one never touches a
//! sector that an earlier flush made durable.

use crate::fault::{Fault, planted};

/// A frame fills whole sectors of this many bytes.
pub(crate) const SECTOR: usize = 512;
/// Bytes before the records.
pub(crate) const HEAD: usize = 64;
/// Version of the on-disk format.
pub(crate) const VERSION: u16 = 1;

const MAGIC: [u8; 4] = [0x89, b'J', b'G', b'T'];
const CHECKSUM_AT: usize = 52;
const _: () = assert!(CHECKSUM_AT + 4 + 8 == HEAD && HEAD <= SECTOR);

/// The head of one frame, without magic, version and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) segment: u64,
    pub(crate) epoch: u32,
    pub(crate) incarnation: u32,
    pub(crate) first_sequence: u64,
    pub(crate) records: u32,
    pub(crate) bytes: u32,
    pub(crate) durable_up_to: u64,
    pub(crate) previous: u32,
}

impl Head {
    /// Sequence of the frame's last record (of the one before, in a marker).
    pub(crate) const fn last_sequence(&self) -> u64 {
        self.first_sequence + self.records as u64 - 1
    }

    /// Bytes of the whole frame, padding included.
    pub(crate) const fn frame_bytes(&self) -> usize {
        (HEAD + self.bytes as usize).next_multiple_of(SECTOR)
    }
}

/// Completes a frame in place: `frame` holds [`HEAD`] bytes of anything, then the records. Pads it
/// to whole sectors, fills in the head, and returns the checksum.
pub(crate) fn seal(frame: &mut Vec<u8>, head: &Head) -> u32 {
    assert_eq!(frame.len(), HEAD + head.bytes as usize, "the head counts the records' bytes");
    frame.resize(head.frame_bytes(), 0);
    let mut fields = Vec::with_capacity(HEAD);
    fields.extend_from_slice(&MAGIC);
    fields.extend_from_slice(&VERSION.to_le_bytes());
    fields.extend_from_slice(&[0; 2]);
    fields.extend_from_slice(&head.segment.to_le_bytes());
    fields.extend_from_slice(&head.epoch.to_le_bytes());
    fields.extend_from_slice(&head.incarnation.to_le_bytes());
    fields.extend_from_slice(&head.first_sequence.to_le_bytes());
    fields.extend_from_slice(&head.records.to_le_bytes());
    fields.extend_from_slice(&head.bytes.to_le_bytes());
    fields.extend_from_slice(&head.durable_up_to.to_le_bytes());
    fields.extend_from_slice(&head.previous.to_le_bytes());
    fields.resize(HEAD, 0);
    let (front, _) = frame.split_at_mut(HEAD);
    front.copy_from_slice(&fields);
    let checksum = crc32c::crc32c(covered(frame));
    let (_, from_checksum) = frame.split_at_mut(CHECKSUM_AT);
    let (place, _) = from_checksum.split_at_mut(4);
    place.copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// The bytes of a frame that its checksum covers: all.
fn covered(frame: &[u8]) -> &[u8] {
    let most = if planted(Fault::ShortChecksum) { SECTOR } else { frame.len() };
    frame.get(..most).unwrap_or(frame)
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// A whole, valid frame of this segment: its head, records and checksum.
    Frame { head: Head, records: &'a [u8], checksum: u32 },
    /// A sector of zeros: nothing was written here.
    Nothing,
    /// Anything else.
    Bad,
}

/// Looks at the frame that starts at the front of `bytes`, in the segment `segment`.
pub(crate) fn look(bytes: &[u8], segment: u64) -> Seen<'_> {
    let first_sector = bytes.get(..SECTOR).unwrap_or(bytes);
    if first_sector.iter().all(|&byte| byte == 0) {
        return Seen::Nothing;
    }
    valid(bytes, segment).unwrap_or(Seen::Bad)
}

/// The head at the front of `bytes`, if it can be one of this segment, whatever the checksum says:
/// enough to go on to the next frame.
pub(crate) fn peek(bytes: &[u8], segment: u64) -> Option<Head> {
    head_of(bytes, segment).map(|(head, _)| head)
}

/// The head at the front of `bytes`, and the checksum that it claims.
fn head_of(bytes: &[u8], segment: u64) -> Option<(Head, u32)> {
    let front = bytes.get(..HEAD)?;
    let u16_at = |at| front.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let u32_at = |at| front.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let u64_at = |at| front.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    if !front.starts_with(&MAGIC) || u16_at(4)? != VERSION || u64_at(8)? != segment {
        return None;
    }
    let head = Head {
        segment,
        epoch: u32_at(16)?,
        incarnation: u32_at(20)?,
        first_sequence: u64_at(24)?,
        records: u32_at(32)?,
        bytes: u32_at(36)?,
        durable_up_to: u64_at(40)?,
        previous: u32_at(48)?,
    };
    // A sequence starts at 1; with 0 a marker's "record before" would not exist.
    (head.first_sequence != 0).then_some((head, u32_at(CHECKSUM_AT)?))
}

fn valid(bytes: &[u8], segment: u64) -> Option<Seen<'_>> {
    let (head, checksum) = head_of(bytes, segment)?;
    let frame = bytes.get(..head.frame_bytes())?;
    let (before, from_checksum) = covered(frame).split_at_checked(CHECKSUM_AT)?;
    let (_, after) = from_checksum.split_at_checked(4)?;
    let computed =
        crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), after);
    if computed != checksum {
        return None;
    }
    let records = frame.get(HEAD..HEAD + head.bytes as usize)?;
    Some(Seen::Frame { head, records, checksum })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(records: &[u8]) -> (Vec<u8>, Head, u32) {
        let head = Head {
            segment: 7,
            epoch: 2,
            incarnation: 1,
            first_sequence: 11,
            records: 3,
            bytes: u32::try_from(records.len()).unwrap(),
            durable_up_to: 10,
            previous: 0xdead_beef,
        };
        let mut bytes = vec![0xff; HEAD];
        bytes.extend_from_slice(records);
        let checksum = seal(&mut bytes, &head);
        (bytes, head, checksum)
    }

    #[test]
    fn a_frame_comes_back() {
        let (bytes, head, checksum) = frame(&[9; 500]);
        assert_eq!(bytes.len(), 2 * SECTOR);
        assert_eq!(look(&bytes, 7), Seen::Frame { head, records: &[9; 500], checksum });
        assert_eq!(head.last_sequence(), 13);
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let (mut bytes, ..) = frame(b"abc");
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(look(&bytes, 7), Seen::Bad, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn neither_zeros_nor_another_segment_nor_a_cut_frame_is_one() {
        let (bytes, ..) = frame(&[9; 500]);
        assert_eq!(look(&[0; 2 * SECTOR], 7), Seen::Nothing);
        assert_eq!(look(&bytes, 8), Seen::Bad);
        assert_eq!(look(&bytes[..SECTOR], 7), Seen::Bad);
        assert_eq!(look(&[], 7), Seen::Nothing);
    }
}
