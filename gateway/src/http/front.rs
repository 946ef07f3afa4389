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
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower::ServiceExt;

use super::ahead::{Ahead, Version};
use super::common::{Common, check};
use super::router::app_router;
use super::takeover::{Leaving, Takeover};
use super::{holds, http1, http2};
use crate::accept::accept;
use crate::app::App;
use crate::limits::{HEAD_TIMEOUT_MS, WATCHER_UNSENT_BYTES};
use crate::stream::Stream;
use crate::tls::Wire;

const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 145\r\n\r\n\
    {\"type\":\"/problems/overloaded\",\"title\":\"Too much is under way\",\"status\":503,\
    \"detail\":\"too many connections\",\"code\":\"overloaded\",\"retryable\":true}";

/// Serves HTTP until the service has drained.
pub(crate) async fn serve_app(app: &Arc<App>, listener: TcpListener) {
    let router = app_router(Arc::clone(app));
    let serve = move |app, stream| serve(app, stream, router.clone());
    accept(app, listener, (Wire::Http, TURNED_AWAY), serve).await;
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
                async move { answer(&app, &router, request).await }
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

async fn answer(
    app: &App,
    router: &Router,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if request.method() != Method::POST || drop_of(request.uri()).is_none() {
        return router.clone().oneshot(request).await;
    }
    let (head, body) = request.into_parts();
    let common = Common::of(app, &head.method, &head.uri, &head.headers);
    let response = match (check(app, &head), drop_of(&head.uri)) {
        (Ok(caller), Some(drop)) => {
            holds::take(app, &caller, drop, &head.headers, body).await.into_response()
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

    #[test]
    fn the_fixed_answer_knows_its_own_length() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
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
