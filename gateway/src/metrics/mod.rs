//! Figures of the running service, for `GET /metrics`.
//!
//! What a request touches is counted where it happens, in words that only ever grow: `holds` by
//! drop and outcome, `times` by wire and call, `turned_away` by reason, `webhooks` by host.
//! Everything else is asked of the engine and the operating system when somebody scrapes: `scrape`,
//! `process`.
//!
//! INVARIANT(T1): nothing is told of a drop's goods before its reveal. No series has a customer, a
//! key or a payment in it.

mod call;
mod counted;
mod holds;
mod process;
mod scrape;
mod times;
mod turned_away;
mod webhooks;

pub(crate) use call::{CALLS, Call};
pub(crate) use counted::Metrics;
pub(crate) use holds::HoldCounts;
pub(crate) use scrape::scrape;
pub(crate) use turned_away::Reason;
pub(crate) use webhooks::{EndpointCounts, Outcome, WebhookCounts};
