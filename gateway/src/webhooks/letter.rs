//! An event as it is sent.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use jangteo::{Event, Timestamp};

use super::sender::Webhook;

/// Who sends.
const SENDER: &str = concat!("jangteo/", env!("CARGO_PKG_VERSION"));

/// The object of `/v1/events`, and the name it has there. The same bytes for every attempt.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    id: String,
    body: Bytes,
}

impl From<&Event> for Letter {
    fn from(event: &Event) -> Self {
        let body = serde_json::to_vec(event).expect("events have text keys");
        Self { id: event.id.to_string(), body: body.into() }
    }
}

impl Letter {
    /// One attempt to send it. What is signed says when it was made, so that nobody can send an old
    /// one again.
    pub(super) fn request(&self, to: &Webhook, now: Timestamp) -> Request<Full<Bytes>> {
        let timestamp_s = now.as_ms() / 1_000;
        let request = Request::post(to.address.uri())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, SENDER)
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", to.secrets.sign(&self.id, timestamp_s, &self.body))
            .body(Full::new(self.body.clone()));
        request.expect("an address that was checked, and visible ASCII")
    }
}
