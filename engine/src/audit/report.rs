//! What an audit says.

use std::fmt;

use serde::Serialize;

use super::layout::{SegmentAudit, StartAudit};
use crate::Timestamp;
use crate::hold::HoldState;
use crate::ids::HoldId;
use crate::limits::VIOLATIONS_MAX;
use crate::phase::Phase;

/// What the offline audit found in a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectoryAudit {
    /// Whether every rule holds at every record.
    pub ok: bool,
    /// Segment files, blank ones included.
    pub segments: u64,
    /// Batches with records that count.
    pub batches: u64,
    /// Records that count, of those that are kept.
    pub records: u64,
    /// How often an engine was started on the directory.
    pub epochs: u32,
    /// 1 until the directory is restored from a backup.
    pub incarnation: u32,
    /// Sequence of the last record.
    pub last_sequence: u64,
    /// Time of the last record.
    pub last_at: Timestamp,
    /// Every start that is to be seen.
    pub starts: Vec<StartAudit>,
    /// Every segment, in the order of writing.
    pub files: Vec<SegmentAudit>,
    /// Snapshots that cannot be read, or not yet: file, byte and why. A start passes them over.
    pub snapshots_unreadable: Vec<String>,
    /// File and byte where a batch that was never acknowledged is cut short; beside a running
    /// engine, the batch that is being written.
    pub torn_tail: Option<String>,
    /// What is older than the journal still keeps; `None`: it is whole.
    pub not_kept: Option<NotKept>,
    /// Every drop that is current, in the order they were put; none of those in `not_kept`.
    pub drops: Vec<DropAudit>,
    /// What is broken, in the order of the records.
    pub violations: Vec<Violation>,
}

/// What is not judged, since it began before the first record that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotKept {
    /// The first record that is kept.
    pub first_sequence: u64,
    /// Records that are kept of campaigns that began before, and were passed over.
    pub passed_over: u64,
    /// The drops that those are about: each by its place among all drops ever put, from 0.
    pub drops: Vec<u32>,
    /// Drops from this place on are kept from their first record on; `None`: none is.
    pub known_from: Option<u32>,
}

/// One drop, as its records add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DropAudit {
    /// `<campaign>-<occurrence>`.
    pub id: String,
    /// Where it stands.
    pub phase: Phase,
    /// What it sells.
    pub items: Vec<Counted>,
    /// What comes with it.
    pub gifts: Vec<Counted>,
    /// Holds by state.
    pub holds: HoldCounts,
    /// Holds that were confirmed, whatever came back of them since.
    pub orders: u64,
    #[serde(skip)]
    pub(super) list: Vec<HoldAudit>,
}

/// One item or gift, in units. Where units were oversold, `available` is below 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Its id.
    pub sku: String,
    /// Units in all; `None`: unlimited.
    pub total: Option<u32>,
    /// Available, held and sold.
    #[serde(flatten)]
    pub units: Units,
}

/// Units of one item or gift, where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Units {
    /// Neither held nor sold; `None`: unlimited.
    pub available: Option<i64>,
    /// In live holds.
    pub held: u64,
    /// In confirmed holds.
    pub sold: u64,
}

impl Units {
    /// Those held and sold of `total`, and what is left of it.
    pub(super) fn of(total: Option<u32>, held: u64, sold: u64) -> Self {
        let gone = i64::try_from(held.saturating_add(sold)).unwrap_or(i64::MAX);
        Self { available: total.map(|total| i64::from(total) - gone), held, sold }
    }

    /// How many units more than there are were held and sold.
    pub(super) fn oversold(&self) -> u64 {
        self.available.map_or(0, |available| 0_i64.saturating_sub(available).max(0).unsigned_abs())
    }
}

/// How many holds are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HoldCounts {
    /// Live.
    pub held: u64,
    /// Orders.
    pub confirmed: u64,
    /// Given up.
    pub released: u64,
    /// Not confirmed in time.
    pub expired: u64,
    /// Orders of which everything came back.
    pub refunded: u64,
}

