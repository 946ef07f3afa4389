//! Bytes from strangers, changed at random: nothing panics, and what comes back makes sense.
//!
//! `wires` has what arrives over a network, `files` what lies on a disk; the journal's records have
//! theirs in `engine/src/journal/fuzzed.rs`.

#[path = "../../../../engine/tests/fuzz/driver.rs"]
mod driver;
mod files;
mod wires;
