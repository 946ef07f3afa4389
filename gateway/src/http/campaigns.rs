//! `/v1/campaigns`: what is sold and when, put, shown, deleted.
//!
//! Who puts a campaign is looked at before its file is: reading one is work, and done on a thread
//! for such work.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jangteo::{Campaign, ChangeKind, InvalidCampaign, Pending};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::body::read_up_to;
use super::changes::{Change, changes};
use super::common::{bytes, json, on_thread, tag};
use super::head::{content_type, has_already, lists, unknown_parameter};
use super::hold::no_body;
use super::openapi::{CampaignProblems, DeleteProblems, Problems, PutProblems};
use super::problem::Problem;
use super::shown::{self, words};
use crate::access::{Caller, Need};
use crate::app::App;
use crate::codes::Code;
use crate::limits::{CAMPAIGN_BODY_BYTES_MAX, CAMPAIGNS_LISTED, CAMPAIGNS_LISTED_MAX};
use crate::page::page;

const JSON: &str = "application/json";
const TOML: &str = "application/toml";

/// What a campaign would change.
#[derive(Serialize, ToSchema)]
struct Plan {
    outcome: Outcome,
    /// What differs from the campaign that is recorded, by key.
    changes: Vec<Change>,
    /// What becomes of its drops, by number; nothing of those that nobody could tell apart.
    drops: Vec<DropChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// There is none of that id.
    Created,
    /// It is what is recorded.
    Unchanged,
    /// It is another.
    Changed,
}

#[derive(Serialize, ToSchema)]
struct DropChange {
    #[schema(example = "try-it-1")]
    drop: String,
    #[schema(schema_with = kinds)]
    what: ChangeKind,
}

fn kinds() -> Object {
    words(&["added", "changed", "replaced", "removed"])
}

#[derive(Serialize, ToSchema)]
#[schema(as = Campaigns)]
struct CampaignPage<'a> {
    #[schema(value_type = Vec<shown::Campaign>)]
    campaigns: Vec<&'a Campaign>,
    /// The `after` of the next page, if there is one.
    #[schema(required = true)]
    next: Option<String>,
}

/// Shows a campaign.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}", operation_id = "campaign", tag = "campaigns",
    params(
        ("id" = String, Path, example = "try-it"),
        ("If-None-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "The campaign", body = shown::Campaign,
            headers(("ETag" = String), ("Cache-Control" = String))),
        (status = 304, description = "The client has it already", headers(("ETag" = String))),
        CampaignProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.permits(Need::Operate)?;
    if app.dispatcher.is_recovering() {
        return Err(Problem::recovering());
    }
    let text = app.dispatcher.campaign(&id).ok_or_else(unknown)?.to_json();
    let known = has_already(&headers, &tag(text.as_bytes()));
    Ok(answer(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, text))
}

/// Lists campaigns by id.
#[utoipa::path(
    get, path = "/v1/campaigns", operation_id = "campaigns", tag = "campaigns",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000),
        ("after" = Option<String>, Query, description = "Only those behind this id"),
    ),
    responses((status = 200, description = "A page", body = CampaignPage), Problems),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (mut limit, mut after) = (None, None);
    for (name, value) in &query {
        let twice = match name.as_str() {
            "limit" => {
                let number = value.parse().ok().filter(|n| (1..=CAMPAIGNS_LISTED_MAX).contains(n));
                limit
                    .replace(number.ok_or_else(|| {
                        Problem::malformed(format!(
                            "limit: a number from 1 to {CAMPAIGNS_LISTED_MAX}"
                        ))
                    })?)
                    .is_some()
            }
            "after" => after.replace(value.as_str()).is_some(),
            _ => return Err(unknown_parameter(name)),
        };
        if twice {
            return Err(Problem::malformed(format!("{name}: given twice")));
        }
    }
    caller.permits(Need::Operate)?;
    if app.dispatcher.is_recovering() {
        return Err(Problem::recovering());
    }
    let limit: usize = limit.unwrap_or(CAMPAIGNS_LISTED);
    let all = app.dispatcher.campaigns();
    let wanted = all.iter().filter(|one| after.is_none_or(|after| *one.id > *after));
    let bytes_of = |campaign: &&Campaign| campaign.to_json().len();
    let (campaigns, more) = page(wanted.map(|one| &**one), limit, bytes_of);
    let next = campaigns.last().filter(|_| more).map(|last| last.id.clone());
    Ok(json(StatusCode::OK, &CampaignPage { campaigns, next }))
}

