//! One HTTP/2 connection, and what keeps it small.
//!
//! | flood | what bounds it |
//! |---|---|
//! | streams | [`STREAMS_MAX`] at once; the next one is refused |
//! | streams opened and reset (rapid reset) | [`STREAM_RESETS_MAX`] that were not looked at yet; then the connection ends |
//! | requests that break the rules | [`STREAM_ERRORS_MAX`] of them; then the connection ends |
//! | CONTINUATION | a head of [`HEAD_BYTES_MAX`]; the frames it may take follow from that |
//! | PING, SETTINGS | one is answered before the next is read, and a client that takes nothing is cut |
//! | any frames, faster than they are read | others have their turn after every [`TURN_BYTES`](crate::limits::TURN_BYTES) |
//! | bodies, and windows that stay shut | the windows below; a stream that does not move for [`STREAM_STALL_MS`] is reset |
//! | nothing at all | without a stream for [`HEAD_TIMEOUT_MS`] it is told to go |

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::ahead::Ahead;
use crate::app::App;
use crate::limits::{
    BODY_BYTES_MAX, CONNECTION_WINDOW_BYTES, HEAD_BYTES_MAX, HEAD_TIMEOUT_MS, STREAM_ERRORS_MAX,
    STREAM_RESETS_MAX, STREAM_SEND_BYTES_MAX, STREAM_STALL_MS, STREAMS_MAX,
};

/// Serves a connection until it ends.
pub(super) async fn serve<F>(
    app: &App,
    stream: Ahead,
    respond: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let streams = Streams::default();
    let busy = streams.clone();
    let service = service_fn(move |request| {
        let (answer, open) = (respond(request), busy.open());
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| Open { body, _open: open }))
        }
    });
    let window = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(Streaming)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(STREAM_RESETS_MAX)
        .max_local_error_reset_streams(STREAM_ERRORS_MAX)
        .max_header_list_size(window(HEAD_BYTES_MAX))
        .initial_stream_window_size(window(BODY_BYTES_MAX))
        .initial_connection_window_size(window(CONNECTION_WINDOW_BYTES))
        .max_send_buf_size(STREAM_SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut drain = app.drain.clone();
    tokio::select! {
        biased;
        // How a connection ended is its client's affair.
        _ = connection.as_mut() => return,
        () = drain.begun() => {}
        () = streams.idle() => {}
    }
    connection.as_mut().graceful_shutdown();
    // One that has nothing under way and does not go is left.
    tokio::select! {
        _ = connection => {}
        () = streams.idle() => {}
    }
}

/// The streams of a connection: how many there are, and when the last one ended.
#[derive(Clone)]
struct Streams(Arc<Mutex<Instant>>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

/// A stream that has not ended.
struct Stream(Arc<Mutex<Instant>>);

impl Drop for Stream {
    fn drop(&mut self) {
        *self.0.lock() = Instant::now();
    }
}

impl Streams {
    fn open(&self) -> Stream {
        Stream(Arc::clone(&self.0))
    }

    /// Is ready once there was no stream for long.
    async fn idle(&self) {
        let limit = Duration::from_millis(HEAD_TIMEOUT_MS);
        loop {
            // Those of this connection and of its service are no streams.
            let is_open = Arc::strong_count(&self.0) > 2;
            let quiet = if is_open { Duration::ZERO } else { self.0.lock().elapsed() };
            match limit.checked_sub(quiet) {
                Some(rest) if !rest.is_zero() => sleep(rest).await,
                _ => return,
            }
        }
    }
}

/// The body of an answer, whose stream is open until it is sent.
struct Open {
    body: Body,
    _open: Stream,
}

impl HttpBody for Open {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs the streams of a connection, and ends those that do not move: a client that gives no window
/// keeps its answer waiting.
#[derive(Clone, Copy)]
struct Streaming;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streaming {
    fn execute(&self, stream: F) {
        tokio::spawn(unless_stalled(stream));
    }
}

async fn unless_stalled(stream: impl Future<Output = ()>) {
    let limit = Duration::from_millis(STREAM_STALL_MS);
    let (mut stream, mut stalled) = (pin!(stream), pin!(sleep(limit)));
    std::future::poll_fn(|context| {
        if stream.as_mut().poll(context).is_ready() || stalled.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // It was polled since something moved.
        stalled.as_mut().reset(Instant::now() + limit);
        stalled.as_mut().poll(context)
    })
    .await;
}
