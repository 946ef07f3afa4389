//! All buyers of a drop: its shards, each behind its lock, and who may be known to them.

use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

use super::{Known, Shard};
use crate::fault::{Fault, planted};
use crate::limits::{FILLED_AT_ONCE, SHARDS};

/// See the module.
#[derive(Debug)]
pub(crate) struct Sharded {
    known: Known,
    /// Shards whose buyers are in the filter.
    filled: Mutex<u8>,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

impl Sharded {
    /// No buyers, with room among the known for about so many.
    pub(crate) fn empty(expected: usize) -> Self {
        Self::of((0..SHARDS).map(|_| Shard::default()).collect(), expected)
    }

    /// The buyers in these shards, with room among the known for about so many.
    pub(crate) fn of(shards: Vec<Shard>, expected: usize) -> Self {
        let shards = shards.into_iter().map(|shard| CachePadded::new(Mutex::new(shard)));
        let (known, filled) = (Known::unfilled(expected), Mutex::new(0));
        Self { known, filled, shards: shards.collect() }
    }

    /// Whether a customer may be known; `false` is certain.
    #[inline]
    pub(crate) fn may_know(&self, hash: u64) -> bool {
        self.known.may_know(hash)
    }

    /// INVARIANT(K1): before units are taken for a customer of this shard, which is locked.
    #[inline]
    pub(crate) fn remember(&self, shard: &Shard, hash: u64) {
        if shard.is_in_filter() && !planted(Fault::KnownForgotten) {
            self.known.remember(hash);
        }
    }

    /// Somebody heard *sold out*: more buyers get into the filter, unless somebody else is about
    /// it.
    #[inline]
    pub(crate) fn fill_filter(&self) {
        if !self.known.is_complete() {
            self.fill_slow();
        }
    }

    #[cold]
    fn fill_slow(&self) {
        let Some(mut filled) = self.filled.try_lock() else { return };
        let mut buyers = 0;
        for shard in self.shards.get(usize::from(*filled)..).into_iter().flatten() {
            if FILLED_AT_ONCE <= buyers {
                return; // the next who is refused goes on
            }
            if *filled > 0 && planted(Fault::FilterOfOneShard) {
                break;
            }
            buyers += shard.lock().get_into(&self.known);
            *filled += 1;
        }
        self.known.complete();
    }

    /// A shard, locked.
    #[inline]
    pub(crate) fn shard(&self, index: u8) -> MutexGuard<'_, Shard> {
        self.shards.get(usize::from(index)).expect("a slot names a shard").lock()
    }

    /// All shards, locked one after another.
    pub(crate) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock())
    }
}
