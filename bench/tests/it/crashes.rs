//! A crash at every flush, and at other bad moments. A failure names blow and seed.

use std::sync::Arc;

use jangteo::{Engine, HoldRequest, HoldState, ManualClock, Refusal, Timestamp};
use jangteo_bench::crash::{Blow, Seen, strike};
use jangteo_bench::faulty::FaultyStorage;
use jangteo_bench::plan::{OPENS_MS, Plan, Profile, SALE};

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
fn nothing_is_shown_after_a_failed_flush_or_write() {
    for number in 1..=20 {
        sound(number, Blow::FailedFlush(number));
        sound(number, Blow::FailedWrite(number));
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

#[test]
fn a_full_disk_refuses_holds_and_lets_those_there_are_end() {
    let storage = FaultyStorage::new();
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
    let open = || {
        let options = Engine::options().storage(Arc::new(storage.process())).clock(clock.clone());
        options.segment_bytes(64 << 10).background(false).open().unwrap()
    };
    let engine = open();
    engine.put(Plan::of(Profile::Window, 1, 1).campaign()).unwrap();
    let sale = engine.sale(SALE).unwrap();
    storage.set_full(true);
    let mut held = Vec::new();
    let refused = loop {
        engine.tick();
        let customer = format!("c-{}", held.len());
        match sale.hold(&HoldRequest::new(&customer).line("a", 1).key("k")) {
            Ok(pending) => held.push(pending.wait().unwrap()),
            Err(refusal) => break refusal,
        }
        // The rest of the segments that were wanted before the disk was full, at most.
        assert!(held.len() < 500_000, "the disk is full and holds go on");
    };
    assert!(matches!(refused, Refusal::Unavailable), "{refused}");
    assert!(engine.health().disk_short && engine.health().latched.is_none());
    for hold in &held {
        let confirmed = sale.confirm(&hold.id, "p-1").unwrap().wait().unwrap();
        assert_eq!(confirmed.state, HoldState::Confirmed);
    }
    storage.set_full(false);
    let request = HoldRequest::new("late").line("a", 1).key("k");
    let late = (0..3).find_map(|_| {
        engine.tick();
        sale.hold(&request).ok()
    });
    let late = late.expect("holds go on once there is room").wait().unwrap();
    drop((sale, engine));
    storage.kill();
    let engine = open();
    let sale = engine.sale(SALE).unwrap();
    for hold in held.iter().chain([&late]) {
        assert_eq!(sale.get(&hold.id).unwrap().wait().unwrap().number, hold.number);
    }
}
