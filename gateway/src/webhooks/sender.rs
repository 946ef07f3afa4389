//! All webhooks of a service.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jangteo::{Engine, EventId};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::address::Address;
use super::courier::Courier;
use super::feed_end::durable_after;
use super::place::Places;
use super::post::Client;
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::drain::{self, Drain, Stopper};
use crate::metrics::WebhookCounts;

/// An endpoint, and what it gets. Debug shows neither secrets nor the address's path.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it is.
    pub address: Address,
    /// What it knows the sender by.
    pub secrets: Secrets,
    /// Which events it gets.
    pub wanted: Wanted,
}

/// Sends events to endpoints, as long as it lives. See the module.
#[derive(Debug)]
pub struct Webhooks {
    shared: Arc<Shared>,
    plans: watch::Sender<Arc<Plan>>,
    stopper: Stopper,
    task: JoinHandle<()>,
}

/// Endpoints that can be sent to: each has a place on disk.
#[derive(Debug)]
pub struct Plan {
    webhooks: Vec<Arc<Webhook>>,
    client: Client,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    places: Places,
    counts: Arc<WebhookCounts>,
}

impl Webhooks {
    /// Sends the engine's events to these endpoints, in the runtime that this is called in. `data`
    /// is the engine's directory; how far each endpoint has got is kept there.
    ///
    /// # Errors
    /// As [`Webhooks::plan`].
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub fn start(engine: Engine, data: &Path, webhooks: Vec<Webhook>) -> io::Result<Self> {
        let shared = Shared { engine, places: Places::of(data), counts: Arc::default() };
        let shared = Arc::new(shared);
        let (plans, changes) = watch::channel(Arc::new(shared.plan(webhooks)?));
        let (stopper, drain) = drain::pair();
        let task = tokio::spawn(send(Arc::clone(&shared), changes, drain));
        Ok(Self { shared, plans, stopper, task })
    }

    /// Makes sure that these endpoints can be sent to. One that has no place yet begins with what
    /// happens from now on; in a directory that was restored from a backup and has had no webhooks
    /// since, all begin with the oldest that is kept. Waits for the disk.
    ///
    /// # Errors
    /// A place cannot be stored; an endpoint is encrypted and this machine knows no authorities;
    /// in [`Durability::Memory`](jangteo::Durability::Memory) there are no events.
    pub fn plan(&self, webhooks: Vec<Webhook>) -> io::Result<Plan> {
        self.shared.plan(webhooks)
    }

    /// Sends to the endpoints of this plan in place of those before.
    pub fn follow(&self, plan: Plan) {
        self.plans.send_replace(Arc::new(plan));
    }

    /// Ends: what is under way may end for a moment, then every place is stored.
    pub async fn stop(mut self) {
        self.stopper.stop();
        _ = (&mut self.task).await; // one that panicked has said so
    }

    pub(crate) fn counts(&self) -> Arc<WebhookCounts> {
        Arc::clone(&self.shared.counts)
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

impl Shared {
    fn plan(&self, webhooks: Vec<Webhook>) -> io::Result<Plan> {
        let client = Client::new(webhooks.iter().any(|webhook| webhook.address.is_encrypted()))?;
        if !webhooks.is_empty() {
            let first = self.first_place()?;
            for Webhook { address, .. } in &webhooks {
                if !self.places.has(address)? {
                    self.places.begin(address, first)?;
                }
            }
        }
        Ok(Plan { webhooks: webhooks.into_iter().map(Arc::new).collect(), client })
    }

    /// Where an endpoint begins that has no place yet.
    fn first_place(&self) -> io::Result<EventId> {
        let first = self.engine.events(None, 1).map_err(io::Error::other)?.through;
        // What had not been delivered when the backup was made is not known any more.
        if first.incarnation > 1 && !self.places.exist()? {
            tracing::warn!("a directory that was restored: webhooks get everything that is kept");
            return Ok(EventId { sequence: 0, ..first });
        }
        let sequence = first.sequence + durable_after(&self.engine, first);
        Ok(EventId { sequence, ..first })
    }

    /// Sends somebody on the way to each endpoint of a plan.
    fn couriers(&self, plan: &Plan, drain: &Drain) -> JoinSet<()> {
        let mut couriers = JoinSet::new();
        for webhook in &plan.webhooks {
            let address = &webhook.address;
            let place = match self.places.open(address) {
                Ok(place) => place,
                Err(error) => {
                    let endpoint = address.host();
                    tracing::error!(endpoint, %error, "a webhook's place cannot be read");
                    continue;
                }
            };
            couriers.spawn(
                Courier {
                    engine: self.engine.clone(),
                    webhook: Arc::clone(webhook),
                    place,
                    post: plan.client.clone(),
                    counts: self.counts.of(address.hash(), address.host()),
                    drain: drain.clone(),
                }
                .run(),
            );
        }
        couriers
    }
}

/// Follows one plan after the other. The couriers of one have ended, and stored their places,
/// before those of the next begin.
async fn send(shared: Arc<Shared>, mut plans: watch::Receiver<Arc<Plan>>, mut drain: Drain) {
    loop {
        let plan = Arc::clone(&plans.borrow_and_update());
        let (stopper, stop) = drain::pair();
        let mut couriers = shared.couriers(&plan, &stop);
        let stopped = tokio::select! {
            () = drain.begun() => true,
            changed = plans.changed() => changed.is_err(),
        };
        stopper.stop();
        while couriers.join_next().await.is_some() {}
        if stopped {
            return;
        }
    }
}
