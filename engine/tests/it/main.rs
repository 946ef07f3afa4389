//! Behaviour of the engine through its public face.

mod common;
mod holds;
mod recovery;
