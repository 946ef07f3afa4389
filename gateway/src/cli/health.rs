//! Says in the log what an operator has to act upon: a journal that failed, a disk that is short.

use std::time::Duration;

use jangteo::{Engine, Health};

/// How often to look, in milliseconds.
const LOOK_MS: u64 = 200;

/// What was logged last.
pub(super) struct HealthLog<'e> {
    engine: &'e Engine,
    before: Health,
}

impl<'e> HealthLog<'e> {
    pub(super) fn of(engine: &'e Engine) -> Self {
        Self { engine, before: Health { latched: None, disk_short: false } }
    }

    /// Logs every change, for ever.
    pub(super) async fn watch(&mut self) {
        loop {
            self.look();
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }

    /// Logs what has changed since the last look.
    pub(super) fn look(&mut self) {
        let now = self.engine.health();
        if let (None, Some(failure)) = (&self.before.latched, &now.latched) {
            tracing::error!(
                "the journal failed: {failure}; nothing is acknowledged any more: \
                 see to the disk and restart the process"
            );
        }
        match (self.before.disk_short, now.disk_short) {
            (false, true) => tracing::warn!("the disk is short: no new holds until there is room"),
            (true, false) => tracing::info!("the disk has room again: holds are granted"),
            _ => {}
        }
        self.before = now;
    }
}
