//! Bodies: read within bounds, then read as what the call takes.
//!
//! What is wrong is told by the member's name and never by its value: customers and payments appear
//! in no error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

use super::head::{content_type, named};
use super::problem::Problem;
use super::shown::ascii;
use crate::codes::Code;
use crate::limits::{BODY_BYTES_MAX, BODY_TIMEOUT_MS};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Reads a body of JSON whole.
pub(super) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let bytes = read_up_to(BODY_BYTES_MAX, body).await?;
    if !bytes.is_empty() {
        content_type(headers, &["application/json"])?;
    }
    Ok(bytes)
}

/// Reads a body of whatever kind whole.
pub(super) async fn read_up_to<B>(bytes_max: usize, body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_large = || Problem::new(Code::TooLarge, format!("more than {bytes_max} bytes"));
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut collecting = pin!(Limited::new(body, bytes_max).collect());
    // A body mostly came with its head; a timer is only made for one that did not.
    let first = std::future::poll_fn(|context| Poll::Ready(collecting.as_mut().poll(context)));
    let collected = match first.await {
        Poll::Ready(collected) => collected,
        Poll::Pending => {
            let limit = Duration::from_millis(BODY_TIMEOUT_MS);
            let late = |_| Problem::new(Code::RequestTimeout, "the body did not arrive in time");
            tokio::time::timeout(limit, collecting).await.map_err(late)?
        }
    };
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Problem::malformed("the body ended too early")
        }
    })?;
    Ok(bytes.to_bytes())
}

/// `{"customer","lines":[{"sku","quantity"}],"area","wait"}`
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TakeHold)]
pub(super) struct HoldBody<'a> {
    /// May be left out by one whose token says it.
    #[serde(borrow)]
    #[schema(schema_with = customers, required = true)]
    pub(super) customer: Option<Cow<'a, str>>,
    /// Up to 20, those of the same item counted as one.
    #[serde(borrow)]
    #[schema(value_type = Vec<LineBody>, min_items = 1, max_items = 20)]
    pub(super) lines: Vec<Object<LineBody<'a>>>,
    /// Where it is to be delivered to.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    pub(super) area: Option<Cow<'a, str>>,
    /// Join the waiting line if too few units are there.
    pub(super) wait: Option<bool>,
}

#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TakeLine)]
pub(super) struct LineBody<'a> {
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    pub(super) sku: Cow<'a, str>,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub(super) quantity: u64,
}

/// A whole number by itself.
pub(super) struct Whole(pub(super) u64);

impl Whole {
    /// What of a value is one.
    pub(super) fn of(value: &Value) -> Option<u64> {
        value.as_number().and_then(as_whole)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer).map(Self)
    }
}

/// A whole number; in JSON `2.0` is one too.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    as_whole(&number).ok_or_else(|| D::Error::custom("not a whole number"))
}

fn whole_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let wrong = || D::Error::custom("not a whole number");
    let number = Option::<Number>::deserialize(deserializer)?;
    number.map(|number| as_whole(&number).ok_or_else(wrong)).transpose()
}

/// What is too much for the engine stays too much.
pub(super) fn units(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn as_whole(number: &Number) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    let exact = |number: f64| {
        let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        fits.then_some(number as u64)
    };
    number.as_u64().or_else(|| number.as_f64().and_then(exact))
}

fn customers() -> utoipa::openapi::Object {
    ascii(jangteo::limits::CUSTOMER_MAX)
}

/// `{"payment"}`
#[derive(Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Confirm)]
pub(super) struct ConfirmBody<'a> {
    /// May be left out where the total is 0.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
        example = "toss-9")]
    pub(super) payment: Option<Cow<'a, str>>,
}

/// `{"refund","lines":[{"sku","quantity"}],"restock"}`
#[derive(Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refund)]
pub(super) struct RefundBody<'a> {
    /// Under the same name it is done once.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
        example = "r-1")]
    pub(super) refund: Option<Cow<'a, str>>,
    /// Left out: all that is left.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<LineBody>>, min_items = 1, max_items = 20)]
    pub(super) lines: Option<Vec<Object<LineBody<'a>>>>,
    /// Whether the units are on sale again; left out: as the campaign's rules say.
    pub(super) restock: Option<bool>,
}

/// `{"sku","total","was"}`
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetStock)]
pub(super) struct StockBody<'a> {
    /// An item or a gift.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        example = "onion-3kg")]
    pub(super) sku: Cow<'a, str>,
    /// Units there are to be in all, those held and sold among them.
    #[serde(deserialize_with = "whole")]
    #[schema(maximum = 1_000_000_000, example = 10)]
    pub(super) total: u64,
    /// What the total is now, as far as the caller knows: if it is not, nothing is done.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(maximum = 1_000_000_000)]
    pub(super) was: Option<u64>,
}

/// `{}`
#[derive(Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Nothing)]
pub(super) struct NoBody {}

