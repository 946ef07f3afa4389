//! The numbers of the configuration: limits and rates, in one table.

use std::ops::RangeInclusive;

use super::fault::Fault;
use super::reader::Table;
use crate::limits::{
    CONNECTIONS_CEILING, IDLE_CEILING_MS, Limits, RATE_MAX, WAITING_HOLDS_CEILING,
};
use crate::rate::Rate;

/// A number: its table, its key there, its variable of the environment, and what it may be.
struct Number {
    table: &'static str,
    key: &'static str,
    variable: &'static str,
    range: RangeInclusive<u64>,
}

const fn number(
    table: &'static str,
    key: &'static str,
    variable: &'static str,
    first: u64,
    last: u64,
) -> Number {
    Number { table, key, variable, range: first..=last }
}

const COUNT: usize = 8;

#[rustfmt::skip]
const NUMBERS: [Number; COUNT] = [
    number("limits", "connections", "JANGTEO_CONNECTIONS", 1, CONNECTIONS_CEILING as u64),
    number("limits", "connections_per_address", "JANGTEO_CONNECTIONS_PER_ADDRESS", 0, CONNECTIONS_CEILING as u64),
    number("limits", "waiting_holds", "JANGTEO_WAITING_HOLDS", 1, WAITING_HOLDS_CEILING as u64),
    number("limits", "idle_seconds", "JANGTEO_IDLE_SECONDS", 0, IDLE_CEILING_MS / 1_000),
    number("rate_limits", "customer_per_second", "JANGTEO_CUSTOMER_PER_SECOND", 1, RATE_MAX as u64),
    number("rate_limits", "customer_burst", "JANGTEO_CUSTOMER_BURST", 1, RATE_MAX as u64),
    number("rate_limits", "key_per_second", "JANGTEO_KEY_PER_SECOND", 1, RATE_MAX as u64),
    number("rate_limits", "key_burst", "JANGTEO_KEY_BURST", 1, RATE_MAX as u64),
];

/// What one source says of them, in the order of the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SaidLimits([Option<u64>; COUNT]);

impl SaidLimits {
    /// Reads both tables of a file.
    pub(super) fn of_file(file: &mut Table<'_, '_>) -> Self {
        let mut said = Self::default();
        for name in ["limits", "rate_limits"] {
            let Some(mut table) = file.find(name).and_then(|field| field.table()) else { continue };
            for (number, place) in NUMBERS.iter().zip(&mut said.0).filter(|(n, _)| n.table == name)
            {
                let field = table.find(number.key);
                *place = field.and_then(|field| field.number(&number.range));
            }
            table.done();
        }
        said
    }

    /// Reads the environment; `parsed` looks a variable up and reads it.
    pub(super) fn of_environment(
        mut parsed: impl FnMut(&'static str, &RangeInclusive<u64>) -> Option<u64>,
    ) -> Self {
        Self(NUMBERS.each_ref().map(|number| parsed(number.variable, &number.range)))
    }

    /// These, and the other's where these say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        let mut both = self;
        both.0.iter_mut().zip(other.0).for_each(|(one, other)| *one = one.or(other));
        both
    }

    /// The limits, with what is usual where nothing is said.
    pub(super) fn limits(self) -> Result<Limits, Fault> {
        let [connections, per_address, waiting, idle_s, customer, customer_burst, key, key_burst] =
            self.0;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let usual = Limits::default();
        Ok(Limits {
            connections: connections.map_or(usual.connections, size),
            connections_per_address: per_address.map_or(usual.connections_per_address, size),
            waiting_holds: waiting.map_or(usual.waiting_holds, size),
            idle_ms: idle_s.map_or(usual.idle_ms, |seconds| seconds * 1_000),
            customer_rate: rate("rate_limits.customer_per_second", customer, customer_burst)?,
            key_rate: rate("rate_limits.key_per_second", key, key_burst)?,
        })
    }
}

fn rate(key: &str, per_second: Option<u64>, burst: Option<u64>) -> Result<Option<Rate>, Fault> {
    let count = |number: u64| u32::try_from(number).unwrap_or(RATE_MAX);
    match (per_second, burst) {
        (None, None) => Ok(None),
        (Some(per_second), burst) => {
            let burst = count(burst.unwrap_or(per_second));
            Ok(Some(Rate { per_second: count(per_second), burst }))
        }
        (None, Some(_)) => Err(Fault {
            place: "configuration".to_owned(),
            key: key.to_owned(),
            detail: "is missing: a burst needs its rate".to_owned(),
        }),
    }
}
