//! The ladder of faults: every rung from one program. Ends with status 1, the seed and a
//! reproduction on the first violation.

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use jangteo_bench::many::trials;
use jangteo_bench::simulation::{self, Played, Shrunk};

const EXAMPLES: &str = "Examples:
  ladder simulation --seeds 1..=1000
  ladder simulation --seeds 1..=100000 --threads 2
  ladder simulation --seeds 77";

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
