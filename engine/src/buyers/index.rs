//! Hashes to rows, for names that lie in the rows: what a customer or a key is found by.
//!
//! A grant to somebody new looks a name up in vain and then puts it there. Memory is what that
//! costs: here both are in one line of the cache, where a table that keeps its marks apart from its
//! entries misses twice, and the second time with a write that everything after it has to wait for.
//!
//! Open addressing in buckets of one line, with linear probing from line to line, after D. E.
//! Knuth, *The Art of Computer Programming* 3, section 6.4. Nothing is ever removed, so the first
//! free place ends a search.

use prefetch_index::prefetch_index;

use super::row::NONE;

/// Entries in a bucket, which is a line of the cache.
const BUCKET_ENTRIES: usize = 8;
/// So many of them are used, on the average, before there are more buckets.
const BUCKET_USED: usize = 6;
/// Buckets that are put in their places together.
const BUCKETS_AT_ONCE: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The upper half of the hash. The lower one says where a search begins.
    tag: u32,
    row: u32,
}

const FREE: Entry = Entry { tag: 0, row: NONE };

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket([Entry; BUCKET_ENTRIES]);

const _: () = assert!(size_of::<Bucket>() == 64);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    entries: usize,
}

impl Index {
    /// Nothing, with room for so many entries, which is touched.
    pub(super) fn with_room(entries: usize) -> Self {
        let bucket = Bucket([FREE; BUCKET_ENTRIES]);
        Self { buckets: vec![bucket; entries.div_ceil(BUCKET_USED)], entries: 0 }
    }

    /// Makes room for so many entries in all, and touches it. `hash_of` tells a row's hash.
    pub(super) fn reserve(&mut self, entries: usize, hash_of: impl Fn(u32) -> u64) {
        if entries.div_ceil(BUCKET_USED) <= self.buckets.len() {
            return;
        }
        let old = std::mem::replace(self, Self::with_room(entries));
        self.entries = old.entries;
        // Hashes lie far apart in memory: those of some buckets are fetched together before any is
        // used.
        let mut hashes = Vec::with_capacity(BUCKETS_AT_ONCE * BUCKET_ENTRIES);
        for buckets in old.buckets.chunks(BUCKETS_AT_ONCE) {
            let entries = buckets.iter().flat_map(|bucket| bucket.0);
            let rows = entries.filter(|entry| *entry != FREE).map(|entry| entry.row);
            hashes.extend(rows.map(|row| (hash_of(row), row)));
            hashes.drain(..).for_each(|(hash, row)| self.put(hash, row));
        }
    }

    /// Has the bucket where a search for `hash` begins fetched, while something else is done.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_index(&self.buckets, self.first(hash));
    }

    /// The row under `hash` that is the `same`.
    #[inline]
    pub(super) fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let (before, from) = self.buckets.split_at(self.first(hash));
        for entry in from.iter().chain(before).flat_map(|bucket| &bucket.0) {
            if *entry == FREE {
                return None;
            }
            if entry.tag == tag(hash) && same(entry.row) {
                return Some(entry.row);
            }
        }
        None
    }

    /// Adds a row that is not there. What is outgrown grows by half: to put all entries in their
    /// places again costs more than to copy them.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        if self.buckets.len() * BUCKET_USED <= self.entries {
            self.reserve(self.entries + (self.entries / 2).max(BUCKET_USED), hash_of);
        }
        self.put(hash, row);
        self.entries += 1;
    }

    #[inline]
    fn put(&mut self, hash: u64, row: u32) {
        let first = self.first(hash);
        let (before, from) = self.buckets.split_at_mut(first);
        let mut places = from.iter_mut().chain(before).flat_map(|bucket| &mut bucket.0);
        let free = places.find(|place| **place == FREE).expect("there are more than are used");
        *free = Entry { tag: tag(hash), row };
    }

    /// The bucket where a search begins.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        let share = u64::from(lower(hash)) * self.buckets.len() as u64;
        usize::try_from(share >> 32).expect("a share of the buckets is one of them")
    }
}

#[inline]
fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 32).expect("half of the bits")
}

/// Bits that are not the same in all of a shard ([`SaleCore::shard_of`](crate::sale::SaleCore)).
#[inline]
fn lower(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).expect("half of the bits")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Hashes of which many share their tag, their line, or both.
    fn hashes(seed: u64, count: usize) -> Vec<u64> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut hash = || -> u64 {
            match random.random_range(0..4) {
                0 => random.random_range(0..8),
                1 => random.random_range(0..8) << 32,
                2 => u64::MAX - random.random_range(0..8),
                _ => random.random(),
            }
        };
        (0..count).map(|_| hash()).collect()
    }

    #[test]
    fn every_row_that_was_added_is_found_and_no_other() {
        for seed in 0..32 {
            let hashes = hashes(seed, 1 << (seed % 12));
            let hash_of = |row: u32| hashes[row as usize];
            let mut index = Index::default();
            if seed % 2 == 0 {
                index.reserve(100, hash_of);
            }
            for (&hash, row) in hashes.iter().zip(0..) {
                assert_eq!(index.find(hash, |other| other == row), None, "seed {seed}");
                index.insert(hash, row, hash_of);
            }
            let mut rows: HashMap<u64, Vec<u32>> = HashMap::new();
            for (&hash, row) in hashes.iter().zip(0..) {
                assert_eq!(index.find(hash, |other| other == row), Some(row), "seed {seed}");
                rows.entry(hash).or_default().push(row);
            }
            for (hash, rows) in rows {
                let offered = std::cell::RefCell::new(Vec::new());
                index.find(hash, |row| {
                    offered.borrow_mut().push(row);
                    false
                });
                let offered = offered.into_inner();
                assert!(rows.iter().all(|row| offered.contains(row)), "seed {seed}");
                assert!(offered.iter().all(|row| tag(hash_of(*row)) == tag(hash)), "seed {seed}");
            }
        }
    }

    #[test]
    fn room_that_was_made_is_kept_and_a_line_is_mostly_enough() {
        let hashes: Vec<u64> = {
            let mut random = StdRng::seed_from_u64(7);
            (0..60_000).map(|_| random.random()).collect()
        };
        let hash_of = |row: u32| hashes[row as usize];
        let mut index = Index::with_room(hashes.len());
        let lines = index.buckets.as_ptr();
        for (&hash, row) in hashes.iter().zip(0..) {
            index.insert(hash, row, |_| unreachable!("there is room"));
        }
        assert_eq!((index.buckets.len(), index.buckets.as_ptr()), (10_000, lines));
        let elsewhere = |&(line, entry): &(usize, Entry)| index.first(hash_of(entry.row)) != line;
        let entries = index.buckets.iter().enumerate();
        let entries = entries.flat_map(|(at, bucket)| bucket.0.map(|entry| (at, entry)));
        let moved = entries.filter(|(_, entry)| *entry != FREE).filter(elsewhere).count();
        assert!(moved < 60_000 / 8, "{moved} of 60,000 are not where they belong");
    }
}
