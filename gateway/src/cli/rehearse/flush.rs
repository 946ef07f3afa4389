//! How long the disk takes to flush: every grant waits for one flush, shared by all who arrived
//! during the last.

use std::fs::{File, remove_file};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::go_list::{Answer, Point};
use crate::cli::Failure;

/// Bytes of each write: a small batch of the journal.
const BLOCK: usize = 4_096;
/// Most writes that are timed.
const WRITES: usize = 200;
/// A disk that is slower is not timed for longer.
const TIME_MAX: Duration = Duration::from_secs(2);
/// A median above it makes the first buyers wait so that they notice.
const SLOW: Duration = Duration::from_millis(20);
/// No disk is faster: what is, does not outlast a loss of power.
const MEMORY: Duration = Duration::from_micros(5);

/// Times writes in a file that has its place on the disk already, as the journal's segments do.
pub(super) fn point(directory: &Path) -> Result<Point, Failure> {
    let mut times = measure(&directory.join("flush-times"))
        .map_err(|error| Failure::io(directory.display(), &error))?;
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
    let [median, p99] = [50, 99].map(|percent| at(percent).copied().unwrap_or_default());
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (answer, remark) = if median > SLOW {
        (Answer::Look, ": slow, every grant waits for one")
    } else if median < MEMORY {
        (Answer::Look, ": that is no disk; --under names a directory on the one that will serve")
    } else {
        (Answer::Go, "")
    };
    let flushes = times.len();
    let (median, p99) = (ms(median), ms(p99));
    let detail = format!(
        "a flush takes {median:.2} ms, one in a hundred more than {p99:.2} ms ({flushes} in {}){remark}",
        directory.display()
    );
    Ok(Point::new("disk", answer, detail)
        .with("flush_median_ms", median)
        .with("flush_p99_ms", p99)
        .with("flushes", flushes))
}

fn measure(path: &Path) -> io::Result<Vec<Duration>> {
    let mut file = File::create_new(path)?;
    file.write_all(&vec![0; BLOCK * WRITES])?;
    file.sync_all()?;
    let block = [0x5a; BLOCK];
    let mut times = Vec::with_capacity(WRITES);
    let begun = Instant::now();
    for offset in (0..).step_by(BLOCK).take(WRITES) {
        let started = Instant::now();
        file.write_all_at(&block, offset)?;
        file.sync_data()?;
        times.push(started.elapsed());
        if begun.elapsed() > TIME_MAX {
            break;
        }
    }
    remove_file(path)?;
    Ok(times)
}
