//! What is wrong with a configuration, and where.

use std::fmt;

/// One thing that is wrong. Its text repeats nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `file:line:column`, or the name of a variable of the environment.
    pub place: String,
    /// The key, like `keys[1].scope`; empty if it concerns the file as a whole.
    pub key: String,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A configuration was refused: everything that is wrong with it, never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadConfig {
    /// In the order of the file, then of the environment.
    pub faults: Vec<Fault>,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.faults.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl std::error::Error for BadConfig {}
