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
use jangteo::{Orders, Pending, Sale};
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
use crate::dispatch::Dispatcher;
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
    let (export, first) = Export::begin(app, caller, (drop, after), table).await?;
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
            number.parse().map_err(|_| Problem::malformed("after: an order's number"))
        }
        _ => Err(Problem::malformed("after: only this parameter is known, once")),
    }
}

/// What is asked for. The drop itself, not its name: that can become another's meanwhile.
struct Export {
    app: Arc<App>,
    sale: Sale,
    table: bool,
}

/// A piece of the body.
enum Piece {
    Rows(Bytes),
    End,
}

impl Export {
    /// With the first page after a number, if the caller may have it.
    async fn begin(
        app: Arc<App>,
        caller: Caller,
        (drop, after): (String, u32),
        table: bool,
    ) -> Result<(Self, Orders), Problem> {
        let asked = Arc::clone(&app);
        let run = move || asked.dispatcher.run(&caller, Command::Orders { drop: &drop, after });
        match on_thread(run).await? {
            Ok(Answer::Orders(sale, pending)) => {
                let export = Self { app, sale, table };
                let first = export.durable(pending).await?;
                Ok((export, first))
            }
            Ok(_) => unreachable!("orders are answered with orders"),
            Err(refused) => Err(Problem::of(&app, refused).await),
        }
    }

    /// A further page of the same call; none if the drop was deleted.
    async fn next(&self, after: u32) -> Result<Orders, Problem> {
        let sale = self.sale.clone();
        let pending = on_thread(move || Dispatcher::orders(&sale, after)).await?;
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use jangteo::limits::ORDERS_PAGE_MAX;
    use jangteo::{Campaign, Durability, Engine, HoldRequest, ManualClock, Timestamp};

    use super::*;
    use crate::access::Access;
    use crate::drain;
    use crate::flushing::Flushing;

    fn put(engine: &Engine) {
        let file = "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\n\
            time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
            [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = \"unlimited\"\n";
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        engine.tick();
    }

    /// Three pages and a bit.
    fn sell(engine: &Engine, customer: &str) {
        let sale = engine.sale("t-1").unwrap();
        for _ in 0..3 * ORDERS_PAGE_MAX + 10 {
            let hold = sale.hold(&HoldRequest::new(customer).line("a", 1)).unwrap();
            drop(sale.confirm(&hold.into_parts().0.id, Some("p")).unwrap());
        }
    }

    #[tokio::test]
    async fn an_export_of_a_drop_that_is_deleted_never_goes_on_with_another_of_its_name() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
        let options = Engine::options().durability(Durability::Memory).clock(clock);
        let engine = options.background(false).open().unwrap();
        put(&engine);
        sell(&engine, "first");
        let (_stopper, drain) = drain::pair();
        let app = App::new(engine.clone(), Access::loopback(), Flushing::Demanded, drain);
        let ask = ("t-1".to_owned(), 0);
        let begun = Export::begin(Arc::new(app), Caller::Anyone, ask, false).await;
        let (export, first) = begun.unwrap();
        assert!(first.more);

        drop(engine.sale("t-1").unwrap().close().unwrap());
        drop(engine.settle("t", &[]).unwrap());
        drop(engine.delete("t").unwrap());
        put(&engine);
        sell(&engine, "second");
        let (sender, receiver) = mpsc::channel(100);
        export.send_all(first, &sender).await;
        drop(sender);
        let (mut body, mut text) = (Pieces(receiver), String::new());
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
                }
                Some(Err(BrokenOff)) => break true,
                None => break false,
            }
        };
        assert!(broken, "it ended as if it were whole");
        assert_eq!(text.lines().count(), ORDERS_PAGE_MAX as usize);
        assert!(!text.contains("second"));
    }
}
