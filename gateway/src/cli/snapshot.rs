//! `jangteo snapshot`: shortens the next start of a service, beside it and out of its way.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use ioprio::{BePriorityLevel, Class, Pid, Priority, Target};
use jangteo::{Error, SnapshotProgress, snapshot_directory_with_progress};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use super::check::{counted, grouped};
use super::{Exit, Failure};

/// What `snapshot` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo snapshot /var/lib/jangteo    # once a day, beside the service")]
pub(crate) struct Snapshot {
    /// The data directory; an engine may be running on it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// What this thread and those it starts do is done while nobody else wants the processor.
///
/// The disk still takes their requests like anybody's. Else it would hold them back as well, and
/// with them whoever waits for a block of the file system that such a request is writing: the files
/// of the journal and of the snapshot share such blocks.
fn step_back() -> Result<(), Box<dyn std::error::Error>> {
    let usual = Class::BestEffort(BePriorityLevel::fallback());
    ioprio::set_priority(this_thread(), Priority::new(usual))?;
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)?;
    Ok(())
}

fn this_thread() -> Target {
    Target::Process(Pid::from_raw(0))
}

/// Shows a person who watches how far it has come, on one line of stderr.
#[derive(Debug)]
struct Shown {
    live: bool,
    last: RefCell<String>,
}

impl Shown {
    fn begin() -> Self {
        Self { live: io::stderr().is_terminal(), last: RefCell::default() }
    }

    fn show(&self, progress: SnapshotProgress) {
        if !self.live {
            return;
        }
        let now = words(progress);
        if *self.last.borrow() != now {
            let _terminal_may_be_gone = write!(io::stderr(), "\r{now:WIDTH$}");
            self.last.replace(now);
        }
    }

    fn end(self) {
        if self.live {
            let _terminal_may_be_gone = write!(io::stderr(), "\r{:WIDTH$}\r", "");
        }
    }
}

/// Of the longest line.
const WIDTH: usize = "writing 100 %".len();

fn words(progress: SnapshotProgress) -> String {
    let percent = |done: u64, all: u64| done.saturating_mul(100).checked_div(all).unwrap_or(100);
    match progress {
        SnapshotProgress::Read { records, all } => {
            format!("reading {:>3} %", percent(records, all))
        }
        SnapshotProgress::Written { holds, all } => format!("writing {:>3} %", percent(holds, all)),
        _ => "checking".to_owned(),
    }
}

impl Snapshot {
    /// Makes a snapshot of everything that is vouched for at this moment.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let directory = self.directory.display();
        if let Err(error) = step_back() {
            eprintln!("jangteo: priority is as usual: {error}"); // slower for others, not wrong
        }
        let shown = Shown::begin();
        let made =
            snapshot_directory_with_progress(&self.directory, |progress| shown.show(progress));
        shown.end();
        let made = made.map_err(|error| match error {
            Error::Io(error) => Failure::io(&directory, &error),
            Error::InUse => {
                let why = "another snapshot is being made";
                Failure::new(Exit::InUse, format!("{directory}: {why}"))
            }
            error => error.into(),
        })?;
        let text = match made {
            None => format!("{directory}: nothing to hold"),
            Some(made) => {
                for place in &made.passed_over {
                    eprintln!("jangteo: replaced or passed over: {place}");
                }
                let records = counted(made.sequence, "record");
                let bytes = grouped(made.bytes.into());
                match made.bytes {
                    0 => format!("{}: there already, with {records}", made.file),
                    _ => format!("{}: {records} in {bytes} bytes", made.file),
                }
            }
        };
        let printed = writeln!(io::stdout().lock(), "{text}");
        printed.map_err(|error| Failure::io("standard output", &error))?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    #[test]
    fn what_is_shown_is_short_and_ends_at_a_hundred() {
        use SnapshotProgress::{Checking, Read, Written};
        let shown = [
            (Read { records: 0, all: 0 }, "reading 100 %"),
            (Read { records: 64, all: 10_000 }, "reading   0 %"),
            (Written { holds: 63, all: 64 }, "writing  98 %"),
            (Written { holds: 64, all: 64 }, "writing 100 %"),
            (Checking, "checking"),
        ];
        for (progress, line) in shown {
            assert_eq!(words(progress), line);
            assert!(line.len() <= WIDTH);
        }
    }

    #[test]
    fn only_the_processor_is_left_to_others() {
        let stepped = || {
            step_back().unwrap();
            (thread_schedule_policy().unwrap(), ioprio::get_priority(this_thread()).unwrap())
        };
        let (policy, disk) = thread::spawn(stepped).join().unwrap();
        assert_eq!(policy, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        assert!(matches!(disk.class(), Some(Class::BestEffort(_))), "{disk:?}");
    }
}
