//! What the engine asks of a medium, and what can go wrong with it.

use std::io;

use jangteo::FileName;

/// A call of the storage seam that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// The list of files.
    List,
    /// A new file.
    Create,
    /// A file to be read.
    Open,
    /// A file's end.
    Remove,
    /// A flush of the directory.
    SyncDirectory,
    /// A file's length.
    Length,
    /// A read.
    Read,
    /// A write.
    Write,
    /// A flush of a file.
    Sync,
}

impl Call {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::List,
        Self::Create,
        Self::Open,
        Self::Remove,
        Self::SyncDirectory,
        Self::Length,
        Self::Read,
        Self::Write,
        Self::Sync,
    ];

    /// Whether it can change what lies on the medium.
    #[must_use]
    pub const fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Length | Self::Read)
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The medium fails. Half of a write has been done. A flush leaves what it should have flushed
    /// readable, marks it clean and forgets it, as Linux does: the next flush says all is well.
    Eio,
    /// There is no room; otherwise likewise.
    Enospc,
    /// A signal came between; nothing was done. To a flush it does what [`Trouble::Eio`] does.
    Eintr,
    /// Half of a read or write was done. Nothing else can be short.
    Short,
    /// The process dies, in the middle of a write: that call and everything after it goes nowhere,
    /// and what it answers from then on must not be shown to anybody.
    Die,
}

impl Trouble {
    /// Those that the caller is told of.
    pub const TOLD: [Self; 4] = [Self::Eio, Self::Enospc, Self::Eintr, Self::Short];

    /// Whether it can happen to `call`.
    #[must_use]
    pub fn fits(self, call: Call) -> bool {
        self != Self::Short || matches!(call, Call::Read | Call::Write)
    }

    /// What the caller is told.
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Eio | Self::Short | Self::Die => io::Error::other("planned failure"),
            Self::Enospc => io::ErrorKind::StorageFull.into(),
            Self::Eintr => io::ErrorKind::Interrupted.into(),
        }
    }
}

/// What is wrong until it is changed.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Flushes fail with [`Trouble::Eio`].
    pub fail_sync: bool,
    /// The next flush panics.
    pub panic_sync: bool,
    /// Making a file finds the disk full.
    pub fail_create: bool,
    /// Changes that still succeed; then every one fails.
    pub changes_left: Option<u64>,
    /// Calls of this kind wait.
    pub block: Option<Call>,
    /// Writes and reads take at most this many bytes, and every third write is interrupted.
    pub short: Option<usize>,
    /// Bytes that all files together can take.
    pub capacity: Option<u64>,
}

/// A call as it was logged, with what it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A file was made.
    Create(FileName),
    /// A file was removed.
    Remove(FileName),
    /// The directory was flushed.
    SyncDirectory,
    /// Bytes were written at an offset.
    Write(FileName, usize, Vec<u8>),
    /// A file was flushed.
    Sync(FileName),
}
