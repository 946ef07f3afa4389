//! A medium in memory that keeps what was written apart from what was flushed, and fails as told.
//!
//! `medium` is what lies on it and what a power cut leaves. `trouble` is what can go wrong with
//! one call, and `storage` the seam that the engine sees: it counts, logs and digests every call,
//! lets the planned ones fail, and knows which process is dead.

mod medium;
mod storage;
mod trouble;

pub use medium::{Medium, SECTOR};
pub use storage::FaultyStorage;
pub use trouble::{Call, Faults, Logged, Trouble};
