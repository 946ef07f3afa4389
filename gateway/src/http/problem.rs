//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jangteo::{EventId, EventsError, Hold, HoldId, HoldState, OutcomeUnknown, Refusal, Timestamp};
use serde::Serialize;

use crate::access::Denied;
use crate::app::App;
use crate::codes::Code;
use crate::command::Refused;
use crate::rate::TooOften;

/// One error.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    members: Members,
    retry_after_s: Option<u64>,
    /// Whether there was a credential, and it was not valid.
    unknown_credential: bool,
}

/// What some codes say besides.
#[derive(Debug, Default, Serialize)]
struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<Vec<HoldRef>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<EventId>,
}

#[derive(Debug, Serialize)]
struct HoldRef {
    id: HoldId,
    state: HoldState,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    retryable: bool,
    #[serde(flatten)]
    members: &'a Members,
}

/// When to try again if nothing says when things will be better, in seconds.
const RETRY_S: u64 = 1;
/// When to look again at a paused drop, in seconds.
const RETRY_PAUSED_S: u64 = 5;

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after_s = match code {
            Code::Paused => Some(RETRY_PAUSED_S),
            _ => (code.row().status == 503).then_some(RETRY_S),
        };
        Self {
            code,
            detail: detail.into(),
            members: Members::default(),
            retry_after_s,
            unknown_credential: false,
        }
    }

    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(super) fn recovering() -> Self {
        Self::new(Code::Recovering, "nothing was done; try again")
    }

    /// The problem of a refusal. `limit_reached` names holds, and waits until they may be named.
    pub(super) async fn of(app: &App, refused: Refused) -> Self {
        let refusal = match refused {
            Refused::Sale(refusal) => refusal,
            Refused::Denied(denied) => return denied.into(),
            Refused::TooOften(early) => return early.into(),
            Refused::Recovering => return Self::recovering(),
            Refused::Broken => return Self::new(Code::Internal, Code::Internal.row().title),
        };
        let code = Code::of(&refusal);
        let plain = Self::new(code, code.row().title);
        let members = match refusal {
            // The engine calls it by its name in Rust.
            Refusal::Malformed("key") => return Self::malformed("Idempotency-Key"),
            Refusal::Malformed(what) => return Self::malformed(what),
            Refusal::SoldOut { available } => {
                Members { available: Some(available), ..Members::default() }
            }
            Refusal::NotOpen { opens_at } => {
                let left_ms = opens_at.as_ms().saturating_sub(app.dispatcher.now().as_ms());
                let retry_after_s = Some(left_ms.div_ceil(1_000).max(1));
                let members = Members { opens_at: Some(opens_at), ..Members::default() };
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
        Self { members, ..plain }
    }
}

impl From<EventsError> for Problem {
    fn from(error: EventsError) -> Self {
        let detail = error.to_string();
        match error {
            EventsError::Gone { first } => {
                let members = Members { first: Some(first), ..Members::default() };
                Self { members, ..Self::new(Code::EventsGone, detail) }
            }
            EventsError::NotKept => Self::new(Code::NotFound, detail),
            _ => {
                tracing::error!("the event feed: {detail}");
                Self::new(Code::Unavailable, "the journal could not be read")
            }
        }
    }
}

impl From<TooOften> for Problem {
    fn from(early: TooOften) -> Self {
        let retry_after_s = Some(early.retry_after_ms().div_ceil(1_000));
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
            status: row.status,
            detail: &self.detail,
            code: row.name,
            retryable: row.retryable,
            members: &self.members,
        };
        let body = serde_json::to_vec(&document).expect("it has only text, numbers and lists");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(row.status).expect("the table has statuses");
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
