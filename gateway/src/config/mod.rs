//! Configuration: a file, the environment and flags, in one.
//!
//! `keys` lists every key there is, `reader` takes a TOML file apart and remembers the place of
//! everything that is wrong, and `read` makes a [`Config`] of all three.

mod fault;
mod keys;
mod limits;
mod read;
mod reader;
mod webhooks;

pub use fault::{BadConfig, Fault};
pub use keys::{KEYS, KeyRow};
pub use read::{Config, Flags, LogFormat, Retain, TlsFiles, address};
