//! The engine, which a service that has just started does not have yet: it listens first, and to
//! read a long journal back takes a while.
//!
//! Filled once, and never emptied. To look is one load.

use std::sync::{Arc, OnceLock};

use jangteo::{Clock, Engine, SystemClock, Timestamp};

/// See the module. Clones share the engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineSlot(Arc<OnceLock<Engine>>);

impl EngineSlot {
    /// The engine, once it has recovered.
    pub(crate) fn get(&self) -> Option<&Engine> {
        self.0.get()
    }

    /// The engine has recovered. A second one is left aside.
    pub(crate) fn fill(&self, engine: Engine) {
        _ = self.0.set(engine);
    }

    /// The engine's clock; until there is one, this machine's.
    pub(crate) fn now(&self) -> Timestamp {
        self.get().map_or_else(|| SystemClock::new().now(), Engine::now)
    }
}

impl From<Engine> for EngineSlot {
    fn from(engine: Engine) -> Self {
        Self(Arc::new(OnceLock::from(engine)))
    }
}
