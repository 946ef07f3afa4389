//! Putting a campaign: drops that are fixed go on, others are made anew where the file differs, and
//! one record says all of it.
//!
//! `campaign/change -> plan -> apply`. What a drop allows depends on its phase and the clock, so
//! inside the append it is looked at once more, and planned anew if it moved.

mod apply;
mod change;
mod plan;

pub use change::{Change, ChangeKind};
