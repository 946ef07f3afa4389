//! All routes, for our own service and for another program's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jangteo::Engine;

use super::common::{Common, check};
use super::{audit, drops, events, health, hold, holds, metrics, watch};
use crate::access::Access;
use crate::app::App;
use crate::drain;
use crate::flushing::Flushing;

/// All routes of the service, to be served on any runtime. Paths are absolute (`/v1/...`), so mount
/// it at the root.
///
/// # Durability
/// An answer that names a hold is given once it is durable, like everywhere.
pub fn router(engine: Engine, access: Access) -> Router {
    let (_never, drain) = drain::pair();
    app_router(Arc::new(App::new(engine, access, Flushing::Demanded, drain)))
}

/// Likewise, of a service.
pub(super) fn app_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/drops", get(drops::list))
        .route("/v1/drops/{drop}", get(drops::one))
        .route("/v1/drops/{drop}/events", get(watch::get))
        .route("/v1/drops/{drop}/holds", get(holds::find).post(holds::post))
        .route("/v1/drops/{drop}/audit", get(audit::get))
        .route(events::PATH, get(events::get))
        .route("/v1/holds/{hold}", get(hold::get))
        .route("/v1/holds/{hold}/confirm", post(hold::confirm))
        .route("/v1/holds/{hold}/release", post(hold::release))
        .route("/v1/holds/{hold}/extend", post(hold::extend))
        .route("/metrics", get(metrics::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/problems/{code}", get(health::meaning))
        .layer(from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// Takes every request through what is common to all. Routes find who sends it as an extension, a
/// [`Caller`](crate::access::Caller).
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let common = Common::of(&app, request.method(), request.uri(), request.headers());
    let (mut head, body) = request.into_parts();
    let response = match check(&app, &head) {
        Ok(caller) => {
            head.extensions.insert(caller);
            next.run(Request::from_parts(head, body)).await
        }
        Err(problem) => problem.into_response(),
    };
    common.finish(&app, response)
}
