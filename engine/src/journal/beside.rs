//! Reading a journal beside an engine that may be writing to it.
//!
//! What reads is `recover`, by its rule 8; and files may go away under it: the oldest segment, once
//! it is not to be kept, one that holds nothing, and a snapshot that is not among the newest two.

use std::io;

use super::record::Record;
use super::recover::{Apply, Extent, Origin, Recovered, named_by_snapshots, recover};
use super::scan::{self, Part, Piece};
use super::storage::{FileName, Storage, segments};
use crate::Timestamp;
use crate::error::Error;

/// How often to begin again when files go away under the reader.
const ATTEMPTS: u32 = 5;

/// Reads beside an engine, and again if a file went away meanwhile: what is missing then looks like
/// damage.
///
/// # Errors
/// Those of the last attempt.
pub(crate) fn patiently<T>(
    storage: &dyn Storage,
    mut read: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 1..ATTEMPTS {
        let before = storage.list()?;
        let done = read();
        let missed = match &done {
            Ok(_) => false,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => true,
            // Whoever reads has given up.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(_) => has_lost(storage, &before),
        };
        if !missed {
            return done;
        }
    }
    read()
}

/// Whether any of these files has gone; not if that cannot be told.
pub(crate) fn has_lost(storage: &dyn Storage, files: &[FileName]) -> bool {
    storage.list().is_ok_and(|now| files.iter().any(|name| !now.contains(name)))
}

/// The last record that is vouched for at this moment, while an engine may be writing to `storage`
/// (rule 8).
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn vouched_beside(storage: &dyn Storage, from: Origin) -> Result<u64, Error> {
    vouched_beside_each(storage, from, &mut || Ok(()))
}

/// Likewise, and calls `each` now and then.
///
/// # Errors
/// [`Error::Io`], also of `each`.
pub(crate) fn vouched_beside_each(
    storage: &dyn Storage,
    from: Origin,
    each: &mut dyn FnMut() -> io::Result<()>,
) -> Result<u64, Error> {
    let mut vouched = named_by_snapshots(storage)?.max(from.sequence);
    let ids = segments(storage)?.into_iter().filter(|id| *id >= from.end.segment);
    let parts: Vec<Part> = ids.map(|segment| Part { segment, from: 0 }).collect();
    scan::each(storage, &parts, false, &mut |window| {
        for (_, piece) in window.pieces {
            if let Piece::Frame { head, .. } = piece {
                vouched = vouched.max(head.durable_up_to);
            }
        }
        Ok(each()?)
    })?;
    Ok(vouched)
}

/// As [`recover`], of what follows `from`, up to the last record vouched for at a moment that is
/// past: `vouched_max`, which must be found (rule 8).
///
/// # Errors
/// As [`read_beside`].
pub(crate) fn read_beside_from(
    storage: &dyn Storage,
    from: Origin,
    vouched_max: u64,
    apply: &mut Apply<'_>,
) -> Result<Recovered, Error> {
    let mut apply = |sequence: u64, at: Timestamp, record: &Record<'_>| {
        // A later one may yet become a torn tail.
        if sequence > vouched_max { Ok(()) } else { apply(sequence, at, record) }
    };
    let (vouched_min, until) = (vouched_max, vouched_max);
    let extent = Extent { from, kept_only: false, vouched_min, vouched_max, until, ahead: false };
    recover(storage, extent, &mut apply)
}

/// As [`recover`], of all that is kept of a journal that an engine may be writing to (rule 8).
///
/// # Errors
/// As [`recover`]; any error may also come of a file that went away meanwhile, see [`patiently`].
pub(crate) fn read_beside(
    storage: &dyn Storage,
    apply: &mut Apply<'_>,
) -> Result<Recovered, Error> {
    let vouched_max = vouched_beside(storage, Origin::default())?;
    recover(storage, Extent { vouched_max, kept_only: true, ..Extent::all(storage)? }, apply)
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use super::*;
    use crate::error::Corruption;
    use crate::journal::Directory;

    #[test]
    fn what_went_away_meanwhile_is_no_damage_and_what_is_damaged_stays_so() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Directory::unlocked(directory.path()).unwrap();
        for segment in 1..3 {
            storage.create(FileName::Segment(segment)).unwrap();
        }
        let damaged = || {
            let (file, why) = ("1.segment".to_owned(), "missing".to_owned());
            Err::<(), _>(Error::Corrupt(Corruption { file, offset: 0, why }))
        };
        let mut attempts = 0;
        let again = patiently(&storage, || {
            attempts += 1;
            if attempts > 1 {
                return Ok(());
            }
            storage.remove(FileName::Segment(1))?;
            damaged()
        });
        assert!(again.is_ok() && attempts == 2, "{again:?} after {attempts}");
        let mut attempts = 0;
        let again = patiently(&storage, || {
            attempts += 1;
            damaged()
        });
        assert!(matches!(again, Err(Error::Corrupt(_))) && attempts == 1, "{again:?}");
    }
}
