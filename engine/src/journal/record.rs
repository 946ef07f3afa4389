//! What happened, as bytes: one record per change, without a reference to anything in memory.
//!
//! # Layout
//!
//! All integers are little-endian. A record's sequence is not stored: it is the frame's first
//! sequence plus the record's place in the frame.
//!
//! | bytes | field |
//! |---|---|
//! | 0-2 | length of the whole record |
//! | 3 | kind |
//! | 4-6 | index of the sale; for a campaign, its deletion or a settlement, of the campaign's first sale; 0 for resumed and stepped |
//! | 7 | flags of a grant: bit 0, confirmed at once; bit 1, from the line. Of a refund: bit 0, the units are on sale again; bit 1, of all that was left |
//! | 8-15 | time, in milliseconds after the epoch; never before the record before it |
//!
//! | kind | name | what follows |
//! |---|---|---|
//! | 1 | resumed | the clock as the engine was started, `u64` milliseconds after the epoch |
//! | 2 | campaign | the campaign, its drops and the key of its hash as JSON |
//! | 3 | opened | the drop |
//! | 4 | closed | for how long it had been paused just before, `u64` milliseconds; the drop |
//! | 5 | granted | number `u32`, row `u32`, random bits `u64`, expiry `u64`, gifts `u32` (bit n: line n got its gift), shard, lines, customer length, key length, area length (a byte each); from the line: the wait's row `u32`; then per line item `u16` and quantity `u16`, then customer, key, area |
//! | 6 | confirmed | row `u32`, shard, payment length (a byte each), payment |
//! | 7 | released | row `u32`, shard |
//! | 8 | expired | row `u32`, shard |
//! | 9 | extended | row `u32`, shard, expiry `u64` |
//! | 10 | stepped | by how many milliseconds the wall clock was stepped, `i64`: every live hold's expiry moved along |
//! | 11 | refunded | row `u32`, shard, lines, name length (a byte each), then per line item `u16` and quantity `u16` that came back, then the refund's name |
//! | 12 | paused | what the clock showed, `u64` milliseconds after the epoch; the drop |
//! | 13 | unpaused | for how long it was paused, `u64` milliseconds: every live hold's expiry moved by that; the drop |
//! | 14 | stocked | which good `u16`, its total `u32`; the drop |
//! | 15 | paid late | row `u32`, shard, payment length (a byte each), gifts `u32`, payment: an expired hold is sold |
//! | 16 | waited | row `u32`, random bits `u64`, place in the line `u32`, shard, lines, customer length, key length, area length (a byte each), then per line item `u16` and quantity `u16`, then customer, key, area |
//! | 17 | left | row `u32` and shard of the wait |
//! | 18 | settled | see [`settlement`](super::settlement) |
//! | 20 | deleted | the campaign's id as JSON |
//!
//! *The drop* is what it shows right after the record: its phase (a byte: scheduled, open, paused,
//! closed, settled, from 0), then of each good, items first, whether it is limited (a byte), total
//! `u32`, held `u64`, sold `u64`. Where nothing follows an opening or a closing, the drop has no
//! goods or the record is of an earlier version.

use smallvec::SmallVec;

use super::bytes::{Cursor, encode_shown, encode_slot, short};
pub(crate) use super::carried::{Grant, Join, Refund};
use super::settlement::Settlement;
use crate::Timestamp;
use crate::book::{Count, Page};
use crate::ids::Slot;
use crate::limits::CAMPAIGN_BYTES_MAX;
use crate::phase::Phase;

const HEAD: usize = 16;
const LENGTH_MAX: usize = (1 << 24) - 1;
/// Flags of a grant.
const CONFIRMED: u8 = 1;
const FROM_LINE: u8 = 1 << 1;
/// Flags of a refund.
const RESTOCK: u8 = 1;
const ALL: u8 = 1 << 1;

