//! `/v1/waits/{wait}`: a place in the waiting line, and leaving it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jangteo::Wait;

use super::common::json;
use super::hold::bare;
use super::holds::durable;
use super::openapi::{LeaveProblems, WaitProblems};
use super::problem::Problem;
use super::shown::WaitView;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command};

/// The wait as it is now; once it is granted it names its hold.
#[utoipa::path(
    get, path = "/v1/waits/{wait}", operation_id = "wait", tag = "waits",
    params(("wait" = String, Path)),
    responses((status = 200, description = "The wait", body = WaitView), WaitProblems),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(wait): Path<String>,
) -> Result<Response, Problem> {
    let wait = durable_wait(&app, &caller, Command::Wait { wait: &wait }).await?;
    Ok(json(StatusCode::OK, &WaitView::from(&wait)))
}

/// Leaves the line; again gets the same answer.
#[utoipa::path(
    delete, path = "/v1/waits/{wait}", operation_id = "leave", tag = "waits",
    params(("wait" = String, Path)),
    responses((status = 204, description = "The customer waits no longer"), LeaveProblems),
    security(("bearer" = [])),
)]
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(wait): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    bare(request).await?;
    durable_wait(&app, &caller, Command::Leave { wait: &wait }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs a command about one wait, and waits until its answer may be seen.
async fn durable_wait<'a>(
    app: &App,
    caller: &'a Caller,
    command: Command<'a>,
) -> Result<Wait, Problem> {
    app.flusher.executed(1);
    match app.dispatcher.run(caller, command) {
        Ok(Answer::Wait(pending)) => durable(app, pending).await,
        Ok(_) => unreachable!("a command about one wait is answered with one"),
        Err(refused) => Err(Problem::of(app, refused).await),
    }
}
