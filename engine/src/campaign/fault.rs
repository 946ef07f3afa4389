//! What is wrong with a campaign file, and where.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Serialize;

use crate::limits::FAULTS_MAX;

/// One thing that is wrong with a campaign file.
///
/// Shown as `line:column key: what`, so that a caller can put `file:` before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Line in the file, from 1; 0 where it is not known (JSON, except for broken syntax).
    pub line: u32,
    /// Column in the line, in characters from 1; 0 where it is not known.
    pub column: u32,
    /// Path of the key, like `items[2].gift.sku`; empty if it concerns the file as a whole.
    pub key: String,
    /// What is wrong, in plain words.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A campaign file was refused. Nothing of it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCampaign {
    /// Everything that is wrong, in the order of the file; never empty.
    pub faults: Vec<Fault>,
}

impl fmt::Display for InvalidCampaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid campaign")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl std::error::Error for InvalidCampaign {}

/// Collects faults while a file is read. Shared by reference, so that a reader can report while
/// others hold parts of the tree.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: RefCell<Vec<Found>>,
    beyond_max: Cell<usize>,
    partial: Cell<bool>,
}

/// A fault by byte offset: lines are counted once, at the end.
#[derive(Debug)]
struct Found {
    at: usize,
    key: String,
    detail: String,
}

impl Faults {
    pub(super) fn report(&self, at: usize, key: &str, detail: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < FAULTS_MAX {
            found.push(Found { at, key: key.to_owned(), detail: detail.into() });
        } else {
            self.beyond_max.set(self.beyond_max.get() + 1);
        }
    }

    /// Says that the tree is only a part of the file, because the rest could not be read. From
    /// here on nothing is reported for being absent.
    pub(super) fn set_partial(&self) {
        self.partial.set(true);
    }

    pub(super) fn is_partial(&self) -> bool {
        self.partial.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// What was read if there are no faults, else all of them. `text` is the file if offsets are
    /// known.
    pub(super) fn verdict<T>(
        self,
        read: Option<T>,
        text: Option<&str>,
    ) -> Result<T, InvalidCampaign> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(read.expect("a value is absent only where a fault says why"));
        }
        found.sort_by_key(|fault| fault.at);
        let mut faults: Vec<Fault> = match text {
            Some(text) => place(text, found),
            None => found
                .into_iter()
                .map(|fault| Fault { line: 0, column: 0, key: fault.key, detail: fault.detail })
                .collect(),
        };
        if self.beyond_max.get() > 0 {
            let detail = format!("{} more faults are not listed", self.beyond_max.get());
            faults.push(Fault { line: 0, column: 0, key: String::new(), detail });
        }
        Err(InvalidCampaign { faults })
    }
}

/// Turns sorted offsets into lines and columns, in one pass over the text.
fn place(text: &str, found: Vec<Found>) -> Vec<Fault> {
    let mut line = 1;
    let mut line_start = 0;
    let mut faults = Vec::with_capacity(found.len());
    for Found { at, key, detail } in found {
        let at = text.floor_char_boundary(at);
        while let Some(length) = text.get(line_start..at).and_then(|passed| passed.find('\n')) {
            line += 1;
            line_start += length + 1;
        }
        let before = text.get(line_start..at).unwrap_or_default();
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        faults.push(Fault { line, column, key, detail });
    }
    faults
}