/// A campaign's record carries its JSON and its drops' instants besides.
pub(crate) const CAMPAIGN_RECORD_MAX: usize = 4 * CAMPAIGN_BYTES_MAX;
const _: () = assert!(CAMPAIGN_RECORD_MAX + HEAD < LENGTH_MAX, "a length is three bytes");

/// One line of a hold: which item (by its place in the drop), how many units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) item: u16,
    pub(crate) quantity: u16,
}

/// The lines of one hold, by item.
pub(crate) type Lines = SmallVec<[Line; 2]>;

/// What a drop shows right after a record that is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) phase: Phase,
    /// Units of all goods, items first.
    pub(crate) goods: Vec<Count>,
}

impl Shown {
    /// Of a record of an earlier version.
    pub(crate) const fn unknown(phase: Phase) -> Self {
        Self { phase, goods: Vec::new() }
    }
}

impl From<&Page> for Shown {
    fn from(page: &Page) -> Self {
        Self { phase: page.phase, goods: page.goods.to_vec() }
    }
}

/// One change. Its time is beside it, not in it: the append gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Resumed { now: Timestamp },
    Stepped { step_ms: i64 },
    Campaign { first_sale: u32, json: &'a str },
    Opened { sale: u32, shown: Shown },
    Closed { sale: u32, pause_ms: u64, shown: Shown },
    Granted { sale: u32, grant: Grant<'a> },
    Confirmed { sale: u32, slot: Slot, payment: &'a str },
    Released { sale: u32, slot: Slot },
    Expired { sale: u32, slot: Slot },
    Extended { sale: u32, slot: Slot, expires_at: Timestamp },
    Refunded { sale: u32, refund: Refund<'a> },
    Paused { sale: u32, now: Timestamp, shown: Shown },
    Unpaused { sale: u32, pause_ms: u64, shown: Shown },
    Stocked { sale: u32, good: u16, total: u32, shown: Shown },
    PaidLate { sale: u32, slot: Slot, gifts: u32, payment: &'a str },
    Waited { sale: u32, join: Join<'a> },
    Left { sale: u32, slot: Slot },
    Deleted { first_sale: u32, json: &'a str },
    Settled { first_sale: u32, settlement: Settlement },
}

/// The bytes are not a record of this version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRecord;

impl<'a> Record<'a> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Resumed { .. } => 1,
            Self::Campaign { .. } => 2,
            Self::Opened { .. } => 3,
            Self::Closed { .. } => 4,
            Self::Granted { .. } => 5,
            Self::Confirmed { .. } => 6,
            Self::Released { .. } => 7,
            Self::Expired { .. } => 8,
            Self::Extended { .. } => 9,
            Self::Stepped { .. } => 10,
            Self::Refunded { .. } => 11,
            Self::Paused { .. } => 12,
            Self::Unpaused { .. } => 13,
            Self::Stocked { .. } => 14,
            Self::PaidLate { .. } => 15,
            Self::Waited { .. } => 16,
            Self::Left { .. } => 17,
            Self::Settled { .. } => 18,
            Self::Deleted { .. } => 20,
        }
    }

    /// The sale it is about; 0 if it is about none.
    pub(crate) const fn sale(&self) -> u32 {
        match self {
            Self::Resumed { .. } | Self::Stepped { .. } => 0,
            Self::Campaign { first_sale: sale, .. }
            | Self::Deleted { first_sale: sale, .. }
            | Self::Settled { first_sale: sale, .. }
            | Self::Opened { sale, .. }
            | Self::Closed { sale, .. }
            | Self::Granted { sale, .. }
            | Self::Confirmed { sale, .. }
            | Self::Released { sale, .. }
            | Self::Expired { sale, .. }
            | Self::Extended { sale, .. }
            | Self::Refunded { sale, .. }
            | Self::Paused { sale, .. }
            | Self::Unpaused { sale, .. }
            | Self::Stocked { sale, .. }
            | Self::PaidLate { sale, .. }
            | Self::Waited { sale, .. }
            | Self::Left { sale, .. } => *sale,
        }
    }

    fn flags(&self) -> u8 {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        match self {
            Self::Granted { grant, .. } => {
                flag(grant.confirmed, CONFIRMED) | flag(grant.wait.is_some(), FROM_LINE)
            }
            Self::Refunded { refund, .. } => flag(refund.restock, RESTOCK) | flag(refund.all, ALL),
            _ => 0,
        }
    }

    /// Appends the record's bytes to `out` and returns how many they are.
    pub(crate) fn encode(&self, at: Timestamp, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let mut head = [0; HEAD];
        let (kind_and_sale, time) = head.split_at_mut(8);
        let words = (u64::from(self.kind()) << 24)
            | (u64::from(self.sale()) << 32)
            | (u64::from(self.flags()) << 56);
        kind_and_sale.copy_from_slice(&words.to_le_bytes());
        time.copy_from_slice(&at.as_ms().to_le_bytes());
        out.extend_from_slice(&head);
        self.encode_tail(out);
        let length = out.len() - start;
        assert!(length <= LENGTH_MAX, "limits.rs bounds every part of a record");
        for (place, byte) in out.iter_mut().skip(start).zip(length.to_le_bytes()).take(3) {
            *place = byte;
        }
        length
    }

    fn encode_tail(&self, out: &mut Vec<u8>) {
        match self {
            Self::Opened { shown, .. } if *shown == Shown::unknown(Phase::Open) => {}
            Self::Opened { shown, .. } => encode_shown(shown, out),
            Self::Paused { now, shown, .. } => {
                out.extend_from_slice(&now.as_ms().to_le_bytes());
                encode_shown(shown, out);
            }
            Self::Closed { pause_ms, shown, .. } | Self::Unpaused { pause_ms, shown, .. } => {
                out.extend_from_slice(&pause_ms.to_le_bytes());
                encode_shown(shown, out);
            }
            Self::Stocked { good, total, shown, .. } => {
                out.extend_from_slice(&good.to_le_bytes());
                out.extend_from_slice(&total.to_le_bytes());
                encode_shown(shown, out);
            }
            Self::Resumed { now } => out.extend_from_slice(&now.as_ms().to_le_bytes()),
            Self::Stepped { step_ms } => out.extend_from_slice(&step_ms.to_le_bytes()),
            Self::Campaign { json, .. } | Self::Deleted { json, .. } => {
                out.extend_from_slice(json.as_bytes());
            }
            Self::Granted { grant, .. } => grant.encode(out),
            Self::Confirmed { slot, payment, .. } => {
                encode_slot(*slot, out);
                out.push(short(payment.len()));
                out.extend_from_slice(payment.as_bytes());
            }
            Self::PaidLate { slot, gifts, payment, .. } => {
                encode_slot(*slot, out);
                out.push(short(payment.len()));
                out.extend_from_slice(&gifts.to_le_bytes());
                out.extend_from_slice(payment.as_bytes());
            }
            Self::Released { slot, .. } | Self::Expired { slot, .. } | Self::Left { slot, .. } => {
                encode_slot(*slot, out);
            }
            Self::Refunded { refund, .. } => refund.encode(out),
            Self::Waited { join, .. } => join.encode(out),
            Self::Extended { slot, expires_at, .. } => {
                encode_slot(*slot, out);
                out.extend_from_slice(&expires_at.as_ms().to_le_bytes());
            }
            Self::Settled { settlement, .. } => settlement.encode(out),
        }
    }

    /// How long the record at the start of `bytes` says it is: enough to go on to the next one.
    pub(crate) fn length(bytes: &[u8]) -> usize {
        bytes.first_chunk().map_or(0, |&[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize)
    }

    /// Reads the record at the start of `bytes`; also its time and its length.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<(Timestamp, Self, usize), BadRecord> {
        let mut head = Cursor(bytes);
        let words = head.u64()?;
        let at = Timestamp::from_ms(head.u64()?);
        let length = usize::try_from(words & 0x00ff_ffff).map_err(|_| BadRecord)?;
        let kind = (words >> 24) & 0xff;
        let sale = u32::try_from((words >> 32) & 0x00ff_ffff).map_err(|_| BadRecord)?;
        let flags = words >> 56;
        let mut tail = Cursor(bytes.get(HEAD..length).ok_or(BadRecord)?);
        let [flags, ..] = flags.to_le_bytes();
        if flags > 3 || (flags != 0 && kind != 5 && kind != 11) {
            return Err(BadRecord);
        }
        let is = |bit: u8| flags & bit != 0;
        let record = match kind {
            1 => Self::Resumed { now: Timestamp::from_ms(tail.u64()?) },
            2 => Self::Campaign { first_sale: sale, json: tail.text(tail.0.len())? },
            3 if tail.0.is_empty() => Self::Opened { sale, shown: Shown::unknown(Phase::Open) },
            3 => Self::Opened { sale, shown: tail.shown()? },
            4 if tail.0.is_empty() => {
                Self::Closed { sale, pause_ms: 0, shown: Shown::unknown(Phase::Closed) }
            }
            4 => Self::Closed { sale, pause_ms: tail.u64()?, shown: tail.shown()? },
            5 => {
                let grant = Grant::decode(&mut tail, is(CONFIRMED), is(FROM_LINE))?;
                Self::Granted { sale, grant }
            }
            6 => {
                let slot = tail.slot()?;
                let length = tail.u8()?;
                Self::Confirmed { sale, slot, payment: tail.text(length.into())? }
            }
            7 => Self::Released { sale, slot: tail.slot()? },
            8 => Self::Expired { sale, slot: tail.slot()? },
            9 => {
                let slot = tail.slot()?;
                Self::Extended { sale, slot, expires_at: Timestamp::from_ms(tail.u64()?) }
            }
            10 => Self::Stepped { step_ms: tail.take().map(i64::from_le_bytes)? },
            11 => Self::Refunded { sale, refund: Refund::decode(&mut tail, is(RESTOCK), is(ALL))? },
            12 => {
                let now = Timestamp::from_ms(tail.u64()?);
                Self::Paused { sale, now, shown: tail.shown()? }
            }
            13 => Self::Unpaused { sale, pause_ms: tail.u64()?, shown: tail.shown()? },
            14 => {
                let (good, total) = (tail.u16()?, tail.u32()?);
                Self::Stocked { sale, good, total, shown: tail.shown()? }
            }
            15 => {
                let slot = tail.slot()?;
                let (length, gifts) = (tail.u8()?, tail.u32()?);
                Self::PaidLate { sale, slot, gifts, payment: tail.text(length.into())? }
            }
            16 => Self::Waited { sale, join: Join::decode(&mut tail)? },
            17 => Self::Left { sale, slot: tail.slot()? },
            18 => Self::Settled { first_sale: sale, settlement: Settlement::decode(&mut tail)? },
            20 => Self::Deleted { first_sale: sale, json: tail.text(tail.0.len())? },
            _ => return Err(BadRecord),
        };
        if tail.0.is_empty() { Ok((at, record, length)) } else { Err(BadRecord) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::settlement::Sums;
    use super::*;
    use smallvec::smallvec;

    fn settlement() -> Settlement {
        let sums = |orders| Sums {
            orders,
            units: 2,
            refunded_units: 1,
            spend: 10_001,
            refunds: 5_000,
            idle_unit_seconds: 0,
            accrued: vec![2_500, u64::MAX, 0],
        };
        Settlement { rules: vec![0, 2], drops: vec![(7, sums(1)), (9, sums(u64::MAX))] }
    }

    /// A record of every kind.
    pub(in crate::journal) fn samples() -> Vec<Record<'static>> {
        let slot = Slot { shard: 63, row: 77 };
        let grant = Grant {
            slot,
            number: 2_000,
            random: u64::MAX,
            expires_at: Timestamp::from_ms(1_588_122_600_000),
            gifts: 0b10,
            confirmed: true,
            wait: None,
            lines: smallvec![Line { item: 0, quantity: 1 }, Line { item: 999, quantity: 1_000 }],
            customer: "c-1",
            key: "order-77",
            area: "",
        };
        let late = Grant { wait: Some(9), confirmed: false, ..grant.clone() };
        let lines = grant.lines.clone();
        let refund = Refund { slot, lines: lines.clone(), all: false, restock: true, name: "r-1" };
        let whole = Refund { all: true, restock: false, name: "", ..refund.clone() };
        let join =
            Join { slot, random: 1, place: 3, lines, customer: "c-2", key: "k", area: "seoul" };
        let goods = vec![Count { total: Some(3), held: 1, sold: 2 }, Count::default()];
        let shown = Shown { phase: Phase::Paused, goods };
        vec![
            Record::Resumed { now: Timestamp::from_ms(7) },
            Record::Stepped { step_ms: -3_600_000 },
            Record::Campaign { first_sale: 7, json: "{\"id\":\"\u{c7a5}\u{d130}\"}" },
            Record::Deleted { first_sale: 7, json: "{}" },
            Record::Opened { sale: 0x00ff_ffff, shown: shown.clone() },
            Record::Closed { sale: 1, pause_ms: 7, shown: shown.clone() },
            Record::Granted { sale: 3, grant },
            Record::Confirmed { sale: 3, slot, payment: "toss-9" },
            Record::Released { sale: 3, slot },
            Record::Expired { sale: 3, slot },
            Record::Extended { sale: 3, slot, expires_at: Timestamp::from_ms(9) },
            Record::Granted { sale: 3, grant: late },
            Record::Refunded { sale: 3, refund },
            Record::Refunded { sale: 3, refund: whole },
            Record::Paused { sale: 3, now: Timestamp::from_ms(5), shown: shown.clone() },
            Record::Unpaused { sale: 3, pause_ms: 60_000, shown: shown.clone() },
            Record::Stocked { sale: 3, good: 1, total: 2_500, shown },
            Record::PaidLate { sale: 3, slot, gifts: 1, payment: "toss-10" },
            Record::Waited { sale: 3, join },
            Record::Left { sale: 3, slot },
            Record::Settled { first_sale: 7, settlement: settlement() },
        ]
    }

    #[test]
    fn every_kind_comes_back_and_no_cut_one_does() {
        for record in samples() {
            let at = Timestamp::from_ms(1_588_122_000_123);
            let mut bytes = Vec::new();
            let length = record.encode(at, &mut bytes);
            assert_eq!((length, Record::length(&bytes)), (bytes.len(), length));
            assert_eq!(Record::decode(&bytes), Ok((at, record.clone(), length)));
            for cut in 0..length {
                assert_eq!(Record::decode(&bytes[..cut]), Err(BadRecord), "{record:?} at {cut}");
            }
            bytes[3] = 200;
            assert_eq!(Record::decode(&bytes), Err(BadRecord), "an unknown kind");
        }
    }

    #[test]
    fn a_usual_grant_stays_small() {
        let grant = Grant {
            slot: Slot { shard: 0, row: 0 },
            number: 1,
            random: 0,
            expires_at: Timestamp::default(),
            gifts: 0,
            confirmed: false,
            wait: None,
            lines: smallvec![Line { item: 0, quantity: 1 }],
            customer: "c-0000000001",
            key: "0123456789abcdef",
            area: "",
        };
        let mut bytes = Vec::new();
        let length = Record::Granted { sale: 0, grant }.encode(Timestamp::default(), &mut bytes);
        assert!(length <= 81, "{length} bytes");
    }
}
