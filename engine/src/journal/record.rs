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
//! | 4-6 | index of the sale (of the campaign's first sale for a campaign or a settlement, else 0) |
//! | 7 | flags: bit 0, a grant was confirmed at once |
//! | 8-15 | time, in milliseconds after the epoch; never before the record before it |
//!
//! | kind | name | what follows |
//! |---|---|---|
//! | 1 | resumed | the clock as the engine was started, `u64` milliseconds after the epoch |
//! | 2 | campaign | the campaign and its drops as JSON |
//! | 3 | opened | nothing |
//! | 4 | closed | nothing |
//! | 5 | granted | number `u32`, row `u32`, random bits `u64`, expiry `u64`, gifts `u32` (bit n: line n got its gift), shard, lines, customer length, key length, area length (a byte each), then per line item `u16` and quantity `u16`, then customer, key, area |
//! | 6 | confirmed | row `u32`, shard, payment length (a byte each), payment |
//! | 7 | released | row `u32`, shard |
//! | 8 | expired | row `u32`, shard |
//! | 9 | extended | row `u32`, shard, expiry `u64` |
//! | 10 | stepped | by how many milliseconds the wall clock was stepped, `i64`: every live hold's expiry moved along |
//! | 18 | settled | see [`settlement`](super::settlement) |

use smallvec::SmallVec;

use super::settlement::Settlement;
use crate::Timestamp;
use crate::ids::Slot;
use crate::limits::{CAMPAIGN_BYTES_MAX, LINES_MAX};

const HEAD: usize = 16;
const LENGTH_MAX: usize = (1 << 24) - 1;
const FLAG_CONFIRMED: u8 = 1;

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

/// A hold as it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant<'a> {
    pub(crate) slot: Slot,
    pub(crate) number: u32,
    pub(crate) random: u64,
    pub(crate) expires_at: Timestamp,
    /// Bit n: line n got its gift.
    pub(crate) gifts: u32,
    pub(crate) confirmed: bool,
    pub(crate) lines: Lines,
    pub(crate) customer: &'a str,
    pub(crate) key: &'a str,
    pub(crate) area: &'a str,
}

/// One change. Its time is beside it, not in it: the append gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Resumed { now: Timestamp },
    Stepped { step_ms: i64 },
    Campaign { first_sale: u32, json: &'a str },
    Opened { sale: u32 },
    Closed { sale: u32 },
    Granted { sale: u32, grant: Grant<'a> },
    Confirmed { sale: u32, slot: Slot, payment: &'a str },
    Released { sale: u32, slot: Slot },
    Expired { sale: u32, slot: Slot },
    Extended { sale: u32, slot: Slot, expires_at: Timestamp },
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
            Self::Settled { .. } => 18,
        }
    }

    const fn sale(&self) -> u32 {
        match self {
            Self::Resumed { .. } | Self::Stepped { .. } => 0,
            Self::Campaign { first_sale: sale, .. }
            | Self::Settled { first_sale: sale, .. }
            | Self::Opened { sale }
            | Self::Closed { sale }
            | Self::Granted { sale, .. }
            | Self::Confirmed { sale, .. }
            | Self::Released { sale, .. }
            | Self::Expired { sale, .. }
            | Self::Extended { sale, .. } => *sale,
        }
    }

    /// Appends the record's bytes to `out` and returns how many they are.
    pub(crate) fn encode(&self, at: Timestamp, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let confirmed = matches!(self, Self::Granted { grant, .. } if grant.confirmed);
        let flags = if confirmed { FLAG_CONFIRMED } else { 0 };
        let mut head = [0; HEAD];
        let (kind_and_sale, time) = head.split_at_mut(8);
        let words = (u64::from(self.kind()) << 24)
            | (u64::from(self.sale()) << 32)
            | (u64::from(flags) << 56);
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
            Self::Opened { .. } | Self::Closed { .. } => {}
            Self::Resumed { now } => out.extend_from_slice(&now.as_ms().to_le_bytes()),
            Self::Stepped { step_ms } => out.extend_from_slice(&step_ms.to_le_bytes()),
            Self::Campaign { json, .. } => out.extend_from_slice(json.as_bytes()),
            Self::Granted { grant, .. } => grant.encode(out),
            Self::Confirmed { slot, payment, .. } => {
                encode_slot(*slot, out);
                out.push(short(payment.len()));
                out.extend_from_slice(payment.as_bytes());
            }
            Self::Released { slot, .. } | Self::Expired { slot, .. } => encode_slot(*slot, out),
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
        if flags > u64::from(FLAG_CONFIRMED) || (flags != 0 && kind != 5) {
            return Err(BadRecord);
        }
        let record = match kind {
            1 => Self::Resumed { now: Timestamp::from_ms(tail.u64()?) },
            2 => Self::Campaign { first_sale: sale, json: tail.text(tail.0.len())? },
            3 => Self::Opened { sale },
            4 => Self::Closed { sale },
            5 => Self::Granted { sale, grant: Grant::decode(&mut tail, flags != 0)? },
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
            18 => Self::Settled { first_sale: sale, settlement: Settlement::decode(&mut tail)? },
            _ => return Err(BadRecord),
        };
        if tail.0.is_empty() { Ok((at, record, length)) } else { Err(BadRecord) }
    }
}

