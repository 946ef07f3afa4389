//! The HTTP service at a listener: hyper, with the hold route in front of the router.
//!
//! Routing, extraction and the rest of axum cost a tenth to a fifth of a durable hold, so the route
//! that a crowd calls does without. The answers are the same: both call the same functions.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as HttpBody, Incoming};
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower::ServiceExt;

use super::ahead::{Ahead, Version};
use super::common::{Common, JANGTEO_TIME, check};
use super::head::{REQUEST_ID, request_id};
use super::router::app_router;
use super::shared_body::Shared;
use super::takeover::{Leaving, Takeover};
use super::{holds, http1, http2};
use crate::accept::accept;
use crate::app::App;
use crate::limits::{HEAD_TIMEOUT_MS, WATCHER_UNSENT_BYTES};
use crate::stream::Stream;
use crate::tls::Wire;

/// What a connection is told for which there is no room, whatever it would ask for.
const TURNED_AWAY: &str = "{\"type\":\"/problems/overloaded\",\
    \"title\":\"Too much is under way\",\"status\":503,\"detail\":\"too many connections\",\
    \"code\":\"overloaded\",\"retryable\":true}";

/// Likewise, as it goes over the wire.
fn turned_away(app: &App) -> Vec<u8> {
    let id = request_id(app, &HeaderMap::new());
    let (now, id) = (app.dispatcher.now(), id.to_str().unwrap_or_default());
    let length = TURNED_AWAY.len();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\n{JANGTEO_TIME}: {now}\r\n{REQUEST_ID}: {id}\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), TURNED_AWAY.as_bytes()].concat()
}

/// Serves HTTP until the service has drained.
pub(crate) async fn serve_app(app: &Arc<App>, listener: TcpListener) {
    let router = app_router(Arc::clone(app));
    let serve = move |app, stream| serve(app, stream, router.clone());
    accept(app, listener, (Wire::Http, turned_away), serve).await;
}

async fn serve(app: Arc<App>, stream: Stream, router: Router) {
    let mut drain = app.drain.clone();
    let limit = Duration::from_millis(HEAD_TIMEOUT_MS);
    let heard = tokio::select! {
        biased;
        heard = timeout(limit, Ahead::listen(stream)) => heard,
        () = drain.begun() => return,
    };
    match heard {
        Ok(Ok((Version::One, stream))) => serve_one(&app, stream, &router).await,
        Ok(Ok((Version::Two, stream))) => {
            let ours = Arc::clone(&app);
            let respond = move |request| {
                let (app, router) = (Arc::clone(&ours), router.clone());
                async move { respond_to_stream(&app, &router, request).await }
            };
            http2::serve(&app, stream, respond).await;
        }
        // How a connection ended is its client's affair.
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Serves a connection of HTTP/1 to its end, or until it is a watcher's and nothing else.
async fn serve_one(app: &App, stream: Ahead, router: &Router) {
    let leaving = Leaving::default();
    let service = service_fn(|request| respond(app, router, &leaving, request));
    // In a box, so that a watcher is rid of it.
    let left = Box::pin(http1::serve(app, stream, &leaving, service)).await;
    if let Some((outgoing, stream)) = left {
        stream.bound_unsent(WATCHER_UNSENT_BYTES);
        // How a connection ended is its client's affair.
        _ = outgoing.send(stream).await;
    }
}

/// Answers one request of HTTP/1, and says in the answer that the connection ends if the service is
/// stopping: the word to stop may come after this connection was last asked about it.
async fn respond(
    app: &App,
    router: &Router,
    leaving: &Leaving,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let takeover = leaving.offer(&request);
    if let Some(takeover) = &takeover {
        request.extensions_mut().insert(takeover.clone());
    }
    let mut response = answer(app, router, request).await?;
    let begins = |offer: &Takeover| leaving.begins(offer, &response, app.dispatcher.now());
    if takeover.as_ref().is_some_and(begins) {
        return pending().await; // until the connection is taken over
    }
    // What is left of a request that was not read is not read any more.
    let is_cut =
        matches!(response.status(), StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
    if is_cut || app.drain.has_begun() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Answers one request of HTTP/2, once its body was read.
async fn respond_to_stream(
    app: &App,
    router: &Router,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if request.body().is_end_stream() {
        return answer(app, router, request).await;
    }
    let (head, body) = request.into_parts();
    let body = Shared::new(body);
    let response = answer(app, router, Request::from_parts(head, body.clone())).await?;
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        body.read_rest().await;
    }
    Ok(response)
}

async fn answer<B>(app: &App, router: &Router, request: Request<B>) -> Result<Response, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.method() != Method::POST || drop_of(request.uri()).is_none() {
        return router.clone().oneshot(request).await;
    }
    let (head, body) = request.into_parts();
    let common = Common::of(app, &head.method, &head.uri, &head.headers);
    let response = match (check(app, &head), drop_of(&head.uri)) {
        (Ok(caller), Some(drop)) => {
            holds::take(app, &caller, drop, &head, body).await.into_response()
        }
        (Err(problem), _) => problem.into_response(),
        (Ok(_), None) => unreachable!("the path was looked at above"),
    };
    Ok(common.finish(app, response))
}

/// The drop in `/v1/drops/{drop}/holds`, if it is that path and written plainly.
fn drop_of(uri: &Uri) -> Option<&str> {
    let drop = uri.path().strip_prefix("/v1/drops/")?.strip_suffix("/holds")?;
    let plain = !drop.is_empty() && !drop.contains(['/', '%']);
    plain.then_some(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Code;

    #[test]
    fn the_fixed_answer_is_what_the_table_says_of_its_code() {
        let problem: serde_json::Value = serde_json::from_str(TURNED_AWAY).unwrap();
        let row = Code::Overloaded.row();
        assert_eq!((&problem["code"], &problem["title"]), (&row.name.into(), &row.title.into()));
        assert_eq!(problem["status"], row.status);
    }

    #[test]
    fn the_hold_route_is_taken_only_where_it_is_plain() {
        let table = [
            ("/v1/drops/t-1/holds", Some("t-1")),
            ("/v1/drops/t-1/holds?x=1", Some("t-1")),
            ("/v1/drops/t%2d1/holds", None),
            ("/v1/drops//holds", None),
            ("/v1/drops/a/b/holds", None),
            ("/v1/drops/t-1/holds/", None),
            ("/v1/drops/holds", None),
        ];
        for (path, drop) in table {
            assert_eq!(drop_of(&path.parse().unwrap()), drop, "{path}");
        }
    }
}
