//! All buyers of a drop: its shards, each behind its lock, and who may be known to them.

use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

use super::{Known, Shard};
use crate::limits::SHARDS;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sharded {
    pub(crate) known: Known,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

impl Sharded {
    /// No buyers, with room among the known for about so many.
    pub(crate) fn empty(expected: usize) -> Self {
        Self::of((0..SHARDS).map(|_| Shard::default()).collect(), expected)
    }

    /// The buyers in these shards, with room among the known for about so many.
    pub(crate) fn of(shards: Vec<Shard>, expected: usize) -> Self {
        let known = Known::nobody(expected);
        shards.iter().flat_map(Shard::hashes).for_each(|hash| known.remember(hash));
        let shards = shards.into_iter().map(|shard| CachePadded::new(Mutex::new(shard)));
        Self { known, shards: shards.collect() }
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