impl HoldCounts {
    pub(super) fn count(&mut self, state: HoldState) {
        *match state {
            HoldState::Held => &mut self.held,
            HoldState::Confirmed => &mut self.confirmed,
            HoldState::Released => &mut self.released,
            HoldState::Expired => &mut self.expired,
            HoldState::Refunded => &mut self.refunded,
        } += 1;
    }

    /// Holds of any state.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.held + self.released + self.expired + self.orders()
    }

    /// Holds that were confirmed, whatever came back of them since.
    #[must_use]
    pub const fn orders(&self) -> u64 {
        self.confirmed + self.refunded
    }
}

/// One hold, for comparing what several witnesses saw of it.
#[derive(Clone, PartialEq, Eq)]
pub struct HoldAudit {
    /// Its name.
    pub id: HoldId,
    /// Its number in the drop.
    pub number: u32,
    /// Whose it is.
    pub customer: String,
    /// The idempotency key it was granted under.
    pub key: Option<String>,
    /// What became of it.
    pub state: HoldState,
    /// Units of all its lines, without gifts.
    pub units: u64,
    /// When it was granted.
    pub granted_at: Timestamp,
}

impl fmt::Debug for HoldAudit {
    /// Without customer and key: those appear in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("HoldAudit");
        out.field("id", &self.id).field("number", &self.number).field("state", &self.state);
        out.field("units", &self.units).finish_non_exhaustive()
    }
}

impl DropAudit {
    /// Every hold ever granted, in the order of granting.
    #[must_use]
    pub fn holds(&self) -> &[HoldAudit] {
        &self.list
    }
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The record at which it shows.
    pub sequence: u64,
    /// The drop it concerns, if it concerns one.
    pub drop: Option<String>,
    /// Which rule: an invariant's number (`S1`), or a word.
    pub rule: &'static str,
    /// What is wrong, in plain words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, drop, rule, what } = self;
        write!(f, "record {sequence}, ")?;
        if let Some(drop) = drop {
            write!(f, "{drop}, ")?;
        }
        write!(f, "{rule}: {what}")
    }
}

/// Violations of one record's rules, collected up to a bound.
#[derive(Debug, Default)]
pub(super) struct Found {
    list: Vec<Violation>,
    beyond: u64,
    /// The record being looked at.
    pub(super) sequence: u64,
}

impl Found {
    /// Something is wrong with the record being looked at.
    pub(super) fn add(&mut self, drop: Option<&str>, rule: &'static str, what: String) {
        if self.list.len() < VIOLATIONS_MAX {
            let drop = drop.map(str::to_owned);
            self.list.push(Violation { sequence: self.sequence, drop, rule, what });
        } else {
            self.beyond += 1;
        }
    }

    pub(super) fn into_list(mut self) -> Vec<Violation> {
        if self.beyond > 0 {
            let what = format!("{} more violations are not listed", self.beyond);
            self.list.push(Violation { sequence: self.sequence, drop: None, rule: "more", what });
        }
        self.list
    }
}

/// What the online audit found of a drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether everything agrees.
    pub ok: bool,
    /// The drop's id.
    pub drop: String,
    /// The record after which everything here was true.
    pub sequence: u64,
    /// What it sells.
    pub items: Vec<Compared>,
    /// What comes with it.
    pub gifts: Vec<Compared>,
    /// Holds ever granted, in any state.
    pub holds: u64,
    /// Those by state.
    pub states: HoldCounts,
    /// Confirmed holds.
    pub orders: u64,
    /// What does not agree, in plain words.
    pub violations: Vec<String>,
}

/// One item or gift as counted by the book, and anew from the holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// What the book says.
    #[serde(flatten)]
    pub reported: Counted,
    /// What the holds add up to.
    pub recomputed: Units,
}
