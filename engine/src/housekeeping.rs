//! What is due: openings, closings, expiries, a stepped clock, a disk that fills up.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::Timestamp;
use crate::engine::EngineCore;
use crate::fault::{Fault, planted};
use crate::journal::Room;
use crate::journal::record::Record;
use crate::limits::{EXPIRY_LAG_MS, SETTLE_LOOK_MS, SHARDS};
use crate::phase::Phase;
use crate::sale::Sale;

/// How often to look, in milliseconds: often enough to meet every deadline in time.
const TICK_MS: u64 = 10;
const _: () = assert!(TICK_MS * 2 <= EXPIRY_LAG_MS);
const _: () = assert!(TICK_MS * (SHARDS as u64) < WARM_MS / 2);

/// Rows are made ready from this long before a drop opens, in milliseconds: a shard at each look.
const WARM_MS: u64 = 60_000;
/// And until this long after: who comes later is no crowd.
const CROWD_MS: u64 = 3_600_000;

/// Tells the threads of an engine that it ends.
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

    /// Whether it was told to end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.lock()
    }

    /// Waits that long, or until told to stop; whether it was.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
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

/// Starts the thread that settles what is due and drops what is not to be kept: both take longer
/// than whoever keeps the time may.
pub(crate) fn start_settling(engine: &Arc<EngineCore>) -> io::Result<JoinHandle<()>> {
    let engine = Arc::clone(engine);
    std::thread::Builder::new().name("jangteo-settle".to_owned()).spawn(move || {
        while !engine.stop.wait(Duration::from_millis(SETTLE_LOOK_MS)) {
            engine.settle_due();
            engine.drop_oldest_segment();
        }
    })
}

impl EngineCore {
    /// See [`Engine::tick`](crate::Engine::tick).
    pub(crate) fn tick(&self) -> u64 {
        let _one_at_a_time = self.ticking.lock();
        let _watch = self.shared.journal.watch();
        let stepped = self.shared.clock.step_ms() != 0;
        let stepped_ms = if stepped { self.follow_clock() } else { 0 };
        let now = self.shared.clock.now();
        let live = self.shared.journal.read(|book, _| book.live().clone());
        let mut expired = 0;
        let current = self.current();
        for sale in &current {
            sale.0.is_revealed(now);
            sale.0.turn_phase(now);
            sale.0.close_if_due(now);
            let paused = sale.phase() == Phase::Paused && !planted(Fault::PauseIgnored);
            if live.contains(&sale.0.index) && !paused {
                expired += sale.0.expire_due(now);
            }
            if sale.is_near(now) {
                sale.0.warm_one();
            }
        }
        self.shared.journal.keep(self.shared.journal.read(|book, _| book.holds_live()));
        // Now that there is as much room as there can be.
        current.iter().for_each(|sale| sale.0.serve_line(stepped_ms));
        expired
    }

    /// The wall clock was stepped: what was left of each live hold is left of it still. Every shard
    /// is locked from before the step shows until its deadlines have moved, so that no grant falls
    /// between. By how many milliseconds it was.
    fn follow_clock(&self) -> i64 {
        let _nothing_new = self.shared.making.lock();
        let sales = self.current();
        let mut shards: Vec<_> = sales.iter().flat_map(|sale| sale.0.shards()).collect();
        let step_ms = self.shared.clock.resync();
        let now = self.shared.clock.now();
        let recorded = !planted(Fault::StepNotRecorded);
        let appended = self.shared.journal.append(now, Room::Own, |book, stamp| {
            // Where nothing is live nothing moves, and a clock may be wrong for long.
            if book.live().is_empty() || !recorded {
                return Err(());
            }
            book.step(stamp.sequence, step_ms);
            Ok(Record::Stepped { step_ms })
        });
        if appended.is_ok() || !recorded {
            shards.iter_mut().for_each(|shard| shard.stepped(step_ms));
        }
        step_ms
    }

    /// Milliseconds until the next look; an opening or closing is met to the millisecond.
    fn wait_ms(&self) -> u64 {
        let now = self.shared.clock.now();
        let turns = self.current().into_iter().filter_map(|sale| match sale.phase() {
            Phase::Scheduled => Some(sale.opens_at()),
            Phase::Open | Phase::Paused => sale.closes_at(),
            Phase::Closed | Phase::Settled => None,
        });
        let until = |at: Timestamp| at.as_ms().saturating_sub(now.as_ms());
        turns.map(until).min().unwrap_or(TICK_MS).clamp(1, TICK_MS)
    }
}

impl Sale {
    /// Whether it opens soon after `now`, or opened not long before, and is not over.
    pub(crate) fn is_near(&self, now: Timestamp) -> bool {
        let near = self.opens_at() <= now.plus_ms(WARM_MS);
        let late = self.opens_at().plus_ms(CROWD_MS) <= now;
        near && !late && self.phase() <= Phase::Paused && !self.0.is_over(now)
    }

    /// Units of a drop that can still be sold.
    pub(crate) fn units_to_come(&self) -> u64 {
        if self.phase() <= Phase::Paused { self.goods().units() } else { 0 }
    }
}
