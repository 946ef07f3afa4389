//! How long an endpoint that failed is left alone.

use ring::rand::{SystemRandom, generate};

use crate::limits::{WEBHOOK_BACKOFF_FIRST_MS, WEBHOOK_BACKOFF_MAX_MS};

/// Doublings after which the longest time is reached for certain.
const DOUBLINGS_MAX: u32 = 32;
const _: () = assert!(WEBHOOK_BACKOFF_FIRST_MS << DOUBLINGS_MAX > WEBHOOK_BACKOFF_MAX_MS);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One failure more: how long to wait now, in milliseconds, if the endpoint asked for at least
    /// `asked_ms`.
    pub(super) fn failed(&mut self, asked_ms: u64) -> u64 {
        let wait_ms = wait_ms(self.failures, asked_ms, random());
        self.failures = self.failures.saturating_add(1);
        wait_ms
    }
}

/// Half of a time that doubles with every failure, and a random part of the other half, so that
/// endpoints which failed together do not come back together.
fn wait_ms(failures: u32, asked_ms: u64, random: u64) -> u64 {
    let whole =
        (WEBHOOK_BACKOFF_FIRST_MS << failures.min(DOUBLINGS_MAX)).min(WEBHOOK_BACKOFF_MAX_MS);
    let half = whole / 2;
    (half + random % (half + 1)).max(asked_ms).min(WEBHOOK_BACKOFF_MAX_MS)
}

/// A number that need not be secret: where the system has none, there is no jitter.
fn random() -> u64 {
    generate(&SystemRandom::new()).map_or(0, |bytes| u64::from_le_bytes(bytes.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_cap_and_half_of_it_is_chance() {
        for (failures, most) in [(0, 1_000), (1, 2_000), (5, 32_000), (8, 256_000), (9, 300_000)] {
            assert_eq!(wait_ms(failures, 0, 0), most / 2, "{failures}");
            assert_eq!(wait_ms(failures, 0, most / 2), most, "{failures}");
        }
        for failures in [10, 31, 32, 33, u32::MAX] {
            assert_eq!(wait_ms(failures, 0, 0), WEBHOOK_BACKOFF_MAX_MS / 2);
        }
    }

    #[test]
    fn what_the_endpoint_asks_for_counts_up_to_the_cap() {
        assert_eq!(wait_ms(0, 120_000, 0), 120_000);
        assert_eq!(wait_ms(9, 1_000, 0), 150_000);
        assert_eq!(wait_ms(0, u64::MAX, 0), WEBHOOK_BACKOFF_MAX_MS);
        let mut backoff = Backoff::default();
        let waits = [(); 4].map(|()| backoff.failed(0));
        for (wait, whole) in waits.into_iter().zip([1_000, 2_000, 4_000, 8_000]) {
            assert!((whole / 2..=whole).contains(&wait), "{waits:?}");
        }
    }
}
