//! What the operating system says of this process, under the names that every Prometheus client
//! gives it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What is known of the process; nothing where the system does not tell.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) threads: Option<u64>,
}

impl Process {
    /// Reads `/proc`.
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        let bytes = u64::try_from(page_size()).unwrap_or(0);
        // One of them is the directory that is being read.
        let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1));
        Self {
            cpu_seconds: cpu_seconds(&stat),
            resident_bytes: pages.map(|pages| pages * bytes),
            open_fds: open.ok().and_then(|count| u64::try_from(count).ok()),
            max_fds: getrlimit(Resource::Nofile).current,
            threads: field(&stat, 20),
        }
    }
}

/// Time in user and system mode.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let ticks = field(stat, 14)? + field(stat, 15)?;
    Some(ticks as f64 / clock_ticks_per_second() as f64)
}

/// The field of that number, counted from 1 as in its manual. The second is the program's name in
/// parentheses, which may hold anything.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let process = Process::read();
        assert!(process.cpu_seconds.is_some() && process.threads.is_some_and(|count| count > 0));
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.open_fds.is_some_and(|count| count >= 3));
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 6 0";
        assert_eq!(
            (field(stat, 14), field(stat, 15), field(stat, 20)),
            (Some(150), Some(25), Some(6))
        );
    }
}
