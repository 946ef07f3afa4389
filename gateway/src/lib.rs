//! HTTP and RESP in front of the jangteo engine.
//!
//! Both wires end in one typed command, which one file runs on the engine, and every error comes
//! from one table:
//!
//! `resp::connection | http::front -> command -> dispatch -> engine -> output | problem`
//!
//! [`Service`] serves both wires on a thread of its own; [`http::router`] and [`resp::serve`] mount
//! them in another program's runtime; `examples/embedded.rs` is such a program.

mod accept;
pub mod access;
mod app;
mod clock_sync;
mod codes;
mod command;
pub mod config;
mod dispatch;
mod drain;
mod engine_slot;
mod flushing;
mod guarded;
pub mod http;
mod in_flight;
pub mod limits;
mod metrics;
mod page;
mod peers;
mod rate;
pub mod resp;
mod secret_file;
mod service;
pub mod spreadsheet;
mod stream;
mod tls;
mod warnings;
mod watch;
pub mod webhooks;

pub use access::Access;
pub use clock_sync::ClockSync;
pub use limits::Limits;
pub use rate::Rate;
pub use service::Service;
pub use tls::{BadTls, Tls};
pub use webhooks::Webhooks;
