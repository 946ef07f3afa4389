//! One buyer, one hold: plain data of a fixed size. Texts and further lines lie beside them.

use serde::Serialize;

use crate::Timestamp;
use crate::limits::{AREA_MAX, LINES_MAX};

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
    /// Was an order, and all of it came back.
    Refunded,
}

impl HoldState {
    /// All states, in the order of their numbers in a row.
    pub(crate) const ALL: [Self; 5] =
        [Self::Held, Self::Confirmed, Self::Released, Self::Expired, Self::Refunded];

    /// The word for it on the wires.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
        }
    }
}

/// A customer who was granted something, or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buyer {
    pub(crate) hash: u64,
    /// Where the name begins.
    pub(crate) name: u32,
    /// The first hold, whose key is not in the index, and the last one, where the list begins.
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// Units held, sold and waited for.
    pub(crate) units: u64,
    pub(crate) name_length: u8,
}

/// A hold, in one line of the cache.
///
/// Two bytes are shared: the area's length (7 bits) with whether the deadline was moved, the number
/// of lines (5 bits) with the state (3 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldRow {
    pub(crate) random: u64,
    pub(crate) created_at: Timestamp,
    /// While held: when it expires. Afterwards: when it was confirmed, else when it was due.
    pub(crate) ends_at: Timestamp,
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
    pub(crate) key_length: u8,
    pub(crate) payment_length: u8,
    pub(super) area_and_extended: u8,
    pub(super) lines_and_state: u8,
}

const _: () = assert!(size_of::<Buyer>() == 32 && size_of::<HoldRow>() == 64);

const EXTENDED: u8 = 1 << 7;
const LINES: u8 = (1 << 5) - 1;
const STATE_SHIFT: u32 = 5;
const _: () = assert!(AREA_MAX < EXTENDED as usize && LINES_MAX <= LINES as usize);

impl HoldRow {
    /// A row of nothing: what a table is filled with to touch it.
    pub(super) const NOTHING: Self = Self {
        random: 0,
        created_at: Timestamp::from_ms(0),
        ends_at: Timestamp::from_ms(0),
        last_sequence: 0,
        number: 0,
        buyer: NONE,
        previous: NONE,
        lines: 0,
        gifts: 0,
        texts: 0,
        payment: 0,
        key_length: 0,
        payment_length: 0,
        area_and_extended: 0,
        lines_and_state: 0,
    };

    /// What became of it.
    #[inline]
    pub(crate) fn state(&self) -> HoldState {
        let number = usize::from(self.lines_and_state >> STATE_SHIFT);
        HoldState::ALL.get(number).copied().expect("only states are stored")
    }

    pub(super) fn set_state(&mut self, state: HoldState) {
        self.lines_and_state = (self.lines_and_state & LINES) | ((state as u8) << STATE_SHIFT);
    }

    pub(crate) const fn line_count(&self) -> u8 {
        self.lines_and_state & LINES
    }

    pub(super) fn set_line_count(&mut self, lines: u8) {
        debug_assert!(lines <= LINES, "limits.rs bounds the lines of a hold");
        self.lines_and_state = (self.lines_and_state & !LINES) | lines;
    }

    pub(crate) const fn area_length(&self) -> u8 {
        self.area_and_extended & !EXTENDED
    }

    pub(super) fn set_area_length(&mut self, length: u8) {
        debug_assert!(length < EXTENDED, "limits.rs bounds an area");
        self.area_and_extended = (self.area_and_extended & EXTENDED) | length;
    }

    /// Whether its deadline was moved on its own.
    pub(crate) const fn is_extended(&self) -> bool {
        self.area_and_extended & EXTENDED != 0
    }

    pub(super) fn set_extended(&mut self) {
        self.area_and_extended |= EXTENDED;
    }

    /// Whether the two shared bytes say what can be: for rows that come from a file.
    pub(super) fn is_sound(&self) -> bool {
        let state = usize::from(self.lines_and_state >> STATE_SHIFT);
        let lines = usize::from(self.line_count());
        state < HoldState::ALL.len()
            && (1..=LINES_MAX).contains(&lines)
            && usize::from(self.area_length()) <= AREA_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_byte_does_not_touch_the_other() {
        for state in HoldState::ALL {
            let mut row = HoldRow::NOTHING;
            row.set_line_count(20);
            row.set_area_length(64);
            assert!(!row.is_extended());
            row.set_state(state);
            row.set_extended();
            assert_eq!((row.state(), row.line_count(), row.area_length()), (state, 20, 64));
            assert!(row.is_extended() && row.is_sound());
            row.set_line_count(1);
            row.set_area_length(0);
            assert_eq!((row.state(), row.line_count(), row.area_length()), (state, 1, 0));
            assert!(row.is_extended());
        }
        assert!(!HoldRow::NOTHING.is_sound(), "a hold has a line");
    }
}
