//! The watermark: up to which sequence is everything on disk? And who waits for it to move.
//!
//! **Owns** one atomic word, and the mutex under which it moves.
//!
//! # Word
//!
//! Bits 0-62: the last durable sequence. Bit 63, `LATCHED`: a write or flush failed; the sequence
//! never moves again (J4).
//!
//! # Rules
//!
//! 1. The word changes only under the mutex, and only upwards.
//! 2. At most one thread leads (commits) at a time. Leadership is taken and given back under the
//!    mutex, in the same step as the word moves: a waiter that finds a leader is told when he ends.
//! 3. A thread that blocks leads by itself if nobody does. A future never blocks: it leaves its
//!    waker and asks for a leader, which is the committer thread; or, if it was told that its own
//!    thread will flush ([`Interest::Watch`]), asks nobody.
//! 4. A leader that panics leaves the word latched, not the waiters hanging.
//!
//! # Orderings
//!
//! | operation | ordering | partner | why not weaker |
//! |---|---|---|---|
//! | store in `publish`, `latch` | release | load in `look` | who sees the sequence durable may read what the flush wrote |
//! | load in `look` | acquire | those stores | likewise |

use std::collections::BTreeMap;
use std::task::Waker;

use crate::fault::{Fault, planted};
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering, wait_on};

const LATCHED: u64 = 1 << 63;

/// What the watermark says about one sequence.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Durable,
    NotYet,
    /// Never known: a write or flush failed before it was durable.
    Unknown,
}

/// Whether a future needs somebody else to flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Ask the committer thread to flush.
    Demand,
    /// Only be told: the caller sees to it that a flush comes.
    Watch,
}

#[derive(Debug, Default)]
struct Waiting {
    leading: bool,
    demanded: bool,
    stopping: bool,
    /// By sequence, and apart from that in the order of coming.
    wakers: BTreeMap<(u64, u64), Waker>,
    next_place: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watermark {
    word: AtomicU64,
    waiting: Mutex<Waiting>,
    /// A leader ended: wakes blocked threads.
    moved: Condvar,
    /// Somebody asked for a flush, or the engine stops: wakes the committer thread.
    demanded: Condvar,
}

impl Watermark {
    pub(crate) fn at(sequence: u64) -> Self {
        Self {
            word: AtomicU64::new(sequence),
            waiting: Mutex::new(Waiting::default()),
            moved: Condvar::new(),
            demanded: Condvar::new(),
        }
    }

    #[inline]
    pub(crate) fn look(&self, sequence: u64) -> Look {
        // Acquire: pairs with the release stores in `publish` and `latch`.
        let word = self.word.load(Ordering::Acquire);
        if sequence <= word & !LATCHED {
            Look::Durable
        } else if word & LATCHED == 0 {
            Look::NotYet
        } else {
            Look::Unknown
        }
    }

    /// The last durable sequence.
    pub(crate) fn durable(&self) -> u64 {
        self.word.load(Ordering::Acquire) & !LATCHED
    }

