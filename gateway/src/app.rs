//! What all connections of one service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::Timestamp;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::dispatch::Dispatcher;
use crate::drain::Drain;
use crate::engine_slot::EngineSlot;
use crate::flushing::{Flusher, Flushing};
use crate::limits::{CONNECTIONS_MAX, DESCRIPTORS_KEPT, EVENT_READERS_MAX};
use crate::tls::Tls;

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
    /// Room for requests for events.
    pub(crate) event_readers: Arc<Semaphore>,
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
        let engine = engine.into();
        let room_total = room_total();
        Self {
            started_at: engine.now(),
            flusher: Flusher::new(engine.clone(), flushing),
            dispatcher: Dispatcher::new(engine),
            access,
            drain,
            tls: None,
            event_readers: Arc::new(Semaphore::new(EVENT_READERS_MAX)),
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

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.room_total - self.room.available_permits()
    }
}

/// Connections that the limits and the system allow.
fn room_total() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    descriptors.saturating_sub(DESCRIPTORS_KEPT).clamp(1, CONNECTIONS_MAX)
}
