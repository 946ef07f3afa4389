//! The harness on a sound engine, where it must find nothing; and the workspace as a whole.

mod crashes;
mod ladder;
mod rounds;
#[cfg(test)]
mod tidy;