/// Something written as an object. By itself a struct could also be written as a list of its
/// values.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// A kind of body, and where its members can be wrong.
pub(super) trait Members<'a>: Deserialize<'a> {
    /// The first member that is wrong, if it is one by itself.
    fn wrong(members: &Map<String, Value>) -> Option<String>;
}

/// Reads a body.
pub(super) fn parse<'a, T: Members<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    let parsed = serde_json::from_slice(bytes).map(|Object(body)| body);
    parsed.map_err(|_| Problem::malformed(diagnose::<T>(bytes)))
}

/// Reads a body that may be left out.
pub(super) fn parse_or_default<'a, T: Members<'a> + Default>(
    bytes: &'a [u8],
) -> Result<T, Problem> {
    if bytes.is_empty() { Ok(T::default()) } else { parse(bytes) }
}

#[cold]
fn diagnose<'a, T: Members<'a>>(bytes: &[u8]) -> String {
    match serde_json::from_slice(bytes) {
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            format!("the body is not JSON: line {line}, column {column}")
        }
        Ok(Value::Object(members)) => {
            T::wrong(&members).unwrap_or_else(|| "the body has a member twice".to_owned())
        }
        Ok(_) => "the body is not an object".to_owned(),
    }
}

/// Says so if a member is none of `known`.
pub(super) fn unknown(members: &Map<String, Value>, known: &[&str], place: &str) -> Option<String> {
    let name = members.keys().find(|name| !known.contains(&name.as_str()))?;
    Some(named(&format!("{place}unknown member "), name))
}

fn is_text(value: Option<&Value>) -> bool {
    value.is_some_and(Value::is_string)
}

fn is_absent(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

impl<'a> Members<'a> for HoldBody<'a> {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        let get = |name: &str| members.get(name);
        let lines = get("lines").and_then(Value::as_array);
        if !is_absent(get("customer")) && !is_text(get("customer")) {
            Some("customer: not a text".to_owned())
        } else if !is_absent(get("area")) && !is_text(get("area")) {
            Some("area: not a text".to_owned())
        } else if !is_absent(get("wait")) && !get("wait").is_some_and(Value::is_boolean) {
            Some("wait: neither true nor false".to_owned())
        } else if let Some(lines) = lines {
            let mut lines = lines.iter().enumerate();
            lines
                .find_map(|(place, line)| wrong_line(place, line))
                .or_else(|| unknown(members, &["customer", "lines", "area", "wait"], ""))
        } else {
            Some("lines: a list is needed".to_owned())
        }
    }
}

fn wrong_line(place: usize, line: &Value) -> Option<String> {
    let Some(members) = line.as_object() else {
        return Some(format!("lines[{place}]: not an object"));
    };
    if !is_text(members.get("sku")) {
        Some(format!("lines[{place}].sku: a text is needed"))
    } else if members.get("quantity").and_then(Value::as_number).and_then(as_whole).is_none() {
        Some(format!("lines[{place}].quantity: a whole number is needed"))
    } else {
        unknown(members, &["sku", "quantity"], &format!("lines[{place}]: "))
    }
}

impl<'a> Members<'a> for ConfirmBody<'a> {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        let payment = members.get("payment");
        if !is_absent(payment) && !is_text(payment) {
            return Some("payment: not a text".to_owned());
        }
        unknown(members, &["payment"], "")
    }
}

impl<'a> Members<'a> for RefundBody<'a> {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        let get = |name: &str| members.get(name);
        let lines = get("lines").filter(|lines| !lines.is_null());
        if !is_absent(get("refund")) && !is_text(get("refund")) {
            Some("refund: not a text".to_owned())
        } else if !is_absent(get("restock")) && !get("restock").is_some_and(Value::is_boolean) {
            Some("restock: neither true nor false".to_owned())
        } else if lines.is_some_and(|lines| !lines.is_array()) {
            Some("lines: not a list".to_owned())
        } else {
            let mut lines = lines.and_then(Value::as_array).into_iter().flatten().enumerate();
            lines
                .find_map(|(place, line)| wrong_line(place, line))
                .or_else(|| unknown(members, &["refund", "lines", "restock"], ""))
        }
    }
}

impl<'a> Members<'a> for StockBody<'a> {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        let get = |name: &str| members.get(name);
        let is_whole = |value: &Value| value.as_number().and_then(as_whole).is_some();
        if !is_text(get("sku")) {
            Some("sku: a text is needed".to_owned())
        } else if !get("total").is_some_and(is_whole) {
            Some("total: a whole number is needed".to_owned())
        } else if !is_absent(get("was")) && !get("was").is_some_and(is_whole) {
            Some("was: not a whole number".to_owned())
        } else {
            unknown(members, &["sku", "total", "was"], "")
        }
    }
}

impl Members<'_> for NoBody {
    fn wrong(members: &Map<String, Value>) -> Option<String> {
        unknown(members, &[], "")
    }
}
