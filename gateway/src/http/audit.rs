//! `/v1/drops/{drop}/audit`: the drop counted anew.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::common::json;
use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;
use crate::codes::Code;
use crate::command::{Answer, Command};

/// Counts on a thread of its own: a big drop takes longer than other connections should wait.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
) -> Result<Response, Problem> {
    let counting = Arc::clone(&app);
    let run = move || counting.dispatcher.run(&caller, Command::Audit { drop: &drop });
    let stopping = |_| Problem::new(Code::Draining, Code::Draining.row().title);
    match tokio::task::spawn_blocking(run).await.map_err(stopping)? {
        Ok(Answer::Audit(pending)) => {
            let (audit, mut ticket) = pending.into_parts();
            app.flusher.durable(&mut ticket).await?;
            Ok(json(StatusCode::OK, &audit))
        }
        Ok(_) => unreachable!("an audit is answered with one"),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}
