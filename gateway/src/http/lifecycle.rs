//! `/v1/drops/{drop}/pause`, `resume`, `close` and `stock`: what an operator does to a drop.
//!
//! On threads for such work: a pause's end goes through every live hold, and stock is set under the
//! mutex of the baskets.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::body::{NoBody, StockBody, parse, read, units};
use super::common::{json, on_thread};
use super::head::no_query;
use super::hold::bare;
use super::openapi::{StockProblems, TurnProblems};
use super::problem::Problem;
use super::shown::DropView;
use super::why::of_stock;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command, Refused, StockAsk, Turn};

type Answered = Result<Response, Problem>;

/// Stops granting; meanwhile no hold expires. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/drops/{drop}/pause", operation_id = "pause", tag = "drops",
    params(("drop" = String, Path, example = "try-it-1")),
    request_body = NoBody,
    responses((status = 200, description = "The drop", body = DropView), TurnProblems),
    security(("bearer" = [])),
)]
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    request: Request,
) -> Answered {
    turn(app, caller, drop, request, Turn::Pause).await
}

/// Ends a pause: deadlines move by its length. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/drops/{drop}/resume", operation_id = "resume", tag = "drops",
    params(("drop" = String, Path, example = "try-it-1")),
    request_body = NoBody,
    responses((status = 200, description = "The drop", body = DropView), TurnProblems),
    security(("bearer" = [])),
)]
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    request: Request,
) -> Answered {
    turn(app, caller, drop, request, Turn::Resume).await
}

/// Closes a drop for good, also before it opened. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/drops/{drop}/close", operation_id = "close", tag = "drops",
    params(("drop" = String, Path)),
    request_body = NoBody,
    responses((status = 200, description = "The drop", body = DropView), TurnProblems),
    security(("bearer" = [])),
)]
pub(super) async fn close(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    request: Request,
) -> Answered {
    turn(app, caller, drop, request, Turn::Close).await
}

/// Sets how many units there are in all of an item or a gift.
#[utoipa::path(
    post, path = "/v1/drops/{drop}/stock", operation_id = "stock", tag = "drops",
    params(("drop" = String, Path, example = "try-it-1")),
    request_body = StockBody,
    responses((status = 200, description = "The drop", body = DropView), StockProblems),
    security(("bearer" = [])),
)]
pub(super) async fn stock(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    no_query(&head.uri)?;
    let bytes = read(&head.headers, body).await?;
    let body: StockBody<'_> = parse(&bytes)?;
    let (sku, total, was) = (body.sku.into_owned(), units(body.total), body.was.map(units));
    let (id, named) = (drop.clone(), sku.clone());
    let run = move |app: &App| {
        let ask = StockAsk { drop: &drop, sku: &sku, total, was };
        app.dispatcher.run(&caller, Command::SetStock(ask))
    };
    match changed(&app, run).await? {
        Ok(changed) => Ok(changed),
        Err(refused) => Err(of_stock(&app, &id, &named, refused).await),
    }
}

async fn turn(app: Arc<App>, caller: Caller, drop: String, request: Request, to: Turn) -> Answered {
    bare(request).await?;
    let run = move |app: &App| app.dispatcher.run(&caller, Command::Turn { drop: &drop, to });
    match changed(&app, run).await? {
        Ok(changed) => Ok(changed),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}

/// The drop after what `run` does to it, once that is durable.
async fn changed(
    app: &Arc<App>,
    run: impl FnOnce(&App) -> Result<Answer, Refused> + Send + 'static,
) -> Result<Result<Response, Refused>, Problem> {
    let running = Arc::clone(app);
    match on_thread(move || run(&running)).await? {
        Ok(Answer::Changed(pending)) => {
            let (view, mut ticket) = pending.into_parts();
            app.flusher.durable(&mut ticket).await?;
            Ok(Ok(json(StatusCode::OK, &DropView::from(view))))
        }
        Ok(_) => unreachable!("a change of a drop is answered with the drop"),
        Err(refused) => Ok(Err(refused)),
    }
}
