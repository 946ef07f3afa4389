//! The gateway's integration tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod campaigns;
mod clients;
mod commands;
mod configuration;
mod credentials;
mod events;
mod faulty;
mod fuzz;
mod hostile;
mod http2;
mod http_holds;
mod http_requests;
mod http_wire;
mod kill;
#[cfg(test)]
mod ledger;
mod metrics;
mod mounted;
mod openapi;
mod operating;
mod overload;
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
mod watch;
mod watch_crowd;
mod watching;
mod wire;
