//! One hold, record by record: for whoever has to explain it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::directory::beside;
use super::witness::Witness;
use crate::Timestamp;
use crate::error::Error;
use crate::hold::HoldState;
use crate::ids::HoldId;
use crate::journal::Storage;
use crate::journal::beside::read_beside;
use crate::journal::feed::{Feed, NoFrame};
use crate::journal::record::Record;

/// What the journal says of one hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldHistory {
    /// Its name.
    pub hold: HoldId,
    /// Its drop.
    pub drop: String,
    /// Its number in the drop.
    pub number: u32,
    /// What it takes: of each line, and of the gifts that go with it.
    pub units: Vec<HoldUnits>,
    /// Whether every rule holds at every record of the whole directory.
    pub ok: bool,
    /// Everything that happened to it, in the order of the journal.
    pub steps: Vec<HoldStep>,
}

/// Units of one item or gift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldUnits {
    /// Which.
    pub sku: String,
    /// How many.
    pub quantity: u64,
}

/// One record, and how it left the hold. Without customer, key and payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldStep {
    /// Place in the journal's order.
    pub sequence: u64,
    /// Time of the record.
    pub at: Timestamp,
    /// What it did: `granted`, `confirmed`, `released`, `expired`, `extended`, `refunded`; and,
    /// where that moved the hold's deadline, `resumed` (an engine was started), `stepped` (the
    /// clock was) or `unpaused` (the drop was paused before).
    pub what: &'static str,
    /// What the hold was after it.
    pub state: HoldState,
    /// Its deadline after it, if it has one.
    pub expires_at: Option<Timestamp>,
    /// The file in which the record lies.
    pub file: String,
    /// Byte of that file at which the record begins.
    pub offset: u64,
}

/// What the journal in the data directory `path` says of a hold; `None` if it was never granted.
///
/// Like [`audit_directory`](super::audit_directory) it reads everything, changes nothing, and works
/// beside a running engine.
///
/// # Errors
/// As [`audit_directory`](super::audit_directory); [`Error::NotKept`] of a hold of a campaign whose
/// beginning was dropped.
pub fn audit_hold(path: impl AsRef<Path>, id: &HoldId) -> Result<Option<HoldHistory>, Error> {
    beside(path.as_ref(), |storage| history(storage, *id))
}

fn history(storage: &Arc<dyn Storage>, id: HoldId) -> Result<Option<HoldHistory>, Error> {
    let mut witness = Witness::default();
    let mut steps = Vec::new();
    let mut see = |sequence: u64, at: Timestamp, record: &Record<'_>| {
        let before = witness.hold(id);
        witness.see(sequence, at, record)?;
        let after = witness.hold(id);
        if let (Some(what), Some((state, due_at))) = (about(record, id, before != after), after) {
            let ends = matches!(state, HoldState::Held | HoldState::Expired);
            steps.push((sequence, at, what, state, ends.then_some(due_at)));
        }
        Ok(())
    };
    read_beside(&**storage, &mut see)?;
    if let Some(first_sequence) = witness.kept_after(id.sale()) {
        return Err(Error::NotKept { what: format!("hold {id}"), first_sequence });
    }
    let Some(mut history) = witness.history(id) else { return Ok(None) };
    history.ok = witness.verdict().2.is_empty();
    let feed = Feed::new(Arc::clone(storage));
    for (sequence, at, what, state, expires_at) in steps {
        let (file, offset) = place(&**storage, &feed, sequence)?;
        history.steps.push(HoldStep { sequence, at, what, state, expires_at, file, offset });
    }
    Ok(Some(history))
}

/// What a record did to the hold, if it is about it. `changed`: whether the hold is another now.
fn about(record: &Record<'_>, id: HoldId, changed: bool) -> Option<&'static str> {
    let of = |sale: u32, slot| sale == id.sale() && slot == id.slot();
    let (its, what) = match record {
        Record::Granted { sale, grant } => {
            (of(*sale, grant.slot) && grant.random == id.random(), "granted")
        }
        Record::Confirmed { sale, slot, .. } => (of(*sale, *slot), "confirmed"),
        Record::Released { sale, slot } => (of(*sale, *slot), "released"),
        Record::Expired { sale, slot } => (of(*sale, *slot), "expired"),
        Record::Extended { sale, slot, .. } => (of(*sale, *slot), "extended"),
        Record::PaidLate { sale, slot, .. } => (of(*sale, *slot), "confirmed"),
        Record::Refunded { sale, refund } => (of(*sale, refund.slot), "refunded"),
        Record::Unpaused { .. } | Record::Closed { .. } => (changed, "unpaused"),
        Record::Resumed { .. } => (changed, "resumed"),
        Record::Stepped { .. } => (changed, "stepped"),
        Record::Campaign { .. }
        | Record::Deleted { .. }
        | Record::Opened { .. }
        | Record::Paused { .. }
        | Record::Stocked { .. }
        | Record::Waited { .. }
        | Record::Left { .. }
        | Record::Settled { .. } => (false, ""),
    };
    its.then_some(what)
}

/// File and byte of a record.
fn place(storage: &dyn Storage, feed: &Feed, sequence: u64) -> Result<(String, u64), Error> {
    let moved = || Error::Io(io::ErrorKind::NotFound.into());
    let loaded = feed.frame(sequence).map_err(|missing| match missing {
        NoFrame::Gone { .. } => moved(),
        NoFrame::Failed(error) => error,
    })?;
    let located = loaded.records(sequence).next().and_then(Result::ok).ok_or_else(moved)?;
    Ok((located.place.file(storage), located.place.offset))
}
