//! Reads a data directory and lets the witness judge it.

use std::io;
use std::path::Path;

use super::report::DirectoryAudit;
use super::witness::Witness;
use crate::Timestamp;
use crate::error::Error;
use crate::journal::record::Record;
use crate::journal::recover::read_beside;
use crate::journal::{Directory, Storage, segments};

/// How often to begin again when an engine that starts removes a blank segment under the reader.
const ATTEMPTS: u32 = 5;

/// Recomputes every invariant from the journal in the data directory `path`.
///
/// Reads only and takes no lock: it may run beside an engine, and then tells of the records that
/// were there when it began (and perhaps some later ones). Keeps every hold in memory.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte, where the journal lacks what was durable or holds what
/// cannot be read; [`Error::Io`], also if there is no such directory.
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
    let storage = Directory::read_only(&path.as_ref().join("journal"))?;
    let mut attempt = 1;
    loop {
        match audit_storage(&storage) {
            Err(Error::Io(error))
                if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            found => return found,
        }
    }
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
    let (drops, violations) = witness.verdict();
    let last_sequence = read.vouched + u64::from(read.again_records);
    Ok(DirectoryAudit {
        ok: violations.is_empty(),
        segments: segments(storage)?.len() as u64,
        batches: read.batches,
        records: last_sequence,
        epochs: read.epoch,
        incarnation: read.incarnation,
        last_sequence,
        last_at: read.last_at,
        torn_tail: read.torn.map(|place| place.describe(storage)),
        drops,
        violations,
    })
}
