//! Reads a data directory and lets the witness judge it.

use std::path::Path;
use std::sync::Arc;

use super::gone::lost;
use super::layout::layout;
use super::report::{DirectoryAudit, Violation};
use super::witness::Witness;
use crate::Timestamp;
use crate::error::Error;
use crate::journal::beside::{patiently, read_beside};
use crate::journal::record::Record;
use crate::journal::{Directory, Storage};
use crate::snapshot::{self, Compared};

/// Recomputes every invariant from the journal in the data directory `path`.
///
/// Reads only and takes no lock: it may run beside an engine, and then tells of the records that
/// were there when it began (and perhaps some later ones). Keeps every hold in memory.
///
/// Where [`Options::retain_settled`](crate::Options::retain_settled) has dropped the beginning, it
/// judges what began later; [`DirectoryAudit::not_kept`] says what it does not. Where the beginning
/// is gone of a drop of a current campaign that is not settled, it was lost: a violation.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte, where the journal lacks what was durable or holds what
/// cannot be read, or its beginning is gone and no snapshot stands for it; [`Error::Io`], also if
/// there is no such directory.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// drop(jangteo::Engine::open(path)?);
/// let found = jangteo::audit::audit_directory(path)?;
/// assert!(found.ok && found.drops.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn audit_directory(path: impl AsRef<Path>) -> Result<DirectoryAudit, Error> {
    beside(path.as_ref(), |storage| audit_storage(&**storage))
}

/// Reads the journal in the data directory `path`, beside an engine that may be running on it.
pub(super) fn beside<T>(
    path: &Path,
    read: impl Fn(&Arc<dyn Storage>) -> Result<T, Error>,
) -> Result<T, Error> {
    let storage: Arc<dyn Storage> = Arc::new(Directory::in_data(path)?);
    patiently(&*storage, || read(&storage))
}

/// Likewise from the journal in `storage`.
///
/// # Errors
/// As [`audit_directory`].
pub fn audit_storage(storage: &dyn Storage) -> Result<DirectoryAudit, Error> {
    let mut witness = Witness::default();
    let mut see =
        |sequence: u64, at: Timestamp, record: &Record<'_>| witness.see(sequence, at, record);
    let read = read_beside(storage, &mut see)?;
    let (files, starts) = layout(storage)?;
    let (not_kept, drops, mut violations) = witness.verdict();
    // A journal that breaks a rule need not come to anything.
    let beside = violations.is_empty().then(|| snapshot::compare(storage)).transpose()?;
    if let (true, Some(not_kept)) = (violations.is_empty(), &not_kept) {
        violations.extend(lost(storage, not_kept, read.last.sequence)?);
    }
    let Compared { wrong, unreadable } = beside.unwrap_or_default();
    violations.extend(wrong.into_iter().map(|(sequence, what)| Violation {
        sequence,
        drop: None,
        rule: "snapshot",
        what,
    }));
    let last_sequence = read.last.sequence;
    Ok(DirectoryAudit {
        ok: violations.is_empty(),
        segments: files.len() as u64,
        batches: read.batches,
        records: last_sequence + 1 - read.first_sequence,
        epochs: read.epoch,
        incarnation: read.incarnation,
        last_sequence,
        last_at: read.last.at,
        starts,
        files,
        snapshots_unreadable: unreadable,
        torn_tail: read.torn.map(|place| place.describe(storage)),
        not_kept,
        drops,
        violations,
    })
}
