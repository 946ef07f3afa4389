//! `/v1/drops`: what is on sale, now and later.

use std::hash::Hasher;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jangteo::{Phase, SaleView};
use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::common::{bytes, json};
use super::head::has_already;
use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command, Filter};
use crate::limits::{DROPS_LISTED, DROPS_LISTED_MAX};

/// One drop, with a tag by which a client sees that nothing has changed.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(drop): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = match app.dispatcher.run(&caller, Command::Drop { drop: &drop }) {
        Ok(Answer::Drop(view)) => view,
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

/// A strong entity tag: the same for the same bytes, also after a restart.
fn tag(body: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    format!("\"{:032x}\"", hasher.finish128().as_u128())
}

#[derive(Serialize)]
struct Page {
    drops: Vec<SaleView>,
    next: Option<String>,
}

/// Drops by opening instant; `next` is the `after` of the following page.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    match app.dispatcher.run(&caller, Command::Drops(filter(&query)?)) {
        Ok(Answer::Drops(drops, more)) => {
            let next = drops.last().filter(|_| more).map(|last| last.id.clone());
            Ok(json(StatusCode::OK, &Page { drops, next }))
        }
        Ok(_) => unreachable!("a list is answered with drops"),
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}

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
                let phase: Phase = value.parse().map_err(|()| Problem::malformed("phase"))?;
                filter.phases.push(phase);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=DROPS_LISTED_MAX).contains(n));
                filter.limit = limit.ok_or_else(|| Problem::malformed("limit"))?;
            }
            _ => return Err(Problem::malformed("the query has an unknown parameter")),
        }
        seen.push(name);
    }
    Ok(filter)
}
