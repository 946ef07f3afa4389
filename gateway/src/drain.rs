//! The one signal to stop: nothing new is taken on, what was taken on is finished.

use tokio::sync::watch;

/// Gives the signal.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

/// Hears the signal.
#[derive(Clone, Debug)]
pub(crate) struct Drain(watch::Receiver<bool>);

/// A signal that nobody has given yet.
pub(crate) fn pair() -> (Stopper, Drain) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Drain(receiver))
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal: for ever, if whoever could give it is gone.
    pub(crate) async fn begun(&mut self) {
        if self.0.wait_for(|begun| *begun).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
