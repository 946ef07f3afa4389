//! `/openapi.json`: the interface described from the code that serves it.
//!
//! Paths, parameters and answers stand at the handlers, bodies are the types that are read and
//! written, and errors come from the one table of codes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;
use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, Header, HeaderBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder,
};
use utoipa::{IntoResponses, Modify, OpenApi as _};

use super::common::bytes;
use super::problem::Document;
use super::router::routes;
use super::shown::{PhaseWord, times};
use crate::codes::Code;

/// What stands above all operations.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "jangteo",
        description = "Holds on the stock of flash sales: take, confirm, release.",
    ),
    components(schemas(Document, PhaseWord)),
    modifiers(&Credentials),
    tags(
        (name = "drops", description = "What is on sale, now and later"),
        (name = "holds", description = "Units set aside for a customer"),
        (name = "waits", description = "Places in the waiting line"),
        (name = "campaigns", description = "What is sold, when, under which rules"),
        (name = "events", description = "Everything that happened, in order"),
        (name = "service", description = "How the service is, and what it says"),
    )
)]
struct Top;

/// The credentials there are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer = bearer.description(Some("A key's secret, or a customer's token (JWT)."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    }
}

/// Described once; every service serves the same.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = serde_json::to_vec(&document()).expect("a description has only text keys");
    document.into()
});

/// The interface, described as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "service",
    responses((status = 200, description = "This document", body = Object), Problems),
    security(()),
)]
pub(super) async fn get() -> Response {
    bytes(axum::http::StatusCode::OK, DOCUMENT.to_vec())
}

fn document() -> OpenApi {
    let mut document = Top::openapi().merge_from(routes().into_openapi());
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            finish(path, operation);
        }
    }
    document
}

/// What all operations have in common.
fn finish(path: &str, operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let id = "The client's, if it is fit to be repeated; else one of the service's";
            let time = "The server's clock";
            response.headers.insert("X-Request-Id".to_owned(), header(id).into());
            let time = HeaderBuilder::new().schema(Some(times())).description(Some(time));
            response.headers.insert("Jangteo-Time".to_owned(), time.build().into());
        }
    }
    // What is left out of an address or a head is not null: it is not there.
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter { schema: Some(RefOr::T(schema)), .. }) = parameter {
            never_null(schema);
        }
    }
    // A call on a hold can be made without a body, and so can a turn of a drop and a settlement.
    let bare = path.starts_with("/v1/holds/")
        || ["/pause", "/resume", "/close", "/settle"].iter().any(|turn| path.ends_with(turn));
    if bare && let Some(RefOr::T(body)) = &mut operation.request_body {
        body.required = Some(Required::False);
    }
}

fn never_null(schema: &mut Schema) {
    let kind = match schema {
        Schema::Object(object) => &mut object.schema_type,
        Schema::Array(array) => &mut array.schema_type,
        _ => return,
    };
    if let SchemaType::Array(kinds) = kind
        && let Some(only) = kinds.iter().find(|kind| **kind != Type::Null)
    {
        *kind = SchemaType::Type(only.clone());
    }
}

fn header(description: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}

/// What any call can be answered with instead.
const ANY: [Code; 10] = [
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotAcceptable,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::Recovering,
];

/// The statuses of a code.
fn statuses(code: Code) -> Vec<u16> {
    match code {
        Code::TooLarge => vec![413, 414, 431],
        _ => vec![code.row().status],
    }
}

/// Describes these errors and those that any call has, by status.
fn problems(codes: &[Code]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let codes = || ANY.iter().chain(codes).copied();
    let all: BTreeSet<u16> = codes().flat_map(statuses).collect();
    let of = |status: u16| codes().filter(move |code| statuses(*code).contains(&status));
    all.into_iter().map(|status| (status.to_string(), problem(status, of(status)).into())).collect()
}

