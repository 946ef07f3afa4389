//! Health, for whoever starts and stops the service; and what the error codes mean.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::json;
use super::openapi::{MeaningProblems, Problems, ReadyProblems};
use super::problem::Problem;
use crate::access::{Caller, Need};
use crate::app::App;
use crate::codes::Code;
use crate::warnings::warnings;

#[derive(Serialize, ToSchema)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Ready {
    status: &'static str,
    warnings: Vec<String>,
}

/// The process runs.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "service",
    responses((status = 200, description = "It does", body = Alive), Problems),
    security(()),
)]
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &Alive { status: "alive" })
}

/// It takes requests, new holds among them.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "service",
    responses((status = 200, description = "It does", body = Ready), ReadyProblems),
    security(()),
)]
pub(super) async fn ready(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let Some(health) = app.dispatcher.health() else { return Err(Problem::recovering()) };
    if app.dispatcher.is_broken() {
        return Err(Problem::new(Code::Internal, Code::Internal.row().title));
    }
    if let Some(failure) = health.latched {
        let detail = format!("the journal failed: {failure}; restart the process");
        return Err(Problem::new(Code::Unavailable, detail));
    }
    if app.drain.has_begun() {
        return Err(Problem::new(Code::Draining, Code::Draining.row().title));
    }
    if health.disk_short {
        let detail = "the disk is short: no new holds until there is room; all else goes on";
        return Err(Problem::new(Code::Unavailable, detail));
    }
    let warnings = warnings(&app, caller.permits(Need::Operate).is_ok()).await;
    Ok(json(StatusCode::OK, &Ready { status: "ready", warnings }))
}

#[derive(Serialize, ToSchema)]
struct Meaning {
    code: &'static str,
    title: &'static str,
    status: u16,
    retryable: bool,
}

/// What a code means: where the `type` of a problem leads.
#[utoipa::path(
    get, path = "/problems/{code}", operation_id = "meaning", tag = "service",
    params(("code" = String, Path, example = "sold_out")),
    responses((status = 200, description = "The meaning", body = Meaning), MeaningProblems),
    security(()),
)]
pub(super) async fn meaning(Path(name): Path<String>) -> Result<Response, Problem> {
    let code = Code::named(&name).ok_or_else(|| Problem::new(Code::NotFound, "no such code"))?;
    let row = code.row();
    let (code, title, status, retryable) = (row.name, row.title, row.status, row.retryable);
    Ok(json(StatusCode::OK, &Meaning { code, title, status, retryable }))
}
