//! How a command ends, and with what number.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The exit codes, those above 1 as in `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// An audit, demo or rehearsal did not hold.
    DidNotHold = 1,
    /// The command line is wrong.
    Usage = 64,
    /// A campaign file is bad, or data is corrupt.
    Data = 65,
    /// Input or output failed.
    Io = 74,
    /// The directory is in use.
    InUse = 75,
    /// The configuration is bad.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked for: the exit code and what a person is told.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
    placed: bool,
}

impl Failure {
    /// A failure with this exit code.
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), placed: false }
    }

    /// Faults, one a line, each of which begins with its own place: `file:line:column`.
    pub(crate) fn placed(exit: Exit, faults: impl Into<String>) -> Self {
        Self { exit, text: faults.into(), placed: true }
    }

    /// A failure of the file system about something with a name.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::Io, format!("{what}: {error}"))
    }

    /// A failure of an engine to open or to go on: which data directory it is about.
    pub(crate) fn about(data: &Path, error: jangteo::Error) -> Self {
        let data = data.display();
        match error {
            jangteo::Error::Io(error) => Self::io(data, &error),
            error @ (jangteo::Error::Unavailable | jangteo::Error::InUse) => {
                let text = format!("{data}: {error}");
                Self { text, ..error.into() }
            }
            error => error.into(),
        }
    }

    /// Tells a person: who speaks, unless an editor is to find the place, and why.
    pub(crate) fn tell(&self) {
        let speaker = if self.placed { "" } else { "jangteo: " };
        // The exit code says it as well, where nothing can be printed.
        _ = writeln!(io::stderr(), "{speaker}{self}");
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<jangteo::Error> for Failure {
    fn from(error: jangteo::Error) -> Self {
        let exit = match error {
            jangteo::Error::InUse => Exit::InUse,
            jangteo::Error::NotKept { .. } => Exit::Usage,
            jangteo::Error::Corrupt(_)
            | jangteo::Error::Conflict { .. }
            | jangteo::Error::TooMany(_) => Exit::Data,
            _ => Exit::Io,
        };
        Self::new(exit, error.to_string())
    }
}
