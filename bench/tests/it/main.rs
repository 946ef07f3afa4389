//! The harness on a sound engine: it must find nothing.

mod crashes;
mod rounds;
