//! `/metrics`: figures for whoever watches the service.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::openapi::Problems;
use super::problem::Problem;
use crate::access::{Caller, Need};
use crate::app::App;
use crate::codes::Code;
use crate::metrics::scrape;

/// The text form of OpenMetrics.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// All figures there are. They are gathered on a thread for work that may wait for files.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "service",
    responses(
        (status = 200, description = "Figures, as OpenMetrics",
            content((String = "application/openmetrics-text; version=1.0.0; charset=utf-8"))),
        Problems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    caller.permits(Need::Operate)?;
    let Some(engine) = app.dispatcher.engine().cloned() else {
        return Err(Problem::recovering());
    };
    let room = Arc::clone(&app.metrics.scrapers).try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Code::Overloaded, "too many scrapes at once"))?;
    let gathered = tokio::task::spawn_blocking(move || {
        let text = scrape(&app, engine);
        drop(room);
        text
    });
    let Ok(Ok(text)) = gathered.await else {
        return Err(Problem::new(Code::Internal, "the figures could not be gathered"));
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    Ok(response)
}