fn problem(status: u16, codes: impl Iterator<Item = Code>) -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name("Problem");
    let mut content = Content::new(Some(schema));
    let mut meanings = Vec::new();
    let (mut retryable, mut challenged) = (false, false);
    for code in codes {
        let row = code.row();
        meanings.push(format!("`{}`: {}", row.name, row.title));
        retryable |= row.retryable && code != Code::RequestTimeout;
        challenged |= code == Code::Unauthenticated;
        let example = json!({
            "type": format!("/problems/{}", row.name), "title": row.title, "status": status,
            "detail": row.title, "code": row.name, "retryable": row.retryable,
        });
        let example = utoipa::openapi::example::ExampleBuilder::new().value(Some(example));
        content.examples.insert(row.name.to_owned(), example.build().into());
    }
    let mut response = ResponseBuilder::new().description(meanings.join("; "));
    response = response.content("application/problem+json", content);
    if retryable {
        response = response.header("Retry-After", header("Seconds until it may be tried again"));
    }
    if challenged {
        response = response.header("WWW-Authenticate", header("What credential is needed"));
    }
    response.build()
}

/// Names groups of errors, each beside those that any call has.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: [$($code:ident),*];)*) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
                problems(&[$(Code::$code),*])
            }
        }
    )*};
}

problems! {
    /// None besides.
    Problems: [];
    /// Of a call about one drop.
    DropProblems: [UnknownDrop];
    /// Of a call that answers with holds.
    FindProblems: [UnknownDrop, OutcomeUnknown];
    /// Of taking a hold.
    TakeProblems: [
        UnknownDrop, UnknownSku, AreaNotServed, SoldOut, LimitReached, NotOpen, Paused, Closed,
        KeyReused, UnsupportedMediaType, Unavailable, OutcomeUnknown
    ];
    /// Of reading a hold.
    HoldProblems: [UnknownHold, OutcomeUnknown];
    /// Of changing a hold.
    ChangeProblems: [
        UnknownHold, Conflict, Expired, WrongState, UnsupportedMediaType, Unavailable,
        OutcomeUnknown
    ];
    /// Of extending a hold.
    ExtendProblems: [
        UnknownHold, Expired, WrongState, Closed, UnsupportedMediaType, Unavailable,
        OutcomeUnknown
    ];
    /// Of refunding an order.
    RefundProblems: [
        UnknownHold, UnknownSku, Conflict, Expired, WrongState, UnsupportedMediaType, Unavailable,
        OutcomeUnknown
    ];
    /// Of pausing, resuming or closing a drop.
    TurnProblems: [UnknownDrop, WrongState, UnsupportedMediaType, Unavailable, OutcomeUnknown];
    /// Of setting the stock of an item.
    StockProblems: [
        UnknownDrop, UnknownSku, Conflict, WrongState, UnsupportedMediaType, Unavailable,
        OutcomeUnknown
    ];
    /// Of reading a wait.
    WaitProblems: [UnknownWait, OutcomeUnknown];
    /// Of leaving the line.
    LeaveProblems: [UnknownWait, WrongState, UnsupportedMediaType, Unavailable, OutcomeUnknown];
    /// Of reading a campaign.
    CampaignProblems: [UnknownCampaign];
    /// Of deleting a campaign.
    DeleteProblems: [
        UnknownCampaign, WrongState, PreconditionFailed, UnsupportedMediaType, Unavailable,
        Overloaded, OutcomeUnknown
    ];
    /// Of asking what a campaign came to.
    ReportProblems: [UnknownCampaign, OutcomeUnknown];
    /// Of settling a campaign.
    SettleProblems: [
        UnknownCampaign, WrongState, Conflict, UnsupportedMediaType, Unavailable, OutcomeUnknown
    ];
    /// Of putting a campaign.
    PutProblems: [
        Conflict, PreconditionFailed, UnsupportedMediaType, InvalidCampaign, Unavailable,
        OutcomeUnknown
    ];
    /// Of reading events.
    EventsProblems: [NotFound, EventsGone, Unavailable];
    /// Of asking whether it is ready.
    ReadyProblems: [Unavailable, Draining];
    /// Of asking what a code means.
    MeaningProblems: [NotFound];
}
