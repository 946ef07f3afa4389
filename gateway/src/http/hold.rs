//! `/v1/holds/{hold}`: what became of a hold, and what is to become of it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::body::{ConfirmBody, NoBody, Object, RefundBody, parse_or_default, read, units};
use super::common::json;
use super::head::no_query;
use super::holds::durable_hold;
use super::openapi::{ChangeProblems, ExtendProblems, HoldProblems, RefundProblems};
use super::problem::Problem;
use super::shown::HoldView;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Command, RefundAsk};

type Answered = Result<Response, Problem>;

/// The hold as it is now.
#[utoipa::path(
    get, path = "/v1/holds/{hold}", operation_id = "hold", tag = "holds",
    params(("hold" = String, Path)),
    responses((status = 200, description = "The hold", body = HoldView), HoldProblems),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
) -> Answered {
    answer(&app, &caller, &hold, Command::Get { hold: &hold }).await
}

/// Makes a hold an order; the same payment again gets the same answer.
#[utoipa::path(
    post, path = "/v1/holds/{hold}/confirm", operation_id = "confirm", tag = "holds",
    params(("hold" = String, Path)),
    request_body = ConfirmBody,
    responses((status = 200, description = "The order", body = HoldView), ChangeProblems),
    security(("bearer" = [])),
)]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    no_query(&head.uri)?;
    let bytes = read(&head.headers, body).await?;
    let body: ConfirmBody<'_> = parse_or_default(&bytes)?;
    answer(&app, &caller, &hold, Command::Confirm { hold: &hold, payment: body.payment.as_deref() })
        .await
}

/// Gives a hold up.
#[utoipa::path(
    post, path = "/v1/holds/{hold}/release", operation_id = "release", tag = "holds",
    params(("hold" = String, Path)),
    request_body = NoBody,
    responses((status = 200, description = "What became of it", body = HoldView), ChangeProblems),
    security(("bearer" = [])),
)]
pub(super) async fn release(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    bare(request).await?;
    answer(&app, &caller, &hold, Command::Release { hold: &hold }).await
}

/// Gives a hold more time, up to twice its first.
#[utoipa::path(
    post, path = "/v1/holds/{hold}/extend", operation_id = "extend", tag = "holds",
    params(("hold" = String, Path)),
    request_body = NoBody,
    responses((status = 200, description = "The hold", body = HoldView), ExtendProblems),
    security(("bearer" = [])),
)]
pub(super) async fn extend(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    bare(request).await?;
    answer(&app, &caller, &hold, Command::Extend { hold: &hold }).await
}

/// Takes units of an order back: without lines all that is left.
///
/// Refunding what is refunded, or again under the same name, gets the same answer.
#[utoipa::path(
    post, path = "/v1/holds/{hold}/refund", operation_id = "refund", tag = "holds",
    params(("hold" = String, Path)),
    request_body = RefundBody,
    responses((status = 200, description = "The order", body = HoldView), RefundProblems),
    security(("bearer" = [])),
)]
pub(super) async fn refund(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    no_query(&head.uri)?;
    let bytes = read(&head.headers, body).await?;
    let body: RefundBody<'_> = parse_or_default(&bytes)?;
    let lines = body.lines.as_deref();
    if lines.is_some_and(<[_]>::is_empty) {
        // Whoever made a list and found nothing to put there does not mean everything.
        return Err(Problem::malformed("lines: none; left out it means all"));
    }
    let lines = lines.unwrap_or_default().iter();
    let ask = RefundAsk {
        hold: &hold,
        id: body.refund.as_deref(),
        lines: lines.map(|Object(line)| (&*line.sku, units(line.quantity))).collect(),
        restock: body.restock,
    };
    answer(&app, &caller, &hold, Command::Refund(ask)).await
}

/// Of a call that takes no parameter and no body, or `{}`.
pub(super) async fn bare(request: Request) -> Result<(), Problem> {
    let (head, body) = request.into_parts();
    no_query(&head.uri)?;
    no_body(&head.headers, body).await
}

/// Of a call that takes no body, or `{}`.
pub(super) async fn no_body(headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    let bytes = read(headers, body).await?;
    parse_or_default::<NoBody>(&bytes).map(drop)
}

async fn answer<'a>(app: &App, caller: &'a Caller, hold: &str, command: Command<'a>) -> Answered {
    let hold = durable_hold(app, caller, hold, command).await?;
    Ok(json(StatusCode::OK, &HoldView::from(&hold)))
}
