//! The append and the words it moves: batch hand-off, gate, phase mirror.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore;
use crate::Timestamp;
use crate::book::{Counts, Page};
use crate::journal::append::Append;
use crate::journal::gate::{Class, Gate};
use crate::journal::record::{Record, Shown};
use crate::journal::{Room, Stamp};
use crate::phase::{Phase, PhaseMirror};

struct Desk<B> {
    append: Append<B>,
    gate: Gate,
}

fn desk<B>(book: B) -> Arc<Desk<B>> {
    let append = Append::new(book, 1, Timestamp::default(), true);
    Arc::new(Desk { append, gate: Gate::open() })
}

impl<B> Desk<B> {
    fn add(&self, post: impl FnOnce(&mut B) -> bool) -> Option<Stamp> {
        let now = Timestamp::default();
        let post = |book: &mut B, _| {
            if post(book) {
                Ok(Record::Opened { sale: 0, shown: Shown::unknown(Phase::Open) })
            } else {
                Err(())
            }
        };
        self.append.append(&self.gate, now, Room::Own, post).ok()
    }
}

/// A drop without goods.
fn page(phase: Phase) -> Page {
    Page { phase, ..Page::new(Counts::new()) }
}

#[test]
fn every_record_is_in_one_batch() {
    explore("every_record_is_in_one_batch", || {
        let desk = desk(());
        let other = Arc::clone(&desk);
        let thread = thread::spawn(move || other.add(|()| true).unwrap().sequence);
        let mine = desk.add(|()| true).unwrap().sequence;
        let mut seen = Vec::new();
        let mut take = || {
            let mut spare = Vec::new();
            if let Some(batch) = desk.append.take(&desk.gate, &mut spare) {
                seen.extend((batch.first_sequence..).take(batch.records as usize));
            }
        };
        take();
        let theirs = thread.join().unwrap();
        take();
        assert_eq!(seen, [1, 2]);
        assert_eq!(mine + theirs, 3);
    });
}

#[test]
fn the_gate_agrees_with_the_batch() {
    explore("the_gate_agrees_with_the_batch", || {
        let desk = desk(());
        let other = Arc::clone(&desk);
        // Under the model a batch is full with its second record.
        let thread = thread::spawn(move || {
            other.add(|()| true);
            other.add(|()| true);
        });
        let batch = desk.append.take(&desk.gate, &mut Vec::new());
        thread.join().unwrap();
        let waiting = 2 - batch.map_or(0, |batch| batch.records);
        assert_eq!(desk.gate.pass(Class::New).is_err(), waiting == 2);
    });
}

#[test]
fn an_opening_is_recorded_once_and_mirrored() {
    explore("an_opening_is_recorded_once_and_mirrored", || {
        let desk = desk(Phase::Scheduled);
        let mirror = Arc::new(PhaseMirror::new(&page(Phase::Scheduled)));
        let open = |desk: &Desk<Phase>, mirror: &PhaseMirror| {
            desk.add(|phase| {
                let due = *phase == Phase::Scheduled;
                *phase = Phase::Open;
                mirror.set(&page(Phase::Open));
                due
            })
        };
        let (other, other_mirror) = (Arc::clone(&desk), Arc::clone(&mirror));
        let thread = thread::spawn(move || open(&other, &other_mirror).is_some());
        let mine = open(&desk, &mirror).is_some();
        assert_ne!(mine, thread.join().unwrap());
        assert_eq!(mirror.get(), Phase::Open);
    });
}

#[test]
fn who_sees_a_drop_open_reads_no_time_before() {
    explore("who_sees_a_drop_open_reads_no_time_before", || {
        let clock = Arc::new(AtomicU64::new(0));
        let mirror = Arc::new(PhaseMirror::new(&page(Phase::Scheduled)));
        let (other_clock, other) = (Arc::clone(&clock), Arc::clone(&mirror));
        let thread = thread::spawn(move || {
            other_clock.store(1, Ordering::Relaxed);
            other.set(&page(Phase::Open));
        });
        if mirror.get() == Phase::Open {
            assert_eq!(clock.load(Ordering::Relaxed), 1);
        }
        thread.join().unwrap();
    });
}
