//! `/v1/drops/{drop}/orders`: what was sold, for the warehouse and the payment desk.
//!
//! A task reads page after page, waits until each is durable and the connection has taken the one
//! before, and never has more than one at hand. The body ends only after the last row: one that
//! could not be read to its end is broken off, so that nobody takes a part for the whole.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use jangteo::{Orders, Pending};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::common::on_thread;
use super::head::asks_for;
use super::openapi::FindProblems;
use super::problem::Problem;
use super::shown::OrderRow;
use crate::access::Caller;
use crate::app::App;
use crate::codes::Code;
use crate::command::{Answer, Command, Refused};
use crate::limits::STALL_TIMEOUT_MS;

const ROWS: &str = "application/x-ndjson";
const TABLE: &str = "text/csv";
/// Media types of the answers; who accepts plain JSON gets a row of it per line.
pub(super) const KINDS: [&str; 3] = [ROWS, TABLE, "application/json"];

/// Whether a path is that of a drop's orders.
pub(super) fn is_path(path: &str) -> bool {
    let drop = path.strip_prefix("/v1/drops/").and_then(|rest| rest.strip_suffix("/orders"));
    drop.is_some_and(|drop| !drop.contains('/'))
}

/// Every order with a number above `after`, a row for each of its lines and gifts.
#[utoipa::path(
    get, path = "/v1/drops/{drop}/orders", operation_id = "orders", tag = "drops",
    params(
        ("drop" = String, Path, example = "try-it-1"),
        ("after" = Option<u64>, Query, maximum = 4_294_967_295_u64,
            description = "Only orders with a higher number"),
    ),
    responses(
        (status = 200, description = "By number, refunded ones too", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        FindProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = after(&query)?;
    let table = asks_for(&headers, TABLE) && !asks_for(&headers, ROWS);
    let export = Export { app, caller, drop, table };
    let first = export.first(after).await?;
    let room = Arc::clone(&export.app.event_readers).try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Code::Overloaded, "too many readers of feeds"))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        export.send_all(first, &sender).await;
        std::mem::drop(room);
    });
    let mut response = Response::new(Body::new(Pieces(receiver)));
    let headers = response.headers_mut();
    let kind = if table { "text/csv; charset=utf-8; header=present" } else { ROWS };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn after(query: &[(String, String)]) -> Result<u32, Problem> {
    match query {
        [] => Ok(0),
        [(name, number)] if name == "after" => {
            number.parse().map_err(|_| Problem::malformed("after"))
        }
        _ => Err(Problem::malformed("after: only this parameter is known, once")),
    }
}

/// What is asked for, and by whom.
struct Export {
    app: Arc<App>,
    caller: Caller,
    drop: String,
    table: bool,
}

/// A piece of the body.
enum Piece {
    Rows(Bytes),
    End,
}

impl Export {
    /// The first page, if the caller may have it.
    async fn first(&self, after: u32) -> Result<Orders, Problem> {
        let (app, caller, drop) = (Arc::clone(&self.app), self.caller.clone(), self.drop.clone());
        let run = move || app.dispatcher.run(&caller, Command::Orders { drop: &drop, after });
        match on_thread(run).await? {
            Ok(Answer::Orders(pending)) => self.durable(pending).await,
            Ok(_) => unreachable!("orders are answered with orders"),
            Err(refused) => Err(Problem::of(&self.app, refused).await),
        }
    }

    /// A further page of the same call.
    async fn next(&self, after: u32) -> Result<Orders, Problem> {
        let (app, drop) = (Arc::clone(&self.app), self.drop.clone());
        let pending = on_thread(move || app.dispatcher.orders(&drop, after)).await?;
        self.durable(pending.map_err(Refused::from)?).await
    }

    async fn durable(&self, pending: Pending<Orders>) -> Result<Orders, Problem> {
        let (orders, mut ticket) = pending.into_parts();
        self.app.flusher.durable(&mut ticket).await?;
        Ok(orders)
    }

    /// Sends the first page and those after it, until all are sent or nobody takes them.
    async fn send_all(&self, first: Orders, sender: &mpsc::Sender<Piece>) {
        let mut rows = if self.table { OrderRow::header() } else { Vec::new() };
        let mut page = first;
        loop {
            for order in &page.list {
                OrderRow::of(order).for_each(|row| row.write(self.table, &mut rows));
            }
            if !rows.is_empty()
                && !send(sender, Piece::Rows(std::mem::take(&mut rows).into())).await
            {
                return;
            }
            if !page.more {
                _ = send(sender, Piece::End).await;
                return;
            }
            // It asks again after the last number it has.
            let Ok(next) = self.next(page.through).await else { return };
            page = next;
        }
    }
}

/// Hands a piece over; false if nobody takes it.
async fn send(sender: &mpsc::Sender<Piece>, piece: Piece) -> bool {
    let limit = Duration::from_millis(STALL_TIMEOUT_MS);
    matches!(timeout(limit, sender.send(piece)).await, Ok(Ok(())))
}

/// The body: what comes through the channel, up to its end.
struct Pieces(mpsc::Receiver<Piece>);

/// There is no more, and that was not all.
#[derive(Debug)]
struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("orders could not be read to their end")
    }
}

impl std::error::Error for BrokenOff {}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(context).map(|piece| match piece {
            Some(Piece::Rows(rows)) => Some(Ok(Frame::data(rows))),
            Some(Piece::End) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}
