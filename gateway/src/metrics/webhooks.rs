//! What became of webhooks, by endpoint, and how far each has got.
//!
//! Owns its counters, all relaxed: what came of attempts only ever grows, and a place is a number
//! that nothing is concluded from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::{Engine, EventId};
use parking_lot::Mutex;

use crate::webhooks::durable_after;

/// What came of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Refused,
    TimedOut,
    Unreachable,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Delivered, Self::Refused, Self::TimedOut, Self::Unreachable];

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Every endpoint there was since the service started.
#[derive(Debug, Default)]
pub(crate) struct WebhookCounts(Mutex<Vec<Arc<EndpointCounts>>>);

/// One endpoint. It is shown by its host.
#[derive(Debug)]
pub(crate) struct EndpointCounts {
    hash: String,
    host: String,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// One more than the sequence of its place; 0 while nobody sends to it.
    place: AtomicU64,
}

/// What is shown of a host: attempts by outcome, and how far its endpoint is behind that is
/// furthest behind, if anybody sends to one.
pub(super) type Shown = ([(&'static str, u64); Outcome::ALL.len()], Option<u64>);

impl EndpointCounts {
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(count) = self.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has got so far; nothing is the beginning of the feed.
    pub(crate) fn stands(&self, after: Option<EventId>) {
        let sequence = after.map_or(0, |after| after.sequence);
        self.place.store(sequence.saturating_add(1), Ordering::Relaxed);
    }

    /// Nobody sends to it any more.
    pub(crate) fn left(&self) {
        self.place.store(0, Ordering::Relaxed);
    }

    fn behind(&self, engine: &Engine) -> Option<u64> {
        let sequence = self.place.load(Ordering::Relaxed).checked_sub(1)?;
        Some(durable_after(engine, EventId { incarnation: 0, sequence }))
    }
}

impl WebhookCounts {
    /// What is counted for the endpoint of that hash, at that host.
    pub(crate) fn of(&self, hash: &str, host: &str) -> Arc<EndpointCounts> {
        let mut all = self.0.lock();
        if let Some(known) = all.iter().find(|one| one.hash == hash) {
            return Arc::clone(known);
        }
        let new = Arc::new(EndpointCounts {
            hash: hash.to_owned(),
            host: host.to_owned(),
            outcomes: Default::default(),
            place: AtomicU64::new(0),
        });
        all.push(Arc::clone(&new));
        new
    }

    /// By host.
    pub(super) fn shown(&self, engine: &Engine) -> BTreeMap<String, Shown> {
        let all = self.0.lock().clone();
        let nothing = || (Outcome::ALL.map(|outcome| (outcome.name(), 0)), None);
        let mut hosts = BTreeMap::new();
        for endpoint in all {
            let behind = endpoint.behind(engine);
            let shown: &mut Shown = hosts.entry(endpoint.host.clone()).or_insert_with(nothing);
            for ((_, sum), count) in shown.0.iter_mut().zip(&endpoint.outcomes) {
                *sum += count.load(Ordering::Relaxed);
            }
            shown.1 = shown.1.max(behind);
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_one_host_are_shown_together() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::options().data(directory.path()).background(false).open().unwrap();
        engine.flush().unwrap();
        let end = engine.events(None, 1).unwrap().through.sequence;
        let place = |sequence| Some(EventId { incarnation: 1, sequence });
        let counts = WebhookCounts::default();
        let [one, other] = ["1", "2"].map(|hash| counts.of(hash, "shop.example"));
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::ALL[outcome as usize], outcome);
            (0..=outcome as usize).for_each(|_| one.count(outcome));
        }
        counts.of("2", "shop.example").count(Outcome::TimedOut);
        counts.of("3", "else.example").count(Outcome::Delivered);
        let expected = [("delivered", 1), ("refused", 2), ("timed_out", 4), ("unreachable", 4)];
        let shop = |counts: &WebhookCounts| counts.shown(&engine)["shop.example"];
        assert_eq!(shop(&counts), (expected, None));
        one.stands(place(end));
        assert_eq!(shop(&counts).1, Some(0));
        other.stands(None);
        assert_eq!(shop(&counts).1, Some(end));
        other.left();
        assert_eq!(shop(&counts).1, Some(0));
        assert_eq!(counts.shown(&engine)["else.example"].1, None);
    }
}
