//! The harness on a sound engine, where it must find nothing; and the workspace as a whole.

mod crashes;
mod ladder;
#[cfg(test)]
mod model;
mod rounds;
#[cfg(test)]
mod sequences;
#[cfg(test)]
mod tidy;
