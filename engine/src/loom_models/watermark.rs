//! The watermark: leading, following, futures, the committer thread, the latch.

use std::task::{Wake, Waker};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use super::explore;
use crate::journal::watermark::{Interest, Lead, Look, Watermark};

/// A journal's end: what was appended, and a watermark over it.
struct Log {
    appended: AtomicU64,
    watermark: Watermark,
}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self { appended: AtomicU64::new(0), watermark: Watermark::at(0) })
    }

    fn append(&self) -> u64 {
        self.appended.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn commit(&self, lead: Lead<'_>) {
        lead.publish(self.appended.load(Ordering::Acquire));
    }
}

/// A waker that notes that it was called.
struct Called(std::sync::atomic::AtomicBool);

impl Wake for Called {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn whoever_waits_is_led_or_leads() {
    explore("whoever_waits_is_led_or_leads", || {
        let log = Log::new();
        let other = Arc::clone(&log);
        let wait = |log: &Log| {
            let sequence = log.append();
            assert_eq!(log.watermark.wait(sequence, &|lead| log.commit(lead)), Look::Durable);
        };
        let thread = thread::spawn(move || wait(&other));
        wait(&log);
        thread.join().unwrap();
        assert_eq!(log.watermark.durable(), 2);
    });
}

#[test]
fn after_a_latch_nothing_is_acknowledged() {
    explore("after_a_latch_nothing_is_acknowledged", || {
        let log = Log::new();
        let failed = Arc::new(AtomicBool::new(false));
        let wait = |log: &Log, failed: &AtomicBool, fails: bool| {
            let sequence = log.append();
            let look = log.watermark.wait(sequence, &|lead| {
                if fails {
                    failed.store(true, Ordering::Release);
                    lead.latch();
                } else {
                    assert!(!failed.load(Ordering::Acquire), "INVARIANT(J4): no flush after it");
                    log.commit(lead);
                }
            });
            assert_eq!(look == Look::Durable, sequence <= log.watermark.durable());
        };
        let (other, other_failed) = (Arc::clone(&log), Arc::clone(&failed));
        let thread = thread::spawn(move || wait(&other, &other_failed, true));
        wait(&log, &failed, false);
        thread.join().unwrap();
    });
}

#[test]
fn a_future_is_never_forgotten() {
    explore("a_future_is_never_forgotten", || {
        let log = Log::new();
        let sequence = log.append();
        let other = Arc::clone(&log);
        let thread = thread::spawn(move || {
            let look = other.watermark.wait(sequence, &|lead| other.commit(lead));
            assert_eq!(look, Look::Durable);
        });
        let called = std::sync::Arc::new(Called(std::sync::atomic::AtomicBool::new(false)));
        let waker = Waker::from(std::sync::Arc::clone(&called));
        let look = log.watermark.register(sequence, &mut None, &waker, Interest::Watch);
        thread.join().unwrap();
        let woken = called.0.load(Ordering::SeqCst);
        assert_eq!(look == Look::NotYet, woken, "told at once, or woken");
    });
}

#[test]
fn the_committer_serves_every_demand_and_ends() {
    explore("the_committer_serves_every_demand_and_ends", || {
        let log = Log::new();
        let committer = Arc::clone(&log);
        let thread = thread::spawn(move || {
            committer.watermark.serve(&|lead| committer.commit(lead));
        });
        log.append();
        log.watermark.demand();
        log.watermark.stop();
        thread.join().unwrap();
        assert_eq!(log.watermark.durable(), 1);
    });
}

#[test]
fn a_leader_and_the_committer_take_turns() {
    explore("a_leader_and_the_committer_take_turns", || {
        let log = Log::new();
        let committer = Arc::clone(&log);
        let thread = thread::spawn(move || {
            committer.watermark.serve(&|lead| committer.commit(lead));
        });
        let sequence = log.append();
        log.watermark.demand();
        let look = log.watermark.wait(sequence, &|lead| log.commit(lead));
        assert_eq!(look, Look::Durable);
        log.watermark.stop();
        thread.join().unwrap();
    });
}
