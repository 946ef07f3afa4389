//! What every request goes through, before and after.

use std::hash::Hasher;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::head::{REQUEST_ID, check_accept, check_target, request_id};
use super::problem::{PROBLEM, Problem};
use super::trace::trace_id;
use super::{events, orders, watch};
use crate::access::Caller;
use crate::app::App;
use crate::codes::Code;
use crate::metrics::Call;
use crate::tls::Wire;

/// What requests are logged under.
const REQUESTS: &str = "jangteo::requests";

/// The server's clock, in every answer.
pub(super) const JANGTEO_TIME: &str = "jangteo-time";

/// What is needed of a request to finish its answer.
pub(super) struct Common {
    request_id: HeaderValue,
    /// Only where it will be logged.
    trace_id: Option<String>,
    call: Call,
    began: Instant,
}

impl Common {
    pub(super) fn of(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let call = Call::of_request(method, uri.path());
        let logged = tracing::enabled!(target: REQUESTS, tracing::Level::DEBUG);
        let trace_id = logged.then(|| trace_id(headers).map(str::to_owned)).flatten();
        Self { request_id: request_id(app, headers), trace_id, call, began: Instant::now() }
    }

    /// Finishes an answer: its headers, and the form of an error that is not ours.
    pub(super) fn finish(self, app: &App, mut response: Response) -> Response {
        let status = response.status();
        let foreign = status.is_client_error() || status.is_server_error();
        if foreign && response.headers().get(header::CONTENT_TYPE) != Some(&PROBLEM) {
            response = as_problem(&response);
        }
        let now = app.dispatcher.now().to_string();
        let now = HeaderValue::from_str(&now).expect("a time is ASCII");
        app.metrics.times.add(Wire::Http, self.call, self.began.elapsed());
        self.log(response.status());
        let headers = response.headers_mut();
        headers.insert(JANGTEO_TIME, now);
        headers.insert(REQUEST_ID, self.request_id);
        response
    }

    /// Says what was asked for and what came of it, never by whom or about what: paths and queries
    /// name holds and customers.
    fn log(&self, status: StatusCode) {
        let id = self.request_id.to_str().unwrap_or_default();
        let (trace, call, status) = (self.trace_id.as_deref(), self.call.name(), status.as_u16());
        let took_us = self.began.elapsed().as_micros();
        tracing::debug!(target: REQUESTS, id, trace, call, status, took_us, "http");
    }
}

/// Refuses what is not to be looked at any further; else says who sends it. What that caller may
/// do is decided with the call.
pub(super) fn check(app: &App, head: &request::Parts) -> Result<Caller, Problem> {
    check_target(head.version, &head.uri, &head.headers)?;
    if let Some(why) = app.access.refuses(&head.method, &head.uri, &head.headers) {
        return Err(Problem::new(Code::Forbidden, why));
    }
    match head.uri.path() {
        events::PATH => check_accept(&head.headers, &events::KINDS)?,
        path if watch::is_path(path) => check_accept(&head.headers, &[events::STREAM])?,
        path if orders::is_path(path) => check_accept(&head.headers, &orders::KINDS)?,
        path if path.starts_with("/v1/") => check_accept(&head.headers, &["application/json"])?,
        _ => {}
    }
    let now = || app.dispatcher.now();
    app.access.caller(&head.headers, now).map_err(Problem::malformed)
}

/// The error of a library in our own form.
fn as_problem(response: &Response) -> Response {
    let allow = response.headers().get(header::ALLOW);
    let problem = match response.status() {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, "no such path"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, "see Allow"),
        status if status.is_server_error() => {
            Problem::new(Code::Internal, Code::Internal.row().title)
        }
        _ => Problem::malformed("path"),
    };
    let mut response = problem.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

/// Runs what may wait or take long on a thread for such work.
pub(super) async fn on_thread<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(act).await.map_err(|error| {
        let code = if error.is_panic() { Code::Internal } else { Code::Draining };
        Problem::new(code, code.row().title)
    })
}

/// A strong entity tag: the same for the same bytes, also after a restart.
pub(super) fn tag(body: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    format!("\"{:032x}\"", hasher.finish128().as_u128())
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    bytes(status, serde_json::to_vec(body).expect("what is shown has only text keys"))
}

/// Likewise, encoded already.
pub(super) fn bytes(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
