//! How often connections and requests were turned away, by reason.
//!
//! Owns its counters, all relaxed: each only ever grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There are as many connections as there may be.
    Connections,
    /// There are as many from that address as there may be.
    ConnectionsFromAddress,
    /// Without a key only this machine is served.
    NotLoopback,
    /// The two did not agree on encryption in time, or at all.
    Handshake,
    /// A command or a credential did not arrive in time, or nothing did for long.
    SlowSender,
    /// What waits for the client is not taken.
    SlowReader,
    /// The bytes were no RESP.
    NoProtocol,
    RateLimitedCustomer,
    RateLimitedCredential,
    /// Too many replies wait for the disk.
    Overloaded,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway([AtomicU64; Reason::ALL.len()]);

impl Reason {
    pub(super) const ALL: [Self; 10] = [
        Self::Connections,
        Self::ConnectionsFromAddress,
        Self::NotLoopback,
        Self::Handshake,
        Self::SlowSender,
        Self::SlowReader,
        Self::NoProtocol,
        Self::RateLimitedCustomer,
        Self::RateLimitedCredential,
        Self::Overloaded,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsFromAddress => "connections_from_address",
            Self::NotLoopback => "not_loopback",
            Self::Handshake => "handshake",
            Self::SlowSender => "slow_sender",
            Self::SlowReader => "slow_reader",
            Self::NoProtocol => "no_protocol",
            Self::RateLimitedCustomer => "rate_limited_customer",
            Self::RateLimitedCredential => "rate_limited_credential",
            Self::Overloaded => "overloaded",
        }
    }
}

impl TurnedAway {
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(count) = self.0.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often for each reason, also those that never were.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Reason::ALL.into_iter().map(Reason::name).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_place() {
        let turned_away = TurnedAway::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            (0..=place).for_each(|_| turned_away.count(reason));
        }
        let counts: Vec<u64> = turned_away.all().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=10).collect::<Vec<u64>>());
    }
}
