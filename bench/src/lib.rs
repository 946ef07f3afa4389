//! Proof and measurement of jangteo.
//!
//! A [`plan`] says what is sold and who asks for what; a [`workload`] draws commands from a seed; a
//! [`shadow`] predicts what the engine must know; an [`auditor`] compares every reply with it; the
//! [`invariants`] are checked once everything is quiet. None of these knows threads, so the
//! simulation and the hammer share them.
//!
//! [`local`] performs commands on an engine in this process, [`hammer`] does so from many threads,
//! and [`crash`] does so on a [`faulty`] medium that loses power. Measurements are driven by
//! [`producers`].

pub mod auditor;
pub mod bit_flips;
pub mod charity;
pub mod command;
pub mod crash;
pub mod crash_states;
pub mod faulty;
pub mod full_disk;
pub mod hammer;
pub mod in_line;
pub mod invariants;
pub mod io_faults;
pub mod known;
pub mod local;
pub mod many;
pub mod now;
pub mod plan;
pub mod producers;
mod refunds;
pub mod retention;
pub mod rng;
pub mod scene;
pub mod shadow;
pub mod simulation;
pub mod violation;
pub mod workload;
