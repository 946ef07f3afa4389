//! What the head of a request says.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header};

use super::problem::Problem;
use super::why::rule;
use crate::app::App;
use crate::codes::Code;
use crate::limits::{PATH_BYTES_MAX, REQUEST_ID_MAX};

/// The header that carries an idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header by which logs of client and server are put side by side.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// Letters of an unknown name that are repeated.
const NAME_SHOWN_MAX: usize = 64;

/// Refuses a request that does not say once for which host it is, or whose path is too long. In
/// HTTP/2 the host is part of `uri`; HTTP/1.0 did not know of hosts.
pub(super) fn check_target(
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let hosts = headers.get_all(header::HOST).iter().take(2).count();
    let least = usize::from(version >= Version::HTTP_11 && uri.authority().is_none());
    if hosts < least || hosts > 1 {
        return Err(Problem::malformed("host: needed once"));
    }
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if path > PATH_BYTES_MAX {
        let detail = format!("path and query: more than {PATH_BYTES_MAX} bytes");
        return Err(Problem::too_large(StatusCode::URI_TOO_LONG, detail));
    }
    Ok(())
}

/// The only value of a header; none if it is absent.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h [u8]>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(Problem::malformed(format!("{name}: given twice"))),
    }
}

/// Refuses a parameter: the call knows none.
pub(super) fn no_query(uri: &Uri) -> Result<(), Problem> {
    if uri.query().is_none() {
        return Ok(());
    }
    let query: Result<Query<Vec<(String, String)>>, _> = Query::try_from_uri(uri);
    let Query(query) = query.map_err(|_| Problem::malformed("the query"))?;
    query.first().map_or(Ok(()), |(name, _)| Err(unknown_parameter(name)))
}

/// That a call does not know a parameter, whose value is not repeated.
pub(super) fn unknown_parameter(name: &str) -> Problem {
    Problem::malformed(named("the query has an unknown parameter ", name))
}

/// A name that a client made up, behind a text.
pub(super) fn named(text: &str, name: &str) -> String {
    let letters = name.chars().take(NAME_SHOWN_MAX).flat_map(char::escape_default);
    text.chars().chain(letters).collect()
}

/// The idempotency key, quoted (as the header's draft has it, a string of RFC 8941) or bare.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let bad = || Problem::malformed(rule("key"));
    let Some(value) = only(headers, IDEMPOTENCY_KEY)? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| bad())?.trim_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else { return Ok(Some(text.to_owned())) };
    let inner = quoted.strip_suffix('"').ok_or_else(bad)?;
    let mut key = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        key.push(match letter {
            '"' => return Err(bad()),
            '\\' => letters.next().filter(|next| matches!(next, '"' | '\\')).ok_or_else(bad)?,
            other => other,
        });
    }
    Ok(Some(key))
}

/// The request's id: the client's, if it is fit to be repeated, else one of our own.
pub(super) fn request_id(app: &App, headers: &HeaderMap) -> HeaderValue {
    let given = only(headers, REQUEST_ID).ok().flatten().filter(|id| {
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    });
    let given = given.and_then(|id| HeaderValue::from_bytes(id).ok());
    given.unwrap_or_else(|| {
        let id = format!("{:x}-{:x}", app.started_at.as_ms(), app.number());
        HeaderValue::from_str(&id).expect("digits and a hyphen")
    })
}

/// Refuses a request that accepts none of these media types.
pub(super) fn check_accept(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Problem> {
    let accepted = |range: &str| kinds.iter().any(|kind| matches(range, kind));
    if ranges(headers).next().is_none() || ranges(headers).any(accepted) {
        return Ok(());
    }
    let detail = format!("Accept: there is only {}", kinds.join(", "));
    Err(Problem::new(Code::NotAcceptable, detail))
}

/// Whether a request asks for this media type by its name, or for all of its family.
pub(super) fn asks_for(headers: &HeaderMap, kind: &str) -> bool {
    ranges(headers).filter(|range| !range.starts_with("*/*")).any(|range| matches(range, kind))
}

/// The media ranges that a request accepts.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    ranges.map(str::trim).filter(|range| !range.is_empty())
}

/// Whether a range includes this media type, and does not refuse it.
fn matches(range: &str, kind: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let (name, family) = (parts.next().unwrap_or_default(), kind.split('/').next());
    let all =
        |family: &str| name.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family));
    let refused = |part: &str| {
        let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.parse() == Ok(0.0f32))
    };
    let included = name == "*/*" || name.eq_ignore_ascii_case(kind) || family.is_some_and(all);
    included && !parts.any(refused)
}

/// Which of these media types a body says it is. It has to be uncompressed.
pub(super) fn content_type<'k>(headers: &HeaderMap, kinds: &[&'k str]) -> Result<&'k str, Problem> {
    let unsupported = |detail: String| Problem::new(Code::UnsupportedMediaType, detail);
    let said = only(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    let said = said.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let mut same = kinds.iter().filter(|kind| said.eq_ignore_ascii_case(kind.as_bytes()));
    let wrong = || unsupported(format!("Content-Type: a body has to be {}", kinds.join(" or ")));
    let kind = same.next().ok_or_else(wrong)?;
    match only(headers, header::CONTENT_ENCODING.as_str())? {
        Some(coding) if !coding.eq_ignore_ascii_case(b"identity") => {
            Err(unsupported("Content-Encoding: a body has to be uncompressed".to_owned()))
        }
        _ => Ok(kind),
    }
}

/// Whether the client has what `tag` names already.
pub(super) fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    lists(headers, &header::IF_NONE_MATCH, Some(tag), true)
}

/// Whether a header of tags (`If-Match`, `If-None-Match`) names what is there, if something is: by
/// its tag, or by `*`. A weak tag names nothing where bytes count.
pub(super) fn lists(
    headers: &HeaderMap,
    name: &HeaderName,
    tag: Option<&str>,
    weakly: bool,
) -> bool {
    let Some(tag) = tag else { return false };
    let values = headers.get_all(name).iter();
    let mut tags = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    tags.any(|one| {
        let one = one.trim();
        let strong = if weakly { one.strip_prefix("W/").unwrap_or(one) } else { one };
        one == "*" || strong == tag
    })
}
