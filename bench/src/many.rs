//! Many independent trials on a few threads, with a line of progress.

use std::io::{IsTerminal, Write};
use std::ops::RangeInclusive;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often the progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Runs `trial` for every number of `range`, on `threads` threads, and hands each result to `take`
/// as it comes; the first `Err` of either ends it.
///
/// # Errors
/// That one.
pub fn trials<T: Send, E: Send>(
    range: RangeInclusive<u64>,
    threads: u64,
    trial: impl Fn(u64) -> Result<T, E> + Sync,
    mut take: impl FnMut(u64, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.max(1);
    let (first, last) = range.into_inner();
    let total = (last + 1).saturating_sub(first);
    let started = Instant::now();
    let mut told = started;
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(64);
        for thread in 0..threads {
            let (send, trial) = (send.clone(), &trial);
            scope.spawn(move || {
                let mut number = first + thread;
                while number <= last && send.send((number, trial(number))).is_ok() {
                    number += threads;
                }
            });
        }
        drop(send);
        for (done, (number, result)) in (1..).zip(&receive) {
            take(number, result?)?;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                progress(done, total, started.elapsed());
            }
        }
        Ok(())
    })
}

/// One line, over and over on a terminal.
fn progress(done: u64, total: u64, spent: Duration) {
    let mut out = std::io::stderr();
    let end = if out.is_terminal() { '\r' } else { '\n' };
    let seconds = spent.as_secs();
    // Nobody may be listening, and that is no failure of the trials.
    let _ = write!(out, "{done} of {total}, {seconds} s{end}");
}
