//! A data directory copied: as a backup, and back as a new incarnation.
//!
//! What is copied is every whole batch that was there when the copying began, whether an engine
//! runs or not: all that was acknowledged by then, and perhaps a batch that was about to be. The
//! first thing on the new disk is a marker that vouches for all of it: a copy that was broken off
//! does not start as a shorter journal, it refuses to start.

use std::io;
use std::path::Path;

use crate::audit::{DirectoryAudit, audit_directory};
use crate::error::{Corruption, Error};
use crate::journal::beside::{has_lost, patiently, vouched_beside};
use crate::journal::frame::{self, Head};
use crate::journal::recover::{Extent, Origin, Recovered, recover};
use crate::journal::{Directory, FileName, Storage, read_at, segments, snapshots, write_all};
use crate::limits::SNAPSHOTS_KEPT;
use crate::snapshot;

/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Copies the data directory `from`, which may be in use, to `to`, which must be empty or missing,
/// and audits the copy: look at [`DirectoryAudit::ok`].
///
/// Holds everything that was acknowledged before the call. Takes no lock of an engine.
///
/// # Durability
/// When this returns, the copy is on disk.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte if `from` is damaged; [`Error::InUse`] if somebody starts
/// on `to` meanwhile; [`Error::Io`] with the file, also if `to` is not empty, and if what was to be
/// copied was dropped meanwhile, or two snapshots were made of a journal whose beginning is not
/// kept: copy again.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
/// drop(jangteo::Engine::open(&data)?);
/// assert!(jangteo::backup_directory(&data, &copy)?.ok);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn backup_directory(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> Result<DirectoryAudit, Error> {
    copy(from.as_ref(), to.as_ref(), 0)
}

/// Copies a backup `from` to `to`, which must be empty or missing, as a new incarnation, and audits
/// the copy: look at [`DirectoryAudit::ok`].
///
/// The incarnation is one more than that of `from`, so that ids of events of the old one, which may
/// have told of more than the backup holds, mean nothing any more.
///
/// # Durability
/// When this returns, the copy is on disk, its incarnation with it.
///
/// # Errors
/// As [`backup_directory`].
pub fn restore_directory(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> Result<DirectoryAudit, Error> {
    copy(from.as_ref(), to.as_ref(), 1)
}

/// `later`: incarnations, and starts, to add.
fn copy(from: &Path, to: &Path, later: u32) -> Result<DirectoryAudit, Error> {
    let source = Directory::in_data(from).map_err(|error| named(from.display(), &error))?;
    copy_all(&source, to, later)
}

fn copy_all(source: &dyn Storage, to: &Path, later: u32) -> Result<DirectoryAudit, Error> {
    must_be_empty(to)?;
    let files = source.list()?;
    let found = patiently(source, || whole(source))?;
    let end = found.last;
    let target = to.join("journal");
    let target = Directory::lock(&target).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::InUse,
        _ => named(target.display(), &error),
    })?;
    mark(&target, &found, later)?;
    let has_records = |id: &u64| *id <= end.end.segment && !found.blank.contains(id);
    // The newest first: an engine drops the oldest first, so no gap comes of it.
    for segment in segments(source)?.into_iter().filter(has_records).rev() {
        let most = if segment == end.end.segment { end.end.offset } else { u64::MAX };
        match copy_file(source, &target, FileName::Segment(segment), most) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    copy_snapshots(source, &target, end)?;
    target.sync_directory()?;
    drop(target);
    let short = match audit_directory(to) {
        Ok(audit) if audit.last_sequence == end.sequence => {
            // Dropped after what the copy ends with, it looks lost there.
            if audit.ok || !has_lost(source, &files) {
                return Ok(audit);
            }
            let why = audit.violations.first().map(ToString::to_string).unwrap_or_default();
            let file = to.display().to_string();
            Error::Corrupt(Corruption { file, offset: 0, why })
        }
        Ok(audit) => {
            let why = format!("holds {} records of {}", audit.last_sequence, end.sequence);
            let file = to.display().to_string();
            Error::Corrupt(Corruption { file, offset: 0, why })
        }
        Err(error) => error,
    };
    if matches!(short, Error::Corrupt(_)) && has_lost(source, &files) {
        let why = format!("files of the original went away meanwhile, copy again: {short}");
        return Err(named(to.display(), &io::Error::other(why)));
    }
    Err(short)
}

/// Reads all that is kept of the journal, as far as it goes. A batch that nothing vouches for yet
/// may have been acknowledged a moment ago; in the copy the marker vouches for it.
fn whole(source: &dyn Storage) -> Result<Recovered, Error> {
    let vouched_max = vouched_beside(source, Origin::default())?;
    let extent = Extent {
        from: Origin::default(),
        kept_only: true,
        vouched_min: vouched_max,
        vouched_max,
        until: u64::MAX,
        ahead: false,
    };
    recover(source, extent, &mut |_, _, _| Ok(()))
}

fn must_be_empty(to: &Path) -> Result<(), Error> {
    match std::fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "is not empty");
            Err(named(to.display(), &error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(named(to.display(), &error)),
    }
}

