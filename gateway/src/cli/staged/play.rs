//! Sends a crowd from a thread of its own, and shows how far it is.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jangteo_loadtest::{Crowd, Progress, Record, SendError, send};

use crate::cli::{Exit, Failure};

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Sends the crowd; a person who watches sees a line of figures on stderr meanwhile.
pub(super) fn play(crowd: Crowd) -> Result<Record, Failure> {
    let progress = Arc::new(Progress::default());
    let sender = send_on_thread(crowd, Arc::clone(&progress))
        .map_err(|error| Failure::io("a thread for the crowd", &error))?;
    let live = io::stderr().is_terminal();
    while !sender.is_finished() {
        std::thread::sleep(PROGRESS_EVERY);
        if live {
            let now = progress.now();
            eprint!(
                "\r{:>8} sent  {:>6} granted  {:>6} confirmed  {:>6} returned  {:>8} refused ",
                now.sent, now.granted, now.confirmed, now.released, now.refused
            );
        }
    }
    if live {
        eprint!("\r{:78}\r", "");
    }
    let sent = sender.join().map_err(|_| Failure::new(Exit::Io, "the crowd panicked"))?;
    sent.map_err(|error| Failure::new(Exit::Io, error.to_string()))
}

type Sender = JoinHandle<Result<Record, SendError>>;

fn send_on_thread(crowd: Crowd, progress: Arc<Progress>) -> io::Result<Sender> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("jangteo-crowd".to_owned())
        .spawn(move || runtime.block_on(send(&crowd, &progress)))
}
