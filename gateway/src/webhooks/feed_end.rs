//! Where the feed ends now.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jangteo::{Engine, EventId};

/// How many places of the feed are durable after this one.
pub(crate) fn durable_after(engine: &Engine, after: EventId) -> u64 {
    let reached = |count: u64| {
        let Some(before) = count.checked_sub(1) else { return true };
        let sequence = after.sequence.saturating_add(before);
        let ready = pin!(engine.events_ready(EventId { sequence, ..after }));
        let mut context = Context::from_waker(Waker::noop());
        matches!(ready.poll(&mut context), Poll::Ready(Ok(())))
    };
    let mut beyond = 1;
    while reached(beyond) {
        beyond = beyond.saturating_mul(2);
    }
    let mut behind = beyond / 2;
    while behind + 1 < beyond {
        let middle = behind + (beyond - behind) / 2;
        if reached(middle) { behind = middle } else { beyond = middle }
    }
    behind
}

#[cfg(test)]
mod tests {
    use jangteo::Campaign;

    use super::*;

    #[test]
    fn it_is_as_far_as_the_events_reach() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::options().data(directory.path()).background(false).open().unwrap();
        let file = include_str!("../../../docs/campaigns/try-it.toml");
        for round in 0..20 {
            let campaign = file.replace("\"try-it\"", &format!("\"try-{round}\""));
            engine.put(Campaign::parse(&campaign).unwrap()).unwrap();
            engine.tick();
            engine.flush().unwrap();
            let through = engine.events(None, 1_000).unwrap().through;
            for sequence in 0..=through.sequence {
                let after = EventId { sequence, ..through };
                assert_eq!(durable_after(&engine, after), through.sequence - sequence);
            }
        }
    }
}
