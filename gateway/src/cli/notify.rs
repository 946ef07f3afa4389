//! Tells the service manager how the service stands, if it asked to be told: the protocol of
//! systemd's `Type=notify` and `Type=notify-reload`, over the socket that `NOTIFY_SOCKET` names.

use sd_notify::NotifyState;

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stands {
    /// It serves, from the start on or again.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It takes nothing new on.
    Stopping,
}

/// Tells it. Who does not listen is not missed.
pub(super) fn notify(stands: Stands) {
    let told = match stands {
        Stands::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Stands::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Stands::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
    };
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager was not told: {stands:?}");
    }
}
