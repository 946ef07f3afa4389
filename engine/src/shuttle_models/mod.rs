//! Models of the journal with many tasks: drawn interleavings of the code that appends, flushes,
//! publishes and latches, over a disk that knows what it was asked to flush.
//!
//! ```sh
//! RUSTFLAGS="--cfg jangteo_shuttle" cargo test -p jangteo --lib --release --features planted-faults shuttle_models
//! ```
//!
//! `JANGTEO_SCHEDULES` interleavings (50,000), shared among the models, are drawn from
//! `JANGTEO_SEED` (1): half at random, half by priorities with 3 and 5 changes of them. A failure
//! prints its schedule; `JANGTEO_SCHEDULE=...` and the name of its test run that one again.

mod disk;
mod explore;
mod journal;
mod leaders;
#[cfg(feature = "planted-faults")]
mod planted;
