//! The harness is shown to bite: each planted fault is found by the checks meant for it, within a
//! bounded number of seeds, and the same runs find nothing in a sound engine.
//!
//! A fault is planted in the whole process, so everything here is one test.

use std::time::Instant;

use jangteo::fault::{Fault, plant};
use jangteo_bench::bit_flips::{End, Journal};
use jangteo_bench::crash::{Blow, strike};
use jangteo_bench::faulty::Trouble;
use jangteo_bench::hammer::{Round, play};
use jangteo_bench::plan::Profile;
use jangteo_bench::violation::Violation;
use jangteo_bench::{charity, crash_states, full_disk, io_faults, retention, simulation};

#[cfg(test)]
#[path = "it/model/mod.rs"]
mod model;

/// What is run to find a fault.
#[derive(Clone, Copy, Debug)]
enum Hunt {
    /// A round in memory.
    Hammer(Profile),
    /// A crash.
    Crash(Blow),
    /// A seed of the simulation.
    Simulation,
    /// Every crash state of a scene.
    CrashStates,
    /// A call that fails, in every way.
    IoFaults,
    /// Bits of a journal that ended so.
    BitFlips(End),
    /// A disk that fills up.
    FullDisk,
    /// A campaign that is settled.
    Charity,
    /// Sequences beside the sequential model.
    Model,
    /// A past of which what is old is dropped.
    Retention,
}

/// A fault, what finds it, and which invariants it may be found by.
const TABLE: [(Fault, Hunt, &[&str]); 77] = [
    (Fault::CheckThenTake, Hunt::Hammer(Profile::Churn), &["S1", "S2", "engine"]),
    (Fault::LostGiveBack, Hunt::Hammer(Profile::DoomedBaskets), &["S2"]),
    (Fault::NoUndecidedMark, Hunt::Hammer(Profile::DoomedBaskets), &["S2"]),
    (Fault::NoSecondLook, Hunt::Hammer(Profile::DoomedBaskets), &["S2"]),
    (Fault::GiveBackBeforeLog, Hunt::Hammer(Profile::LastUnit), &["engine"]),
    (Fault::FreedTwice, Hunt::Hammer(Profile::LastUnit), &["S1", "engine"]),
    (Fault::GiftKept, Hunt::Hammer(Profile::OptionalGifts), &["S1", "S2"]),
    (Fault::LimitOffByOne, Hunt::Hammer(Profile::OneHotItem), &["C1"]),
    (Fault::KeyForgotten, Hunt::Hammer(Profile::RetryStorm), &["K1"]),
    (Fault::KeyNotCompared, Hunt::Hammer(Profile::RetryStorm), &["K1"]),
    (Fault::EarlyExpiry, Hunt::Hammer(Profile::ExpiryWave), &["answer"]),
    (Fault::ReleaseAfterConfirm, Hunt::Hammer(Profile::OneHotItem), &["answer", "engine"]),
    (Fault::GrantAfterClose, Hunt::Hammer(Profile::Window), &["T1"]),
    (Fault::NumberBeforeAppend, Hunt::Hammer(Profile::OneHotItem), &["O1"]),
    (Fault::AcknowledgeBeforeFlush, Hunt::Crash(Blow::PowerLoss), &["J3"]),
    (Fault::ReplayBeforeFlush, Hunt::Crash(Blow::PowerLoss), &["J3"]),
    (Fault::SkipFlush, Hunt::Crash(Blow::PowerLoss), &["J3"]),
    (Fault::IgnoreFailedFlush, Hunt::Crash(Blow::FailedFlush(9)), &["J3"]),
    (Fault::TrustPageCache, Hunt::Crash(Blow::KillThenPowerLoss(9)), &["J3"]),
    (Fault::TruncateAtCorruption, Hunt::Crash(Blow::FlippedBit), &["J3"]),
    (Fault::SkipDirectorySync, Hunt::CrashStates, &["J3"]),
    (Fault::ReuseEpoch, Hunt::Simulation, &["J3"]),
    (Fault::TailNotFlushed, Hunt::CrashStates, &["J3"]),
    (Fault::VouchTooFar, Hunt::CrashStates, &["J3"]),
    (Fault::FullDiskIsSuccess, Hunt::IoFaults, &["J3"]),
    (Fault::RetryFailedFlush, Hunt::IoFaults, &["J3"]),
    (Fault::ShortChecksum, Hunt::BitFlips(End::InOrder), &["J3", "audit"]),
    (Fault::BatchBehindDamage, Hunt::BitFlips(End::KilledBehindMarker), &["J3"]),
    (Fault::StepNotRecorded, Hunt::Simulation, &["answer", "K1", "audit"]),
    (Fault::NoGraceAfterRestart, Hunt::Simulation, &["answer", "audit"]),
    (Fault::ReserveForgotten, Hunt::FullDisk, &["F1"]),
    (Fault::RoundedByLine, Hunt::Charity, &["L1"]),
    (Fault::RefundKept, Hunt::Charity, &["L1"]),
    (Fault::OrderForgotten, Hunt::Charity, &["L1"]),
    (Fault::OpenCampaignDropped, Hunt::Retention, &["audit"]),
    (Fault::OneSnapshotIsEnough, Hunt::Retention, &["J3"]),
    (Fault::DropNotSynced, Hunt::Retention, &["J3"]),
    (Fault::LostGiveBack, Hunt::Model, &["model"]),
    (Fault::LimitOffByOne, Hunt::Model, &["model"]),
    (Fault::KeyForgotten, Hunt::Model, &["model"]),
    (Fault::KnownForgotten, Hunt::Model, &["model"]),
    (Fault::FilterOfOneShard, Hunt::Model, &["model"]),
    (Fault::KeyNotCompared, Hunt::Model, &["model"]),
    (Fault::EarlyExpiry, Hunt::Model, &["model"]),
    (Fault::FreedTwice, Hunt::Model, &["model"]),
    (Fault::GiftKept, Hunt::Model, &["model"]),
    (Fault::ReleaseAfterConfirm, Hunt::Model, &["model"]),
    (Fault::AcknowledgeBeforeFlush, Hunt::Model, &["model"]),
    (Fault::ReplayBeforeFlush, Hunt::Model, &["model"]),
    (Fault::SkipFlush, Hunt::Model, &["model"]),
    (Fault::RefundNotFreed, Hunt::Model, &["model"]),
    (Fault::RefundNotFreed, Hunt::Simulation, &["C1", "audit"]),
    (Fault::RefundForgotten, Hunt::Model, &["model"]),
    (Fault::PauseIgnored, Hunt::Model, &["model"]),
    (Fault::PauseIgnored, Hunt::Simulation, &["answer"]),
    (Fault::PauseNotGivenBack, Hunt::Model, &["model"]),
    (Fault::PauseNotGivenBack, Hunt::Simulation, &["answer"]),
    (Fault::LatePaymentOversells, Hunt::Model, &["model"]),
    (Fault::LatePaymentOversells, Hunt::Simulation, &["S1", "engine", "audit"]),
    (Fault::LatePaymentUnlimited, Hunt::Model, &["model"]),
    (Fault::LatePaymentUnlimited, Hunt::Simulation, &["C1", "audit"]),
    (Fault::LoweredStockOnSale, Hunt::Model, &["model"]),
    (Fault::LastServedFirst, Hunt::Model, &["model"]),
    (Fault::LineBlocked, Hunt::Model, &["model"]),
    (Fault::LinePassedBy, Hunt::Model, &["model"]),
    (Fault::PlaceKept, Hunt::Model, &["model"]),
    (Fault::WaitNotCounted, Hunt::Model, &["model"]),
    (Fault::LineForgotten, Hunt::Model, &["model"]),
    (Fault::PlaceBeforeFlush, Hunt::Model, &["model"]),
    (Fault::LatePaymentPassesBy, Hunt::Model, &["model"]),
    (Fault::LastServedFirst, Hunt::Simulation, &["S1", "S3", "audit"]),
    (Fault::LineBlocked, Hunt::Simulation, &["S1", "S3", "audit"]),
    (Fault::LinePassedBy, Hunt::Simulation, &["S1", "S3", "audit"]),
    (Fault::PlaceKept, Hunt::Simulation, &["S3"]),
    (Fault::WaitNotCounted, Hunt::Simulation, &["C1", "audit"]),
    (Fault::LineForgotten, Hunt::Simulation, &["S3", "answer"]),
    (Fault::PlaceBeforeFlush, Hunt::Simulation, &["J3"]),
];

