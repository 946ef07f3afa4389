//! The fields of a record, written one after another and taken off again.

use super::record::{BadRecord, Line, Lines, Shown};
use crate::book::Count;
use crate::ids::Slot;
use crate::limits::LINES_MAX;
use crate::phase::Phase;

pub(super) fn encode_slot(slot: Slot, out: &mut Vec<u8>) {
    out.extend_from_slice(&slot.row.to_le_bytes());
    out.push(slot.shard);
}

pub(super) fn encode_lines(lines: &Lines, out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(&line.item.to_le_bytes());
        out.extend_from_slice(&line.quantity.to_le_bytes());
    }
}

pub(super) fn encode_shown(shown: &Shown, out: &mut Vec<u8>) {
    out.push(shown.phase as u8);
    for Count { total, held, sold } in &shown.goods {
        out.push(u8::from(total.is_some()));
        out.extend_from_slice(&total.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&held.to_le_bytes());
        out.extend_from_slice(&sold.to_le_bytes());
    }
}

/// Copies `bytes` to the front of `rest` and moves on.
pub(super) fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (front, behind) = std::mem::take(rest).split_at_mut(bytes.len());
    front.copy_from_slice(bytes);
    *rest = behind;
}

pub(super) fn short(length: usize) -> u8 {
    u8::try_from(length).expect("limits.rs bounds every text below 256 bytes")
}

/// Takes fields off the front of a record.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        let (front, behind) = self.0.split_first_chunk().ok_or(BadRecord)?;
        self.0 = behind;
        Ok(*front)
    }

    pub(super) fn u8(&mut self) -> Result<u8, BadRecord> {
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

    pub(super) fn slot(&mut self) -> Result<Slot, BadRecord> {
        let row = self.u32()?;
        Ok(Slot { shard: self.u8()?, row })
    }

    /// 1 to 20 lines.
    pub(super) fn lines(&mut self, count: u8) -> Result<Lines, BadRecord> {
        let count = usize::from(count);
        if count == 0 || count > LINES_MAX {
            return Err(BadRecord);
        }
        let mut lines = Lines::with_capacity(count);
        for _ in 0..count {
            lines.push(Line { item: self.u16()?, quantity: self.u16()? });
        }
        Ok(lines)
    }

    /// What a drop shows, up to the end of the record.
    pub(super) fn shown(&mut self) -> Result<Shown, BadRecord> {
        let phase = Phase::ALL.get(usize::from(self.u8()?)).ok_or(BadRecord)?;
        let mut goods = Vec::new();
        while !self.0.is_empty() {
            let (limited, total) = (self.u8()?, self.u32()?);
            let (held, sold) = (self.u64()?, self.u64()?);
            if limited > 1 {
                return Err(BadRecord);
            }
            goods.push(Count { total: (limited == 1).then_some(total), held, sold });
        }
        Ok(Shown { phase: *phase, goods })
    }

    pub(super) fn text(&mut self, length: usize) -> Result<&'a str, BadRecord> {
        let (front, behind) = self.0.split_at_checked(length).ok_or(BadRecord)?;
        self.0 = behind;
        std::str::from_utf8(front).map_err(|_| BadRecord)
    }
}
