//! `jangteo rehearse`: a drop of the real file, now, in a directory that is thrown away, with a
//! crowd; and then the list that says go or no-go.
//!
//! `command` is the way through it, `go_list` the list, `points` what of it follows from the file
//! and the sale; `clock`, `flush` and `headroom` look at the machine.

mod clock;
mod command;
mod flush;
mod go_list;
mod headroom;
mod points;

pub(crate) use command::Rehearse;
