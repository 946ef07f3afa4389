//! What answers show, as types: served, and described in `/openapi.json`, by one definition.
//!
//! The engine shows the same to other programs; that both agree to the byte is tested here.

mod audit;
mod campaign;
mod drop;
mod event;
mod hold;
mod order;
mod report;
#[cfg(test)]
mod tests;
mod wait;
mod words;

pub(super) use audit::Audit;
pub(super) use campaign::{Campaign, CampaignFault};
pub(super) use drop::{DropPage, DropView};
pub(super) use event::EventView;
pub(super) use hold::{HoldView, Holds};
pub(super) use order::OrderRow;
pub(super) use report::Report;
pub(super) use wait::{HoldOrWaitView, WaitView};
pub(super) use words::{PhaseWord, ascii, states, times, words};