    /// Blocks until `sequence` is durable or never will be, leading with `commit` when nobody does.
    pub(crate) fn wait(&self, sequence: u64, commit: &dyn Fn(Lead<'_>)) -> Look {
        loop {
            match self.look(sequence) {
                Look::NotYet => {}
                decided => return decided,
            }
            let mut waiting = self.waiting.lock();
            if self.look(sequence) != Look::NotYet {
                continue; // moved before the lock was ours
            }
            if waiting.leading && !planted(Fault::SecondLeader) {
                drop(wait_on(&self.moved, waiting));
            } else {
                waiting.leading = true;
                drop(waiting);
                commit(Lead { watermark: self, ended: false });
            }
        }
    }

    /// Leaves `waker` to be woken when `sequence` is decided; returns at once if it is. `place` is
    /// where this waiter left its waker before, if it did, and is told where it is now.
    ///
    /// Once the committer thread is about to end, nothing is left: the waiter has to lead itself.
    pub(crate) fn register(
        &self,
        sequence: u64,
        place: &mut Option<u64>,
        waker: &Waker,
        interest: Interest,
    ) -> Look {
        match self.look(sequence) {
            Look::NotYet => {}
            decided => return decided,
        }
        let mut before = None; // dropped after the lock: it may be the last owner of anything
        let mut waiting = self.waiting.lock();
        let look = self.look(sequence);
        if look == Look::NotYet && !waiting.stopping {
            let next = waiting.next_place;
            let at = *place.get_or_insert(next);
            waiting.next_place = next.max(at + 1);
            before = waiting.wakers.insert((sequence, at), waker.clone());
            if interest == Interest::Demand {
                self.demand_locked(&mut waiting);
            }
        }
        drop(waiting);
        drop(before);
        look
    }

    /// Takes a waker back: nobody waits for it any more.
    pub(crate) fn forget(&self, sequence: u64, place: u64) {
        let waker = self.waiting.lock().wakers.remove(&(sequence, place));
        drop(waker); // after the lock: it may be the last owner of anything
    }

    /// Whether the committer thread has ended, or is about to.
    pub(crate) fn is_stopping(&self) -> bool {
        self.waiting.lock().stopping
    }

    /// Asks the committer thread for a flush.
    pub(crate) fn demand(&self) {
        self.demand_locked(&mut self.waiting.lock());
    }

    fn demand_locked(&self, waiting: &mut MutexGuard<'_, Waiting>) {
        if !waiting.demanded {
            waiting.demanded = true;
            self.demanded.notify_all();
        }
    }

    /// Leads with `commit` whenever a flush is demanded, until [`Watermark::stop`].
    pub(crate) fn serve(&self, commit: &dyn Fn(Lead<'_>)) {
        self.lead(commit, true);
    }

    /// Likewise, until none is demanded: for a journal that nobody serves.
    pub(crate) fn serve_once(&self, commit: &dyn Fn(Lead<'_>)) {
        self.lead(commit, false);
    }

    fn lead(&self, commit: &dyn Fn(Lead<'_>), stay: bool) {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.leading {
                waiting = wait_on(&self.moved, waiting);
            } else if waiting.demanded {
                waiting.demanded = planted(Fault::DemandSwallowed);
                waiting.leading = true;
                drop(waiting);
                commit(Lead { watermark: self, ended: false });
                waiting = self.waiting.lock();
                if planted(Fault::DemandSwallowed) {
                    waiting.demanded = false;
                }
            } else if waiting.stopping || !stay {
                return;
            } else {
                waiting = wait_on(&self.demanded, waiting);
            }
        }
    }

    /// Lets [`Watermark::serve`] return once nothing is demanded, and wakes everybody who left a
    /// waker: what they wait for may never be appended.
    pub(crate) fn stop(&self) {
        let mut waiting = self.waiting.lock();
        waiting.stopping = true;
        let wakers = std::mem::take(&mut waiting.wakers);
        self.demanded.notify_all();
        self.moved.notify_all();
        drop(waiting);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Moves the word from `waiting`'s lock, ends the leadership, and wakes who is concerned.
    fn end(&self, word: u64) {
        let mut waiting = self.waiting.lock();
        // INVARIANT(J4): a latched word never moves again.
        let before = self.word.load(Ordering::Relaxed);
        if before & LATCHED == 0 {
            assert!(word & !LATCHED >= before, "the watermark moves upwards");
            // Release: what the flush made durable; pairs with the acquire in `look`.
            self.word.store(word, Ordering::Release);
        }
        waiting.leading = false;
        let latched = self.word.load(Ordering::Relaxed) & LATCHED != 0;
        let undecided = if latched { u64::MAX } else { self.durable() + 1 };
        let undecided = undecided - u64::from(planted(Fault::WakerLeftBehind));
        let still = waiting.wakers.split_off(&(undecided, 0));
        let wakers = std::mem::replace(&mut waiting.wakers, still);
        if !planted(Fault::LostWake) {
            self.moved.notify_all();
        }
        if waiting.demanded || waiting.stopping {
            self.demanded.notify_all();
        }
        drop(waiting);
        wakers.into_values().for_each(Waker::wake);
    }
}

/// The right to commit, held by one thread at a time. Dropped without a word (a panic), it latches.
#[derive(Debug)]
pub(crate) struct Lead<'a> {
    watermark: &'a Watermark,
    ended: bool,
}

impl Lead<'_> {
    /// Everything up to `sequence` is on disk.
    pub(crate) fn publish(mut self, sequence: u64) {
        self.ended = true;
        self.watermark.end(sequence);
    }

    /// A write or flush failed: nothing beyond the watermark will ever be known.
    pub(crate) fn latch(self) {
        drop(self);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.watermark.end(self.watermark.durable() | LATCHED);
        }
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, StdOrdering::SeqCst);
        }
    }

    #[test]
    fn a_lone_waiter_leads() {
        let watermark = Watermark::at(0);
        let commits = Cell::new(0);
        let look = watermark.wait(3, &|lead| {
            commits.set(commits.get() + 1);
            lead.publish(commits.get() * 2);
        });
        assert_eq!((look, commits.get(), watermark.durable()), (Look::Durable, 2, 4));
    }

    #[test]
    fn a_latch_answers_what_waits_and_keeps_what_was_durable() {
        let watermark = Watermark::at(5);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert_eq!(watermark.register(9, &mut None, &waker, Interest::Watch), Look::NotYet);
        assert_eq!(watermark.wait(6, &|lead| lead.latch()), Look::Unknown);
        assert_eq!(count.0.load(StdOrdering::SeqCst), 1);
        assert_eq!(watermark.look(5), Look::Durable);
        assert_eq!(watermark.wait(6, &|lead| lead.publish(100)), Look::Unknown);
        assert_eq!(watermark.durable(), 5);
    }

    #[test]
    fn a_leader_that_panics_latches() {
        let watermark = Watermark::at(0);
        let wait = || watermark.wait(1, &|_lead| panic!("planted"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).is_err());
        assert_eq!(watermark.look(1), Look::Unknown);
    }

    #[test]
    fn whoever_waits_for_what_never_comes_is_woken_at_the_end() {
        let watermark = Watermark::at(5);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert_eq!(watermark.register(6, &mut None, &waker, Interest::Watch), Look::NotYet);
        watermark.stop();
        assert_eq!(count.0.load(StdOrdering::SeqCst), 1);
        assert!(watermark.is_stopping());
    }

    #[test]
    fn only_those_whose_record_is_durable_are_woken() {
        let watermark = Watermark::at(0);
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        for (sequence, count) in [1, 2].into_iter().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            assert_eq!(
                watermark.register(sequence, &mut None, &waker, Interest::Watch),
                Look::NotYet
            );
        }
        assert_eq!(watermark.wait(1, &|lead| lead.publish(1)), Look::Durable);
        assert_eq!(counts.each_ref().map(|count| count.0.load(StdOrdering::SeqCst)), [1, 0]);
    }
}
