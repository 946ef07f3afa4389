//! One semantics: the same commands over the library, HTTP, RESP2 and RESP3 have the same outcomes.
//!
//! `operation` draws commands, `face` runs one on an engine of its own and says in the common terms
//! of `outcome` what came back (`resp_reply` reads RESP), `line` does so for the waiting line and
//! `operator` for what only operators do, and `same` compares.

mod face;
mod line;
mod operation;
mod operator;
mod outcome;
mod resp_reply;
mod same;
