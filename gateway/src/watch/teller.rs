//! The one task of a watched drop: looks, encodes what has changed, wakes the watchers in slices.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::hub::{encode, view};
use super::watched::Watched;
use crate::access::Caller;
use crate::app::App;
use crate::limits::{HEARTBEAT_MS, WAKE_PAUSE_MS, WATCH_PACE_MS};

const PACE: Duration = Duration::from_millis(WATCH_PACE_MS);
const HEARTBEAT: Duration = Duration::from_millis(HEARTBEAT_MS);

/// Tells the watchers of a drop what becomes of it, until there are none, the drop is no more, or
/// the service stops.
pub(super) async fn tell(app: Arc<App>, drop: String, watched: Weak<Watched>) {
    let task = Task { app, drop, watched };
    let mut drain = task.app.drain.clone();
    tokio::select! {
        biased;
        () = drain.begun() => {}
        () = task.follow() => {}
    }
}

struct Task {
    app: Arc<App>,
    drop: String,
    watched: Weak<Watched>,
}

impl Task {
    async fn follow(&self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beaten = Instant::now();
        loop {
            pace.tick().await;
            // What there is at the moment is visible to everybody, durable or not, as it is to who
            // asks for the drop.
            let Ok(view) = view(&self.app, &Caller::Anyone, &self.drop) else { return };
            let Some(watched) = self.watched.upgrade() else { return };
            let Some(shown) = watched.newest() else { return };
            let changed = !shown.says(&view);
            if changed {
                watched.show(encode(&self.app, view, Some(&shown)));
            }
            let beat = HEARTBEAT < beaten.elapsed() + PACE;
            if beat {
                beaten = Instant::now();
                watched.beat();
            }
            if changed || beat {
                wake_all(&watched).await;
            }
        }
    }
}

/// Wakes every watcher. Between two slices the worker does everything else it has to do, the flush
/// of waiting holds included.
async fn wake_all(watched: &Watched) {
    let mut next = watched.wake(0);
    while let Some(seat) = next {
        sleep(Duration::from_millis(WAKE_PAUSE_MS)).await;
        next = watched.wake(seat);
    }
}

/// However the task ends, with its runtime or in a panic too, so do the streams: a watcher that
/// hears nothing more must be told.
impl Drop for Task {
    fn drop(&mut self) {
        if let Some(watched) = self.watched.upgrade() {
            watched.end();
        }
        self.app.hub.forget(&self.drop);
    }
}
