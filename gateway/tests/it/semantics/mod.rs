//! One semantics: the same commands over the library, HTTP, RESP2 and RESP3 have the same outcomes.
//!
//! `operation` draws commands, `face` runs one on an engine of its own and says in the common terms
//! of `outcome` what came back, `line` likewise of the waiting line, and `same` compares.

mod face;
mod line;
mod operation;
mod outcome;
mod same;