/// Writes a segment of nothing but a marker behind the last one: all that is to be copied was
/// durable.
fn mark(target: &dyn Storage, found: &Recovered, later: u32) -> Result<(), Error> {
    let segment = found.last.end.segment + 1;
    let head = Head {
        segment,
        epoch: found.epoch + later,
        incarnation: found.incarnation + later,
        first_sequence: found.last.sequence + 1,
        records: 0,
        bytes: 0,
        durable_up_to: found.last.sequence,
        previous: found.last.checksum,
    };
    let mut bytes = vec![0; frame::HEAD];
    frame::seal(&mut bytes, &head);
    let name = FileName::Segment(segment);
    let written = target.create(name).and_then(|file| {
        write_all(&*file, &bytes, 0)?;
        file.sync()
    });
    written.map_err(|error| named(target.describe(name), &error))?;
    Ok(target.sync_directory()?)
}

/// Copies the first `most` bytes of a file; where it is zeros, nothing is written.
fn copy_file(
    source: &dyn Storage,
    target: &dyn Storage,
    name: FileName,
    most: u64,
) -> Result<(), Error> {
    let at_source = |error| named(source.describe(name), &error);
    let at_target = |error| named(target.describe(name), &error);
    let from = source.open(name).map_err(at_source)?;
    let to = target.create(name).map_err(at_target)?;
    let mut at = 0;
    while at < most {
        let left = usize::try_from(most - at).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(PIECE_BYTES)];
        let read = read_at(&*from, &mut piece, at).map_err(at_source)?;
        if read == 0 {
            break;
        }
        piece.truncate(read);
        if piece.iter().any(|&byte| byte != 0) {
            write_all(&*to, &piece, at).map_err(at_target)?;
        }
        at += read as u64;
    }
    to.sync().map_err(at_target)
}

/// Copies the newest snapshots that can be read, last of all: where the beginning of the journal is
/// not kept, a copy that was broken off before does not start.
fn copy_snapshots(source: &dyn Storage, target: &dyn Storage, end: Origin) -> Result<(), Error> {
    let before = |sequence: &u64| *sequence <= end.sequence;
    let readable = |sequence: &u64| snapshot::load(source, *sequence).is_ok();
    let found = snapshots(source)?.into_iter().rev().filter(before).filter(readable);
    for sequence in found.take(SNAPSHOTS_KEPT) {
        match copy_file(source, target, FileName::Snapshot(sequence), u64::MAX) {
            // The maker of a newer one has just removed it.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

/// The error with the name of what it is about.
fn named(what: impl std::fmt::Display, error: &io::Error) -> Error {
    Error::Io(io::Error::new(error.kind(), format!("{what}: {error}")))
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::journal::StorageFile;
    use crate::{Campaign, Engine, HoldRequest, snapshot_directory};

    /// A journal whose snapshots go away once a copy of it has begun.
    #[derive(Debug)]
    struct Moving {
        journal: Directory,
        copy: PathBuf,
    }

    impl Storage for Moving {
        fn list(&self) -> io::Result<Vec<FileName>> {
            self.journal.list()
        }

        fn create(&self, _: FileName) -> io::Result<Box<dyn StorageFile>> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }

        fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
            if self.copy.is_dir() {
                for sequence in snapshots(&self.journal)? {
                    self.journal.remove(FileName::Snapshot(sequence))?;
                }
            }
            self.journal.open(name)
        }

        fn remove(&self, _: FileName) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }

        fn sync_directory(&self) -> io::Result<()> {
            Ok(())
        }

        fn free_bytes(&self) -> io::Result<u64> {
            Ok(0)
        }

        fn describe(&self, name: FileName) -> String {
            self.journal.describe(name)
        }
    }

    /// Its first segment is not kept, and two snapshots stand for it.
    fn with_a_past(data: &Path) -> Directory {
        let text = "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\n\
                    time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
                    [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = 100\n";
        for start in 0..3 {
            let engine = Engine::options().data(data).snapshot_after(u64::MAX).open().unwrap();
            engine.put(Campaign::parse(text).unwrap()).unwrap();
            let customer = format!("c-{start}");
            let sale = engine.sale("t-1").unwrap();
            let hold = sale.hold(&HoldRequest::new(&customer).line("a", 1)).unwrap();
            sale.release(&hold.wait().unwrap().id).unwrap().wait().unwrap();
            if start == 2 {
                sale.close().unwrap().wait().unwrap();
                engine.settle("t", &[]).unwrap().wait().unwrap();
            }
            drop((sale, engine));
            snapshot_directory(data).unwrap().unwrap();
        }
        let journal = Directory::unlocked(&data.join("journal")).unwrap();
        let first = segments(&journal).unwrap()[0];
        journal.remove(FileName::Segment(first)).unwrap();
        journal
    }

    #[test]
    fn a_copy_of_what_was_dropped_meanwhile_says_so_and_not_that_it_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let journal = with_a_past(&at("data"));
        assert!(backup_directory(at("data"), at("copy")).unwrap().ok);
        let moving = Moving { journal, copy: at("late").join("journal") };
        match copy_all(&moving, &at("late"), 0) {
            Err(Error::Io(error)) => {
                let text = error.to_string();
                assert!(text.contains("copy again") && text.contains("begins here"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(backup_directory(at("data"), at("gone")), Err(Error::Corrupt(_))));
    }
}
