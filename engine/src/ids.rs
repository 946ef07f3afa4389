//! Names of things: the hold id. Campaigns, drops and SKUs are named by text.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::limits::SHARDS;

/// The opaque name of one hold: 26 characters of `0-9a-z` without `i l o u` (Crockford's base 32).
///
/// It carries where the hold lives (sale, shard, row) and 64 random bits, so it can be looked up
/// without a map and cannot be guessed. Callers compare and store it; nothing else.
///
/// ```
/// let id: jangteo::HoldId = "00000400000000000000000007".parse()?;
/// assert_eq!(id.to_string(), "00000400000000000000000007");
/// # Ok::<(), jangteo::BadHoldId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldId(u128);

/// Where a hold lives: which of the sale's shards, and which row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Shard of the sale's buyers.
    pub shard: u8,
    /// Row within the shard, in the order of granting.
    pub row: u32,
}

const _: () = assert!(SHARDS <= 256, "a slot names its shard in one byte");

/// The text is not a hold id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHoldId;

impl fmt::Display for BadHoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hold id")
    }
}

impl std::error::Error for BadHoldId {}

/// Crockford's base 32 in lower case: no letter that reads like a digit or another letter.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 characters carry 130 bits: 128 of the id and two that are always zero.
const LENGTH: usize = 26;

impl HoldId {
    /// Puts an id together from the sale's index, the slot and the random bits.
    #[must_use]
    pub fn new(sale: u32, slot: Slot, random: u64) -> Self {
        debug_assert!(sale < 1 << 24, "limits.rs bounds the number of sales");
        let place = (u64::from(sale) << 40) | (u64::from(slot.shard) << 32) | u64::from(slot.row);
        Self((u128::from(place) << 64) | u128::from(random))
    }

    /// Index of the sale in its engine.
    #[must_use]
    pub fn sale(self) -> u32 {
        u32::try_from(self.0 >> 104).expect("24 bits fit")
    }

    /// Place of the hold within its sale.
    #[must_use]
    pub fn slot(self) -> Slot {
        let [_, _, _, shard, a, b, c, d, ..] = self.0.to_be_bytes();
        Slot { shard, row: u32::from_be_bytes([a, b, c, d]) }
    }

    /// The part that makes the id unguessable.
    #[must_use]
    pub fn random(self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The id as text without allocating: 26 ASCII characters.
    #[must_use]
    pub fn to_text(self) -> [u8; LENGTH] {
        let mut text = [b'0'; LENGTH];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            let digit = (rest & 31) as usize;
            *place = ALPHABET.get(digit).copied().expect("five bits index 32 letters");
            rest >>= 5;
        }
        text
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for HoldId {
    type Err = BadHoldId;

    fn from_str(text: &str) -> Result<Self, BadHoldId> {
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH {
            return Err(BadHoldId);
        }
        let mut value = 0u128;
        for (place, byte) in bytes.iter().enumerate() {
            let digit = ALPHABET.iter().position(|letter| letter == byte).ok_or(BadHoldId)?;
            if place == 0 && digit > 7 {
                return Err(BadHoldId); // would need more than 128 bits
            }
            value = (value << 5) | digit as u128;
        }
        Ok(Self(value))
    }
}

impl Serialize for HoldId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parts_come_back() {
        let parts = [
            (0, Slot { shard: 0, row: 0 }, 0),
            (0x00ff_ffff, Slot { shard: 255, row: u32::MAX }, u64::MAX),
            (7, Slot { shard: 63, row: 1_999 }, 0x0123_4567_89ab_cdef),
        ];
        for (sale, slot, random) in parts {
            let id = HoldId::new(sale, slot, random);
            let again: HoldId = id.to_string().parse().unwrap();
            assert_eq!(again, id);
            assert_eq!((again.sale(), again.slot(), again.random()), (sale, slot, random));
        }
    }

    #[test]
    fn other_text_is_refused() {
        let long = "0".repeat(27);
        for text in ["", "0", "8zzzzzzzzzzzzzzzzzzzzzzzzz", "0000000000000000000000000i", &long] {
            assert_eq!(text.parse::<HoldId>(), Err(BadHoldId), "{text}");
        }
    }
}
