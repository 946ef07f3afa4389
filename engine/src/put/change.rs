//! What a put does to drops, for whoever asks.

use serde::Serialize;

/// What a put does to one drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The drop's id.
    pub drop: String,
    /// What becomes of it.
    pub what: ChangeKind,
}

/// What becomes of a drop when its campaign is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It goes on, with other titles, more areas or a later closing.
    Changed,
    /// Another takes its place under its name; nothing of it was shown or granted.
    Replaced,
    /// It is gone; nothing of it was shown or granted.
    Removed,
}
