//! How often a customer and a key may call: token buckets in bounded memory.
//!
//! A bucket is one number, the instant at which it is full again (the generic cell rate algorithm).
//! Buckets lie in a table of fixed size, in sets of a few, under a hash keyed per process, so that
//! nobody can choose names that share one. Where a set is full, the bucket that is full again first
//! makes room: if it is full already, nothing is lost; else somebody gets a fresh bucket early.

use std::time::Duration;

use jangteo::Timestamp;
use parking_lot::Mutex;
use siphasher::sip::SipHasher13;

use crate::access::Caller;
use crate::command::Command;
use crate::limits::{RATE_BUCKETS, RATE_BUCKETS_IN_SET};
use crate::metrics::Reason;

/// So many calls a second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second.
    pub per_second: u32,
    /// Calls at once, after a rest.
    pub burst: u32,
}

/// Which limits there are; none by default.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    customer: Option<Buckets>,
    key: Option<Buckets>,
}

/// A call came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// When it would not have.
    pub(crate) retry_after: Duration,
    /// Whose limit it was.
    pub(crate) reason: Reason,
}

impl TooOften {
    /// Milliseconds to wait, at least one.
    pub(crate) fn retry_after_ms(self) -> u64 {
        let us = u64::try_from(self.retry_after.as_micros()).unwrap_or(u64::MAX);
        us.div_ceil(1_000).max(1)
    }
}

impl Rates {
    pub(crate) fn new(customer: Option<Rate>, key: Option<Rate>) -> Self {
        Self { customer: customer.map(Buckets::new), key: key.map(Buckets::new) }
    }

    /// Whether the caller, and the customer it calls for, may call now.
    #[inline]
    pub(crate) fn take(
        &self,
        caller: &Caller,
        command: &Command<'_>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<(), TooOften> {
        if self.customer.is_none() && self.key.is_none() {
            return Ok(());
        }
        self.take_slow(caller, command, now())
    }

    #[cold]
    fn take_slow(
        &self,
        caller: &Caller,
        command: &Command<'_>,
        now: Timestamp,
    ) -> Result<(), TooOften> {
        let now = Duration::from_millis(now.as_ms());
        if let (Some(buckets), Some(name)) = (&self.customer, customer(caller, command)) {
            buckets.take(name.as_bytes(), now).map_err(too_often(Reason::RateLimitedCustomer))?;
        }
        // INVARIANT(F1): a shop that asks for too many holds can still end those it has.
        let ends = matches!(
            command,
            Command::Confirm { .. }
                | Command::Release { .. }
                | Command::Refund(_)
                | Command::Leave { .. }
        );
        if let (Some(buckets), Caller::Key(_, tag), false) = (&self.key, caller, ends) {
            buckets.take(&tag.bytes(), now).map_err(too_often(Reason::RateLimitedCredential))?;
        }
        Ok(())
    }
}

/// For whom a command is, where it says so itself or a token does.
fn customer<'a>(caller: &'a Caller, command: &'a Command<'_>) -> Option<&'a str> {
    match (caller, command) {
        (Caller::Customer(token), _) => Some(token.customer()),
        (_, Command::Hold(ask)) => ask.customer,
        (_, Command::Find { customer, .. }) => *customer,
        _ => None,
    }
}

const fn too_often(reason: Reason) -> impl FnOnce(Duration) -> TooOften {
    move |retry_after| TooOften { retry_after, reason }
}

/// The buckets of one kind.
#[derive(Debug)]
struct Buckets {
    hasher: SipHasher13,
    /// What one call takes, and what a bucket holds, in nanoseconds.
    call_ns: u64,
    burst_ns: u64,
    sets: Mutex<Box<[[Bucket; RATE_BUCKETS_IN_SET]]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    name: u64,
    full_at_ns: u64,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        let call_ns = 1_000_000_000 / u64::from(rate.per_second.max(1));
        let key = std::array::from_fn(|_| random());
        let [a, b]: [u64; 2] = key;
        let sets = vec![Default::default(); RATE_BUCKETS / RATE_BUCKETS_IN_SET];
        Self {
            hasher: SipHasher13::new_with_keys(a, b),
            call_ns,
            burst_ns: call_ns * u64::from(rate.burst.max(1)),
            sets: Mutex::new(sets.into()),
        }
    }

    /// Takes one call out of the bucket of that name, or says after how long there will be one. A
    /// clock that steps back leaves a bucket empty at worst.
    fn take(&self, name: &[u8], now: Duration) -> Result<(), Duration> {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let name = self.hasher.hash(name);
        let mut sets = self.sets.lock();
        let count = u64::try_from(sets.len()).unwrap_or(u64::MAX);
        let set = usize::try_from(name % count).unwrap_or_default();
        let set = sets.get_mut(set).into_iter().flatten();
        // Its own, else the one that is full again first.
        let Some(bucket) = set.min_by_key(|one| (one.name != name, one.full_at_ns)) else {
            return Ok(());
        };
        let known = bucket.name == name;
        let empty_ns = now_ns.saturating_add(self.burst_ns);
        let full_at_ns = if known { bucket.full_at_ns.clamp(now_ns, empty_ns) } else { now_ns };
        let after_ns = full_at_ns + self.call_ns;
        let early_ns = after_ns.saturating_sub(now_ns).saturating_sub(self.burst_ns);
        if early_ns > 0 {
            return Err(Duration::from_nanos(early_ns));
        }
        *bucket = Bucket { name, full_at_ns: after_ns };
        Ok(())
    }
}

/// Chance from the operating system, by way of the standard library's own.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(Rate { per_second: 10, burst: 3 });
        for _ in 0..3 {
            assert_eq!(buckets.take(b"c-1", ms(0)), Ok(()));
        }
        assert_eq!(buckets.take(b"c-1", ms(0)), Err(ms(100)));
        assert_eq!(buckets.take(b"c-1", ms(60)), Err(ms(40)), "a refusal takes nothing");
        assert_eq!(buckets.take(b"c-2", ms(60)), Ok(()), "another's is untouched");
        assert_eq!(buckets.take(b"c-1", ms(100)), Ok(()));
        assert_eq!(buckets.take(b"c-1", ms(100)), Err(ms(100)));
        let taken = (0..9).filter(|_| buckets.take(b"c-1", ms(100_000)).is_ok()).count();
        assert_eq!(taken, 3, "no more than the burst after any rest");
        assert_eq!(buckets.take(b"c-1", ms(100)), Err(ms(100)), "a clock that steps back");
    }

    #[test]
    fn a_crowd_of_names_takes_no_more_room() {
        let buckets = Buckets::new(Rate { per_second: 1, burst: 1 });
        let room = buckets.sets.lock().len() * RATE_BUCKETS_IN_SET;
        for name in 0..3 * RATE_BUCKETS {
            assert_eq!(buckets.take(&name.to_le_bytes(), ms(0)), Ok(()));
        }
        assert_eq!(buckets.sets.lock().len() * RATE_BUCKETS_IN_SET, room);
    }
}
