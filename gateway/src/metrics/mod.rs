//! Figures of the running service, for `GET /metrics`.
//!
//! What a request touches is counted where it happens, in words that only ever grow: `holds` by
//! drop and outcome, `times` by wire and call, `turned_away` by reason. Everything else is asked of
//! the engine and the operating system when somebody scrapes: `scrape`, `process`.
//!
//! INVARIANT(T1): nothing is told of a drop's goods before its reveal. No series has a customer, a
//! key or a payment in it.

mod call;
mod holds;
mod process;
mod scrape;
mod times;
mod turned_away;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use call::{CALLS, Call};
pub(crate) use holds::HoldCounts;
pub(crate) use scrape::scrape;
pub(crate) use times::Times;
pub(crate) use turned_away::{Reason, TurnedAway};

/// What is counted where it happens, but for holds, which are counted beside the engine.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) times: Times,
    pub(crate) turned_away: TurnedAway,
    /// Room for whoever scrapes.
    pub(crate) scrapers: Arc<Semaphore>,
}

impl Default for Metrics {
    fn default() -> Self {
        let scrapers = Arc::new(Semaphore::new(crate::limits::SCRAPERS_MAX));
        Self { times: Times::default(), turned_away: TurnedAway::default(), scrapers }
    }
}
