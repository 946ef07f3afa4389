//! The one task of a watched drop: looks, encodes what has changed, wakes the watchers in slices.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::hub::{encode, view};
use super::watched::Watched;
use crate::access::Caller;
use crate::app::App;
use crate::limits::{HEARTBEAT_MS, WAKE_PAUSE_MAX_MS, WAKE_PAUSE_MS, WAKE_REST, WATCH_PACE_MS};

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
        let mut round = Duration::ZERO;
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
            // The next look comes after a round, and must not be too late.
            let beat = HEARTBEAT < beaten.elapsed() + PACE + round;
            if beat {
                beaten = Instant::now();
                watched.beat();
            }
            if changed || beat {
                let begun = Instant::now();
                wake_all(&watched).await;
                round = begun.elapsed();
            }
        }
    }
}

/// Wakes every watcher. Between two slices the worker does everything else it has to do, the flush
/// of waiting holds included.
async fn wake_all(watched: &Watched) {
    let mut next = Some(0);
    while let Some(seat) = next {
        let begun = Instant::now();
        next = watched.wake(seat);
        yield_now().await; // those who were woken stand before this task
        if next.is_some() {
            sleep(pause(begun.elapsed())).await;
        }
    }
}

/// How long the rest waits after a slice that took so long: the busier the worker is, the longer.
fn pause(took: Duration) -> Duration {
    let [least, most] = [WAKE_PAUSE_MS, WAKE_PAUSE_MAX_MS].map(Duration::from_millis);
    took.saturating_mul(WAKE_REST).clamp(least, most)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_takes_a_quarter_of_the_time_and_no_stall_stops_the_round() {
        for (took_us, pause_us) in [
            (0, 1_000),
            (200, 1_000),
            (800, 2_400),
            (3_000, 9_000),
            (200_000, 10_000),
            (u64::MAX, 10_000),
        ] {
            let pause = pause(Duration::from_micros(took_us));
            assert_eq!(pause, Duration::from_micros(pause_us), "{took_us}");
        }
    }
}
