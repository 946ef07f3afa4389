//! Where segments lie: the engine's second seam to the outside. A directory, or a faulty one in
//! tests.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::limits::SEGMENTS_MAX;

/// What a file of the journal is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// Batches of records. Segments are numbered as they are made.
    Segment(u64),
    /// What all records up to this sequence made.
    Snapshot(u64),
}

/// A place that keeps a journal's files.
pub trait Storage: Send + Sync + fmt::Debug {
    /// All files, in order.
    ///
    /// # Errors
    /// Any error of the medium.
    fn list(&self) -> io::Result<Vec<FileName>>;

    /// Makes a new, empty file; it must not exist.
    ///
    /// # Errors
    /// Any error of the medium.
    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Any error of the medium.
    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// Any error of the medium.
    fn remove(&self, name: FileName) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// Any error of the medium.
    fn sync_directory(&self) -> io::Result<()>;

    /// Bytes that new files could still take.
    ///
    /// # Errors
    /// Any error of the medium.
    fn free_bytes(&self) -> io::Result<u64>;

    /// What to call a file in messages to people.
    fn describe(&self, name: FileName) -> String;

    /// Keeps other makers of snapshots out for as long as the value lives; `None` if there is one
    /// already. A medium that only one process can reach needs nothing of the kind.
    ///
    /// # Errors
    /// Any error of the medium.
    fn lock_snapshots(&self) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        Ok(Some(Box::new(())))
    }
}

/// One file's bytes.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Reads at `offset`; fewer bytes than asked for only at the end or where a read was short.
    ///
    /// # Errors
    /// Any error of the medium.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`, possibly fewer bytes than given.
    ///
    /// # Errors
    /// Any error of the medium.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Any error of the medium; what was written since the last success is then unknown for good.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// Any error of the medium.
    fn length(&self) -> io::Result<u64>;
}

/// The numbers of the segments among a journal's files, in order.
pub(crate) fn segments(storage: &dyn Storage) -> io::Result<Vec<u64>> {
    let number = |name| if let FileName::Segment(id) = name { Some(id) } else { None };
    Ok(storage.list()?.into_iter().filter_map(number).collect())
}

/// The sequences of the snapshots among a journal's files, in order.
pub(crate) fn snapshots(storage: &dyn Storage) -> io::Result<Vec<u64>> {
    let sequence =
        |name| if let FileName::Snapshot(sequence) = name { Some(sequence) } else { None };
    Ok(storage.list()?.into_iter().filter_map(sequence).collect())
}

/// Writes all of `bytes`, going on after short and interrupted writes.
pub(crate) fn write_all(
    file: &dyn StorageFile,
    mut bytes: &[u8],
    mut offset: u64,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).ok_or(io::ErrorKind::InvalidData)?;
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `bytes` are full or the file ends, and says how many there were.
pub(crate) fn read_at(file: &dyn StorageFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + at as u64) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

/// Reads `most` bytes of a segment from `offset` on, or what there is of them.
pub(crate) fn read_from(file: &dyn StorageFile, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let length = file.length()?.saturating_sub(offset);
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; length.min(most)];
    let read = read_at(file, &mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A directory on a local file system, locked against a second engine.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Held for as long as the engine lives; the operating system lets go of it after a crash.
    _lock: Option<File>,
}

const SEGMENT: &str = ".segment";
const SNAPSHOT: &str = ".snapshot";

impl Directory {
    /// Makes the directory where missing, and locks it.
    ///
    /// # Errors
    /// `WouldBlock` if another engine has it; any error of the file system.
    pub fn lock(path: &Path) -> io::Result<Self> {
        make_durably(path)?;
        let lock = locked(&path.join("lock"))?.ok_or(io::ErrorKind::WouldBlock)?;
        let directory = Self { path: path.to_owned(), _lock: Some(lock) };
        directory.sync_directory()?;
        Ok(directory)
    }

