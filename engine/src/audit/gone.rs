//! May what is not kept any more be gone? Only the past of campaigns that are over for good is
//! dropped, see [`retention`](crate::retention); whatever else is missing was lost, although a
//! start needs nothing of it.

use super::report::{NotKept, Violation};
use crate::error::Error;
use crate::journal::Storage;
use crate::phase::Phase;
use crate::snapshot;

/// The drops whose beginning is gone and that are current and not settled after the record `last`.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Io`], of the journal.
pub(super) fn lost(
    storage: &dyn Storage,
    not_kept: &NotKept,
    last: u64,
) -> Result<Vec<Violation>, Error> {
    let state = snapshot::state_at(storage, last)?;
    let gone = |drop: u32| not_kept.known_from.is_none_or(|known| drop < known);
    let mut violations = Vec::new();
    for put in state.catalogue.current() {
        for drop in put.record.drops(put.first).filter(|drop| gone(drop.index)) {
            if state.book.page(drop.index).phase != Phase::Settled {
                violations.push(Violation {
                    sequence: not_kept.first_sequence,
                    drop: Some(format!("{}-{}", put.record.campaign.id, drop.occurrence.number)),
                    rule: "J3",
                    what: "it is not over, and its first records are lost".to_owned(),
                });
            }
        }
    }
    Ok(violations)
}
