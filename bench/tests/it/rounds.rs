//! A short hammer of every profile. A failure names profile and seed.

use jangteo_bench::hammer::{Round, Tally, play};
use jangteo_bench::plan::Profile;

fn rounds(profile: Profile, seeds: u64, commands: u32) -> Tally {
    let mut tally = Tally::default();
    for seed in 1..=seeds {
        let round = Round { profile, seed, clients: 4, commands, directory: None };
        tally += play(&round).unwrap_or_else(|failure| panic!("{failure}"));
    }
    tally
}

#[test]
fn no_profile_finds_a_violation_in_memory() {
    for profile in Profile::ALL {
        let tally = rounds(profile, 3, 3_000);
        assert!(tally.operations >= 36_000, "{}: {tally:?}", profile.name());
        assert!(tally.changes > 500, "{}: {tally:?}", profile.name());
    }
}

#[test]
fn everything_acknowledged_comes_back_after_a_restart_under_every_profile() {
    for profile in Profile::ALL {
        let directory = tempfile::tempdir().unwrap();
        let directory = Some(directory.path());
        let round = Round { profile, seed: 7, clients: 4, commands: 1_500, directory };
        play(&round).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn no_single_is_refused_beside_doomed_baskets() {
    let tally = rounds(Profile::DoomedBaskets, 10, 5_000);
    assert!(tally.undone > 10_000, "too few baskets were undone: {tally:?}");
}
