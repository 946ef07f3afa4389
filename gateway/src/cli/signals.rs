//! The signals that a service listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears SIGHUP, also one that comes before anybody waits for it.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Does `reload` each time, for ever.
    pub(crate) async fn each(mut self, mut reload: impl FnMut()) {
        while self.0.recv().await.is_some() {
            reload();
        }
    }
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
