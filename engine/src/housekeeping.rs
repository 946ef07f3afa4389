//! What is due: openings, closings, expiries, a stepped clock, a disk that fills up.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::EngineCore;
use crate::limits::EXPIRY_LAG_MS;
use crate::phase::Phase;
use crate::sale::Sale;

/// How often to look, in milliseconds: often enough to meet every deadline in time.
const TICK_MS: u64 = 10;
const _: () = assert!(TICK_MS * 2 <= EXPIRY_LAG_MS);

/// Rows are made ready this long before a drop opens, in milliseconds.
const WARM_MS: u64 = 60_000;

/// Tells the time-keeping thread to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopping: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    pub(crate) fn stop(&self) {
        *self.stopping.lock() = true;
        self.told.notify_all();
    }

    /// Waits that long, or until told to stop; whether it was.
    fn wait(&self, wait: Duration) -> bool {
        let mut stopping = self.stopping.lock();
        if !*stopping {
            self.told.wait_for(&mut stopping, wait);
        }
        *stopping
    }
}

/// Starts the thread that ticks until the engine ends.
pub(crate) fn start(engine: &Arc<EngineCore>) -> io::Result<JoinHandle<()>> {
    let engine = Arc::clone(engine);
    std::thread::Builder::new().name("jangteo-time".to_owned()).spawn(move || {
        while !engine.stop.wait(Duration::from_millis(engine.wait_ms())) {
            engine.tick();
        }
    })
}

impl EngineCore {
    /// See [`Engine::tick`](crate::Engine::tick).
    pub(crate) fn tick(&self) -> u64 {
        let step_ms = self.shared.clock.resync();
        let now = self.shared.clock.now();
        let live = self.shared.journal.read(|book, _| book.holds_live());
        let mut expired = 0;
        for sale in self.current() {
            sale.0.turn_phase(now);
            let has_live = live > 0 && sale.has_live_holds();
            if has_live && step_ms != 0 {
                sale.0.shards().for_each(|mut shard| shard.stepped(step_ms));
            }
            if has_live && sale.phase() != Phase::Paused {
                expired += sale.0.expire_due(now);
            }
            if sale.is_near(now.plus_ms(WARM_MS)) {
                sale.0.warm();
            }
        }
        self.shared.journal.keep(live);
        expired
    }

    /// Milliseconds until the next look; an opening is met to the millisecond.
    fn wait_ms(&self) -> u64 {
        let now = self.shared.clock.now();
        let scheduled = self.current().into_iter().filter(|sale| sale.phase() == Phase::Scheduled);
        let until = |sale: Sale| sale.opens_at().as_ms().saturating_sub(now.as_ms());
        scheduled.map(until).min().unwrap_or(TICK_MS).clamp(1, TICK_MS)
    }
}

impl Sale {
    /// Whether it opens before `then`, or has opened.
    fn is_near(&self, then: crate::Timestamp) -> bool {
        self.opens_at() <= then && self.phase() <= Phase::Paused
    }

    /// Units of a drop that can still be sold.
    pub(crate) fn units_to_come(&self) -> u64 {
        if self.phase() <= Phase::Paused { self.goods().units() } else { 0 }
    }
}
