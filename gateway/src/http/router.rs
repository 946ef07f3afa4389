//! All routes, for our own service and for another program's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use jangteo::Engine;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::common::{Common, check};
use super::{
    audit, campaigns, drops, events, health, hold, holds, ledger, lifecycle, metrics, openapi,
    orders, waits, watch,
};
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
    Router::from(routes()).layer(from_fn_with_state(Arc::clone(&app), around)).with_state(app)
}

/// All routes. Each stands with its path and description at its handler, so that none is served
/// without being described.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(drops::list))
        .routes(routes!(drops::one))
        .routes(routes!(holds::find, holds::post))
        .routes(routes!(watch::get))
        .routes(routes!(audit::get))
        .routes(routes!(orders::get))
        .routes(routes!(events::get))
        .routes(routes!(hold::get))
        .routes(routes!(hold::confirm))
        .routes(routes!(hold::release))
        .routes(routes!(hold::extend))
        .routes(routes!(hold::refund))
        .routes(routes!(lifecycle::pause))
        .routes(routes!(lifecycle::resume))
        .routes(routes!(lifecycle::close))
        .routes(routes!(lifecycle::stock))
        .routes(routes!(waits::get, waits::leave))
        .routes(routes!(campaigns::list))
        .routes(routes!(campaigns::one, campaigns::put, campaigns::delete))
        .routes(routes!(ledger::report))
        .routes(routes!(ledger::settle))
        .routes(routes!(metrics::get))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::meaning))
        .routes(routes!(openapi::get))
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