/// Makes a campaign's drops exist, or replaces what is still to come of them.
///
/// Of a drop that was revealed or has opened it changes titles, adds areas, or moves the closing
/// later; anything else is `conflict`, which names drop and key, and nothing takes effect.
///
/// The same campaign again changes nothing. `If-Match` and `If-None-Match: *` say what it is to
/// replace.
#[utoipa::path(
    put, path = "/v1/campaigns/{id}", operation_id = "put_campaign", tag = "campaigns",
    params(
        ("id" = String, Path, example = "try-it"),
        ("dry_run" = Option<bool>, Query, description = "Say what would change, change nothing"),
        ("If-Match" = Option<String>, Header, description = "Only if this is what is recorded"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is new"),
    ),
    request_body(content(
        (shown::Campaign = "application/json"),
        (String = "application/toml",
            example = json!(include_str!("../../../docs/campaigns/try-it.toml"))),
    )),
    responses(
        (status = 201, description = "It is new", body = shown::Campaign,
            headers(("ETag" = String), ("Location" = String))),
        (status = 200, description = "It was there, or took the place of what was; with `dry_run` \
            what would change",
            content((PutAnswer = "application/json")), headers(("ETag" = String))),
        PutProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Problem> {
    let dry_run = dry_run(&query)?;
    caller.permits(Need::Operate)?;
    if app.dispatcher.is_recovering() {
        return Err(Problem::recovering());
    }
    let (head, body) = request.into_parts();
    let file = read_up_to(CAMPAIGN_BODY_BYTES_MAX, body).await?;
    let is_json = content_type(&head.headers, &[JSON, TOML])? == JSON;
    let put = Put { id, is_json, file, headers: head.headers, dry_run };
    on_thread(move || put.run(&app)).await?
}

/// The two forms of a good answer.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = PutCampaign)]
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "it describes and is never made: either is served by itself"
)]
enum PutAnswer {
    #[schema(title = "Put")]
    Campaign(shown::Campaign),
    #[schema(title = "Planned")]
    Plan(Plan),
}

fn dry_run(query: &[(String, String)]) -> Result<bool, Problem> {
    match query {
        [] => Ok(false),
        [(name, value)] if name == "dry_run" => {
            value.parse().map_err(|_| Problem::malformed("dry_run: neither true nor false"))
        }
        _ => match query.iter().find(|(name, _)| name != "dry_run") {
            Some((name, _)) => Err(unknown_parameter(name)),
            None => Err(Problem::malformed("dry_run: given twice")),
        },
    }
}

/// A campaign to be put.
struct Put {
    id: String,
    is_json: bool,
    file: Bytes,
    headers: HeaderMap,
    dry_run: bool,
}

impl Put {
    fn run(&self, app: &App) -> Result<Response, Problem> {
        let campaign = self.campaign()?;
        // What is looked at stays so until it is put.
        let _one_at_a_time = app.putting.lock();
        let recorded = app.dispatcher.campaign(&campaign.id);
        check_conditions(&self.headers, recorded.as_deref())?;
        let text = campaign.to_json();
        let before = recorded.as_ref().map(|recorded| recorded.to_json());
        let outcome = match &before {
            None => Outcome::Created,
            Some(before) if *before == text => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
        };
        if self.dry_run {
            let drops = app.dispatcher.would_put(campaign).map_err(Problem::of_engine)?;
            let drop = |jangteo::Change { drop, what, .. }| DropChange { drop, what };
            let drops = drops.into_iter().map(drop).collect();
            let changes = changes(before.as_deref(), &text);
            return Ok(json(StatusCode::OK, &Plan { outcome, changes, drops }));
        }
        let location = format!("/v1/campaigns/{}", campaign.id);
        app.dispatcher.put(campaign)?.map_err(Problem::of_engine)?;
        if outcome != Outcome::Created {
            return Ok(answer(StatusCode::OK, text));
        }
        let mut response = answer(StatusCode::CREATED, text);
        let location = HeaderValue::from_str(&location).expect("an id is ASCII");
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }

    fn campaign(&self) -> Result<Campaign, Problem> {
        let file = std::str::from_utf8(&self.file);
        let file = file.map_err(|_| Problem::malformed("the body is not UTF-8"))?;
        let read = if self.is_json { Campaign::parse_json } else { Campaign::parse };
        let campaign = read(file).map_err(|InvalidCampaign { faults }| Problem::faults(faults))?;
        if campaign.id == self.id {
            return Ok(campaign);
        }
        let detail = "is not the id in the path".to_owned();
        let fault =
            jangteo::CampaignFault { line: 0, column: 0, key: "campaign.id".to_owned(), detail };
        Err(Problem::faults(vec![fault]))
    }
}

fn check_conditions(headers: &HeaderMap, recorded: Option<&Campaign>) -> Result<(), Problem> {
    let failed = |what| Err(Problem::new(Code::PreconditionFailed, what));
    let tag = recorded.map(|recorded| tag(recorded.to_json().as_bytes()));
    let lists = |name, weakly| lists(headers, name, tag.as_deref(), weakly);
    if headers.contains_key(header::IF_MATCH) && !lists(&header::IF_MATCH, false) {
        return failed("If-Match: something else is recorded, or nothing");
    }
    if lists(&header::IF_NONE_MATCH, true) {
        return failed("If-None-Match: it is recorded already");
    }
    Ok(())
}

/// Deletes a campaign of which nothing was ever granted, or that is settled.
///
/// From then on its drops and holds are unknown, and its id is free.
#[utoipa::path(
    delete, path = "/v1/campaigns/{id}", operation_id = "delete_campaign", tag = "campaigns",
    params(
        ("id" = String, Path, example = "try-it"),
        ("dry_run" = Option<bool>, Query, description = "Answer as if, delete nothing"),
        ("If-Match" = Option<String>, Header, description = "Only if this is what is recorded"),
    ),
    responses(
        (status = 204, description = "It is deleted, or with `dry_run` would be"),
        DeleteProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Problem> {
    let dry_run = dry_run(&query)?;
    let (head, body) = request.into_parts();
    no_body(&head.headers, body).await?;
    caller.permits(Need::Operate)?;
    if app.dispatcher.is_recovering() {
        return Err(Problem::recovering());
    }
    let work = Arc::clone(&app);
    let deleted = on_thread(move || {
        let _one_at_a_time = work.putting.lock();
        let recorded = work.dispatcher.campaign(&id).ok_or_else(unknown)?;
        check_conditions(&head.headers, Some(&recorded))?;
        let deleted = if dry_run {
            work.dispatcher.would_delete(&id).map(|()| None)
        } else {
            work.dispatcher.delete(&id).map(Some)
        };
        Ok::<_, Problem>(deleted)
    });
    match deleted.await?? {
        Ok(pending) => {
            if let Some(((), mut ticket)) = pending.map(Pending::into_parts) {
                app.flusher.durable(&mut ticket).await?;
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Err(refused) => Err(Problem::of(&app, refused).await),
    }
}

fn unknown() -> Problem {
    Problem::new(Code::UnknownCampaign, Code::UnknownCampaign.row().title)
}

/// A campaign's text, with its tag.
fn answer(status: StatusCode, text: String) -> Response {
    let tag = tag(text.as_bytes());
    let mut response = if status == StatusCode::NOT_MODIFIED {
        status.into_response()
    } else {
        bytes(status, text.into_bytes())
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("digits in quotes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