    /// The directory without its lock: for reading, and for making a snapshot, beside a running
    /// engine.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    pub fn unlocked(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such directory"));
        }
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    /// Likewise that of the data directory `data`, which must have a segment: every start of an
    /// engine leaves one.
    ///
    /// # Errors
    /// `NotFound` with what is missing; any error of the file system.
    pub(crate) fn in_data(data: &Path) -> io::Result<Self> {
        let without = |what| io::Error::new(io::ErrorKind::NotFound, what);
        let journal = Self { path: data.join("journal"), _lock: None };
        match segments(&journal) {
            Ok(segments) if !segments.is_empty() => Ok(journal),
            Ok(_) => Err(without("its journal has no segment: everything is lost, or never was")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) if data.is_dir() => {
                Err(without("it has no journal, so it is no data directory"))
            }
            Err(_) => Err(without("there is no such directory")),
        }
    }

    fn file(&self, name: FileName) -> PathBuf {
        self.path.join(match name {
            FileName::Segment(id) => format!("{id:012}{SEGMENT}"),
            FileName::Snapshot(sequence) => format!("{sequence:020}{SNAPSHOT}"),
        })
    }

    /// The name that a file of the directory stands for, if it is one of ours, written as we do.
    fn named(&self, file: &str) -> Option<FileName> {
        let name = match file.strip_suffix(SEGMENT) {
            Some(digits) => FileName::Segment(digits.parse().ok().filter(|id| *id < SEGMENTS_MAX)?),
            None => FileName::Snapshot(file.strip_suffix(SNAPSHOT)?.parse().ok()?),
        };
        (self.file(name).file_name()?.to_str() == Some(file)).then_some(name)
    }
}

/// Whoever may read a journal reads names and payments of customers: what is made here is its
/// owner's only, whatever the process is set to. A directory that exists stays as it is.
const OWNERS_DIRECTORY: u32 = 0o700;
const OWNERS_FILE: u32 = 0o600;

/// Makes a directory and those above it where missing, and the entry of each that was made durable:
/// otherwise what is flushed inside could be out of reach after the loss of power.
fn make_durably(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    let there = path.is_dir();
    if !there {
        make_durably(parent)?;
        match DirBuilder::new().mode(OWNERS_DIRECTORY).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    // Also where it was there: whoever made it may have died before this.
    let here = parent.as_os_str().is_empty();
    match File::open(if here { Path::new(".") } else { parent }) {
        Err(error) if there && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        above => above?.sync_all(),
    }
}

/// The file of that name, made where missing, and locked; `None` if another has it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let lock = match new_file(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path)
        }
        made => made,
    };
    let lock = lock.map_err(named)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes a file that was not there, and gives it to the owner of its directory: what root makes
/// beside a service, the service must be able to read. Nobody else may give files away, and theirs
/// stay their own.
///
/// IMPORTANT: only what was made here is given away. A link that lay there could lead anywhere.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(OWNERS_FILE).open(path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let owner = std::fs::metadata(directory.unwrap_or(Path::new(".")))?;
    if file.metadata()?.uid() != owner.uid() {
        // Whoever may not gets along as before.
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(file)
}

impl Storage for Directory {
    fn list(&self) -> io::Result<Vec<FileName>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().to_str().and_then(|file| self.named(file)));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(new_file(&self.file(name))?))
    }

    fn open(&self, name: FileName) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(File::open(self.file(name))?))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        std::fs::remove_file(self.file(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn describe(&self, name: FileName) -> String {
        self.file(name).display().to_string()
    }

    fn lock_snapshots(&self) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        let lock = locked(&self.path.join("snapshot.lock"))?;
        Ok(lock.map(|file| Box::new(file) as Box<dyn fmt::Debug + Send>))
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_directory_and_else_to_whoever_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mine = std::fs::metadata(path).unwrap().uid();
        let given = std::os::unix::fs::chown(path, Some(mine + 7), Some(mine + 8)).is_ok();
        let storage = Directory::unlocked(path).unwrap();
        storage.create(FileName::Snapshot(1)).unwrap();
        drop(storage.lock_snapshots().unwrap().unwrap());
        for name in ["00000000000000000001.snapshot", "snapshot.lock"] {
            let made = std::fs::metadata(path.join(name)).unwrap();
            assert_eq!(made.uid(), if given { mine + 7 } else { mine }, "{name}");
            assert!(!given || made.gid() == mine + 8, "{name}");
            assert_eq!(made.mode() & 0o777, OWNERS_FILE, "{name}");
        }
        // What a link leads to is nobody's to give away.
        let (elsewhere, link) = (tempfile::tempdir().unwrap(), path.join("snapshot.lock"));
        let other = elsewhere.path().join("other");
        std::fs::write(&other, "").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        drop(storage.lock_snapshots().unwrap().unwrap());
        assert_eq!(std::fs::metadata(&other).unwrap().uid(), mine);
    }
}
