//! `/v1/drops`: what is on sale, now and later.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jangteo::Phase;

use super::common::{bytes, json, tag};
use super::head::{has_already, unknown_parameter};
use super::openapi::DropProblems;
use super::problem::Problem;
use super::shown::{DropPage, DropView, PhaseWord};
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command, Filter};
use crate::limits::{DROPS_LISTED, DROPS_LISTED_MAX};

/// One drop, with a tag by which a client sees that nothing has changed.
#[utoipa::path(
    get, path = "/v1/drops/{drop}", operation_id = "drop", tag = "drops",
    params(
        ("drop" = String, Path, example = "try-it-1"),
        ("If-None-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "The drop", body = DropView,
            headers(("ETag" = String), ("Cache-Control" = String))),
        (status = 304, description = "The client has it already", headers(("ETag" = String))),
        DropProblems,
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = match app.dispatcher.run(&caller, Command::Drop { drop: &drop }) {
        Ok(Answer::Drop(view)) => DropView::from(*view),
        Ok(_) => unreachable!("a drop is answered with its view"),
        Err(refused) => return Err(Problem::of(&app, refused).await),
    };
    let body = serde_json::to_vec(&view).expect("a view has only text keys");
    // INVARIANT(T1): of what is shown and nothing else.
    let tag = tag(&body);
    let mut response = if has_already(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes(StatusCode::OK, body)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("digits in quotes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Drops by opening instant; `next` is the `after` of the following page.
#[utoipa::path(
    get, path = "/v1/drops", operation_id = "drops", tag = "drops",
    params(
        ("campaign" = Option<String>, Query, description = "Only this campaign's"),
        ("phase" = Option<Vec<PhaseWord>>, Query, explode, description = "Any of these"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000),
        ("after" = Option<String>, Query, description = "Only those behind this drop"),
    ),
    responses((status = 200, description = "A page", body = DropPage), DropProblems),
    security((), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    match app.dispatcher.run(&caller, Command::Drops(filter(&query)?)) {
        Ok(Answer::Drops(drops, more)) => {
            let next = drops.last().filter(|_| more).map(|last| last.id.clone());
            let drops = drops.into_iter().map(DropView::from).collect();
            Ok(json(StatusCode::OK, &DropPage { drops, next }))
        }
        Ok(_) => unreachable!("a list is answered with drops"),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}

const PHASES: &str = "phase: scheduled, open, paused, closed or settled";

fn filter(query: &[(String, String)]) -> Result<Filter<'_>, Problem> {
    let mut filter = Filter { limit: DROPS_LISTED, ..Filter::default() };
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in query {
        if name != "phase" && seen.contains(&name.as_str()) {
            return Err(Problem::malformed(format!("{name}: given twice")));
        }
        match name.as_str() {
            "campaign" => filter.campaign = Some(value),
            "after" => filter.after = Some(value),
            "phase" => {
                let phase: Phase = value.parse().map_err(|()| Problem::malformed(PHASES))?;
                filter.phases.push(phase);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=DROPS_LISTED_MAX).contains(n));
                filter.limit = limit.ok_or_else(|| {
                    Problem::malformed(format!("limit: a number from 1 to {DROPS_LISTED_MAX}"))
                })?;
            }
            _ => return Err(unknown_parameter(name)),
        }
        seen.push(name);
    }
    Ok(filter)
}
