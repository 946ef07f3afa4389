//! The campaign file: what is sold, when, and under which rules; in TOML, or in the same shape as
//! JSON.
//!
//! A file is read whole. Everything that is wrong with it is reported at once, each fault with its
//! place and key; a file with one fault is refused, so a [`Campaign`] that exists is valid.
//!
//! The way of a file: `toml_tree` or `json_tree` turns text into the tree of `node`; `read` walks
//! that tree with the helpers of `table`, which collect faults; `schedule`, `rule` and `zone` turn
//! a recurrence into instants; `cross` checks what concerns several places; `write` goes
//! back. `change` sets a new file beside the one that is recorded.

mod change;
mod cross;
mod currency;
mod duration;
mod fault;
mod json_tree;
mod model;
mod node;
mod rate;
mod read;
mod rehearsal;
mod rule;
mod schedule;
mod table;
mod toml_tree;
mod warnings;
mod write;
mod zone;

#[cfg(test)]
mod tests;

pub(crate) use change::{Closing, Comparison};
pub use duration::parse as duration_ms;
pub use fault::{Fault, InvalidCampaign};
pub use model::{
    Campaign, Gift, GiftRule, Item, LedgerKind, LedgerRule, Occurrence, Reveal, Rules, Schedule,
    Share, Stock,
};
pub use rate::Rate;
