//! What can go wrong with the engine itself. Refusals of a request are [`Refusal`](crate::Refusal).

use std::fmt;
use std::io;

/// The engine cannot start, or cannot go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system failed.
    Io(io::Error),
    /// The journal is damaged where it was durable; nothing was changed.
    Corrupt(Corruption),
    /// Another engine has the directory.
    InUse,
    /// The campaign contradicts what is already fixed.
    Conflict {
        /// The drop that is fixed, or the campaign.
        drop: String,
        /// What of it cannot change.
        key: String,
    },
    /// What is recorded is not what the caller expects; nothing was changed.
    PreconditionFailed,
    /// It happened before the first record that is kept: see
    /// [`Options::retain_settled`](crate::Options::retain_settled).
    NotKept {
        /// What was asked for.
        what: String,
        /// The first record that is kept.
        first_sequence: u64,
    },
    /// Too much waits for the disk; nothing was changed, and the same may succeed in a moment.
    Overloaded,
    /// The journal failed or the disk is short; nothing was changed.
    Unavailable,
    /// A bound of [`limits`](crate::limits) is reached.
    TooMany(&'static str),
    /// See [`OutcomeUnknown`].
    OutcomeUnknown,
}

/// Where and how a journal is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The file.
    pub file: String,
    /// Byte of the file at which reading stopped.
    pub offset: u64,
    /// What is wrong there.
    pub why: String,
}

/// It cannot be told whether the change is durable: the write or flush that should have made it so
/// failed, or the engine stopped. This is no refusal: repeat the request with the same key or
/// payment, and the answer will tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeUnknown;

impl Error {
    /// Says of a damaged journal which snapshots could not stand in for it.
    pub(crate) fn beside_snapshots(mut self, passed_over: &[String]) -> Self {
        if let Self::Corrupt(corruption) = &mut self {
            for snapshot in passed_over {
                corruption.why.push_str("; a snapshot cannot stand in for it: ");
                corruption.why.push_str(snapshot);
            }
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "input or output failed: {error}"),
            Self::Corrupt(Corruption { file, offset, why }) => {
                write!(f, "{file}: byte {offset}: {why}")
            }
            Self::InUse => f.write_str("the directory is in use by another process"),
            Self::Conflict { drop, key } => write!(f, "{drop} is fixed: {key} cannot change"),
            Self::PreconditionFailed => f.write_str("something else is recorded, or nothing"),
            Self::NotKept { what, first_sequence } => {
                write!(f, "{what}: its records are no longer kept, those before {first_sequence}")
            }
            Self::Overloaded => f.write_str("overloaded: too much waits for the disk"),
            Self::Unavailable => f.write_str("unavailable: the disk is short or failed"),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::OutcomeUnknown => OutcomeUnknown.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OutcomeUnknown> for Error {
    fn from(_: OutcomeUnknown) -> Self {
        Self::OutcomeUnknown
    }
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outcome is unknown: repeat with the same key or payment")
    }
}

impl std::error::Error for OutcomeUnknown {}
