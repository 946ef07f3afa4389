//! A crash at every flush, and at other bad moments. A failure names blow and seed.

use jangteo_bench::crash::{Blow, Seen, strike};

fn sound(seed: u64, blow: Blow) -> Seen {
    strike(seed, blow).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn nothing_shown_is_lost_with_the_power() {
    for seed in 1..=30 {
        let seen = sound(seed, Blow::PowerLoss);
        assert!(seen.shown > 0 && seen.unanswered > 0, "seed {seed} shows nothing: {seen:?}");
    }
}

#[test]
fn nothing_shown_is_lost_wherever_the_process_dies() {
    let flushes = sound(1, Blow::PowerLoss).flushes;
    for number in 1..=flushes {
        sound(1, Blow::DeathAtFlush(number));
        sound(number, Blow::DeathAtFlush(1 + number % 20));
    }
}

#[test]
fn nothing_is_shown_after_a_failed_flush() {
    for number in 1..=20 {
        sound(number, Blow::FailedFlush(number));
    }
}

#[test]
fn what_a_second_process_shows_survives_the_loss_of_power() {
    for seed in 1..=30 {
        sound(seed, Blow::KillThenPowerLoss(1 + seed));
    }
}

#[test]
fn a_flipped_bit_is_named_and_nothing_starts() {
    for seed in 1..=10 {
        sound(seed, Blow::FlippedBit);
    }
}
