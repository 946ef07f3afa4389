//! The gateway's integration tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod commands;
mod resp_frame;
mod resp_request;
mod resp_session;
mod wire;
