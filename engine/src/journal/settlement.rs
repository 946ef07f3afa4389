//! A settlement, as its record carries it: what the orders of each drop came to at that moment, and
//! which rules of the campaign were settled by it.
//!
//! | bytes | field |
//! |---|---|
//! | 0-1 | rules settled |
//! | 2-3 | amounts of each drop: one for each beneficiary of each rule of the campaign |
//! | 4-7 | drops |
//! | then | each rule settled: its place in the campaign, `u16`, ascending |
//! | then | each drop: index `u32`, orders, units, refunded units, spend, refunds, idle unit-seconds, then the amounts, `u64` each |

use super::bytes::Cursor;
use super::record::BadRecord;

/// What the orders of one drop come to. Money is in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Orders ever confirmed.
    pub(crate) orders: u64,
    /// Units confirmed, and those of them that came back.
    pub(crate) units: u64,
    pub(crate) refunded_units: u64,
    /// What was spent, and what of it came back.
    pub(crate) spend: u64,
    pub(crate) refunds: u64,
    /// See [`Page::idle_unit_seconds`](crate::book::Page::idle_unit_seconds).
    pub(crate) idle_unit_seconds: u64,
    /// What follows after refunds, for each beneficiary of each rule, in the order of the file.
    pub(crate) accrued: Vec<u64>,
}

/// Which rules of a drop are settled, and what its orders came to when they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Their places in the campaign, ascending.
    pub(crate) rules: Vec<u16>,
    pub(crate) sums: Sums,
}

/// Settles the same rules of every drop of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Their places in the campaign, ascending.
    pub(crate) rules: Vec<u16>,
    /// Every drop by index, with what its orders come to under all rules, settled or not.
    pub(crate) drops: Vec<(u32, Sums)>,
}

impl Settlement {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let amounts = self.drops.first().map_or(0, |(_, sums)| sums.accrued.len());
        for count in [self.rules.len(), amounts] {
            let count = u16::try_from(count).expect("limits.rs bounds the rules of a campaign");
            out.extend_from_slice(&count.to_le_bytes());
        }
        let drops = u32::try_from(self.drops.len()).expect("limits.rs bounds the drops");
        out.extend_from_slice(&drops.to_le_bytes());
        for rule in &self.rules {
            out.extend_from_slice(&rule.to_le_bytes());
        }
        for (sale, sums) in &self.drops {
            out.extend_from_slice(&sale.to_le_bytes());
            for figure in sums.figures().iter().chain(&sums.accrued) {
                out.extend_from_slice(&figure.to_le_bytes());
            }
        }
    }

    pub(super) fn decode(tail: &mut Cursor<'_>) -> Result<Self, BadRecord> {
        let (rules, amounts, drops) = (tail.u16()?, tail.u16()?, tail.u32()?);
        let mut settlement = Self::default();
        for _ in 0..rules {
            settlement.rules.push(tail.u16()?);
        }
        if !settlement.rules.is_sorted_by(|a, b| a < b) {
            return Err(BadRecord);
        }
        for _ in 0..drops {
            let sale = tail.u32()?;
            let mut sums = Sums {
                orders: tail.u64()?,
                units: tail.u64()?,
                refunded_units: tail.u64()?,
                spend: tail.u64()?,
                refunds: tail.u64()?,
                idle_unit_seconds: tail.u64()?,
                accrued: Vec::new(),
            };
            for _ in 0..amounts {
                sums.accrued.push(tail.u64()?);
            }
            settlement.drops.push((sale, sums));
        }
        Ok(settlement)
    }
}

impl Sums {
    /// Everything but the amounts, in the order of the bytes.
    const fn figures(&self) -> [u64; 6] {
        let Self { orders, units, refunded_units, spend, refunds, idle_unit_seconds, .. } = self;
        [*orders, *units, *refunded_units, *spend, *refunds, *idle_unit_seconds]
    }
}
