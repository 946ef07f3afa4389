//! The rungs of the ladder, each a few steps up: the long way is `ladder`'s own.

use jangteo_bench::bit_flips::{End, Flips, Journal};
use jangteo_bench::charity;
use jangteo_bench::crash_states::try_all;
use jangteo_bench::faulty::Trouble;
use jangteo_bench::full_disk::fill;
use jangteo_bench::io_faults::{calls, fail};
use jangteo_bench::retention::drop_old;
use jangteo_bench::simulation::{play, run, shrink};

#[test]
fn no_seed_finds_a_violation_and_each_sees_enough() {
    for seed in 1..=6 {
        let played = run(seed).unwrap_or_else(|found| panic!("seed {seed}: {}", found.violation));
        assert!(played.is_conclusive(), "seed {seed}: {played:?}");
    }
}

#[test]
fn a_seed_is_played_twice_in_exactly_the_same_way() {
    let digests = |seed| [run(seed), run(seed)].map(|played| played.unwrap().digest);
    for seed in [1, 77] {
        let [first, second] = digests(seed);
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(digests(1)[0], digests(77)[0]);
}

#[test]
fn steps_that_are_left_out_change_no_other() {
    let all = run(3).unwrap();
    let none = play(3, &|_| false).unwrap();
    assert_eq!(none.operations, 0);
    let same = play(3, &|_| true).unwrap();
    assert_eq!((same.digest, same.steps), (all.digest, all.steps));
}

#[test]
fn a_failure_is_shrunk_to_the_steps_it_needs() {
    // A failure that needs no step at all: the harness's own, at the end of a run.
    let trouble = jangteo_bench::simulation::Trouble {
        violation: jangteo_bench::violation::Violation::of("none", "nothing breaks this"),
        step: 20,
    };
    let shrunk = shrink(5, trouble);
    assert_eq!(shrunk.steps.len(), 20, "a failure that does not come again keeps every step");
    assert!(shrunk.plays > 0);
}

#[test]
fn the_engine_comes_back_from_every_crash_state() {
    for seed in 1..=2 {
        let tried = try_all(seed).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(tried.states > 500 && tried.cut > 400, "{tried:?}");
        assert!(tried.lost > 30 && tried.torn > 100 && tried.again > 50, "{tried:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_whichever_call_fails() {
    let calls = calls().unwrap();
    assert!(calls > 300, "{calls} calls");
    let mut happened = 0;
    for call in (1..=calls).step_by(23) {
        for trouble in Trouble::TOLD {
            let seen = fail(&[(call, trouble)], call.is_multiple_of(5))
                .unwrap_or_else(|violation| panic!("{violation}"));
            happened += seen.happened;
        }
    }
    assert!(happened > calls / 10, "{happened} of {calls} calls");
}

#[test]
fn every_hold_can_end_on_a_disk_that_is_full() {
    for segments in 1..=20 {
        let filled = fill(segments).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(filled.holds > 3, "{segments}: {filled:?}");
    }
}

#[test]
fn flipped_bits_are_found_or_lie_where_nothing_is() {
    for end in End::ALL {
        let journal = Journal::of(16 << 10, end).unwrap();
        let mut sum = Flips::default();
        for bit in (0..journal.bits()).step_by(397) {
            let flips = journal.flip(bit).unwrap_or_else(|violation| panic!("{violation}"));
            sum = sum.plus(&flips);
        }
        assert!(sum.found > sum.bits / 4, "{sum:?}");
        assert_eq!(sum.found + sum.harmless + sum.torn, sum.bits);
    }
}

#[test]
fn what_is_old_is_dropped_and_every_crash_of_that_leaves_a_directory_that_starts() {
    for seed in 1..=3 {
        let tried = drop_old(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        assert!(tried.dropped > 0 && tried.calls >= 2 * tried.dropped, "seed {seed}: {tried:?}");
    }
}

#[test]
fn a_settlement_is_what_a_second_implementation_counts() {
    for seed in 1..=20 {
        let report = charity::settle(seed).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
        assert!(report.total.ledger.iter().all(|row| row.settled > 0 && row.adjustment == 0));
    }
}
