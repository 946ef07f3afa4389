//! A plain sequential model of one drop, and the engine held against it step by step.
//!
//! `terms` (what is sold) and `operation` (what happens) are drawn, `reference` says what must
//! come of it, written from the contract and not from the engine, and `run` compares every answer.
//! `lifecycle`, `afterwards` and `line` are the model's later pages, `by_hand`, `in_line` and
//! `ends` the driver's.

mod afterwards;
mod by_hand;
mod compare;
mod draw;
mod ends;
mod in_line;
mod lifecycle;
mod line;
pub(crate) mod operation;
mod reference;
mod run;
mod terms;

pub(crate) use draw::{draw, play};
pub(crate) use run::Exercised;
