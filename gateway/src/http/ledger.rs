//! `/v1/campaigns/{id}/report` and `.../settle`: what follows from a campaign's orders.
//!
//! On a thread of their own: every order is read, and other connections should not wait for that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{Members, Whole, parse_or_default, read, unknown};
use super::common::{json, on_thread};
use super::head::no_query;
use super::openapi::{ReportProblems, SettleProblems};
use super::problem::Problem;
use super::shown::Report;
use super::why::of_settlement;
use crate::access::Caller;
use crate::app::App;
use crate::command::{Answer, Command};

/// What a campaign came to so far: orders, money, donations and credits, in all and for each drop.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}/report", operation_id = "report", tag = "campaigns",
    params(("id" = String, Path, example = "try-it")),
    responses((status = 200, description = "The report", body = Report), ReportProblems),
    security(("bearer" = [])),
)]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let counting = Arc::clone(&app);
    let run = move || counting.dispatcher.run(&caller, Command::Report { campaign: &id });
    match on_thread(run).await? {
        Ok(report) => answer(&app, report).await,
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}

/// Settles whatever is not settled yet, once every drop is closed and no hold is live.
///
/// Again: the same answer. `expect` names beneficiaries and what each is to get in all; another
/// figure is a conflict, and nothing changes.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/settle", operation_id = "settle", tag = "campaigns",
    params(("id" = String, Path, example = "try-it")),
    request_body = SettleBody,
    responses((status = 200, description = "The report, settled", body = Report), SettleProblems),
    security(("bearer" = [])),
)]
pub(super) async fn settle(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    no_query(&head.uri)?;
    let body: SettleBody = parse_or_default(&read(&head.headers, body).await?)?;
    let asked = Arc::new((id, body.expect));
    let (counting, asking) = (Arc::clone(&app), Arc::clone(&asked));
    let run = move || {
        let (campaign, expect) = (&asking.0, &amounts(asking.1.as_ref()));
        counting.dispatcher.run(&caller, Command::Settle { campaign, expect })
    };
    match on_thread(run).await? {
        Ok(settled) => answer(&app, settled).await,
        Err(refused) => {
            let expect = amounts(asked.1.as_ref());
            Err(of_settlement(&app, &asked.0, &expect, refused).await)
        }
    }
}

fn amounts(expect: Option<&Once>) -> Vec<(&str, u64)> {
    let all = expect.into_iter().flat_map(|Once(all)| all);
    all.map(|(id, amount)| (&**id, *amount)).collect()
}

async fn answer(app: &App, answer: Answer) -> Result<Response, Problem> {
    let Answer::Report(pending) = answer else { unreachable!("a report is answered with one") };
    let (report, mut ticket) = pending.into_parts();
    app.flusher.durable(&mut ticket).await?;
    Ok(json(StatusCode::OK, &Report::from(report)))
}

/// `{"expect":{"hope-bridge":40000000}}`
#[derive(Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Settle)]
struct SettleBody {
    /// What beneficiaries are to get in all.
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    expect: Option<Once>,
}

/// Amounts by name, none of them twice.
struct Once(BTreeMap<String, u64>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((id, Whole(amount))) = members.next_entry()? {
            if all.insert(id, amount).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(Once(all))
    }
}

impl Members<'_> for SettleBody {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        match members.get("expect") {
            None | Some(Value::Null) => {}
            Some(Value::Object(amounts)) => {
                if amounts.values().any(|amount| Whole::of(amount).is_none()) {
                    return Some("expect: whole numbers are needed".to_owned());
                }
            }
            Some(_) => return Some("expect: an object is needed".to_owned()),
        }
        unknown(members, &["expect"], "")
    }
}
