//! What records about holds and waits carry, and its bytes.

use super::bytes::{Cursor, encode_lines, encode_slot, put, short};
use super::record::{BadRecord, Lines};
use crate::Timestamp;
use crate::ids::Slot;

/// A hold as it was granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant<'a> {
    pub(crate) slot: Slot,
    pub(crate) number: u32,
    pub(crate) random: u64,
    pub(crate) expires_at: Timestamp,
    /// Bit n: line n got its gift.
    pub(crate) gifts: u32,
    pub(crate) confirmed: bool,
    /// Row of the wait that it ends, in the same shard.
    pub(crate) wait: Option<u32>,
    pub(crate) lines: Lines,
    pub(crate) customer: &'a str,
    pub(crate) key: &'a str,
    pub(crate) area: &'a str,
}

/// Units that came back from an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund<'a> {
    pub(crate) slot: Slot,
    /// What came back.
    pub(crate) lines: Lines,
    /// It was asked for all that was left.
    pub(crate) all: bool,
    /// The units are on sale again; else they leave the total.
    pub(crate) restock: bool,
    /// How the caller names it; perhaps not at all.
    pub(crate) name: &'a str,
}

/// A place in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Join<'a> {
    pub(crate) slot: Slot,
    pub(crate) random: u64,
    /// How many wait, this one included.
    pub(crate) place: u32,
    pub(crate) lines: Lines,
    pub(crate) customer: &'a str,
    pub(crate) key: &'a str,
    pub(crate) area: &'a str,
}

impl Clone for Grant<'_> {
    /// Every grant is cloned once under the append lock: a list is copied whole there, not line by
    /// line.
    fn clone(&self) -> Self {
        Self { lines: Lines::from_slice(&self.lines), ..*self }
    }
}

impl<'a> Grant<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
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
        if let Some(wait) = self.wait {
            out.extend_from_slice(&wait.to_le_bytes());
        }
        encode_lines(&self.lines, out);
        for text in [self.customer, self.key, self.area] {
            out.extend_from_slice(text.as_bytes());
        }
    }

    pub(super) fn decode(
        tail: &mut Cursor<'a>,
        confirmed: bool,
        waited: bool,
    ) -> Result<Self, BadRecord> {
        let number = tail.u32()?;
        let row = tail.u32()?;
        let random = tail.u64()?;
        let expires_at = Timestamp::from_ms(tail.u64()?);
        let gifts = tail.u32()?;
        let slot = Slot { shard: tail.u8()?, row };
        let line_count = tail.u8()?;
        let [customer, key, area] = [tail.u8()?, tail.u8()?, tail.u8()?];
        let wait = if waited { Some(tail.u32()?) } else { None };
        let lines = tail.lines(line_count)?;
        let customer = tail.text(customer.into())?;
        let key = tail.text(key.into())?;
        let area = tail.text(area.into())?;
        Ok(Self {
            slot,
            number,
            random,
            expires_at,
            gifts,
            confirmed,
            wait,
            lines,
            customer,
            key,
            area,
        })
    }
}

impl<'a> Refund<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_slot(self.slot, out);
        out.extend_from_slice(&[short(self.lines.len()), short(self.name.len())]);
        encode_lines(&self.lines, out);
        out.extend_from_slice(self.name.as_bytes());
    }

    pub(super) fn decode(
        tail: &mut Cursor<'a>,
        restock: bool,
        all: bool,
    ) -> Result<Self, BadRecord> {
        let slot = tail.slot()?;
        let (lines, name) = (tail.u8()?, tail.u8()?);
        let lines = tail.lines(lines)?;
        Ok(Self { slot, lines, all, restock, name: tail.text(name.into())? })
    }
}

impl<'a> Join<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.slot.row.to_le_bytes());
        out.extend_from_slice(&self.random.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(&[self.slot.shard, short(self.lines.len())]);
        let texts = [self.customer, self.key, self.area];
        out.extend_from_slice(&texts.map(|text| short(text.len())));
        encode_lines(&self.lines, out);
        texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    }

    pub(super) fn decode(tail: &mut Cursor<'a>) -> Result<Self, BadRecord> {
        let row = tail.u32()?;
        let (random, place) = (tail.u64()?, tail.u32()?);
        let slot = Slot { shard: tail.u8()?, row };
        let lines = tail.u8()?;
        let [customer, key, area] = [tail.u8()?, tail.u8()?, tail.u8()?];
        let lines = tail.lines(lines)?;
        let customer = tail.text(customer.into())?;
        let key = tail.text(key.into())?;
        Ok(Self { slot, random, place, lines, customer, key, area: tail.text(area.into())? })
    }
}
