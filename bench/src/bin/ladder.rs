//! The ladder of faults: every rung from one program. Ends with status 1, the seed and a
//! reproduction on the first violation.

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use jangteo_bench::bit_flips::{End, Flips, Journal};
use jangteo_bench::crash_states::{self, Tried};
use jangteo_bench::faulty::Trouble;
use jangteo_bench::io_faults::{self, Faults};
use jangteo_bench::many::trials;
use jangteo_bench::retention;
use jangteo_bench::rng::Rng;
use jangteo_bench::simulation::{self, Played, Shrunk};
use jangteo_bench::violation::Violation;

const EXAMPLES: &str = "Examples:
  ladder simulation --seeds 1..=1000
  ladder simulation --seeds 1..=100000 --threads 2
  ladder simulation --seeds 77
  ladder crash-states --states 2000000 --threads 2
  ladder io-faults --pairs 50000 --threads 2
  ladder bit-flips --kib 64 --random 1000000 --threads 2
  ladder retention --seeds 1..=100";

/// Tries to make the engine lose, double or oversell something by faults of every kind.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    rung: Rung,
    /// Threads.
    #[arg(long, default_value_t = 1, global = true)]
    threads: u64,
}

#[derive(Debug, Subcommand)]
enum Rung {
    /// The whole engine with its journal from a seed: workload, clock, faulty disk, crashes.
    Simulation {
        /// Which seeds: `7`, or `1..=1000`.
        #[arg(long, default_value = "1..=1000", value_parser = seeds)]
        seeds: RangeInclusive<u64>,
    },
    /// Every state that a crash may leave of a recorded run, and a second crash in the recovery.
    CrashStates {
        /// Least number of states.
        #[arg(long, default_value_t = 50_000)]
        states: u64,
        /// First seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Every call of the storage in a run of 500 operations fails, in every way.
    IoFaults {
        /// Also so many pairs of failing calls, by chance.
        #[arg(long, default_value_t = 0)]
        pairs: u64,
    },
    /// Every bit of a journal is flipped, one at a time.
    BitFlips {
        /// Size of the journal in KiB.
        #[arg(long, default_value_t = 16)]
        kib: u32,
        /// Also so many bits by chance, of a journal four times as long.
        #[arg(long, default_value_t = 0)]
        random: u64,
    },
    /// What is old is dropped, and the machine stops at every call that changes something.
    Retention {
        /// Which seeds: `7`, or `1..=100`.
        #[arg(long, default_value = "1..=20", value_parser = seeds)]
        seeds: RangeInclusive<u64>,
    },
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    match text.split_once("..=") {
        Some((first, last)) => Ok(number(first)?..=number(last)?),
        None => number(text).map(|seed| seed..=seed),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    // A broken assertion of the engine is a violation like any other, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let climbed = match arguments.rung {
        Rung::Simulation { seeds } => simulate(seeds, arguments.threads),
        Rung::CrashStates { states, seed } => crash(states, seed, arguments.threads),
        Rung::IoFaults { pairs } => fail(pairs, arguments.threads),
        Rung::BitFlips { kib, random } => flip(kib, random, arguments.threads),
        Rung::Retention { seeds } => drop_old(seeds, arguments.threads),
    };
    match climbed {
        Ok(()) => {
            println!("{} s", started.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("VIOLATION {text}");
            ExitCode::FAILURE
        }
    }
}

/// What N trials without a failure say.
fn bound(trials: u64) -> String {
    let rate = 3.0 / f64::from(u32::try_from(trials.max(1)).unwrap_or(u32::MAX));
    format!("no violation: a rate below {rate:.1e} with 95 % confidence (3/N)")
}

fn simulate(seeds: RangeInclusive<u64>, threads: u64) -> Result<(), String> {
    let (mut count, mut inconclusive, mut sum) = (0, 0, Played::default());
    trials(
        seeds,
        threads,
        |seed| simulation::run(seed).map_err(|trouble| failed(seed, trouble)),
        |_, played| {
            count += u64::from(played.is_conclusive());
            inconclusive += u64::from(!played.is_conclusive());
            sum = sum.plus(&played);
            Ok(())
        },
    )?;
    println!("{count} seeds, {inconclusive} more inconclusive; digest {:016x}", sum.digest);
    println!("{} operations in {} steps; {:?}", sum.operations, sum.steps, sum.happened);
    println!("{}", bound(count));
    Ok(())
}

fn drop_old(seeds: RangeInclusive<u64>, threads: u64) -> Result<(), String> {
    let (mut count, mut sum) = (0, retention::Tried::default());
    trials(
        seeds,
        threads,
        |seed| retention::drop_old(seed).map_err(|violation| violation.to_string()),
        |_, tried| {
            count += 1;
            sum = sum.plus(&tried);
            Ok(())
        },
    )?;
    println!("{count} pasts; {sum:?}");
    println!("{}", bound(sum.calls));
    Ok(())
}

fn crash(states: u64, seed: u64, threads: u64) -> Result<(), String> {
    let mut sum = Tried::default();
    let mut next = seed;
    while sum.states < states {
        // Scenes have some thousand states each.
        let more = ((states - sum.states) / 1_500).max(1);
        let begin = next;
        next += more;
        trials(
            begin..=next - 1,
            threads,
            |seed| crash_states::try_all(seed).map_err(|violation| violation.to_string()),
            |_, tried| {
                sum = sum.plus(&tried);
                Ok(())
            },
        )?;
    }
    println!("seeds {seed}..={}: {sum:?}", next - 1);
    println!("{}", bound(sum.states + sum.again));
    Ok(())
}

fn fail(pairs: u64, threads: u64) -> Result<(), String> {
    let calls = io_faults::calls().map_err(|violation| violation.to_string())?;
    let ways = Trouble::TOLD.len() as u64;
    let trouble = |number: u64| {
        let place = usize::try_from(number % ways).unwrap_or(0);
        Trouble::TOLD.get(place).copied().unwrap_or(Trouble::Eio)
    };
    let run = |planned: &[(u64, Trouble)], power: bool| {
        io_faults::fail(planned, power).map_err(|violation| violation.to_string())
    };
    let mut sum = Faults::default();
    trials(
        0..=2 * calls * ways - 1,
        threads,
        |number| run(&[(number / 2 / ways + 1, trouble(number / 2))], number % 2 == 0),
        |_, faults| {
            sum = sum.plus(&faults);
            Ok(())
        },
    )?;
    println!("{calls} calls in {ways} ways: {sum:?}");
    let mut both = Faults::default();
    if pairs > 0 {
        let pair = |number| {
            let mut rng = Rng::stream(number, 11);
            let mut one = || (rng.draw() % calls + 1, trouble(rng.draw()));
            run(&[one(), one()], number % 2 == 0)
        };
        trials(1..=pairs, threads, pair, |_, faults| {
            both = both.plus(&faults);
            Ok(())
        })?;
        println!("pairs: {both:?}");
    }
    println!("{}", bound(sum.runs - sum.nothing + both.runs - both.nothing));
    Ok(())
}

fn flip(kib: u32, random: u64, threads: u64) -> Result<(), String> {
    let bytes = usize::try_from(kib).unwrap_or(usize::MAX) << 10;
    let told = |violation: Violation| violation.to_string();
    let mut all = 0;
    for end in End::ALL {
        let journal = Journal::of(bytes, end).map_err(told)?;
        let mut sum = Flips::default();
        let flip = |bit| journal.flip(bit).map_err(told);
        trials(0..=journal.bits() - 1, threads, flip, |_, flips| {
            sum = sum.plus(&flips);
            Ok(())
        })?;
        println!("{end:?}, every bit: {sum:?}");
        all += sum.bits;
    }
    if random > 0 {
        let journal = Journal::of(4 * bytes, End::InOrder).map_err(told)?;
        let mut sum = Flips::default();
        let flip = |number| journal.flip(journal.any(number)).map_err(told);
        trials(1..=random, threads, flip, |_, flips| {
            sum = sum.plus(&flips);
            Ok(())
        })?;
        println!("bits by chance: {sum:?}");
        all += sum.bits;
    }
    println!("{}", bound(all));
    Ok(())
}

fn failed(seed: u64, trouble: simulation::Trouble) -> String {
    let first = format!("seed {seed}, step {}: {}", trouble.step, trouble.violation);
    let Shrunk { steps, trouble, plays } = simulation::shrink(seed, trouble);
    let list: Vec<String> =
        steps.iter().map(|(number, step)| format!("  {number}: {step:?}")).collect();
    let found = trouble.violation;
    format!(
        "{first}\nagain: ladder simulation --seeds {seed}\n\
         shrunk to {} steps in {plays} plays: {found}\n{}",
        list.len(),
        list.join("\n")
    )
}
