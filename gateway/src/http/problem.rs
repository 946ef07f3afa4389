//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jangteo::{
    Error, EventId, EventsError, Hold, HoldId, HoldState, OutcomeUnknown, Refusal, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::shown::{CampaignFault, states, times, words};
use super::why::rule;
use crate::access::Denied;
use crate::app::App;
use crate::codes::Code;
use crate::command::Refused;
use crate::rate::TooOften;

/// One error.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    /// The code's, but where several have one code.
    status: StatusCode,
    detail: Cow<'static, str>,
    /// Apart, since every answer has room for a problem.
    members: Box<Members>,
    retry_after_s: Option<u32>,
    /// Whether there was a credential, and it was not valid.
    unknown_credential: bool,
}

/// What some codes say besides.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ProblemMembers)]
pub(super) struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) available: Option<u32>,
    /// `wrong_state` of a hold: the state it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = states)]
    pub(super) state: Option<HoldState>,
    /// `conflict` of stock: what the total is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) total: Option<u32>,
    /// `wrong_state` of a settlement: units of `drop` in holds that are live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) held: Option<u64>,
    /// `conflict` of a settlement: who gets another amount than expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) beneficiary: Option<String>,
    /// Likewise: what that one gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) amount: Option<u64>,
    /// `not_open`: when it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = times)]
    pub(super) opens_at: Option<Timestamp>,
    /// `limit_reached`: what the customer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<HoldRef>, required = false)]
    pub(super) holds: Option<Box<[HoldRef]>>,
    /// `events_gone`: the oldest place that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub(super) first: Option<EventId>,
    /// `invalid_campaign`: everything that is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<CampaignFault>, required = false)]
    pub(super) faults: Option<Box<[CampaignFault]>>,
    /// `conflict` of a campaign: the drop that is fixed. `wrong_state` of a settlement: the drop
    /// that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) drop: Option<String>,
    /// Likewise: the key that would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "items[0].price")]
    pub(super) key: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldRef {
    #[schema(value_type = String)]
    id: HoldId,
    #[schema(schema_with = states)]
    state: HoldState,
}

/// RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/problems/sold_out")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What this is about, and never whom.
    detail: &'a str,
    #[schema(schema_with = codes)]
    code: &'static str,
    /// Whether the same bytes may succeed later.
    retryable: bool,
    #[serde(flatten)]
    members: &'a Members,
}

fn codes() -> utoipa::openapi::Object {
    words(&Code::names().collect::<Vec<_>>())
}

/// When to try again if nothing says when things will be better, in seconds.
const RETRY_S: u32 = 1;
/// When to look again at a paused drop, in seconds.
const RETRY_PAUSED_S: u32 = 5;

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after_s = match code {
            Code::Paused => Some(RETRY_PAUSED_S),
            _ => (code.row().status == 503).then_some(RETRY_S),
        };
        Self {
            code,
            status: StatusCode::from_u16(code.row().status).expect("the table has statuses"),
            detail: detail.into(),
            members: Box::default(),
            retry_after_s,
            unknown_credential: false,
        }
    }

    /// The same, and this besides.
    pub(super) fn with(self, members: Members) -> Self {
        Self { members: Box::new(members), ..self }
    }

    fn broken() -> Self {
        Self::new(Code::Internal, Code::Internal.row().title)
    }

    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(super) fn recovering() -> Self {
        Self::new(Code::Recovering, "nothing was done; try again")
    }

    /// Something is too large: the body (413), the path (414) or the head (431).
    pub(super) fn too_large(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, ..Self::new(Code::TooLarge, detail) }
    }

    /// A campaign has these faults.
    pub(super) fn faults(faults: Vec<jangteo::CampaignFault>) -> Self {
        let count = faults.len();
        let faults = faults.into_iter().map(CampaignFault::from).collect();
        let members = Box::new(Members { faults: Some(faults), ..Members::default() });
        Self { members, ..Self::new(Code::InvalidCampaign, format!("{count} faults")) }
    }

    /// The engine cannot put a campaign; `key` is the first that it would change.
    pub(super) fn of_engine(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Conflict { drop, key } => {
                let members =
                    Box::new(Members { drop: Some(drop), key: Some(key), ..Members::default() });
                Self { members, ..Self::new(Code::Conflict, detail) }
            }
            Error::Overloaded => Self::new(Code::Overloaded, Code::Overloaded.row().title),
            Error::Unavailable => Self::new(Code::Unavailable, Code::Unavailable.row().title),
            Error::OutcomeUnknown => OutcomeUnknown.into(),
            Error::TooMany(_) => Self::new(Code::TooLarge, detail),
            _ => {
                tracing::error!("a campaign: {detail}");
                Self::new(Code::Unavailable, Code::Unavailable.row().title)
            }
        }
    }

    /// The problem of a refusal. `limit_reached` names holds, and waits until they may be named.
    pub(super) async fn of(app: &App, refused: Refused) -> Self {
        let refusal = match refused {
            Refused::Sale(refusal) => refusal,
            other => return other.into(),
        };
        let code = Code::of(&refusal);
        let plain = Self::new(code, code.row().title);
        let members = match refusal {
            Refusal::Malformed(part) => return Self::malformed(rule(part)),
            Refusal::SoldOut { available } => {
                Members { available: Some(available), ..Members::default() }
            }
            Refusal::NotOpen { opens_at } => {
                let left_ms = opens_at.as_ms().saturating_sub(app.dispatcher.now().as_ms());
                let left_s = u32::try_from(left_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                let retry_after_s = Some(left_s.max(1));
                let members = Box::new(Members { opens_at: Some(opens_at), ..Members::default() });
                return Self { members, retry_after_s, ..plain };
            }
            // INVARIANT(J6): holds are named once their last records are durable.
            Refusal::LimitReached(pending) => {
                let (holds, mut ticket) = pending.into_parts();
                if let Err(unknown) = app.flusher.durable(&mut ticket).await {
                    return unknown.into();
                }
                let holds = holds.iter().map(|&Hold { id, state, .. }| HoldRef { id, state });
                Members { holds: Some(holds.collect()), ..Members::default() }
            }
            _ => Members::default(),
        };
        Self { members: Box::new(members), ..plain }
    }
}

