//! Which drops are watched, and by how many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use jangteo::{Refusal, SaleView};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::shown::Shown;
use super::teller::tell;
use super::watched::{Watch, Watched};
use crate::access::{Caller, Need};
use crate::app::App;
use crate::command::{Answer, Command, Refused};
use crate::limits::WATCHERS_MAX;

/// See the module. Owns one atomic counter, relaxed.
#[derive(Debug)]
pub(crate) struct Hub {
    drops: Mutex<HashMap<Box<str>, Weak<Watched>>>,
    room: Arc<Semaphore>,
    room_total: usize,
    encoded: AtomicU64,
}

impl Hub {
    /// For a service with room for so many connections, a quarter of which watchers leave to
    /// others.
    pub(crate) fn new(connections: usize) -> Self {
        let room_total = (connections - connections / 4).min(WATCHERS_MAX);
        Self {
            drops: Mutex::default(),
            room: Arc::new(Semaphore::new(room_total)),
            room_total,
            encoded: AtomicU64::new(0),
        }
    }

    /// Watchers of all drops.
    pub(crate) fn watchers(&self) -> usize {
        self.room_total - self.room.available_permits()
    }

    /// How often a drop was encoded for its watchers, however many these were.
    pub(crate) fn encoded(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed)
    }

    /// Forgets a drop that nobody watches any more.
    pub(super) fn forget(&self, drop: &str) {
        let mut drops = self.drops.lock();
        let lives = |watched: &Weak<Watched>| watched.upgrade().is_some_and(|it| it.lives());
        if drops.get(drop).is_some_and(|watched| !lives(watched)) {
            drops.remove(drop);
        }
    }
}

/// Begins to watch a drop, if the caller may.
pub(crate) fn begin(app: &Arc<App>, caller: &Caller, drop: &str) -> Result<Watch, Refused> {
    caller.permits(Need::Nothing)?;
    let hub = &app.hub;
    let room = Arc::clone(&hub.room).try_acquire_owned().map_err(|_| Refusal::Overloaded)?;
    let view = view(app, caller, drop)?;
    let mut drops = hub.drops.lock();
    let known = drops.get(drop).and_then(Weak::upgrade);
    if let Some(watched) = known.filter(|watched| watched.lives()) {
        return Ok(watched.watch(room));
    }
    let watched = Arc::new(Watched::new(encode(app, view, None)));
    drops.insert(drop.into(), Arc::downgrade(&watched));
    tokio::spawn(tell(Arc::clone(app), drop.to_owned(), Arc::downgrade(&watched)));
    Ok(watched.watch(room))
}

/// The drop as everybody may see it.
pub(super) fn view(app: &App, caller: &Caller, drop: &str) -> Result<SaleView, Refused> {
    match app.dispatcher.run(caller, Command::Drop { drop })? {
        Answer::Drop(view) => Ok(*view),
        _ => unreachable!("a drop is answered with its view"),
    }
}

/// Encodes a drop for all its watchers.
pub(super) fn encode(app: &App, view: SaleView, before: Option<&Shown>) -> Shown {
    app.hub.encoded.fetch_add(1, Ordering::Relaxed);
    Shown::new(view, before, app.dispatcher.now())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jangteo::{Campaign, Engine};
    use tokio::time::sleep;

    use super::*;
    use crate::access::Access;
    use crate::drain;
    use crate::flushing::Flushing;
    use crate::limits::WATCH_PACE_MS;

    #[tokio::test(start_paused = true)]
    async fn watchers_have_a_bound_and_make_room_when_they_go() {
        let file = "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\n\
            time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n";
        let engine = Engine::in_memory();
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        let (_stopper, drain) = drain::pair();
        let mut app = App::new(engine, Access::loopback(), Flushing::Demanded, drain);
        app.hub = Hub::new(4);
        let app = Arc::new(app);
        let begin = |drop| begin(&app, &Caller::Anyone, drop);
        let mut watches: Vec<Watch> = (0..3).map(|_| begin("t-1").unwrap()).collect();
        for drop in ["t-1", "no-1"] {
            assert!(matches!(begin(drop), Err(Refused::Sale(Refusal::Overloaded))), "{drop}");
        }
        watches.pop();
        assert!(matches!(begin("no-1"), Err(Refused::Sale(Refusal::UnknownDrop))));
        assert_eq!(app.hub.watchers(), 2);
        watches.push(begin("t-1").unwrap());
        drop(watches);
        sleep(Duration::from_millis(2 * WATCH_PACE_MS)).await;
        assert!(app.hub.drops.lock().is_empty(), "its task has ended");
    }
}
