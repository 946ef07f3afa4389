//! Answers about the waiting line to replies.

use jangteo::Wait;

use super::reply::Reply;

/// A wait with `BRIEF`, whatever became of it. Like the word of a refusal it says that there is no
/// hold; an id would be taken for a hold's.
pub(super) const WAIT: &str = "WAIT";

pub(super) fn write_wait(wait: &Wait, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk("wait");
    reply.bulk(wait.id.to_string());
    reply.bulk("state");
    reply.bulk(wait.state.name());
    reply.bulk("place");
    match wait.place {
        Some(place) => reply.integer(place),
        None => reply.integer(-1),
    }
}
