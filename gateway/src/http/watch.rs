//! `/v1/drops/{drop}/events`: what becomes of a drop, as server-sent events for everybody.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use utoipa::ToSchema;

use super::events::STREAM;
use super::openapi::DropProblems;
use super::problem::Problem;
use super::takeover::Takeover;
use crate::access::Caller;
use crate::app::App;
use crate::watch::{self, Form, Watch};

/// By this nginx, and what learned it from there, passes each event on as it comes.
const NOT_BUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whether this is the path of a drop's events.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with("/v1/drops/") && path.ends_with("/events")
}

/// Tells what becomes of a drop: `drop`, then `phase` and `stock`, absolute values.
///
/// Its body is sent by whoever serves the connection, or, where it comes with the
/// request, by a [`Takeover`].
#[utoipa::path(
    get, path = "/v1/drops/{drop}/events", operation_id = "watch", tag = "drops",
    params(("drop" = String, Path, example = "try-it-1")),
    responses(
        (status = 200, description = "A stream that goes on",
            content((Told = "text/event-stream"))),
        DropProblems,
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    takeover: Option<Extension<Takeover>>,
    Path(drop): Path<String>,
) -> Result<Response, Problem> {
    let watch = match watch::begin(&app, &caller, &drop) {
        Ok(watch) => watch,
        Err(refused) => return Err(Problem::of(&app, refused).await),
    };
    let body = match takeover {
        Some(Extension(takeover)) => {
            takeover.give(watch);
            Body::empty()
        }
        None => Body::new(Events { watch, unsent: VecDeque::new() }),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(NOT_BUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

/// One event of a stream, as it is described.
#[expect(dead_code, reason = "its bytes are made once for all watchers, in watch/shown.rs")]
#[derive(ToSchema)]
struct Told {
    /// `drop`, `phase` or `stock`.
    #[schema(pattern = "^(drop|phase|stock)$")]
    event: String,
    /// A JSON object: the drop, or what of it has changed.
    data: String,
}

/// The body of a stream. It holds one update at most: the next is asked for when that is taken.
struct Events {
    watch: Watch,
    unsent: VecDeque<Bytes>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(frame) = self.unsent.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            match ready!(self.watch.poll(context)) {
                Some(news) => self.unsent.extend(news.frames(Form::Sse)),
                None => return Poll::Ready(None),
            }
        }
    }
}
