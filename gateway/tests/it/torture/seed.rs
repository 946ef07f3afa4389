//! Where chance comes from, and how much of it is wanted.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// `JANGTEO_SEED`, or another one each time; printed, so that a failure can be looked into.
pub(crate) fn seed() -> u64 {
    let new = || u64::try_from(now_ms()).unwrap();
    let seed = number("JANGTEO_SEED").unwrap_or_else(new);
    eprintln!("JANGTEO_SEED={seed}");
    seed
}

/// The wall clock, in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The stream of chance of this seed and number.
pub(crate) fn rng(seed: u64, number: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// How often: the environment's number of that name, or as often as a test run can afford.
pub(crate) fn count(name: &str, usual: u64) -> u64 {
    number(name).unwrap_or(usual)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
