//! A plain sequential model of one drop, and the engine held against it step by step.
//!
//! `terms` (what is sold) and `operation` (what happens) are drawn, `reference` says what must
//! come of it, written from the contract and not from the engine, and `run` compares every answer.
//! `lifecycle` and `afterwards` are the model's later pages, `by_hand` is the driver's.

mod afterwards;
mod by_hand;
mod compare;
mod draw;
mod lifecycle;
pub(crate) mod operation;
mod reference;
mod run;
mod terms;

pub(crate) use draw::{draw, play};
pub(crate) use run::Exercised;
