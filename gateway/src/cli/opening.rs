//! The journal read back while somebody listens for the signal to stop.

use std::panic::resume_unwind;
use std::pin::Pin;

use jangteo::{Engine, Error, Options};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Opens an engine on a thread of its own; none if `stopped` comes first. Then the thread is left
/// to end with the process, as `kill -9` would end it: nothing was granted, so nothing is lost.
pub(super) fn open_unless_stopped(
    runtime: &Runtime,
    options: Options,
    stopped: Pin<&mut impl Future<Output = ()>>,
) -> Option<Result<Engine, Error>> {
    let (done, opened) = oneshot::channel();
    let opening = std::thread::Builder::new().name("jangteo-opening".to_owned());
    let opening = opening.spawn(move || {
        // Whoever listened has gone if this fails.
        _ = done.send(options.open());
    });
    let opening = match opening {
        Ok(opening) => opening,
        Err(error) => return Some(Err(error.into())),
    };
    let opened = runtime.block_on(async {
        tokio::select! {
            biased;
            () = stopped => None,
            opened = opened => Some(opened),
        }
    })?;
    Some(match opened {
        Ok(opened) => opened,
        Err(_) => resume_unwind(opening.join().expect_err("it ended without a word")),
    })
}
