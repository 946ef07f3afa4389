//! What is counted where it happens, but for holds, which are counted beside the engine.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::times::Times;
use super::turned_away::TurnedAway;
use super::webhooks::WebhookCounts;
use crate::limits::SCRAPERS_MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) times: Times,
    pub(crate) turned_away: TurnedAway,
    /// If there are webhooks.
    pub(crate) webhooks: OnceLock<Arc<WebhookCounts>>,
    /// Room for whoever scrapes.
    pub(crate) scrapers: Arc<Semaphore>,
}

impl Default for Metrics {
    fn default() -> Self {
        let scrapers = Arc::new(Semaphore::new(SCRAPERS_MAX));
        Self {
            times: Times::default(),
            turned_away: TurnedAway::default(),
            webhooks: OnceLock::new(),
            scrapers,
        }
    }
}
