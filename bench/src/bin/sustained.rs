//! Durable grants a second for as long as it takes to write gigabytes of journal, making segments
//! included, beside the bare disk: as many bytes in as many writes and flushes, into files that
//! exist.
//!
//! Limit 1, every request with a key and a customer of its own, one drop of some millions of units
//! after the other; all were put before the clock starts. What is sold costs nothing and is an
//! order at once: the engine keeps journal room back for the end of every hold that lives, and tens
//! of millions at a time would keep back more than most disks have. Such a grant has the same
//! record and goes the same way, but for the list of deadlines.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use jangteo::{Durability, Engine};
use jangteo_bench::producers;

/// Measures durable grants a second over gigabytes of journal; ends with status 1 if they are too
/// few.
#[derive(Debug, Parser)]
struct Arguments {
    /// Grants in all; 66 million are more than 5 GB of journal.
    #[arg(long, default_value_t = 66_000_000)]
    grants: u32,
    /// Drops that share them.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    drops: u32,
    /// Threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// Grants that each thread has under way before it waits for the oldest.
    #[arg(long, default_value_t = 4_096)]
    pending: usize,
    /// Where to make the data directory; a temporary one unless given.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// The fewest a second, in millions, that are enough.
const FLOOR: f64 = 1.5;
/// The bare disk is written in files of this size, prepared in slices of this one.
const FILE_BYTES: u64 = 64 << 20;
const SLICE_BYTES: usize = 1 << 20;
/// Writes begin at a multiple of this.
const SECTOR: u64 = 512;

/// What the engine wrote, and in which time.
struct Written {
    seconds: f64,
    bytes: u64,
    flushes: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sustained: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let temporary = || match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let written = granted(arguments, temporary()?.path())?;
    let raw_s = raw(temporary()?.path(), &written)?;

    let share = arguments.grants / arguments.threads;
    let grants = f64::from(share * arguments.threads) / 1e6;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let [bytes, flushes] = [written.bytes, written.flushes].map(|count| count as f64);
    let (per_s, raw_per_s) = (grants / written.seconds, grants / raw_s);
    if arguments.json {
        println!(
            "{{\"grants\":{},\"journal_bytes\":{},\"flushes\":{},\"seconds\":{:.2},\
             \"raw_seconds\":{raw_s:.2},\"grants_per_second\":{:.0}}}",
            share * arguments.threads,
            written.bytes,
            written.flushes,
            written.seconds,
            per_s * 1e6,
        );
    } else {
        println!("{grants} M grants, {:.2} GB of journal in {flushes} flushes", bytes / 1e9);
        println!("engine     {:6.1} s  {per_s:.2} M grants/s", written.seconds);
        println!("bare disk  {raw_s:6.1} s  as many bytes and flushes: {raw_per_s:.2} M grants/s");
    }
    if per_s < FLOOR {
        eprintln!("sustained: fewer than {FLOOR} M grants/s");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn granted(arguments: &Arguments, directory: &Path) -> Result<Written, Box<dyn Error>> {
    let options = Engine::options().data(directory).durability(Durability::Synced);
    let engine = options.snapshot_after(u64::MAX).open()?;
    // Each thread rounds its shares down, so one unit more for each.
    let units = arguments.grants / arguments.drops + arguments.threads;
    let sale =
        |drop| producers::sale(&engine, &format!("t{drop}"), units, 0, "auto_confirm = true");
    let sales: Vec<_> = (1..=arguments.drops).map(sale).collect();
    let share = arguments.grants / arguments.threads;
    let seconds = producers::run(arguments.threads, share, |names| {
        producers::grant(&sales, names, arguments.pending);
    });
    let flushes = engine.figures().flushes.by_records.iter().sum();
    drop(engine);
    Ok(Written { seconds, bytes: producers::journal_bytes(directory)?, flushes })
}

/// Seconds that the bare disk takes for as many bytes in as many flushes.
fn raw(directory: &Path, written: &Written) -> std::io::Result<f64> {
    let batch = (written.bytes / written.flushes.max(1)).next_multiple_of(SECTOR);
    let zeros = vec![0; SLICE_BYTES];
    let mut files = Vec::new();
    for number in 0..written.bytes.div_ceil(FILE_BYTES) {
        let path = directory.join(number.to_string());
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        for at in (0..FILE_BYTES).step_by(SLICE_BYTES) {
            file.write_all_at(&zeros, at)?;
            file.sync_data()?;
        }
        files.push(file);
    }
    let bytes = vec![7; usize::try_from(batch).unwrap_or(SLICE_BYTES)];
    let started = Instant::now();
    let mut left = written.flushes;
    for file in files.iter().cycle() {
        for at in 0..FILE_BYTES / batch {
            if left == 0 {
                return Ok(started.elapsed().as_secs_f64());
            }
            file.write_all_at(&bytes, at * batch)?;
            file.sync_data()?;
            left -= 1;
        }
    }
    Ok(started.elapsed().as_secs_f64())
}
