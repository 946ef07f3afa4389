//! Webhooks: what happens is sent to where the configuration says, as Standard Webhooks 1.0 has it.
//!
//! `feed -> courier -> letter, signed -> post -> endpoint`
//!
//! Each endpoint has a courier of its own, a task that reads the durable feed and sends one event
//! after the other: the next only when the one before was taken. So events arrive in order, and an
//! endpoint that hangs holds up nobody else. Where a courier stands is kept in a file of the data
//! directory, so that a restart goes on there: at least once, never less.
//!
//! Nothing here is on the way of a hold. No customer, payment or secret is logged, nor the path of
//! an address, which may be a secret.

mod address;
mod backoff;
mod courier;
mod feed_end;
mod letter;
mod place;
mod post;
mod secrets;
mod sender;
mod wanted;

pub use address::Address;
pub(crate) use feed_end::durable_after;
pub use place::StoredPlaces;
pub use secrets::Secrets;
pub use sender::{Plan, Webhook, Webhooks};
pub use wanted::Wanted;
