//! `jangteo audit`: every invariant of a data directory, recomputed from the journal.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use jangteo::audit::{
    Counted, DirectoryAudit, DropAudit, HoldHistory, NotKept, SegmentAudit, StartAudit,
    audit_directory, audit_hold,
};
use jangteo::{Error, HoldId};
use serde::Serialize;

use super::check::{counted, grouped};
use super::{Exit, Failure};

/// What `audit` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo audit /var/lib/jangteo\n  \
    jangteo audit /var/lib/jangteo --json | jq .violations\n  \
    jangteo audit /var/lib/jangteo --hold 00000020000004zhah50d8ab6j\n\n\
    Ends with 0 if every rule holds, with 1 if one does not, with 65 if the journal is damaged.")]
pub(crate) struct Audit {
    /// The data directory; an engine may be running on it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Explain this hold record by record instead, without customer, key and payment
    #[arg(long, value_name = "ID")]
    hold: Option<HoldId>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// Reads the journal, prints what it comes to, and fails with 1 if a rule does not hold.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        if let Some(id) = self.hold {
            let found = audit_hold(&self.directory, &id).map_err(|error| self.failure(error))?;
            let unknown = || {
                let directory = self.directory.display();
                Failure::new(Exit::Usage, format!("{directory}: there is no hold {id}"))
            };
            let found = found.ok_or_else(unknown)?;
            return self.show(&found, found.ok, print_history);
        }
        let found = audit_directory(&self.directory).map_err(|error| self.failure(error))?;
        self.show(&found, found.ok, print)
    }

    fn failure(&self, error: Error) -> Failure {
        match error {
            Error::Io(error) => Failure::io(self.directory.display(), &error),
            error => error.into(),
        }
    }

    /// Prints what was found, as a person or a program wants it.
    fn show<T: Serialize>(
        &self,
        found: &T,
        ok: bool,
        print: impl Fn(&mut io::StdoutLock<'static>, &T) -> io::Result<()>,
    ) -> Result<Exit, Failure> {
        let mut out = io::stdout().lock();
        let printed = if self.json {
            serde_json::to_writer(&mut out, found).map_err(Into::into).and_then(|()| writeln!(out))
        } else {
            print(&mut out, found)
        };
        printed.map_err(|error| Failure::io("standard output", &error))?;
        Ok(if ok { Exit::Done } else { Exit::DidNotHold })
    }
}

fn print_history(out: &mut io::StdoutLock<'static>, found: &HoldHistory) -> io::Result<()> {
    let HoldHistory { hold, drop, number, units, .. } = found;
    let units: Vec<String> =
        units.iter().map(|one| format!("{} x {}", grouped(one.quantity.into()), one.sku)).collect();
    writeln!(out, "hold {hold}: number {number} of {drop}, {}", units.join(", "))?;
    let heading = ["record", "time", "what", "state", "expires", "where"];
    let mut rows = vec![heading.map(str::to_owned)];
    for step in &found.steps {
        let expires_at = step.expires_at.map_or_else(String::new, |at| at.to_string());
        rows.push([
            step.sequence.to_string(),
            step.at.to_string(),
            step.what.to_owned(),
            step.state.name().to_owned(),
            expires_at,
            format!("{}: byte {}", step.file, step.offset),
        ]);
    }
    table(out, &rows, 6)?;
    match found.ok {
        true => writeln!(out, "ok: every rule holds at every record of the directory"),
        false => writeln!(out, "not ok: the directory breaks rules; see audit without --hold"),
    }
}

fn print(out: &mut io::StdoutLock<'static>, found: &DirectoryAudit) -> io::Result<()> {
    let DirectoryAudit { segments, batches, records, epochs, .. } = found;
    let (records, batches) = (counted(*records, "record"), counted(*batches, "batch"));
    let (segments, starts) = (counted(*segments, "segment"), counted((*epochs).into(), "start"));
    writeln!(out, "{records} in {batches}, {segments}, {starts}")?;
    if found.records > 0 {
        writeln!(out, "last record {} at {}", found.last_sequence, found.last_at)?;
    }
    if let Some(NotKept { first_sequence, passed_over, drops, .. }) = &found.not_kept {
        let drops = counted(drops.len() as u64, "drop");
        let passed_over = grouped((*passed_over).into());
        writeln!(
            out,
            "records before {first_sequence} are no longer kept; of {drops} that began there \
             {passed_over} records are left and not judged"
        )?;
    }
    if let Some(place) = &found.torn_tail {
        writeln!(out, "torn tail, never acknowledged: {place}")?;
    }
    for place in &found.snapshots_unreadable {
        writeln!(out, "snapshot that a start passes over: {place}")?;
    }
    print_starts(out, &found.starts)?;
    print_files(out, &found.files)?;
    if !found.drops.is_empty() {
        print_goods(out, &found.drops)?;
        print_holds(out, &found.drops)?;
    }
    for violation in &found.violations {
        writeln!(out, "{violation}")?;
    }
    match found.violations.len() {
        0 => writeln!(out, "ok: every rule holds at every record"),
        broken => writeln!(out, "not ok: {}", counted(broken as u64, "violation")),
    }
}

