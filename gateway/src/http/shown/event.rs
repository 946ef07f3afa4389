//! An event of the feed.

use jangteo::{Event, EventData, EventId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

use super::words::times;

/// One change, as CloudEvents 1.0 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(in super::super) struct EventView<'a> {
    #[schema(example = "1.0")]
    specversion: &'static str,
    /// `<incarnation>-<sequence>`.
    #[schema(value_type = String, example = "1-7")]
    id: EventId,
    source: &'static str,
    #[serde(rename = "type")]
    #[schema(example = "jangteo.hold.granted")]
    kind: &'static str,
    #[schema(schema_with = times)]
    time: Timestamp,
    /// Id of what `data` shows.
    subject: String,
    datacontenttype: &'static str,
    /// As it was right after the change.
    #[schema(schema_with = subjects)]
    data: &'a EventData,
}

/// What an event can be about.
fn subjects() -> RefOr<Schema> {
    let subject = |one: OneOfBuilder, name| one.item(Ref::from_schema_name(name));
    let names = ["Hold", "Wait", "Drop", "Campaign", "Report"];
    names.into_iter().fold(OneOfBuilder::new(), subject).into()
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            specversion: "1.0",
            id: event.id,
            source: "/v1/events",
            kind: event.kind.name(),
            time: event.time,
            subject: event.subject(),
            datacontenttype: "application/json",
            data: &event.data,
        }
    }
}
