//! The gateway's integration tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod clients;
mod commands;
mod configuration;
mod credentials;
mod events;
mod faulty;
mod fuzz;
mod http_holds;
mod http_requests;
mod kill;
mod mounted;
mod permissions;
mod process;
mod recovering;
mod redis_rs;
mod resp_frame;
mod resp_holds;
mod resp_limits;
mod resp_request;
mod resp_session;
mod sealed;
mod secrecy;
mod semantics;
mod shop;
mod tls;
mod tokens;
mod torture;
mod unknown;
mod wire;
