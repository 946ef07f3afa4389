//! What a caller of the crowd relies on, without a service.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod report;
mod sale;
mod send;
mod verdict;
