//! `jangteo report`: what a campaign came to, from a data directory.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use jangteo::{LedgerFigures, LedgerRow, Report as Reported, report_directory};
use jangteo_gateway::spreadsheet::{lines, text};

use super::audit::{signed, table};
use super::check::grouped;
use super::{Exit, Failure};

/// What `report` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo report /var/lib/jangteo uroad-2020\n  \
    jangteo report /var/lib/jangteo uroad-2020 --csv > uroad-2020.csv")]
pub(crate) struct Report {
    /// The data directory; a service may be running on it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Which campaign
    #[arg(value_name = "CAMPAIGN")]
    campaign: String,
    /// Print one JSON object, as over HTTP
    #[arg(long)]
    json: bool,
    /// Print a line of CSV for each drop and beneficiary
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Report {
    /// Reads the directory and prints what the campaign came to.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let found = report_directory(&self.directory, &self.campaign)
            .map_err(|error| Failure::about(&self.directory, error))?;
        let Some(report) = found else {
            let directory = self.directory.display();
            let text = format!("{directory}: there is no campaign {}", self.campaign);
            return Err(Failure::new(Exit::Usage, text));
        };
        let mut out = io::stdout().lock();
        let printed = if self.json {
            let written = serde_json::to_writer(&mut out, &report).map_err(Into::into);
            written.and_then(|()| writeln!(out))
        } else if self.csv {
            print_csv(&mut out, &report)
        } else {
            print(&mut out, &report)
        };
        printed.map_err(|error| Failure::io("standard output", &error))?;
        Ok(Exit::Done)
    }
}

/// The drops' figures repeat in each line of a drop; without rules a drop has one line.
fn print_csv(out: &mut impl Write, report: &Reported) -> io::Result<()> {
    let mut lines = lines(out);
    lines.write_record([
        "campaign",
        "drop",
        "currency",
        "orders",
        "units",
        "refunded_units",
        "spend",
        "refunds",
        "kind",
        "beneficiary",
        "accrued",
        "settled",
        "adjustment",
    ])?;
    for drop in &report.drops {
        let LedgerFigures { orders, units, refunded_units, spend, refunds, ledger } = &drop.figures;
        let figures = [orders, units, refunded_units, spend, refunds].map(u64::to_string);
        let names = [&report.campaign, &drop.drop, &report.currency];
        let mut line = |row: [&str; 5]| {
            let front = names.into_iter().chain(&figures).map(String::as_str);
            lines.write_record(front.chain(row))
        };
        for LedgerRow { kind, beneficiary, accrued, settled, adjustment } in ledger {
            let [accrued, settled] = [accrued, settled].map(u64::to_string);
            line([kind.name(), &text(beneficiary), &accrued, &settled, &adjustment.to_string()])?;
        }
        if ledger.is_empty() {
            line([""; 5])?;
        }
    }
    lines.flush()
}

fn print(out: &mut impl Write, report: &Reported) -> io::Result<()> {
    let Reported { campaign, currency, idle_unit_seconds, .. } = report;
    writeln!(out, "campaign {campaign}, amounts in the smallest unit of {currency}")?;
    let drops = || report.drops.iter().map(|drop| (&*drop.drop, &drop.figures));
    let all = || drops().chain([("all", &report.total)]);
    let heading = ["drop", "orders", "units", "refunded", "spend", "refunds"];
    let mut rows = vec![heading.map(str::to_owned)];
    for (name, figures) in all() {
        let LedgerFigures { orders, units, refunded_units, spend, refunds, .. } = figures;
        let [orders, units, refunded, spend, refunds] =
            [orders, units, refunded_units, spend, refunds].map(|number| grouped((*number).into()));
        rows.push([name.to_owned(), orders, units, refunded, spend, refunds]);
    }
    table(out, &rows, 1)?;
    if !report.total.ledger.is_empty() {
        let heading = ["drop", "kind", "beneficiary", "accrued", "settled", "adjustment"];
        let mut rows = vec![heading.map(str::to_owned)];
        for (name, figures) in all() {
            for LedgerRow { kind, beneficiary, accrued, settled, adjustment } in &figures.ledger {
                let [accrued, settled] = [accrued, settled].map(|sum| grouped((*sum).into()));
                let (kind, beneficiary) = (kind.name().to_owned(), beneficiary.clone());
                let adjustment = signed(*adjustment);
                rows.push([name.to_owned(), kind, beneficiary, accrued, settled, adjustment]);
            }
        }
        table(out, &rows, 3)?;
    }
    writeln!(out, "units that were free while somebody waited for them: {idle_unit_seconds} s")
}
