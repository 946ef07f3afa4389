//! What happened, to be followed: every change as an event, in the order of the journal.
//!
//! There is no second log. The journal *is* the feed: a record that is durable is an event, read
//! from its segment when somebody asks for it, so nothing is missed or doubled, a restart changes
//! nothing, and a follower goes on from any id. What is not durable is never shown.
//!
//! An event's data is its object as it was right after the record, whatever became of it since.
//! What never changes (a hold's lines, its customer) is looked up in memory; the rest comes from
//! the record, or from what the records after it left.
//!
//! Records that are no event (the engine was started, the clock was stepped) have their place in
//! the order too: ids rise, and some numbers are left out.
//!
//! `journal/feed -> read -> event`; `ready` waits for more.

mod event;
mod read;
mod ready;

pub use event::{BadEventId, Event, EventData, EventId, EventKind};
pub use read::{Events, EventsError};
pub use ready::EventsReady;
