//! A count of one kind of fault, and a few examples.

use serde::Serialize;

/// Most examples kept of one kind.
const EXAMPLES_MAX: usize = 5;

/// How often one kind of fault was found, and the first few cases in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How often, or how many units.
    pub count: u64,
    /// The first cases.
    pub examples: Vec<String>,
}

impl Finding {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, example: impl FnOnce() -> String) {
        self.add_many(1, example);
    }

    /// Adds `count` cases that one sentence tells; nothing if there are none.
    pub(crate) fn add_many(&mut self, count: u64, example: impl FnOnce() -> String) {
        if count > 0 && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
        self.count += count;
    }
}
