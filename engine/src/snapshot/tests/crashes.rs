//! The machine stops at every call of a maker of snapshots, and of whoever stores a state.

use super::medium::{Medium, Unflushed};
use super::work::Work;
use super::{Pace, assert_same_state, state};
use crate::journal::Storage;
use crate::journal::{FileName, snapshots};
use crate::snapshot::make_snapshot;

const AFTERMATHS: [Unflushed; 3] = [Unflushed::Kept, Unflushed::Lost, Unflushed::Torn];

/// A crash at every call of `make` leaves a directory that comes to `expected`, at least as much.
fn crash_everywhere(ground: &Medium, make: &dyn Fn(&Medium)) {
    let expected = state(ground, false);
    let whole = ground.fork();
    let before = whole.calls();
    make(&whole);
    let calls = whole.calls() - before;
    assert!(calls > 8, "{calls}");
    for call in 0..calls {
        for unflushed in AFTERMATHS {
            let what = format!("call {call} of {calls}, {unflushed:?}");
            let medium = ground.fork();
            medium.die_after(call);
            make(&medium);
            medium.lose_power(unflushed);
            assert_same_state(&medium, &what);
            assert!(state(&medium, true) == expected, "{what}");
            // What was left half-done keeps nobody from making it again.
            make_snapshot(&medium).unwrap().unwrap();
            assert!(super::newest(&medium).unwrap().passed_over.is_empty(), "{what}");
            assert_same_state(&medium, &what);
        }
    }
}

#[test]
fn a_crash_while_a_snapshot_is_made_loses_nothing() {
    let mut work = Work::new(21);
    let engine = work.open(u64::MAX);
    work.run(&engine, 150);
    make_snapshot(&work.medium).unwrap().unwrap();
    work.run(&engine, 50);
    make_snapshot(&work.medium).unwrap().unwrap();
    work.run(&engine, 50);
    drop(engine);
    crash_everywhere(&work.medium, &|medium| drop(make_snapshot(medium)));
}

#[test]
fn a_crash_while_a_state_is_stored_loses_nothing() {
    let mut work = Work::new(22);
    let engine = work.open(u64::MAX);
    work.run(&engine, 200);
    drop(engine);
    let stored = |medium: &Medium| {
        let end = super::super::load::Loaded::default();
        let vouched = crate::journal::beside::vouched_beside(medium, end.origin).unwrap();
        let (replay, origin) = super::replay_to(medium, end, vouched, &Pace::FULL).unwrap();
        let _ = crate::snapshot::store(medium, origin, &replay);
    };
    crash_everywhere(&work.medium, &stored);
}

#[test]
fn an_engine_stores_what_is_worth_it_when_it_ends_and_never_what_failed() {
    let mut work = Work::new(23);
    let engine = work.open(20);
    work.run(&engine, 100);
    drop(engine);
    let made = snapshots(&work.medium).unwrap();
    assert_eq!(made.len(), 1);
    drop(work.open(20));
    assert_eq!(snapshots(&work.medium).unwrap(), made, "a start alone is not worth it");
    let engine = work.open(20);
    work.run(&engine, 100);
    work.medium.die_after(0);
    drop(engine);
    work.medium.lose_power(Unflushed::Kept);
    assert_eq!(snapshots(&work.medium).unwrap(), made);
    assert!(work.medium.list().unwrap().contains(&FileName::Snapshot(made[0])));
}
