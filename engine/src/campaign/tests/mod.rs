//! Tests by subject; what they share.

mod faults;
mod format;
mod properties;
mod recorded;
mod schedules;
mod valid;

use super::{Campaign, Fault};

/// A file that uses every key of the format.
pub(super) const FULL: &str = include_str!("full.toml");

/// Programme 1.
pub(super) const UROAD: &str = include_str!("../../../../docs/campaigns/uroad-2020.toml");

/// The faults of a file that must have some.
pub(super) fn faults(toml: &str) -> Vec<Fault> {
    match Campaign::parse(toml) {
        Ok(_) => panic!("accepted:\n{toml}"),
        Err(invalid) => invalid.faults,
    }
}

/// `FULL` with one text replaced, which must be there once.
pub(super) fn full_with(from: &str, to: &str) -> String {
    assert_eq!(FULL.matches(from).count(), 1, "{from}");
    FULL.replacen(from, to, 1)
}

/// Line of a text in a file, from 1.
pub(super) fn line_of(file: &str, text: &str) -> u32 {
    let at = file.find(text).unwrap_or_else(|| panic!("no {text} in\n{file}"));
    u32::try_from(file[..at].matches('\n').count()).unwrap() + 1
}