fn print_starts(out: &mut impl Write, starts: &[StartAudit]) -> io::Result<()> {
    let heading = ["start", "incarnation", "record", "written again", "time"];
    let mut rows = vec![heading.map(str::to_owned)];
    for start in starts {
        let StartAudit { epoch, incarnation, sequence, at, written_again, .. } = start;
        let numbers = [u64::from(*incarnation), *sequence, u64::from(*written_again)];
        let [incarnation, sequence, again] = numbers.map(|n| grouped(n.into()));
        rows.push([epoch.to_string(), incarnation, sequence, again, at.to_string()]);
    }
    table(out, &rows, 0)
}

fn print_files(out: &mut impl Write, files: &[SegmentAudit]) -> io::Result<()> {
    let heading =
        ["segment", "start", "first", "last", "batches", "replaced", "markers", "used", "bytes"];
    let mut rows = vec![heading.map(str::to_owned)];
    for file in files {
        let epoch = file.epoch.map_or_else(|| "blank".to_owned(), |epoch| epoch.to_string());
        let shown = |n: Option<u64>| n.map_or_else(String::new, |n| grouped(n.into()));
        let [first, last] = [file.first_sequence, file.last_sequence].map(shown);
        let counts = [file.batches, file.replaced_batches, file.markers];
        let [batches, replaced, markers] = counts.map(|n| grouped(n.into()));
        let [used, bytes] = [file.used_bytes, file.bytes].map(|n| grouped(n.into()));
        let name = file.file.clone();
        rows.push([name, epoch, first, last, batches, replaced, markers, used, bytes]);
    }
    table(out, &rows, 1)
}

fn print_goods(out: &mut impl Write, drops: &[DropAudit]) -> io::Result<()> {
    let heading = ["drop", "phase", "item", "total", "available", "held", "sold"];
    let mut rows = vec![heading.map(str::to_owned)];
    for drop in drops {
        let items = drop.items.iter().map(|good| (good, ""));
        for (good, mark) in items.chain(drop.gifts.iter().map(|good| (good, " (gift)"))) {
            let Counted { sku, total, units } = good;
            let total = total.map_or_else(|| "unlimited".to_owned(), |n| grouped(n.into()));
            let (id, phase) = (drop.id.clone(), drop.phase.name().to_owned());
            let [held, sold] = [units.held, units.sold].map(|n| grouped(n.into()));
            let available = units.available.map_or_else(String::new, signed);
            rows.push([id, phase, format!("{sku}{mark}"), total, available, held, sold]);
        }
    }
    table(out, &rows, 3)
}

fn print_holds(out: &mut impl Write, drops: &[DropAudit]) -> io::Result<()> {
    let heading = ["drop", "holds", "held", "confirmed", "released", "expired", "orders"];
    let mut rows = vec![heading.map(str::to_owned)];
    for drop in drops {
        let holds = drop.holds;
        let states = [holds.held, holds.confirmed, holds.released, holds.expired];
        let [held, confirmed, released, expired] = states.map(|n| grouped(n.into()));
        let [all, orders] = [holds.all(), drop.orders].map(|n| grouped(n.into()));
        rows.push([drop.id.clone(), all, held, confirmed, released, expired, orders]);
    }
    table(out, &rows, 1)
}

pub(super) fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs().into()))
}

/// Columns as wide as their widest cell; the first `texts` to the left, numbers to the right.
pub(super) fn table<const N: usize>(
    out: &mut impl Write,
    rows: &[[String; N]],
    texts: usize,
) -> io::Result<()> {
    writeln!(out)?;
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell =
                if place < texts { format!("{cell:width$}") } else { format!("{cell:>width$}") };
            line.push_str(&cell);
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out)
}
