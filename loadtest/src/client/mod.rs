//! Connections to the service, over both wires.

mod http;
mod pool;
mod reply;
mod resp;

pub(crate) use pool::Clients;
