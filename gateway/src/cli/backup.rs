//! `jangteo backup` and `jangteo restore`: a data directory copied and audited.

use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use clap::Args;
use jangteo::audit::DirectoryAudit;
use jangteo::{Error, backup_directory, restore_directory};
use jangteo_gateway::webhooks::StoredPlaces;

use super::check::counted;
use super::{Exit, Failure};

/// What `backup` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo backup /var/lib/jangteo /backups/$(date +%F)\n\n\
    Ends with 0 if every rule holds in the copy, with 1 if one does not, with 65 if the\n\
    directory is damaged.")]
pub(crate) struct Backup {
    /// The data directory; an engine may be running on it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the copy goes; must be empty or missing
    #[arg(value_name = "DEST")]
    copy: PathBuf,
    /// Print the copy's audit as one JSON object
    #[arg(long)]
    json: bool,
}

/// What `restore` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo restore /backups/2026-11-25 /var/lib/jangteo\n  \
    jangteo serve --data /var/lib/jangteo")]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "SRC")]
    backup: PathBuf,
    /// The new data directory; must be empty or missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print the new directory's audit as one JSON object
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Copies, audits the copy, and fails with 1 if a rule does not hold there.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        not_within(&self.copy, &self.directory)?;
        // First, so that the copy has every event that was delivered by then.
        let places = StoredPlaces::read(&self.directory);
        let places = places.map_err(|error| Failure::io(self.directory.display(), &error))?;
        let made = backup_directory(&self.directory, &self.copy);
        if made.is_ok() {
            let stored = places.store(&self.copy);
            stored.map_err(|error| Failure::io(self.copy.display(), &error))?;
        }
        report(made, &self.copy, self.json)
    }
}

impl Restore {
    /// Copies as a new incarnation, audits it, and fails with 1 if a rule does not hold there. How
    /// far webhooks had got is left behind: those places are of the old one.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        not_within(&self.directory, &self.backup)?;
        let made = restore_directory(&self.backup, &self.directory);
        report(made, &self.directory, self.json)
    }
}

/// A copy within what it is a copy of would be part of the next one, and of what a service owns.
fn not_within(copy: &Path, original: &Path) -> Result<(), Failure> {
    // What cannot be resolved is told by whoever reads or makes it.
    let Ok(whole) = original.canonicalize() else { return Ok(()) };
    let Ok(target) = std::path::absolute(copy) else { return Ok(()) };
    let exists = |ancestor| Some((ancestor, Path::canonicalize(ancestor).ok()?));
    let Some((ancestor, there)) = target.ancestors().find_map(exists) else { return Ok(()) };
    let mut missing = target.strip_prefix(ancestor).into_iter().flat_map(Path::components);
    let (copy, original) = (copy.display(), original.display());
    let text = if missing.any(|part| part == Component::ParentDir) {
        format!("{copy}: goes up (`..`) from a directory that does not exist; choose another")
    } else if there.starts_with(whole) {
        format!("{copy}: lies in {original}; choose another")
    } else {
        return Ok(());
    };
    Err(Failure::new(Exit::Usage, text))
}

fn report(made: Result<DirectoryAudit, Error>, to: &Path, json: bool) -> Result<Exit, Failure> {
    let audit = made.map_err(|error| match error {
        Error::InUse => Failure::new(Exit::InUse, format!("{}: {error}", to.display())),
        Error::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Failure::new(Exit::Usage, format!("{error}; choose another"))
        }
        error => error.into(),
    })?;
    let mut out = io::stdout().lock();
    let printed = if json {
        serde_json::to_writer(&mut out, &audit).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        print(&mut out, &audit, to)
    };
    printed.map_err(|error| Failure::io("standard output", &error))?;
    Ok(if audit.ok { Exit::Done } else { Exit::DidNotHold })
}

fn print(out: &mut impl Write, audit: &DirectoryAudit, to: &Path) -> io::Result<()> {
    let records = counted(audit.records, "record");
    let segments = counted(audit.segments, "segment");
    let incarnation = audit.incarnation;
    writeln!(out, "{}: {records}, {segments}", to.display())?;
    writeln!(out, "incarnation {incarnation}, last record {}", audit.last_sequence)?;
    for violation in &audit.violations {
        writeln!(out, "{violation}")?;
    }
    match audit.violations.len() {
        0 => writeln!(out, "ok: every rule holds at every record"),
        broken => writeln!(out, "not ok: {}", counted(broken as u64, "violation")),
    }
}
