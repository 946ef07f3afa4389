//! How long a start takes: from the journal, and from the snapshot that a clean end left, with so
//! many live holds of as many customers (12 characters, one line, a key of 16).
//!
//! Files are in the operating system's cache, as after a crash of the process. What a hold costs in
//! memory is counted in `engine/tests/memory.rs`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use jangteo::{Campaign, Durability, Engine, HoldRequest, Options};
use jangteo_bench::producers;

/// Measures how long a start takes; ends with status 1 if it takes longer than it may.
#[derive(Debug, Parser)]
struct Arguments {
    /// Live holds.
    #[arg(long, default_value_t = 1_000_000)]
    holds: u32,
    /// Starts of each kind, interleaved.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Where to make the data directory; a temporary one unless given.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Grants of one batch: about half of the open batch.
const BATCH: u32 = 100_000;
/// Seconds that a start with so many holds may take.
const ALLOWED: [(u32, f64); 2] = [(1_000_000, 1.0), (10_000_000, 12.0)];

struct Figures {
    journal_bytes: u64,
    snapshot_bytes: u64,
    snapshot_seconds: f64,
    from_journal: Vec<f64>,
    from_snapshot: Vec<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(figures) => report(&arguments, figures),
        Err(error) => {
            eprintln!("recovery: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Figures, Box<dyn Error>> {
    let temporary = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let data = temporary.path().join("data");
    let snapshot_seconds = sell(&data, arguments.holds)?;
    let plain = temporary.path().join("plain");
    let snapshot_bytes = copy_segments(&data, &plain)?;
    let journal_bytes = producers::journal_bytes(&plain)?;
    let (mut from_journal, mut from_snapshot) = (Vec::new(), Vec::new());
    for _ in 0..arguments.runs {
        from_journal.push(start(&plain, arguments.holds)?);
        from_snapshot.push(start(&data, arguments.holds)?);
    }
    Ok(Figures { journal_bytes, snapshot_bytes, snapshot_seconds, from_journal, from_snapshot })
}

fn options(data: &Path) -> Options {
    Engine::options().data(data).durability(Durability::Buffered).snapshot_after(u64::MAX)
}

/// Grants all holds, in full batches, and ends with a snapshot; how many seconds the end took.
fn sell(data: &Path, holds: u32) -> Result<f64, Box<dyn Error>> {
    let campaign = format!(
        "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\ntime_zone = \"Asia/Seoul\"\n\
         [schedule]\nopens = \"2020-04-29T10:00:00\"\n[rules]\nhold_ttl = \"30days\"\n\
         [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = {holds}\n"
    );
    let engine = options(data).snapshot_after(1).open()?;
    engine.put(Campaign::parse(&campaign)?)?;
    let sale = engine.sale("t-1").ok_or("the drop is missing")?;
    for hold in 0..holds {
        let (customer, key) = (format!("c-{hold:010}"), format!("k-{hold:014}"));
        let request = HoldRequest::new(&customer).line("a", 1).key(&key);
        let granted = sale.hold(&request);
        let _durable_with_its_batch =
            granted.map_err(|refusal| format!("hold {hold}: {}", refusal.code()))?;
        if hold % BATCH == BATCH - 1 {
            engine.flush()?;
        }
    }
    engine.flush()?;
    let ending = Instant::now();
    drop((sale, engine));
    Ok(ending.elapsed().as_secs_f64())
}

/// Seconds until a start is done, with everything there.
fn start(data: &Path, holds: u32) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    let engine = options(data).open()?;
    let seconds = started.elapsed().as_secs_f64();
    let sale = engine.sale("t-1").ok_or("the drop is missing")?;
    let held = sale.view().0.items.and_then(|items| items.first().map(|item| item.held));
    if held != Some(u64::from(holds)) {
        return Err(format!("{held:?} holds are live").into());
    }
    Ok(seconds)
}

/// Copies everything but the snapshot; its bytes.
fn copy_segments(from: &Path, to: &Path) -> Result<u64, Box<dyn Error>> {
    let (from, to) = (from.join("journal"), to.join("journal"));
    std::fs::create_dir_all(&to)?;
    let mut snapshot = None;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "snapshot") {
            snapshot = Some(entry.metadata()?.len());
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(snapshot.ok_or("the engine that ended left no snapshot")?)
}

fn report(arguments: &Arguments, mut figures: Figures) -> ExitCode {
    let holds = f64::from(arguments.holds);
    let median = |seconds: &mut Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(0.0)
    };
    let from_journal = median(&mut figures.from_journal);
    let from_snapshot = median(&mut figures.from_snapshot);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let [journal, snapshot] =
        [figures.journal_bytes, figures.snapshot_bytes].map(|bytes| bytes as f64 / holds);
    let made = figures.snapshot_seconds;
    if arguments.json {
        println!(
            "{{\"holds\":{holds},\"from_journal_s\":{from_journal:.3},\
             \"from_snapshot_s\":{from_snapshot:.3},\"snapshot_made_s\":{made:.3},\
             \"journal_bytes_per_grant\":{journal:.1},\"snapshot_bytes_per_hold\":{snapshot:.1}}}"
        );
    } else {
        println!("{holds} live holds, median of {} starts", arguments.runs);
        println!("from the journal   {from_journal:.3} s, {journal:.1} bytes a grant");
        println!("from a snapshot    {from_snapshot:.3} s, {snapshot:.1} bytes a hold");
        println!("making a snapshot  {made:.3} s, as an engine ends");
    }
    let allowed = ALLOWED.iter().find(|(most, _)| arguments.holds <= *most);
    let most = allowed.map_or(f64::INFINITY, |(_, seconds)| *seconds);
    if from_journal <= most && from_snapshot <= most {
        ExitCode::SUCCESS
    } else {
        eprintln!("recovery: more than {most} s");
        ExitCode::FAILURE
    }
}
