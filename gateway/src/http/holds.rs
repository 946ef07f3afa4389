//! `/v1/drops/{drop}/holds`: taking one, and finding a customer's.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Body;
use jangteo::{Hold, HoldOrWait, Pending, WaitState};

use super::body::{HoldBody, Object, parse, read, units};
use super::common::json;
use super::head::{idempotency_key, no_query};
use super::openapi::{FindProblems, TakeProblems};
use super::problem::Problem;
use super::shown::{HoldOrWaitView, HoldView, Holds, WaitView};
use super::why::of_hold;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command, HoldAsk};

const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// Takes a hold. Its answer is given when it is durable.
pub(super) async fn take<B>(
    app: &App,
    caller: &Caller,
    drop: &str,
    head: &request::Parts,
    body: B,
) -> Result<Response, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    no_query(&head.uri)?;
    let bytes = read(&head.headers, body).await?;
    let key = idempotency_key(&head.headers)?;
    let body: HoldBody<'_> = parse(&bytes)?;
    let lines = body.lines.iter().map(|Object(line)| (&*line.sku, units(line.quantity)));
    let ask = HoldAsk {
        drop,
        customer: body.customer.as_deref(),
        lines: lines.collect(),
        key: key.as_deref(),
        area: body.area.as_deref(),
        wait: body.wait.unwrap_or_default(),
    };
    app.flusher.executed(1);
    match app.dispatcher.run(caller, Command::Hold(ask)) {
        Ok(Answer::HoldOrWait(pending)) => Ok(taken(&durable(app, pending).await?)),
        Ok(_) => unreachable!("a request for a hold is answered with one, or with a wait"),
        Err(refused) => Err(Problem::of(app, refused).await),
    }
}

fn taken(held: &HoldOrWait) -> Response {
    let (status, replayed, location) = match held {
        HoldOrWait::Hold(hold) if hold.replayed => (StatusCode::OK, true, None),
        HoldOrWait::Hold(hold) => {
            (StatusCode::CREATED, false, Some(format!("/v1/holds/{}", hold.id)))
        }
        HoldOrWait::Wait(wait) if wait.replayed && wait.state != WaitState::Waiting => {
            (StatusCode::OK, true, None)
        }
        HoldOrWait::Wait(wait) => {
            (StatusCode::ACCEPTED, wait.replayed, Some(format!("/v1/waits/{}", wait.id)))
        }
    };
    let mut response = json(status, &HoldOrWaitView::from(held));
    if replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(location) = location {
        let location = HeaderValue::from_str(&location).expect("an id is ASCII");
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Runs a command about one hold, and waits until its answer may be seen.
pub(super) async fn durable_hold<'a>(
    app: &App,
    caller: &'a Caller,
    hold: &str,
    command: Command<'a>,
) -> Result<Hold, Problem> {
    app.flusher.executed(1);
    match app.dispatcher.run(caller, command) {
        Ok(Answer::Hold(pending)) => durable(app, pending).await,
        Ok(_) => unreachable!("a command about one hold is answered with one"),
        Err(refused) => Err(of_hold(app, hold, refused).await),
    }
}

/// An answer, once it may be seen.
pub(super) async fn durable<T>(app: &App, pending: Pending<T>) -> Result<T, Problem> {
    let (value, mut ticket) = pending.into_parts();
    app.flusher.durable(&mut ticket).await?;
    Ok(value)
}

/// Takes units for a customer, the whole of it or nothing; or joins the waiting line for them.
///
/// A hold or a wait with the same key and the same content is answered as it is now.
#[utoipa::path(
    post, path = "/v1/drops/{drop}/holds", operation_id = "take", tag = "holds",
    params(
        ("drop" = String, Path, example = "try-it-1"),
        ("Idempotency-Key" = Option<String>, Header, max_length = 128, pattern = "^[!#-~]+$",
            description = "Bare, or quoted as a string of RFC 8941"),
    ),
    request_body(content = HoldBody,
        example = json!({"customer": "c-1", "lines": [{"sku": "onion-3kg", "quantity": 1}]})),
    responses(
        (status = 201, description = "Granted", body = HoldView, headers(("Location" = String))),
        (status = 202, description = "Too few units are there: the customer waits",
            body = WaitView, headers(("Location" = String))),
        (status = 200, description = "It was granted before, or waited for until it was over, \
            under the same key",
            body = HoldOrWaitView, headers(("Idempotent-Replayed" = String))),
        TakeProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    take(&app, &caller, &drop, &head, body).await.into_response()
}

/// What a customer has of a drop and waits for, each newest first, at most 100.
#[utoipa::path(
    get, path = "/v1/drops/{drop}/holds", operation_id = "find", tag = "holds",
    params(
        ("drop" = String, Path, example = "try-it-1"),
        ("customer" = String, Query, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
            description = "May be left out by one whose token says it"),
    ),
    responses((status = 200, description = "In any state", body = Holds), FindProblems),
    security(("bearer" = [])),
)]
pub(super) async fn find(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let customer = match query.as_slice() {
        [(name, customer)] if name == "customer" => Some(customer.as_str()),
        [] => None,
        _ => return Err(Problem::malformed("customer: only this parameter is known, once")),
    };
    match app.dispatcher.run(&caller, Command::Find { drop: &drop, customer }) {
        Ok(Answer::Found(holds, waits)) => {
            let (holds, waits) = (durable(&app, holds).await?, durable(&app, waits).await?);
            let holds = holds.iter().map(HoldView::from).collect();
            let waits = waits.iter().map(WaitView::from).collect();
            Ok(json(StatusCode::OK, &Holds { holds, waits }))
        }
        Ok(_) => unreachable!("a customer is answered with holds and waits"),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}
