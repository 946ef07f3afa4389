//! One buyer, one hold: plain data of a fixed size. Texts and further lines lie beside them.

use serde::Serialize;

use crate::Timestamp;

/// Marks the end of a list of rows.
pub(crate) const NONE: u32 = u32::MAX;

/// What became of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HoldState {
    /// Units are set aside until the hold is confirmed, released or expires.
    Held,
    /// An order: the units are sold.
    Confirmed,
    /// Given up by the customer; the units are free.
    Released,
    /// Not confirmed in time; the units are free.
    Expired,
}

impl HoldState {
    /// The word for it on the wires.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A customer who was granted something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buyer {
    pub(crate) hash: u64,
    /// Where the name begins.
    pub(crate) name: u32,
    /// The first hold, whose key is not in the index, and the last one, where the list begins.
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// Units held and sold.
    pub(crate) units: u64,
    pub(crate) name_length: u8,
}

/// A hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldRow {
    pub(crate) random: u64,
    pub(crate) created_at: Timestamp,
    /// When it expires, if it is held; when it was due to, afterwards.
    pub(crate) expires_at: Timestamp,
    /// When it was confirmed, if it was.
    pub(crate) confirmed_at: Timestamp,
    /// Sequence of its last record: what names this hold waits for that (J6).
    pub(crate) last_sequence: u64,
    pub(crate) number: u32,
    pub(crate) buyer: u32,
    /// The buyer's hold before this one.
    pub(crate) previous: u32,
    /// The one line itself (item, quantity), or where the lines begin.
    pub(crate) lines: u32,
    /// Bit n: line n got its gift.
    pub(crate) gifts: u32,
    /// Where key and area begin, one after the other.
    pub(crate) texts: u32,
    pub(crate) payment: u32,
    pub(crate) line_count: u8,
    pub(crate) key_length: u8,
    pub(crate) area_length: u8,
    pub(crate) payment_length: u8,
    /// Whether its deadline was moved on its own.
    pub(crate) extended: bool,
    pub(crate) state: HoldState,
}

const _: () = assert!(size_of::<Buyer>() <= 32 && size_of::<HoldRow>() <= 80);
