//! Where segments lie: the engine's second seam to the outside. A directory, or a faulty one in
//! tests.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A place that keeps numbered segments.
pub trait Storage: Send + Sync + fmt::Debug {
    /// The ids of all segments, in order.
    ///
    /// # Errors
    /// Any error of the medium.
    fn list(&self) -> io::Result<Vec<u64>>;

    /// Makes a new, empty segment; it must not exist.
    ///
    /// # Errors
    /// Any error of the medium.
    fn create(&self, id: u64) -> io::Result<Box<dyn Segment>>;

    /// Opens a segment for reading.
    ///
    /// # Errors
    /// Any error of the medium.
    fn open(&self, id: u64) -> io::Result<Box<dyn Segment>>;

    /// Removes a segment.
    ///
    /// # Errors
    /// Any error of the medium.
    fn remove(&self, id: u64) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// Any error of the medium.
    fn sync_directory(&self) -> io::Result<()>;

    /// Bytes that new segments could still take.
    ///
    /// # Errors
    /// Any error of the medium.
    fn free_bytes(&self) -> io::Result<u64>;

    /// What to call segment `id` in messages to people.
    fn name(&self, id: u64) -> String;
}

/// One segment's bytes.
pub trait Segment: Send + Sync + fmt::Debug {
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

/// Writes all of `bytes`, going on after short and interrupted writes.
pub(crate) fn write_all(file: &dyn Segment, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
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

/// Reads the whole segment.
pub(crate) fn read_all(file: &dyn Segment) -> io::Result<Vec<u8>> {
    read_front(file, usize::MAX)
}

/// Reads the first `most` bytes of a segment, or all if it is shorter.
pub(crate) fn read_front(file: &dyn Segment, most: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.length()?).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; length.min(most)];
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at as u64) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}

/// A directory on a local file system, locked against a second engine.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Held for as long as the engine lives; the operating system lets go of it after a crash.
    _lock: Option<File>,
}

const SUFFIX: &str = ".segment";

impl Directory {
    /// Makes the directory where missing, and locks it.
    ///
    /// # Errors
    /// `WouldBlock` if another engine has it; any error of the file system.
    pub fn lock(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let directory = Self { path: path.to_owned(), _lock: Some(lock) };
        directory.sync_directory()?;
        Ok(directory)
    }

    /// The directory for reading only, without its lock: for an audit beside a running engine.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    pub fn read_only(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    fn file(&self, id: u64) -> PathBuf {
        self.path.join(format!("{id:012}{SUFFIX}"))
    }
}

impl Storage for Directory {
    fn list(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            ids.extend(id.and_then(|digits| digits.parse::<u64>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn create(&self, id: u64) -> io::Result<Box<dyn Segment>> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(self.file(id))?;
        Ok(Box::new(file))
    }

    fn open(&self, id: u64) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(File::open(self.file(id))?))
    }

    fn remove(&self, id: u64) -> io::Result<()> {
        std::fs::remove_file(self.file(id))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn name(&self, id: u64) -> String {
        self.file(id).display().to_string()
    }
}

impl Segment for File {
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
