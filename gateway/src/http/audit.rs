//! `/v1/drops/{drop}/audit`: the drop counted anew.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::common::{json, on_thread};
use super::openapi::FindProblems;
use super::problem::Problem;
use super::shown::Audit;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command};

/// Every hold of a drop counted anew.
///
/// On a thread of its own: a big drop takes longer than other connections should wait.
#[utoipa::path(
    get, path = "/v1/drops/{drop}/audit", operation_id = "audit", tag = "drops",
    params(("drop" = String, Path, example = "try-it-1")),
    responses((status = 200, description = "What was found", body = Audit), FindProblems),
    security(("bearer" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
) -> Result<Response, Problem> {
    let counting = Arc::clone(&app);
    let run = move || counting.dispatcher.run(&caller, Command::Audit { drop: &drop });
    match on_thread(run).await? {
        Ok(Answer::Audit(pending)) => {
            let (audit, mut ticket) = pending.into_parts();
            app.flusher.durable(&mut ticket).await?;
            Ok(json(StatusCode::OK, &Audit::from(audit)))
        }
        Ok(_) => unreachable!("an audit is answered with one"),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}
