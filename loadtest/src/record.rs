//! The clients' own record: what was acknowledged to whom, and when.
//!
//! Instants are microseconds after the opening (before it: negative), on the generator's clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::call::{HoldState, Wire, Word};
use crate::crowd::{Basket, Crowd};
use crate::verdict::Finding;

/// Everything a crowd was told.
#[derive(Clone, Debug)]
pub struct Record {
    /// Distinct customers who came.
    pub customers: u32,
    /// What they wanted: customer `n` the basket `n` modulo their number.
    pub baskets: Vec<Basket>,
    /// Opening instant, in Unix milliseconds.
    pub opens_at_ms: u64,
    /// Units one customer may have (0: no limit).
    pub limit_per_customer: u32,
    /// Customers who went home with nothing.
    pub empty_handed: u32,
    /// Every hold some client saw acknowledged, in the order of the first acknowledgement.
    pub grants: Vec<Grant>,
    /// Every `sold_out` answer to a hold request.
    pub sold_out: Vec<SoldOut>,
    /// Hold requests that may have been granted without anybody hearing of it.
    pub doubts: Vec<Doubt>,
    /// Requests without an answer when the run ended.
    pub unanswered: u64,
    /// Answers the contract does not allow where they were given.
    pub surprises: Finding,
    /// What went over RESP.
    pub resp: WireRecord,
    /// What went over HTTP.
    pub http: WireRecord,
    /// How well the generator kept its schedule.
    pub slip: Slip,
}

/// One acknowledged hold, as its client believes it to be.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Id of the hold.
    pub id: Arc<str>,
    /// Its number in the drop.
    pub number: u64,
    /// Whose it is.
    pub customer: String,
    /// The idempotency key it was asked for with.
    pub key: String,
    /// What was asked for.
    pub basket: Basket,
    /// Last acknowledged state.
    pub state: HoldState,
    /// No request for it was sent earlier.
    pub asked_us: i64,
    /// When its first acknowledgement arrived.
    pub granted_us: i64,
    /// When the first confirmation left, heard of or not.
    pub confirm_asked_us: Option<i64>,
    /// When the first release left, heard of or not.
    pub release_asked_us: Option<i64>,
    /// When the acknowledgement of a final state (any but held) arrived.
    pub settled_us: Option<i64>,
    /// Answers that showed it as newly granted, not as a replay.
    pub fresh_answers: u32,
    /// Whether an answer under its key was lost or unknown.
    pub doubted: bool,
}

/// One `sold_out` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldOut {
    /// What was asked for.
    pub basket: Basket,
    /// The request left no earlier.
    pub sent_us: i64,
    /// The answer was there no later.
    pub received_us: i64,
}

/// A hold request whose answer never came, or was `outcome_unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// Who asked.
    pub customer: String,
    /// With which key.
    pub key: String,
}

/// What went over one wire.
#[derive(Clone, Debug)]
pub struct WireRecord {
    /// Calls of every kind.
    pub calls: u64,
    /// Hold requests.
    pub offered: u64,
    /// Holds answered as newly granted.
    pub granted: u64,
    /// Hold requests answered with a hold granted before.
    pub replayed: u64,
    /// Confirmations acknowledged.
    pub confirmed: u64,
    /// Releases acknowledged.
    pub released: u64,
    /// Refusals of any call, by word.
    pub refused: BTreeMap<Word, u64>,
    /// Calls whose connection ended before an answer came.
    pub lost: u64,
    /// From the intended instant to the answer, in microseconds, of every answered call.
    pub latency_us: Histogram<u64>,
    /// From the actual sending to the answer, in microseconds.
    pub service_us: Histogram<u64>,
}

/// How well the generator kept its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slip {
    /// Calls sent.
    pub sent: u64,
    /// Of these, sent more than 10 ms after their intended instant, for whatever reason.
    pub late: u64,
    /// The latest of them, in microseconds.
    pub max_late_us: u64,
    /// Calls that waited for a free HTTP connection: if many of the late ones are among them, more
    /// connections may help.
    pub waited: u64,
}

/// A call this much after its intended instant is late.
const LATE_US: u64 = 10_000;

impl Slip {
    pub(crate) fn add(&mut self, late_us: u64, waited: bool) {
        self.sent += 1;
        self.waited += u64::from(waited);
        self.max_late_us = self.max_late_us.max(late_us);
        self.late += u64::from(late_us > LATE_US);
    }

    /// Whether more than one call in a hundred was late: then the p99 of the latency speaks of the
    /// generator, not of the service.
    #[must_use]
    pub const fn is_too_much(&self) -> bool {
        self.late * 100 > self.sent
    }
}

impl Record {
    /// The record of a crowd that has not sent anything yet.
    #[must_use]
    pub fn new(crowd: &Crowd) -> Self {
        Self {
            customers: crowd.customers,
            baskets: crowd.baskets.clone(),
            opens_at_ms: crowd.opens_at_ms,
            limit_per_customer: crowd.limit_per_customer,
            empty_handed: 0,
            grants: Vec::new(),
            sold_out: Vec::new(),
            doubts: Vec::new(),
            unanswered: 0,
            surprises: Finding::default(),
            resp: WireRecord::new(),
            http: WireRecord::new(),
            slip: Slip::default(),
        }
    }

    /// What went over one wire.
    #[must_use]
    pub const fn wire(&self, wire: Wire) -> &WireRecord {
        match wire {
            Wire::Resp => &self.resp,
            Wire::Http => &self.http,
        }
    }

    pub(crate) const fn wire_mut(&mut self, wire: Wire) -> &mut WireRecord {
        match wire {
            Wire::Resp => &mut self.resp,
            Wire::Http => &mut self.http,
        }
    }
}

impl WireRecord {
    fn new() -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, 120_000_000, 3).expect("1 us to 2 min, three digits");
        Self {
            calls: 0,
            offered: 0,
            granted: 0,
            replayed: 0,
            confirmed: 0,
            released: 0,
            refused: BTreeMap::new(),
            lost: 0,
            latency_us: histogram(),
            service_us: histogram(),
        }
    }

    /// How often `word` was the answer.
    #[must_use]
    pub fn refused(&self, word: Word) -> u64 {
        self.refused.get(&word).copied().unwrap_or(0)
    }
}

impl Grant {
    /// When its units were back for certain: its release or expiry was acknowledged.
    #[must_use]
    pub fn returned_us(&self) -> Option<i64> {
        if self.state.is_alive() { None } else { self.settled_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_call_counts_whatever_it_waited_for() {
        let mut slip = Slip::default();
        slip.add(10_000, true);
        assert_eq!((slip.late, slip.waited), (0, 1), "ten milliseconds are in time");
        slip.add(50_000, true);
        slip.add(10_001, false);
        assert_eq!((slip.late, slip.max_late_us, slip.waited), (2, 50_000, 2));
        assert!(slip.is_too_much(), "two in three");
        for _ in 0..197 {
            slip.add(0, false);
        }
        assert!(!slip.is_too_much(), "one in a hundred is allowed");
    }
}
