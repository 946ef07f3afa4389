//! One attempt to send: what came of it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::RETRY_AFTER;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::limits::{
    HEAD_BYTES_MAX, WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_ANSWER_TIMEOUT_MS,
    WEBHOOK_CONNECT_TIMEOUT_MS, WEBHOOK_TIMEOUT_MS,
};

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The endpoint took the event: 2xx.
    Taken,
    /// It answered something else, and perhaps when to come again.
    Refused { status: StatusCode, retry_after_ms: u64 },
    /// It did not answer in time.
    Late,
    /// There was no connection, or it broke.
    Unreachable(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("taken"),
            Self::Refused { status, .. } => write!(f, "status {}", status.as_u16()),
            Self::Late => f.write_str("no answer in time"),
            Self::Unreachable(why) => f.write_str(why),
        }
    }
}

/// Sends requests: the seam at which tests put an endpoint of their own.
pub(super) trait Post: Clone + Send + Sync + 'static {
    fn post(&self, request: Request<Full<Bytes>>) -> impl Future<Output = Answer> + Send;
}

/// Connections to endpoints, kept between events. Follows no redirection and asks no proxy.
#[derive(Clone, Debug)]
pub(super) struct Client(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    /// A client that trusts the authorities of this machine (or of `SSL_CERT_FILE`), read now.
    ///
    /// # Errors
    /// It is to encrypt, and there are none.
    pub(super) fn new(encrypts: bool) -> io::Result<Self> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions();
        let config = config.expect("the provider has what TLS 1.2 and 1.3 need");
        let config = if encrypts {
            config.with_native_roots()?
        } else {
            config.with_root_certificates(RootCertStore::empty())
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_millis(WEBHOOK_CONNECT_TIMEOUT_MS)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http() // which of the two is the address's, and http is this machine's
            .enable_http1()
            .wrap_connector(tcp);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Ok(Self(pool))
    }
}

impl Post for Client {
    async fn post(&self, request: Request<Full<Bytes>>) -> Answer {
        let limit = Duration::from_millis(WEBHOOK_TIMEOUT_MS);
        let (head, body) = match timeout(limit, self.0.request(request)).await {
            Ok(Ok(response)) => response.into_parts(),
            Ok(Err(error)) => return Answer::Unreachable(whole(&error)),
            Err(_) => return Answer::Late,
        };
        // Read to its end so that the connection can be used again; what it says is of no interest.
        let limit = Duration::from_millis(WEBHOOK_ANSWER_TIMEOUT_MS);
        _ = timeout(limit, Limited::new(body, WEBHOOK_ANSWER_BYTES_MAX).collect()).await;
        match head.status {
            status if status.is_success() => Answer::Taken,
            status => Answer::Refused { status, retry_after_ms: retry_after_ms(&head.headers) },
        }
    }
}

/// What `Retry-After` asks for in seconds; a date is not looked at.
fn retry_after_ms(headers: &HeaderMap) -> u64 {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds: u64 = value.and_then(|text| text.parse().ok()).unwrap_or(0);
    seconds.saturating_mul(1_000)
}

/// The text of an error and of all that is behind it. None of them names the path of an address.
fn whole(error: &PoolError) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        behind = cause.source();
    }
    text
}
