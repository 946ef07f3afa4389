//! Runs a model under many schedules.

use std::sync::RwLock;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// How many models share the schedules.
const MODELS: usize = 5;

/// A fault is planted in the whole process: while one is, no model runs that must hold.
pub(super) static PLANTING: RwLock<()> = RwLock::new(());

const REPLAY: &str = "JANGTEO_SCHEDULE";

/// Whether one schedule is run again instead of many.
pub(super) fn replays() -> bool {
    std::env::var(REPLAY).is_ok()
}

fn number(name: &str, left_out: usize) -> usize {
    std::env::var(name).map_or(left_out, |text| text.parse().expect("a whole number"))
}

fn config(persistence: FailurePersistence) -> Config {
    let mut config = Config::new();
    config.stack_size = 64 << 10;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.silence_warnings = true; // orderings are for loom: every atomic here is strong
    config.failure_persistence = persistence;
    config
}

/// Runs `model` under its share of the schedules, and says how many those were.
pub(super) fn explore(name: &str, model: fn()) {
    let _no_fault = PLANTING.read();
    if let Ok(schedule) = std::env::var(REPLAY) {
        shuttle::replay(model, &schedule);
        return;
    }
    let seed = number("JANGTEO_SEED", 1);
    let share = number("JANGTEO_SCHEDULES", 50_000).div_ceil(MODELS);
    let parts = [share.div_ceil(2), share / 4, share - share.div_ceil(2) - share / 4];
    let ran: usize = schedulers(seed as u64, parts)
        .into_iter()
        .map(|scheduler| Runner::new(scheduler, config(FailurePersistence::Print)).run(model))
        .sum();
    println!("{name}: {ran} schedules from seed {seed}");
    assert_eq!(ran, share, "every schedule was run to its end");
}

/// Whether one of `schedules` schedules of `model` fails.
pub(super) fn finds(model: fn(), schedules: usize) -> bool {
    let parts = [schedules / 2, schedules / 4, schedules / 4];
    let mut schedulers = schedulers(1, parts).into_iter();
    schedulers.any(|scheduler| {
        let run = move || Runner::new(scheduler, config(FailurePersistence::None)).run(model);
        std::thread::spawn(run).join().is_err()
    })
}

type Any = Box<dyn Scheduler + Send>;

fn schedulers(seed: u64, [random, three, five]: [usize; 3]) -> [Any; 3] {
    [
        Box::new(RandomScheduler::new_from_seed(seed, random)),
        Box::new(PctScheduler::new_from_seed(seed, 3, three)),
        Box::new(PctScheduler::new_from_seed(seed, 5, five)),
    ]
}
