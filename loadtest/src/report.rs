//! The figures a person wants to see.

use serde::Serialize;

use crate::call::{HoldState, Wire, Word};
use crate::record::{Record, WireRecord};

/// One run in figures. Milliseconds are counted from the opening.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Distinct customers who came.
    pub customers: u64,
    /// Holds acknowledged, each once.
    pub granted: u64,
    /// Of these, confirmed.
    pub confirmed: u64,
    /// Units of the confirmed ones.
    pub units_confirmed: u64,
    /// Of these, given back.
    pub returned: u64,
    /// Units granted beyond those there are: each is a returned unit sold again.
    pub sold_again: u64,
    /// Customers who went home with nothing.
    pub refused: u64,
    /// Requests without an answer when the run ended.
    pub unanswered: u64,
    /// When the first grant was acknowledged at a client.
    pub first_grant_after_open_ms: Option<f64>,
    /// When the first client was told `sold_out`.
    pub sold_out_after_open_ms: Option<f64>,
    /// When the first returned unit was acknowledged as returned.
    pub first_return_after_open_ms: Option<f64>,
    /// When the last grant was acknowledged at a client.
    pub last_grant_after_open_ms: Option<f64>,
    /// One row for RESP, one for HTTP.
    pub wires: [WireRow; 2],
    /// Calls sent, of every kind.
    pub calls: u64,
    /// Of these, sent more than 10 ms after their intended instant.
    pub late_calls: u64,
    /// The latest of them.
    pub max_late_ms: f64,
    /// Calls that waited for a free HTTP connection.
    pub waited_calls: u64,
}

/// One wire in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WireRow {
    /// Which wire.
    pub wire: Wire,
    /// Hold requests.
    pub offered: u64,
    /// Answered as newly granted.
    pub granted: u64,
    /// Answered with a hold granted before.
    pub replayed: u64,
    /// Answered `limit_reached`.
    pub limit_reached: u64,
    /// Answered `sold_out`.
    pub sold_out: u64,
    /// Answered `not_open`.
    pub not_open: u64,
    /// Every other answer to any call that was a refusal, and calls that were lost.
    pub other: u64,
    /// From the intended instant to the answer, every call of this wire.
    pub latency_ms: Quantiles,
    /// From the actual sending to the answer.
    pub service_ms: Quantiles,
}

/// A distribution in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All.
    pub max: f64,
}

impl Summary {
    /// Sums up a record; `total` is how many units there were, if there was an end to them.
    #[must_use]
    pub fn new(record: &Record, total: Option<u64>) -> Self {
        let grants = &record.grants;
        let in_state = |state| grants.iter().filter(|grant| grant.state == state).count() as u64;
        let units: u64 = grants.iter().map(|grant| grant.basket.units()).sum();
        let confirmed = grants.iter().filter(|grant| grant.state == HoldState::Confirmed);
        let ms = |us: Option<i64>| us.map(|us| us as f64 / 1_000.0);
        let slip = record.slip;
        Self {
            customers: record.customers.into(),
            granted: grants.len() as u64,
            confirmed: in_state(HoldState::Confirmed),
            units_confirmed: confirmed.map(|grant| grant.basket.units()).sum(),
            returned: in_state(HoldState::Released) + in_state(HoldState::Expired),
            sold_again: total.map_or(0, |total| units.saturating_sub(total)),
            refused: record.empty_handed.into(),
            unanswered: record.unanswered,
            first_grant_after_open_ms: ms(grants.iter().map(|grant| grant.granted_us).min()),
            sold_out_after_open_ms: ms(record.sold_out.iter().map(|one| one.received_us).min()),
            first_return_after_open_ms: ms(grants.iter().filter_map(|one| one.returned_us()).min()),
            last_grant_after_open_ms: ms(grants.iter().map(|grant| grant.granted_us).max()),
            wires: [Wire::Resp, Wire::Http].map(|wire| WireRow::new(wire, record.wire(wire))),
            calls: slip.sent,
            late_calls: slip.late,
            max_late_ms: slip.max_late_us as f64 / 1_000.0,
            waited_calls: slip.waited,
        }
    }
}

impl WireRow {
    fn new(wire: Wire, record: &WireRecord) -> Self {
        let [limit_reached, sold_out, not_open] =
            [Word::LimitReached, Word::SoldOut, Word::NotOpen].map(|word| record.refused(word));
        let refused: u64 = record.refused.values().sum();
        Self {
            wire,
            offered: record.offered,
            granted: record.granted,
            replayed: record.replayed,
            limit_reached,
            sold_out,
            not_open,
            other: refused - limit_reached - sold_out - not_open + record.lost,
            latency_ms: Quantiles::of(&record.latency_us),
            service_ms: Quantiles::of(&record.service_us),
        }
    }
}

impl Quantiles {
    fn of(histogram: &hdrhistogram::Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1_000.0 }
    }
}
