//! What all connections of one service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jangteo::{Engine, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::dispatch::Dispatcher;
use crate::drain::Drain;
use crate::flushing::{Flusher, Flushing};
use crate::limits::CONNECTIONS_MAX;

/// See the module. Owns one atomic counter: numbers of connections and requests, relaxed.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) flusher: Flusher,
    pub(crate) access: Access,
    pub(crate) drain: Drain,
    pub(crate) started_at: Timestamp,
    room: Arc<Semaphore>,
    next_number: AtomicU64,
}

impl App {
    pub(crate) fn new(engine: Engine, access: Access, flushing: Flushing, drain: Drain) -> Self {
        Self {
            started_at: engine.now(),
            flusher: Flusher::new(engine.clone(), flushing),
            dispatcher: Dispatcher::new(engine),
            access,
            drain,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            next_number: AtomicU64::new(1),
        }
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
        CONNECTIONS_MAX - self.room.available_permits()
    }
}