impl From<Refused> for Problem {
    /// The problem of what is not about a sale.
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Sale(refusal) => {
                let code = Code::of(&refusal);
                Self::new(code, code.row().title)
            }
            Refused::Denied(denied) => denied.into(),
            Refused::TooOften(early) => early.into(),
            Refused::Recovering => Self::recovering(),
            Refused::Broken => Self::broken(),
        }
    }
}

impl From<EventsError> for Problem {
    fn from(error: EventsError) -> Self {
        let detail = error.to_string();
        match error {
            EventsError::Gone { first } => {
                let members = Members { first: Some(first), ..Members::default() };
                let detail = format!("older than what is kept, or never reached: {detail}");
                Self::new(Code::EventsGone, detail).with(members)
            }
            EventsError::NotKept => Self::new(Code::NotFound, detail),
            EventsError::Failed(Error::Corrupt(_)) => {
                tracing::error!("the event feed: {detail}");
                let why = "the journal is damaged where these events lie: trying again is no help";
                Self { retry_after_s: None, ..Self::new(Code::Unavailable, why) }
            }
            _ => {
                tracing::error!("the event feed: {detail}");
                Self::new(Code::Unavailable, "the journal could not be read")
            }
        }
    }
}

impl From<TooOften> for Problem {
    fn from(early: TooOften) -> Self {
        let retry_after_s = u32::try_from(early.retry_after_ms().div_ceil(1_000));
        let retry_after_s = Some(retry_after_s.unwrap_or(u32::MAX));
        Self { retry_after_s, ..Self::new(Code::RateLimited, Code::RateLimited.row().title) }
    }
}

impl From<OutcomeUnknown> for Problem {
    fn from(unknown: OutcomeUnknown) -> Self {
        Self::new(Code::OutcomeUnknown, unknown.to_string())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (code, detail) = match denied {
            Denied::Unauthenticated => {
                (Code::Unauthenticated, "Authorization: a key's secret or a token is needed")
            }
            Denied::Unknown => (Code::Unauthenticated, "Authorization: not a valid credential"),
            Denied::Call(why) | Denied::Subject(why) => (Code::Forbidden, why),
        };
        let unknown_credential = denied == Denied::Unknown;
        Self { unknown_credential, ..Self::new(code, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let row = self.code.row();
        let document = Document {
            kind: format!("/problems/{}", row.name),
            title: row.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: row.name,
            // What no time mends says nothing of when.
            retryable: row.retryable && (row.status != 503 || self.retry_after_s.is_some()),
            members: &self.members,
        };
        let body = serde_json::to_vec(&document).expect("it has only text, numbers and lists");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            let challenge = if self.unknown_credential { CHALLENGE_UNKNOWN } else { CHALLENGE };
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// What kind of credential is needed.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"jangteo\"");
/// Likewise, since the one there was is not valid.
const CHALLENGE_UNKNOWN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"jangteo\", error=\"invalid_token\"");

/// The media type of every error.
pub(super) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
