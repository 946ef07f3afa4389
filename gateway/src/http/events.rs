//! `/v1/events`: everything that happened, as a batch or as a stream of server-sent events.
//!
//! A stream is a task that reads a piece of the feed, hands it to the connection, and waits: for
//! the connection to take it, then for the journal. Files are read on a thread for such work. A
//! reader that takes nothing for long is cut, and goes on with the last id it saw.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use jangteo::{Event, EventId, Events, EventsError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};

use super::common::bytes;
use super::head::{asks_for, only, unknown_parameter};
use super::openapi::EventsProblems;
use super::problem::Problem;
use super::shown::EventView;
use crate::access::Need;
use crate::app::App;
use crate::codes::Code;
use crate::limits::{
    EVENTS_LISTED_MAX, EVENTS_PACE_MS, EVENTS_STREAMED, HEARTBEAT_MS, STALL_TIMEOUT_MS,
};

pub(super) const PATH: &str = "/v1/events";
/// Media types of the answers; who accepts plain JSON gets a batch.
pub(super) const KINDS: [&str; 3] = [BATCH, STREAM, "application/json"];
const BATCH: &str = "application/cloudevents-batch+json";
pub(super) const STREAM: &str = "text/event-stream";

const LAST_EVENT_ID: &str = "last-event-id";

/// What is asked for.
struct Ask {
    after: Option<EventId>,
    limit: usize,
}

/// Everything that happened: a batch, or a stream where `Accept` names one.
#[utoipa::path(
    get, path = PATH, operation_id = "events", tag = "events",
    params(
        ("after" = Option<String>, Query, pattern = "^(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,17})$",
            description = "Only what came after this event"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000,
            description = "Of a batch; a stream ignores it"),
        ("Last-Event-ID" = Option<String>, Header,
            pattern = "^((0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,17}))?$",
            description = "Counts as `after`, and before it, in a stream"),
    ),
    responses(
        (status = 200, description = "In order, without gaps", content(
            (Vec<EventView> = "application/cloudevents-batch+json"),
            (String = "text/event-stream"),
        )),
        EventsProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut ask = ask(&query)?;
    let seen = last_event_id(&headers)?;
    permitted(&app, &headers)?;
    if app.dispatcher.is_recovering() {
        return Err(Problem::recovering());
    }
    let room = Arc::clone(&app.event_readers).try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Code::Overloaded, "too many readers of events"))?;
    if asks_for(&headers, STREAM) {
        // Where a broken stream was; its address says where the first one began.
        ask.after = seen.or(ask.after);
        stream(app, headers, ask.after, room).await
    } else {
        let encode = |list: &[Event]| {
            let list: Vec<EventView<'_>> = list.iter().map(EventView::from).collect();
            serde_json::to_vec(&list).expect("events have text keys")
        };
        let (batch, _) = read(&app, ask.after, ask.limit, encode).await?;
        let mut response = bytes(StatusCode::OK, batch);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(BATCH));
        Ok(response)
    }
}

/// Whether whoever sent these headers may read events: asked again while a stream lasts, since keys
/// change and tokens expire.
fn permitted(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let caller = app.access.caller(headers, || app.dispatcher.now());
    let caller = caller.map_err(Problem::malformed)?;
    caller.permits(Need::Operate).map_err(Problem::from)
}

fn ask(query: &[(String, String)]) -> Result<Ask, Problem> {
    let mut ask = Ask { after: None, limit: EVENTS_LISTED_MAX };
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in query {
        if seen.contains(&name.as_str()) {
            return Err(Problem::malformed(format!("{name}: given twice")));
        }
        match name.as_str() {
            "after" => {
                let after = value
                    .parse()
                    .map_err(|_| Problem::malformed("after: an event's id, such as 1-7"))?;
                ask.after = Some(after);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=EVENTS_LISTED_MAX).contains(n));
                ask.limit = limit.ok_or_else(|| {
                    Problem::malformed(format!("limit: a number from 1 to {EVENTS_LISTED_MAX}"))
                })?;
            }
            _ => return Err(unknown_parameter(name)),
        }
        seen.push(name);
    }
    Ok(ask)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(value) = only(headers, LAST_EVENT_ID)? else { return Ok(None) };
    let text = std::str::from_utf8(value).ok().map(str::trim);
    match text {
        Some("") => Ok(None),
        text => match text.and_then(|text| text.parse().ok()) {
            Some(id) => Ok(Some(id)),
            None => Err(Problem::malformed("Last-Event-ID: an event's id, such as 1-7")),
        },
    }
}

