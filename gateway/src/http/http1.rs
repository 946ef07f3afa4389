//! One HTTP/1 connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::ahead::Ahead;
use super::common::Common;
use super::corked::Corked;
use super::problem::Problem;
use super::takeover::{Leaving, Outgoing};
use crate::app::App;
use crate::codes::Code;
use crate::limits::{HEAD_BYTES_MAX, HEAD_TIMEOUT_MS, HEADERS_MAX, LINGER_MS};

/// Serves a connection until it ends, or is to be taken over to send this.
pub(super) async fn serve<S>(
    app: &App,
    stream: Ahead,
    leaving: &Leaving,
    service: S,
) -> Option<(Outgoing, Ahead)>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let corked = Corked::new(stream);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        // A client that has said all it has to say still wants its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(corked.clone()), service);
    let mut connection = Box::pin(connection);
    let mut drain = app.drain.clone();
    let mut stopping = pin!(drain.begun());
    let mut told = false;
    let ended = poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(Ends::Served(ended));
            }
            if let Some(outgoing) = leaving.take() {
                return Poll::Ready(Ends::Left(outgoing));
            }
            if !told && stopping.as_mut().poll(context).is_ready() {
                told = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
            match corked.poll_send(context) {
                Poll::Ready(Ok(true)) => {} // there is room again
                Poll::Ready(Ok(false)) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Ends::Gone),
            }
        }
    });
    let ended = match ended.await {
        Ends::Served(ended) => ended,
        Ends::Left(outgoing) => {
            drop(connection);
            return Some((outgoing, corked.into_stream()?));
        }
        Ends::Gone => return None,
    };
    let idle = ended.is_err() && !corked.is_unanswered();
    if let Err(error) = ended
        && let Some(problem) = problem(&error, &corked)
    {
        corked.append(&written(app, problem).await);
    }
    // A client that does not take its leave is left; one that a stopping service waits for as well.
    let limit = if idle || app.drain.has_begun() { 0 } else { LINGER_MS };
    let _ = timeout(Duration::from_millis(limit), corked.end()).await;
    None
}

/// How hyper is done with a connection.
enum Ends {
    Served(hyper::Result<()>),
    /// It is a watcher's now.
    Left(Outgoing),
    /// The client is gone.
    Gone,
}

/// What is to be said of how a connection ended, if anything is.
fn problem(error: &hyper::Error, corked: &Corked) -> Option<Problem> {
    if error.is_timeout() && corked.is_unanswered() {
        return Some(Problem::new(Code::RequestTimeout, "the head did not arrive in time"));
    }
    match corked.take_back()? {
        StatusCode::BAD_REQUEST => Some(Problem::malformed(format!("the head: {error}"))),
        status => Some(Problem::too_large(status, error.to_string())),
    }
}

/// A problem as it goes over the wire, as the last answer of its connection.
async fn written(app: &App, problem: Problem) -> Vec<u8> {
    let common = Common::of(app, &Method::default(), &Uri::default(), &HeaderMap::new());
    let (head, body) = common.finish(app, problem.into_response()).into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let length = body.len();
    bytes.extend_from_slice(
        format!("connection: close\r\ncontent-length: {length}\r\n\r\n").as_bytes(),
    );
    bytes.extend_from_slice(&body);
    bytes
}
