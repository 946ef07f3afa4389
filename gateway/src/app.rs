//! What all connections of one service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::Timestamp;
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::clock_sync::ClockSync;
use crate::dispatch::Dispatcher;
use crate::drain::Drain;
use crate::engine_slot::EngineSlot;
use crate::flushing::{Flusher, Flushing};
use crate::in_flight::InFlight;
use crate::limits::{DESCRIPTORS_KEPT, EVENT_READERS_MAX, Limits, REPLY_BYTES_ALL_MAX};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::rate::Rates;
use crate::tls::Tls;
use crate::watch::Hub;

/// See the module. Owns one atomic counter: numbers of connections and requests, relaxed.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) flusher: Flusher,
    pub(crate) access: Access,
    pub(crate) drain: Drain,
    /// How connections are encrypted, if they are.
    pub(crate) tls: Option<Tls>,
    pub(crate) started_at: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) in_flight: Arc<InFlight>,
    /// Connections by where they come from.
    pub(crate) peers: Arc<Peers>,
    /// Room for requests for events.
    pub(crate) event_readers: Arc<Semaphore>,
    /// Held by whoever puts a campaign, from looking at what is there until it is put.
    pub(crate) putting: Mutex<()>,
    /// Watchers of drops.
    pub(crate) hub: Hub,
    /// How the machine's clock stands; tests say something else.
    pub(crate) clock_sync: fn() -> ClockSync,
    room: Arc<Semaphore>,
    room_total: usize,
    next_number: AtomicU64,
}

impl App {
    pub(crate) fn new(
        engine: impl Into<EngineSlot>,
        access: Access,
        flushing: Flushing,
        drain: Drain,
    ) -> Self {
        Self::limited(engine, access, flushing, drain, Limits::default())
    }

    /// Likewise, within these limits.
    pub(crate) fn limited(
        engine: impl Into<EngineSlot>,
        access: Access,
        flushing: Flushing,
        drain: Drain,
        limits: Limits,
    ) -> Self {
        let engine = engine.into();
        let room_total = room_total(limits.connections);
        let metrics = Arc::new(Metrics::default());
        let in_flight = Arc::new(InFlight::new(limits.waiting_holds, REPLY_BYTES_ALL_MAX));
        let rates = Rates::new(limits.customer_rate, limits.key_rate);
        let shared = (Arc::clone(&in_flight), Arc::clone(&metrics));
        Self {
            started_at: engine.now(),
            limits,
            flusher: Flusher::new(engine.clone(), flushing, Arc::clone(&in_flight)),
            dispatcher: Dispatcher::new(engine, rates, shared.0, shared.1),
            metrics,
            in_flight,
            peers: Peers::new(limits.connections_per_address),
            access,
            drain,
            tls: None,
            event_readers: Arc::new(Semaphore::new(EVENT_READERS_MAX)),
            putting: Mutex::new(()),
            hub: Hub::new(room_total),
            clock_sync: ClockSync::ask,
            room: Arc::new(Semaphore::new(room_total)),
            room_total,
            next_number: AtomicU64::new(1),
        }
    }

    /// The same, with connections encrypted if `tls` is something.
    pub(crate) fn encrypted(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// A number that no other connection or request of this service has.
    pub(crate) fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Room for one more connection, while the permit lives.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Clients that watch drops.
    pub(crate) fn watchers(&self) -> usize {
        self.hub.watchers()
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.room_total - self.room.available_permits()
    }
}

/// Connections that the limits and the system allow.
fn room_total(wanted: usize) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    descriptors.saturating_sub(DESCRIPTORS_KEPT).clamp(1, wanted.max(1))
}
