//! Brings one endpoint its events, in order.
//!
//! The place moves only behind an event that was taken, or that is not wanted; so whenever a
//! courier ends, by a stop or by a crash, what comes next is what was not taken. What was taken
//! since its place was last stored comes again.

use std::sync::Arc;
use std::time::Duration;

use jangteo::{Engine, Event, EventId, Events, EventsError};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::letter::Letter;
use super::place::{self, Place};
use super::post::{Answer, Post};
use super::sender::Webhook;
use crate::drain::Drain;
use crate::limits::{
    EVENTS_STREAMED, WEBHOOK_BACKOFF_MAX_MS, WEBHOOK_PACE_MS, WEBHOOK_SAVE_MS, WEBHOOK_STOP_MS,
    WEBHOOK_UNSAVED_MAX,
};
use crate::metrics::{EndpointCounts, Outcome};

/// See the module.
pub(super) struct Courier<P> {
    pub(super) engine: Engine,
    pub(super) webhook: Arc<Webhook>,
    pub(super) place: Place,
    pub(super) post: P,
    pub(super) counts: Arc<EndpointCounts>,
    /// Tells it to end.
    pub(super) drain: Drain,
}

/// A courier under way.
struct Round<P> {
    courier: Courier<P>,
    /// Events that were taken since the place was stored.
    unsaved: u32,
    /// Whether the last attempt failed, and was logged.
    failing: bool,
}

impl<P: Post> Courier<P> {
    /// Sends until it is told to end; then what is under way may end for a moment.
    pub(super) async fn run(self) {
        let mut drain = self.drain.clone();
        let cut = async {
            drain.begun().await;
            sleep(Duration::from_millis(WEBHOOK_STOP_MS)).await;
        };
        self.counts.stands(self.place.after());
        let mut round = Round { courier: self, unsaved: 0, failing: false };
        tokio::select! {
            biased;
            () = round.follow() => {}
            () = cut => {}
        }
        round.save().await;
        round.courier.counts.left();
    }
}

impl<P: Post> Round<P> {
    async fn follow(&mut self) {
        while !self.courier.drain.has_begun() {
            if let Some(page) = self.page().await {
                self.deliver_page(page).await;
            }
        }
    }

    /// Reads the next events. What cannot be read is logged, and asked for again later.
    async fn page(&mut self) -> Option<Events> {
        let (engine, after) = (self.courier.engine.clone(), self.courier.place.after());
        let why = match spawn_blocking(move || engine.events(after, EVENTS_STREAMED)).await {
            Ok(Ok(page)) => return Some(page),
            Ok(Err(EventsError::Gone { first })) if after.is_some() => {
                let endpoint = self.host();
                tracing::warn!(
                    endpoint, %first,
                    "a webhook's place is not kept any more: it gets everything that is kept"
                );
                self.courier.place.forget();
                self.courier.counts.stands(None);
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(endpoint = self.host(), "events cannot be read for a webhook: {why}");
        self.rest(WEBHOOK_BACKOFF_MAX_MS).await;
        None
    }

    async fn deliver_page(&mut self, page: Events) {
        for event in &page.list {
            let wanted = self.courier.webhook.wanted.wants(event.kind.name());
            if wanted && !self.deliver(event).await {
                return;
            }
            self.pass(event.id);
            if self.unsaved >= WEBHOOK_UNSAVED_MAX {
                self.save().await;
            }
        }
        self.pass(page.through);
        if !page.more {
            self.wait_for_more(page.through).await;
        }
    }

    /// Sends an event until it is taken; false if that was not to be.
    async fn deliver(&mut self, event: &Event) -> bool {
        let letter = Letter::from(event);
        let mut backoff = Backoff::default();
        while !self.courier.drain.has_begun() {
            let Courier { webhook, engine, post, counts, .. } = &self.courier;
            let answer = post.post(letter.request(webhook, engine.now())).await;
            counts.count(outcome(&answer));
            self.log(&answer);
            let asked_ms = match answer {
                Answer::Taken => {
                    self.unsaved += 1;
                    return true;
                }
                // It wants nothing any more. Nothing is lost: it goes on here if it is asked again.
                Answer::Refused { status, .. } if status.as_u16() == 410 => {
                    self.courier.drain.begun().await;
                    return false;
                }
                Answer::Refused { retry_after_ms, .. } => retry_after_ms,
                Answer::Late | Answer::Unreachable(_) => 0,
            };
            self.rest(backoff.failed(asked_ms)).await;
        }
        false
    }

    /// Logs the first failure, and that it is over.
    fn log(&mut self, answer: &Answer) {
        let failed = *answer != Answer::Taken;
        let endpoint = self.host();
        match answer {
            Answer::Refused { status, .. } if status.as_u16() == 410 => tracing::error!(
                endpoint,
                "a webhook's endpoint is gone: nothing is sent to it until a reload or a restart"
            ),
            _ if failed && !self.failing => {
                tracing::warn!(endpoint, "a webhook is not taken, and sent again: {answer}");
            }
            _ if !failed && self.failing => tracing::info!(endpoint, "webhooks are taken again"),
            _ => {}
        }
        self.failing = failed;
    }

    fn pass(&mut self, event: EventId) {
        self.courier.place.pass(event);
        self.courier.counts.stands(Some(event));
    }

    /// Waits until there may be more, and stores the place if it takes a while.
    async fn wait_for_more(&mut self, through: EventId) {
        self.rest(WEBHOOK_PACE_MS).await;
        let ready = self.courier.engine.events_ready(through);
        let mut drain = self.courier.drain.clone();
        let mut more = std::pin::pin!(async {
            let never = async {
                if ready.await.is_err() {
                    // There will be none; what there was has been sent.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = never => {}
                () = drain.begun() => {}
            }
        });
        let quiet = timeout(Duration::from_millis(WEBHOOK_SAVE_MS), more.as_mut()).await.is_err();
        if quiet {
            self.save().await;
            more.await;
        }
    }

    /// Stores the place. Where that fails the endpoint is served none the less: at worst more comes
    /// twice.
    async fn save(&mut self) {
        let Some((path, after)) = self.courier.place.unsaved() else { return };
        let stored = spawn_blocking(move || place::store(&path, after)).await;
        match stored {
            Ok(Ok(())) => self.courier.place.saved(after),
            Ok(Err(error)) => {
                tracing::error!(endpoint = self.host(), %error, "a webhook's place is not stored");
            }
            Err(_) => {} // it was not begun, since the process ends
        }
        self.unsaved = 0;
    }

    /// Waits for so long, or until it is told to end.
    async fn rest(&mut self, time_ms: u64) {
        let limit = Duration::from_millis(time_ms);
        _ = timeout(limit, self.courier.drain.begun()).await;
    }

    fn host(&self) -> &str {
        self.courier.webhook.address.host()
    }
}

const fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Taken => Outcome::Delivered,
        Answer::Refused { .. } => Outcome::Refused,
        Answer::Late => Outcome::TimedOut,
        Answer::Unreachable(_) => Outcome::Unreachable,
    }
}

#[cfg(test)]
mod tests;
