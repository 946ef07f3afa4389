//! Schemas of what many answers have: words, times, names.

use std::borrow::Cow;

use jangteo::Phase;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A text that is one of these.
pub(in super::super) fn words(all: &[&str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.iter().copied())).build()
}

/// Where a drop stands, as a word.
pub(in super::super) struct PhaseWord;

impl PartialSchema for PhaseWord {
    fn schema() -> RefOr<Schema> {
        Schema::Object(words(&Phase::ALL.map(Phase::name))).into()
    }
}

impl ToSchema for PhaseWord {
    fn name() -> Cow<'static, str> {
        "Phase".into()
    }
}

/// What became of a hold.
pub(in super::super) fn states() -> Object {
    words(&["held", "confirmed", "released", "expired", "refunded"])
}

/// A time: RFC 3339 in UTC, with milliseconds.
pub(in super::super) fn times() -> Object {
    let time = ObjectBuilder::new().schema_type(Type::String);
    let time = time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    time.examples(["2020-04-29T01:00:00.000Z"]).build()
}

/// Likewise, or null.
pub(super) fn times_or_null() -> Object {
    let mut time = times();
    time.schema_type = [Type::String, Type::Null].into_iter().collect();
    time
}

/// A name: 1 to so many visible ASCII characters.
pub(in super::super) fn ascii(length_max: usize) -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]+$"));
    name.min_length(Some(1)).max_length(Some(length_max)).build()
}
