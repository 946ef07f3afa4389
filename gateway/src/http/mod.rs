//! HTTP: JSON under `/v1`, health, and what the error codes mean.
//!
//! `front` takes connections and answers the hold route by itself on plain hyper; all other routes
//! are `router`'s, which is what another program mounts. `common` is what every request goes
//! through, `problem` every error, `body` and `head` read what came.

mod ahead;
mod audit;
mod body;
mod campaigns;
mod changes;
mod common;
mod corked;
mod drops;
mod events;
mod front;
mod head;
mod health;
mod hold;
mod holds;
mod http1;
mod http2;
mod ledger;
mod lifecycle;
mod metrics;
mod openapi;
mod orders;
mod problem;
mod router;
mod shared_body;
mod shown;
mod takeover;
mod trace;
mod waits;
mod watch;
mod why;

pub(crate) use front::serve_app;
pub use router::router;
