//! The first section: where in the journal a snapshot stands, and what follows.
//!
//! | bytes | field |
//! |---|---|
//! | 0-3 | incarnation of the frame that ends with the snapshot's sequence |
//! | 4-7 | its epoch |
//! | 8-11 | its checksum, which the next frame names |
//! | 12-15 | drops |
//! | 16-23 | time of the last record |
//! | 24-31 | the segment of that frame: the first one that is still needed |
//! | 32-39 | the byte behind it, where reading goes on |

use crate::Timestamp;
use crate::journal::recover::{Origin, Place};

/// Bytes of the section.
pub(crate) const BYTES: usize = 40;

/// The head of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) origin: Origin,
    pub(crate) drops: u32,
}

impl Head {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Origin { incarnation, epoch, checksum, at, end, .. } = self.origin;
        for short in [incarnation, epoch, checksum, self.drops] {
            out.extend_from_slice(&short.to_le_bytes());
        }
        for long in [at.as_ms(), end.segment, end.offset] {
            out.extend_from_slice(&long.to_le_bytes());
        }
    }

    /// The head of the snapshot of that sequence.
    pub(crate) fn decode(sequence: u64, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let short = |from: usize| Some(u32::from_le_bytes(*bytes.get(from..)?.first_chunk()?));
        let long = |from: usize| Some(u64::from_le_bytes(*bytes.get(from..)?.first_chunk()?));
        let origin = Origin {
            sequence,
            at: Timestamp::from_ms(long(16)?),
            checksum: short(8)?,
            epoch: short(4)?,
            incarnation: short(0)?,
            end: Place { segment: long(24)?, offset: long(32)? },
        };
        Some(Self { origin, drops: short(12)? })
    }
}
