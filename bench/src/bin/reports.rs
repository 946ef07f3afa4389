//! How long a report takes: rebuilt from a journal of so many events without an engine, and asked
//! of an engine that has them in memory. One event in two is a grant, the other its confirmation;
//! orders have two lines, and two rules with three beneficiaries count them.
//!
//! Reading back and counting are one thread's work.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use jangteo::{
    Campaign, Durability, Engine, HoldRequest, Options, Refund, Report, report_directory,
};

/// Measures how long a report takes; ends with status 1 if it takes longer than it may.
#[derive(Debug, Parser)]
struct Arguments {
    /// Events in the journal.
    #[arg(long, default_value_t = 10_000_000)]
    events: u32,
    /// Of so many orders one comes back once all are sold, in events besides; none unless given.
    #[arg(long)]
    refund_each: Option<u32>,
    /// Reports of each kind.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Where to make the data directory; a temporary one unless given.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Leave the data directory where it is, and say where, for `jangteo report DIR t`.
    #[arg(long)]
    keep: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Orders of one batch: about half of the open batch.
const BATCH: u32 = 50_000;
/// Seconds that rebuilding a report from so many events may take.
const ALLOWED: (u32, f64) = (10_000_000, 20.0);

const CAMPAIGN: &str = r#"
[campaign]
id = "t"
title = "t"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[rules]
hold_ttl = "30days"
[[items]]
sku = "a"
title = "a"
price = 1333
stock = "unlimited"
eligible = ["good"]
[[items]]
sku = "b"
title = "b"
price = 4999
stock = "unlimited"
[[ledger]]
kind = "donation"
beneficiary = "hope"
rate = "50%"
[[ledger]]
kind = "credit"
rate = "1%"
eligible = "good"
beneficiary = [{ id = "old", share = "60%" }, { id = "young", share = "40%" }]
"#;

struct Figures {
    rebuilt: Vec<f64>,
    asked: Vec<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(figures) => show(&arguments, figures),
        Err(error) => {
            eprintln!("reports: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Figures, Box<dyn Error>> {
    let mut temporary = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let data = temporary.path().join("data");
    let orders = arguments.events / 2;
    let (expected, asked) = sell(&data, orders, arguments)?;
    if expected.total.orders != u64::from(orders) {
        return Err(format!("{} orders are in the report", expected.total.orders).into());
    }
    let mut rebuilt = Vec::new();
    for _ in 0..arguments.runs {
        let started = Instant::now();
        let report = report_directory(&data, "t")?;
        rebuilt.push(started.elapsed().as_secs_f64());
        if report.as_ref() != Some(&expected) {
            return Err("the report that was rebuilt is another one".into());
        }
    }
    if arguments.keep {
        temporary.disable_cleanup(true);
        eprintln!("kept: {}", data.display());
    }
    Ok(Figures { rebuilt, asked })
}

fn options(data: &Path) -> Options {
    Engine::options().data(data).durability(Durability::Buffered).snapshot_after(u64::MAX)
}

/// Sells so many orders; the report, and the seconds that asking for it took each time.
fn sell(
    data: &Path,
    orders: u32,
    arguments: &Arguments,
) -> Result<(Report, Vec<f64>), Box<dyn Error>> {
    let engine = options(data).open()?;
    engine.put(Campaign::parse(CAMPAIGN)?)?;
    let sale = engine.sale("t-1").ok_or("the drop is missing")?;
    let mut back = Vec::new();
    for order in 0..orders {
        let customer = format!("c-{order:010}");
        let request = HoldRequest::new(&customer).line("a", 1 + order % 7).line("b", 1);
        let refused = |refusal: jangteo::Refusal| format!("order {order}: {}", refusal.code());
        let hold = sale.hold(&request).map_err(refused)?.into_parts().0;
        let _durable_with_its_batch = sale.confirm(&hold.id, "p").map_err(refused)?;
        if arguments.refund_each.is_some_and(|each| order.is_multiple_of(each)) {
            back.push(hold.id);
        }
        if order % BATCH == BATCH - 1 {
            engine.flush()?;
        }
    }
    for ids in back.chunks(BATCH as usize) {
        for id in ids {
            let refused = |refusal: jangteo::Refusal| format!("a refund: {}", refusal.code());
            let _durable_with_its_batch = sale.refund(id, &Refund::all()).map_err(refused)?;
        }
        engine.flush()?;
    }
    engine.flush()?;
    let mut asked = Vec::new();
    loop {
        let started = Instant::now();
        let report = engine.report("t").ok_or("the campaign is missing")?.wait()?;
        asked.push(started.elapsed().as_secs_f64());
        if asked.len() >= arguments.runs as usize {
            return Ok((report, asked));
        }
    }
}

fn show(arguments: &Arguments, mut figures: Figures) -> ExitCode {
    let events = arguments.events;
    let median = |seconds: &mut Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(0.0)
    };
    let (rebuilt, asked) = (median(&mut figures.rebuilt), median(&mut figures.asked));
    if arguments.json {
        println!("{{\"events\":{events},\"rebuilt_s\":{rebuilt:.3},\"asked_s\":{asked:.3}}}");
    } else {
        println!("{events} events, median of {} reports", arguments.runs);
        println!("rebuilt from the journal  {rebuilt:.3} s");
        println!("asked of an engine        {asked:.3} s");
    }
    let (most, seconds) = ALLOWED;
    if events <= most && rebuilt > seconds {
        eprintln!("reports: more than {seconds} s");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
