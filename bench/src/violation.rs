//! Something that must not be.

use std::fmt;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number, as in `docs/invariants.md`.
    pub invariant: &'static str,
    /// What was seen, and what should have been.
    pub text: String,
}

impl Violation {
    /// A violation of `invariant`.
    #[must_use]
    pub fn of(invariant: &'static str, text: impl Into<String>) -> Self {
        Self { invariant, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

impl std::error::Error for Violation {}

/// Fails with a violation of `invariant` unless `holds`; the text is made only then.
///
/// # Errors
/// The violation.
pub fn require(
    holds: bool,
    invariant: &'static str,
    text: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::of(invariant, text())) }
}