const SEEDS: u64 = 20;

impl Hunt {
    /// How many seeds it may take. A sequence is a thousandth of a round's work.
    const fn seeds(self) -> u64 {
        if matches!(self, Self::Model) { 20 * SEEDS } else { SEEDS }
    }
}

fn run(hunt: Hunt, seed: u64) -> Result<(), Violation> {
    match hunt {
        Hunt::Hammer(profile) => {
            let round = Round { profile, seed, clients: 4, commands: 5_000, directory: None };
            play(&round).map(|_| ()).map_err(|failure| failure.violation)
        }
        Hunt::Crash(blow) => strike(seed, blow).map(|_| ()),
        Hunt::Simulation => simulation::run(seed).map(|_| ()).map_err(|trouble| trouble.violation),
        Hunt::CrashStates => crash_states::try_all(seed).map(|_| ()),
        Hunt::IoFaults => (1..=8).try_for_each(|n| {
            let all = Trouble::TOLD.iter();
            all.map(|&trouble| (8 * seed + n, trouble))
                .try_for_each(|planned| io_faults::fail(&[planned], true).map(|_| ()))
        }),
        Hunt::BitFlips(end) => {
            let journal = Journal::of(8 << 10, end)?;
            let bits = (seed..journal.bits()).step_by(67);
            bits.map(|bit| journal.flip(bit)).try_for_each(|flips| flips.map(|_| ()))
        }
        Hunt::FullDisk => full_disk::fill(seed).map(|_| ()),
        Hunt::Retention => retention::drop_old(seed).map(|_| ()),
        Hunt::Charity => charity::settle(seed).map(|_| ()),
        Hunt::Model => model::play(&model::draw(seed), &mut model::Exercised::default())
            .map_err(|text| Violation::of("model", text)),
    }
}

#[test]
fn every_planted_fault_is_found_and_a_sound_engine_passes_the_same_runs() {
    std::panic::set_hook(Box::new(|_| {})); // an assertion of the engine is a find, not noise
    let mut missed = Vec::new();
    for (fault, hunt, expected) in TABLE {
        plant(fault);
        let began = Instant::now();
        let found = (1..=hunt.seeds()).find_map(|seed| Some((seed, run(hunt, seed).err()?)));
        plant(Fault::None);
        let ms = began.elapsed().as_millis();
        match &found {
            Some((seed, violation)) if expected.contains(&violation.invariant) => {
                let text: String = violation.text.chars().take(90).collect();
                println!(
                    "{fault:?}: {hunt:?}, seed {seed}, {ms} ms: {} {text}",
                    violation.invariant
                );
            }
            _ => missed.push(format!("{fault:?}: {hunt:?}, {ms} ms: {found:?}")),
        }
        let seeds = found.map_or(hunt.seeds(), |(seed, _)| seed.max(3));
        for seed in 1..=seeds {
            if let Err(violation) = run(hunt, seed) {
                missed.push(format!("no fault, {hunt:?}, seed {seed}: {violation}"));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
