//! The models are shown to bite: each planted fault makes one of them fail.

use super::explore::{PLANTING, finds};
use super::journal::{failing, short_of_room, sound, stopping};
use super::leaders::led;
use crate::fault::{Fault, plant};

/// A fault, and the models that find it.
const TABLE: [(Fault, &[(&str, fn())]); 8] = [
    (Fault::SkipFlush, &[("sound", sound), ("stopping", stopping)]),
    (Fault::PublishTooFar, &[("sound", sound), ("short_of_room", short_of_room)]),
    (Fault::IgnoreFailedFlush, &[("failing", failing)]),
    (Fault::LatchForgotten, &[("failing", failing)]),
    (Fault::SecondLeader, &[("led", led)]),
    (Fault::LostWake, &[("led", led), ("sound", sound)]),
    (Fault::WakerLeftBehind, &[("led", led), ("sound", sound)]),
    (Fault::DemandSwallowed, &[("led", led), ("sound", sound)]),
];

const SCHEDULES: usize = 4_000;

#[test]
fn every_planted_fault_makes_a_model_fail() {
    let _alone = PLANTING.write();
    let mut missed = Vec::new();
    for (fault, models) in TABLE {
        for (name, model) in models {
            plant(fault);
            let found = finds(*model, SCHEDULES);
            plant(Fault::None);
            if !found {
                missed.push(format!("{fault:?} in {name}"));
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
