//! The command line: one file per subcommand, and how each of them ends.

mod audit;
mod backup;
mod campaign_file;
mod check;
mod demo;
mod descriptors;
mod exit;
mod health;
mod key;
mod log;
mod notify;
mod opening;
mod rehearse;
mod reload;
mod report;
mod serve;
mod signals;
mod snapshot;
mod staged;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use exit::{Exit, Failure};

/// A flash-sale inventory engine: exact stock, durable holds.
#[derive(Debug, Parser)]
#[command(name = "jangteo", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open a drop on loopback, send a crowd over both wires, and prove what happened
    Demo(demo::Demo),
    /// Serve drops over HTTP and RESP
    Serve(serve::Serve),
    /// Validate campaign files and print what they mean
    Check(check::Check),
    /// Move a drop of a campaign file to now, send a crowd, and say whether it is go or no-go
    Rehearse(rehearse::Rehearse),
    /// Make a key: print its secret once, and its stanza for the configuration
    Key(key::NewKey),
    /// Recompute every invariant of a data directory from its journal
    Audit(audit::Audit),
    /// Print what a campaign came to: orders, money, donations and credits
    Report(report::Report),
    /// Store what a data directory's journal comes to, so that the next start is short
    Snapshot(snapshot::Snapshot),
    /// Copy a data directory, live or stopped, and audit the copy
    Backup(backup::Backup),
    /// Copy a backup into an empty directory as a new incarnation, and audit it
    Restore(backup::Restore),
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for is no misuse. What cannot be printed cannot be reported.
            _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let done = match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Rehearse(rehearse) => rehearse.run(),
        Command::Key(key) => key.run(),
        Command::Audit(audit) => audit.run(),
        Command::Report(report) => report.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell();
            failure.exit().into()
        }
    }
}
