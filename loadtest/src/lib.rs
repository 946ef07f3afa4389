//! A crowd of simulated buyers that knows only the wires: RESP and HTTP, not the engine.
//!
//! The load is *open loop*: every first visit has an instant drawn before anything is sent, and is
//! sent at that instant whatever the service has answered so far. What a buyer does next (pay,
//! give up, come back) is planned when its answer arrives, and has an intended instant too.
//! Latency is charged from the intended instant.
//!
//! 1. [`send`] plays a [`Crowd`] against a service and returns the [`Record`]: what was
//!    acknowledged to whom, and when.
//! 2. [`verdict`] compares that record with two [`Witness`]es, the service's own audit and the
//!    offline audit of its journal.
//! 3. [`Summary`] holds the figures a person wants to see.
//!
//! ```no_run
//! # async fn demo() -> Result<(), jangteo_loadtest::SendError> {
//! use jangteo_loadtest::{Crowd, Progress, Summary, send};
//!
//! let opens_at_ms = 1_588_122_000_000; // a few seconds from now
//! let resp = ([127, 0, 0, 1], 7481).into();
//! let http = ([127, 0, 0, 1], 7480).into();
//! let crowd = Crowd::new("uroad-2020-1", "onion-3kg", opens_at_ms, resp, http);
//! let record = send(&crowd, &Progress::default()).await?;
//! println!("{} grants", Summary::new(&record, Some(2_000)).granted);
//! # Ok(())
//! # }
//! ```

mod buyer;
mod call;
mod client;
mod crowd;
mod director;
mod names;
mod persona;
mod plan;
mod progress;
mod record;
mod recorder;
mod report;
mod schedule;
mod timeline;
mod verdict;

pub use call::{HoldState, Wire, Word};
pub use crowd::{Basket, Crowd, Line, Mix, SendError};
pub use director::send;
pub use progress::{Progress, ProgressNow};
pub use record::{Doubt, Grant, Record, Slip, SoldOut, WireRecord};
pub use report::{Quantiles, Summary, WireRow};
pub use verdict::{Finding, Verdict, Witness, WitnessHold, WitnessItem, verdict};
