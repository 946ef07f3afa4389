//! Who may be known to a drop: a filter of customers' hashes that is read without a lock.
//!
//! Almost everybody who comes when all is sold was never granted anything: no key of theirs is
//! remembered and no unit counts for their limit, so what is left to say is *sold out*, and that
//! needs no shard. The filter tells them from the others with one load. Who is taken for known and
//! is not (at the end of a sale of 2,000 units one in 200, of very many units one in twenty) goes
//! the way through the shard and hears the same.
//!
//! While there is enough for everybody nobody asks the filter, and a grant leaves it alone: the
//! first who hear *sold out* fill it from the shards, each some thousands
//! ([`Sharded`](super::Sharded)). Until it is complete everybody may be known.
//!
//! After B. H. Bloom, *Space/time trade-offs in hash coding with allowable errors*, 1970; both bits
//! of a customer are in one word.
//!
//! # Words
//!
//! 64 bits, each meaning: a customer with this hash may be known. And one that says that every
//! shard's customers are in the others.
//!
//! # Rules
//!
//! 1. Bits are set, never cleared.
//! 2. INVARIANT(K1): a customer's bits are set *before* units are taken for that customer, and read
//!    *after* the word was seen short. So somebody who is told *sold out* because their own request,
//!    sent twice, took the last unit is found to be known, and waits for that request's answer.
//! 3. INVARIANT(K1): a shard's customers get their bits, and from then on whoever is granted
//!    something gets them as rule 2 says, in one step under the shard's lock. The filter is
//!    complete after the last shard, never before.
//!
//! # Orderings
//!
//! | operation | ordering | partner | why not weaker |
//! |---|---|---|---|
//! | bits set and read | relaxed | | the stock word carries them: taking units is a release and looking at a word an acquire (`stock/cell.rs`), so who sees the word after a take sees what was set before it |
//! | store in `complete` | release | load in `may_know` | who sees the filter complete sees the bits of everybody who was granted something before it was |
//! | load in `may_know` | acquire | that store | likewise |

use crate::limits::{KNOWN_BITS_EACH, KNOWN_WORDS_MIN};
use crate::sync::{AtomicU8, AtomicU64, Ordering};

/// See the module.
#[derive(Debug)]
pub(crate) struct Known {
    words: Box<[AtomicU64]>,
    complete: AtomicU8,
}

impl Known {
    /// A filter to be filled, with room for about so many.
    pub(crate) fn unfilled(customers: usize) -> Self {
        let words = (customers * KNOWN_BITS_EACH).div_ceil(64).max(KNOWN_WORDS_MIN);
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self { words, complete: AtomicU8::new(0) }
    }

    /// Everybody who was granted something is in it, and will be.
    pub(crate) fn complete(&self) {
        // Release: pairs with the load in `may_know`.
        self.complete.store(1, Ordering::Release);
    }

    /// Whether nothing is left to be filled.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        // Acquire: pairs with the store in `complete`.
        self.complete.load(Ordering::Acquire) != 0
    }

    /// The word and the two bits of a hash.
    #[inline]
    fn place(&self, hash: u64) -> (&AtomicU64, u64) {
        let [.., a, b, _, _, _, _] = hash.to_be_bytes();
        let share = u128::from(hash.rotate_left(32)) * (self.words.len() as u128);
        let word = usize::try_from(share >> 64).ok().and_then(|index| self.words.get(index));
        (word.expect("a share of the words is one of them"), 1 << (a % 64) | 1 << (b % 64))
    }

    /// Sets a customer's bits.
    pub(crate) fn remember(&self, hash: u64) {
        let (word, bits) = self.place(hash);
        word.fetch_or(bits, Ordering::Relaxed);
    }

    /// Whether a customer may be known; `false` is certain.
    #[inline]
    pub(crate) fn may_know(&self, hash: u64) -> bool {
        if !self.is_complete() {
            return true;
        }
        let (word, bits) = self.place(hash);
        word.load(Ordering::Relaxed) & bits == bits
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;

    #[test]
    fn whoever_was_remembered_is_known_and_few_others_are() {
        let hash = |n: u64| SipHasher13::new().hash(&n.to_le_bytes());
        let known = Known::unfilled(10_000);
        (0..10_000).for_each(|n| known.remember(hash(n)));
        assert!((0..20_000).all(|n| known.may_know(hash(n))), "it is not complete");
        known.complete();
        assert!((0..10_000).all(|n| known.may_know(hash(n))));
        let taken_for_known = (10_000..110_000).filter(|&n| known.may_know(hash(n))).count();
        assert!(taken_for_known < 15_000, "{taken_for_known} of 100,000");
    }
}