/// Where a page ends.
struct End {
    through: EventId,
    more: bool,
}

/// Reads and encodes a page on a thread for such work.
async fn read<T: Send + 'static>(
    app: &Arc<App>,
    after: Option<EventId>,
    limit: usize,
    encode: impl Fn(&[Event]) -> T + Send + 'static,
) -> Result<(T, End), Problem> {
    let reading = Arc::clone(app);
    let run = move || -> Result<(T, End), EventsError> {
        let Events { list, through, more, .. } = reading.dispatcher.events(after, limit)?;
        Ok((encode(&list), End { through, more }))
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(page) => Ok(page?),
        Err(error) if error.is_panic() => {
            Err(Problem::new(Code::Internal, Code::Internal.row().title))
        }
        Err(_) => Err(Problem::new(Code::Draining, Code::Draining.row().title)),
    }
}

/// Starts a stream after `after`. What is wrong with the place is told by the status.
async fn stream(
    app: Arc<App>,
    headers: HeaderMap,
    after: Option<EventId>,
    room: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let first = read(&app, after, EVENTS_STREAMED, encode).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut drain = app.drain.clone();
        tokio::select! {
            biased;
            () = drain.begun() => {}
            () = sender.closed() => {}
            () = follow(&app, &headers, first, &sender) => {}
        }
        drop(room);
    });
    let mut response = Response::new(Body::new(Pieces(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Says that the stream lives.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// Sends the first page and what comes after it, until the reader is gone, is too slow, or may
/// read no more.
async fn follow(
    app: &Arc<App>,
    headers: &HeaderMap,
    first: (Bytes, End),
    sender: &mpsc::Sender<Bytes>,
) {
    let (mut piece, mut end) = first;
    if piece.is_empty() {
        piece = HEARTBEAT; // something at once, so that the reader knows where it stands
    }
    loop {
        if !piece.is_empty() && !send(sender, piece).await {
            return;
        }
        if !end.more {
            sleep(Duration::from_millis(EVENTS_PACE_MS)).await;
            if !more(app, end.through, sender).await {
                return;
            }
        }
        if permitted(app, headers).is_err() {
            return;
        }
        match read(app, Some(end.through), EVENTS_STREAMED, encode).await {
            Ok(next) => (piece, end) = next,
            Err(_) => return, // it asks again, and is told by the status
        }
    }
}

/// Waits until there is more, with heartbeats; whether the reader is still there.
async fn more(app: &App, after: EventId, sender: &mpsc::Sender<Bytes>) -> bool {
    let mut ready = pin!(async {
        if app.dispatcher.events_ready(after).await.is_err() {
            // There will be none; what there was can still be read, and is not asked for again.
            std::future::pending::<()>().await;
        }
    });
    loop {
        match timeout(Duration::from_millis(HEARTBEAT_MS), ready.as_mut()).await {
            Ok(()) => return true,
            Err(_) if send(sender, HEARTBEAT).await => {}
            Err(_) => return false,
        }
    }
}

/// Hands a piece over; false if nobody takes it.
async fn send(sender: &mpsc::Sender<Bytes>, piece: Bytes) -> bool {
    let limit = Duration::from_millis(STALL_TIMEOUT_MS);
    matches!(timeout(limit, sender.send(piece)).await, Ok(Ok(())))
}

fn encode(list: &[Event]) -> Bytes {
    let mut text = Vec::new();
    for event in list {
        let head = format!("id: {}\nevent: {}\ndata: ", event.id, event.kind.name());
        text.extend_from_slice(head.as_bytes());
        serde_json::to_writer(&mut text, &EventView::from(event)).expect("events have text keys");
        text.extend_from_slice(b"\n\n");
    }
    text.into()
}

/// The body of a stream: what comes through the channel.
struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
