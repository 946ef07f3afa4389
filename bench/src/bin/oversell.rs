//! Hammers the engine from many threads under every profile, and ends with status 1 and a seed on
//! the first violation.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use jangteo_bench::hammer::{Round, Tally, play};
use jangteo_bench::plan::Profile;

/// Looks for a way to oversell, undersell, lose or duplicate.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stop after so many seconds.
    #[arg(long, default_value_t = 60, conflicts_with = "seeds")]
    seconds: u64,
    /// Stop after so many seeds of each profile.
    #[arg(long)]
    seeds: Option<u64>,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this profile, and (unless --seconds or --seeds is given) only that seed.
    #[arg(long)]
    profile: Option<Profile>,
    /// Threads.
    #[arg(long, default_value_t = 4)]
    threads: u32,
    /// Commands of each thread in a round in memory.
    #[arg(long, default_value_t = 50_000)]
    commands: u32,
    /// Every so manieth round of a profile keeps a journal, synced; 0: none.
    #[arg(long, default_value_t = 4)]
    synced: u64,
}

/// A journalled round does so much less than one in memory.
const SYNCED_FEWER: u32 = 5;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let profiles: Vec<Profile> =
        arguments.profile.map_or_else(|| Profile::ALL.to_vec(), |profile| vec![profile]);
    let mut tallies = vec![(Tally::default(), Duration::ZERO); profiles.len()];
    let started = Instant::now();
    let limit = Duration::from_secs(arguments.seconds);
    let mut seed = arguments.seed;
    let over = |seed: u64| match arguments.seeds {
        Some(seeds) => seed >= arguments.seed + seeds,
        None => started.elapsed() >= limit,
    };
    while !over(seed) {
        for (&profile, (tally, spent)) in profiles.iter().zip(&mut tallies) {
            if over(seed) {
                break;
            }
            let began = Instant::now();
            match one(&arguments, profile, seed) {
                Ok(done) => *tally += done,
                Err(text) => {
                    eprintln!("VIOLATION {text}");
                    return ExitCode::FAILURE;
                }
            }
            *spent += began.elapsed();
        }
        seed += 1;
    }
    report(&profiles, &tallies, seed - arguments.seed);
    ExitCode::SUCCESS
}

fn one(arguments: &Arguments, profile: Profile, seed: u64) -> Result<Tally, String> {
    let synced = arguments.synced != 0 && seed.is_multiple_of(arguments.synced);
    let directory = synced.then(tempfile::tempdir).transpose();
    let directory = directory.map_err(|error| format!("no directory for a journal: {error}"))?;
    let fewer = if synced { SYNCED_FEWER } else { 1 };
    let round = Round {
        profile,
        seed,
        clients: arguments.threads,
        commands: arguments.commands / fewer,
        directory: directory.as_ref().map(tempfile::TempDir::path),
    };
    play(&round).map_err(|failure| failure.to_string())
}

fn report(profiles: &[Profile], tallies: &[(Tally, Duration)], seeds: u64) {
    let mut total = (Tally::default(), Duration::ZERO);
    println!("{:16} {:>12} {:>12} {:>10} {:>8}", "profile", "operations", "changes", "undone", "s");
    let line = |name: &str, (tally, spent): &(Tally, Duration)| {
        let Tally { operations, changes, undone } = tally;
        let seconds = spent.as_secs_f64();
        println!("{name:16} {operations:>12} {changes:>12} {undone:>10} {seconds:>8.1}");
    };
    for (profile, done) in profiles.iter().zip(tallies) {
        line(profile.name(), done);
        total.0 += done.0;
        total.1 += done.1;
    }
    line("total", &total);
    println!("no violation in {seeds} seeds of each");
}
