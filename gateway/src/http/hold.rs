//! `/v1/holds/{hold}`: what became of a hold, and what is to become of it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::body::{ConfirmBody, NoBody, parse_or_default, read};
use super::common::json;
use super::holds::durable_hold;
use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;
use crate::command::Command;

type Answered = Result<Response, Problem>;

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
) -> Answered {
    answer(&app, &caller, Command::Get { hold: &hold }).await
}

pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    let bytes = read(&head.headers, body).await?;
    let body: ConfirmBody<'_> = parse_or_default(&bytes)?;
    answer(&app, &caller, Command::Confirm { hold: &hold, payment: body.payment.as_deref() }).await
}

pub(super) async fn release(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    no_body(request).await?;
    answer(&app, &caller, Command::Release { hold: &hold }).await
}

pub(super) async fn extend(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
    request: Request,
) -> Answered {
    no_body(request).await?;
    answer(&app, &caller, Command::Extend { hold: &hold }).await
}

async fn no_body(request: Request) -> Result<(), Problem> {
    let (head, body) = request.into_parts();
    let bytes = read(&head.headers, body).await?;
    parse_or_default::<NoBody>(&bytes).map(drop)
}

async fn answer<'a>(app: &App, caller: &'a Caller, command: Command<'a>) -> Answered {
    Ok(json(StatusCode::OK, &durable_hold(app, caller, command).await?))
}
