//! The signals that a service listens to.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Listens for SIGHUP from now on, and does `reload` each time.
pub(crate) fn on_hangup(mut reload: impl FnMut()) -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            reload();
        }
    })
}

/// Listens for SIGTERM and SIGINT from now on; the future ends with the first.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
