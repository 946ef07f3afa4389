//! A damaged snapshot is passed over, wherever the damage is; or, where nothing else is left, the
//! engine does not start.

use super::medium::Medium;
use super::state;
use super::work::Work;
use crate::Error;
use crate::journal::{FileName, Storage, snapshots};
use crate::snapshot::load::{is_whole, load};
use crate::snapshot::{make_snapshot, newest};

/// A journal with two snapshots, and the work that made it.
fn two_snapshots(seed: u64) -> (Work, u64, u64) {
    let mut work = Work::new(seed);
    let engine = work.open(u64::MAX);
    work.run(&engine, 120);
    make_snapshot(&work.medium).unwrap().unwrap();
    work.run(&engine, 60);
    make_snapshot(&work.medium).unwrap().unwrap();
    work.run(&engine, 60);
    drop(engine);
    let all = snapshots(&work.medium).unwrap();
    (work, all[0], all[1])
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (work, older, newer) = two_snapshots(7);
    let name = FileName::Snapshot(newer);
    let whole = work.medium.bytes(name);
    assert!(whole.len() > 4_000 && is_whole(&work.medium, newer));
    assert!(load(&work.medium, newer).is_ok());
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        work.medium.set(name, bytes);
        assert!(!is_whole(&work.medium, newer), "bit {bit}");
        if bit % 37 == 0 {
            assert!(load(&work.medium, newer).is_err(), "bit {bit}");
        }
    }
    for length in 0..whole.len() {
        work.medium.set(name, whole[..length].to_vec());
        assert!(!is_whole(&work.medium, newer), "cut at {length}");
        assert!(length % 5 != 0 || load(&work.medium, newer).is_err(), "cut at {length}");
    }
    work.medium.set(name, [whole.as_slice(), &[0]].concat());
    assert!(load(&work.medium, newer).is_err(), "one byte more");
    // The bytes of another snapshot under its name.
    work.medium.set(name, work.medium.bytes(FileName::Snapshot(older)));
    assert!(load(&work.medium, newer).is_err());
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_then_for_the_journal() {
    let (work, older, newer) = two_snapshots(8);
    let expected = state(&work.medium, false);
    for damaged in [vec![newer], vec![newer, older]] {
        let medium = work.medium.fork();
        for &sequence in &damaged {
            let mut bytes = medium.bytes(FileName::Snapshot(sequence));
            bytes[100] ^= 4;
            medium.set(FileName::Snapshot(sequence), bytes);
        }
        let found = newest(&medium).unwrap();
        assert_eq!(found.passed_over.len(), damaged.len());
        assert!(found.passed_over[0].contains("byte 72: a wrong checksum"), "{found:?}");
        assert!(state(&medium, true) == expected);
        let engine = work.open_on(&medium, u64::MAX);
        assert_eq!(engine.snapshots_passed_over(), found.passed_over);
        drop(engine);
        // The next maker replaces what is damaged.
        make_snapshot(&medium).unwrap().unwrap();
        assert!(newest(&medium).unwrap().passed_over.is_empty());
    }
}

/// Without the journal's beginning.
fn shortened(medium: &Medium) -> Medium {
    let medium = medium.fork();
    let first = crate::journal::segments(&medium).unwrap()[0];
    medium.remove(FileName::Segment(first)).unwrap();
    medium
}

#[test]
fn where_the_journal_is_gone_a_snapshot_that_cannot_be_read_refuses_to_start() {
    let (work, older, newer) = two_snapshots(9);
    let start = |medium: &Medium| {
        let options = crate::Engine::options().storage(std::sync::Arc::new(medium.clone()));
        options.background(false).open().map(drop)
    };
    let medium = shortened(&work.medium);
    assert!(state(&medium, true) == state(&work.medium, false), "a snapshot covers what is gone");
    for sequence in [older, newer] {
        medium.set(FileName::Snapshot(sequence), vec![1; 600]);
    }
    let Err(Error::Corrupt(corruption)) = start(&medium) else { panic!("it started") };
    assert!(corruption.file.starts_with("Segment"), "{corruption:?}");
    let names = format!("Snapshot({newer}): byte 0: no section");
    assert!(corruption.why.contains(&names), "{corruption:?}");
    // All segments gone: the names alone say that there was something.
    for id in crate::journal::segments(&medium).unwrap() {
        medium.remove(FileName::Segment(id)).unwrap();
    }
    let Err(Error::Corrupt(corruption)) = start(&medium) else { panic!("it started") };
    assert!(corruption.why.contains(&format!("records 1 to {newer} were durable")));
    // And a good one whose segment is gone is no end of the journal.
    let medium = shortened(&work.medium);
    for id in crate::journal::segments(&medium).unwrap() {
        medium.remove(FileName::Segment(id)).unwrap();
    }
    assert!(matches!(start(&medium), Err(Error::Corrupt(_))));
}

#[test]
fn a_snapshot_that_lies_is_told_by_the_audit() {
    let (work, _, newer) = two_snapshots(10);
    let (origin, mut replay) = load(&work.medium, newer).unwrap();
    let page = replay.book.page_mut(0);
    page.orders += 1;
    let mut bytes = Vec::new();
    super::write(&mut bytes, origin, &replay, &mut |_, _| ()).unwrap();
    work.medium.set(FileName::Snapshot(newer), bytes);
    let compared = super::compare(&work.medium).unwrap();
    assert_eq!(compared.wrong.len(), 1);
    assert_eq!(compared.wrong[0].0, newer);
    assert!(compared.wrong[0].1.contains("differs from what the journal comes to"));
}