impl<'a> Grant<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut fixed = [0; 33];
        let mut rest = fixed.as_mut_slice();
        put(&mut rest, &self.number.to_le_bytes());
        put(&mut rest, &self.slot.row.to_le_bytes());
        put(&mut rest, &self.random.to_le_bytes());
        put(&mut rest, &self.expires_at.as_ms().to_le_bytes());
        put(&mut rest, &self.gifts.to_le_bytes());
        put(&mut rest, &[self.slot.shard, short(self.lines.len())]);
        let lengths = [self.customer.len(), self.key.len(), self.area.len()];
        put(&mut rest, &lengths.map(short));
        out.extend_from_slice(&fixed);
        for line in &self.lines {
            out.extend_from_slice(&line.item.to_le_bytes());
            out.extend_from_slice(&line.quantity.to_le_bytes());
        }
        for text in [self.customer, self.key, self.area] {
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn decode(tail: &mut Cursor<'a>, confirmed: bool) -> Result<Self, BadRecord> {
        let number = tail.u32()?;
        let row = tail.u32()?;
        let random = tail.u64()?;
        let expires_at = Timestamp::from_ms(tail.u64()?);
        let gifts = tail.u32()?;
        let slot = Slot { shard: tail.u8()?, row };
        let line_count = usize::from(tail.u8()?);
        let [customer, key, area] = [tail.u8()?, tail.u8()?, tail.u8()?];
        if line_count == 0 || line_count > LINES_MAX {
            return Err(BadRecord);
        }
        let mut lines = Lines::with_capacity(line_count);
        for _ in 0..line_count {
            lines.push(Line { item: tail.u16()?, quantity: tail.u16()? });
        }
        let customer = tail.text(customer.into())?;
        let key = tail.text(key.into())?;
        let area = tail.text(area.into())?;
        Ok(Self { slot, number, random, expires_at, gifts, confirmed, lines, customer, key, area })
    }
}

fn encode_slot(slot: Slot, out: &mut Vec<u8>) {
    out.extend_from_slice(&slot.row.to_le_bytes());
    out.push(slot.shard);
}

/// Copies `bytes` to the front of `rest` and moves on.
fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (front, behind) = std::mem::take(rest).split_at_mut(bytes.len());
    front.copy_from_slice(bytes);
    *rest = behind;
}

fn short(length: usize) -> u8 {
    u8::try_from(length).expect("limits.rs bounds every text below 256 bytes")
}

/// Takes fields off the front of a record.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        let (front, behind) = self.0.split_first_chunk().ok_or(BadRecord)?;
        self.0 = behind;
        Ok(*front)
    }

    fn u8(&mut self) -> Result<u8, BadRecord> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, BadRecord> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, BadRecord> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, BadRecord> {
        self.take().map(u64::from_le_bytes)
    }

    fn slot(&mut self) -> Result<Slot, BadRecord> {
        let row = self.u32()?;
        Ok(Slot { shard: self.u8()?, row })
    }

    fn text(&mut self, length: usize) -> Result<&'a str, BadRecord> {
        let (front, behind) = self.0.split_at_checked(length).ok_or(BadRecord)?;
        self.0 = behind;
        std::str::from_utf8(front).map_err(|_| BadRecord)
    }
}

#[cfg(test)]
mod tests {
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

    fn samples() -> Vec<Record<'static>> {
        let slot = Slot { shard: 63, row: 77 };
        let grant = Grant {
            slot,
            number: 2_000,
            random: u64::MAX,
            expires_at: Timestamp::from_ms(1_588_122_600_000),
            gifts: 0b10,
            confirmed: true,
            lines: smallvec![Line { item: 0, quantity: 1 }, Line { item: 999, quantity: 1_000 }],
            customer: "c-1",
            key: "order-77",
            area: "",
        };
        vec![
            Record::Resumed { now: Timestamp::from_ms(7) },
            Record::Stepped { step_ms: -3_600_000 },
            Record::Campaign { first_sale: 7, json: "{\"id\":\"\u{c7a5}\u{d130}\"}" },
            Record::Opened { sale: 0x00ff_ffff },
            Record::Closed { sale: 1 },
            Record::Granted { sale: 3, grant },
            Record::Confirmed { sale: 3, slot, payment: "toss-9" },
            Record::Released { sale: 3, slot },
            Record::Expired { sale: 3, slot },
            Record::Extended { sale: 3, slot, expires_at: Timestamp::from_ms(9) },
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
