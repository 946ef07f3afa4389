//! `jangteo snapshot`: shortens the next start of a service, beside it and out of its way.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use ioprio::{BePriorityLevel, Class, Pid, Priority, Target};
use jangteo::{Error, snapshot_directory};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use super::check::{counted, grouped};
use super::{Exit, Failure};

/// What `snapshot` is told.
#[derive(Args, Debug)]
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

impl Snapshot {
    /// Makes a snapshot of everything that is vouched for at this moment.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let directory = self.directory.display();
        if let Err(error) = step_back() {
            eprintln!("jangteo: priority is as usual: {error}"); // slower for others, not wrong
        }
        let made = snapshot_directory(&self.directory).map_err(|error| match error {
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
