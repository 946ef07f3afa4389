//! The trace that a request belongs to, by W3C's `traceparent`: logged, so that the service's lines
//! are found from the caller's.

use axum::http::HeaderMap;

use super::head::only;

const TRACEPARENT: &str = "traceparent";

/// The trace's id, 32 hexadecimal digits, if the header is as the standard says.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = std::str::from_utf8(only(headers, TRACEPARENT).ok()??).ok()?;
    let mut parts = text.split('-');
    let [version, trace, parent, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let whole = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // A later version may have more parts; this one has none.
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    (whole && known && !zero(trace) && !zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_as_the_standard_says_or_not_at_all() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let table = [
            (good.clone(), Some(TRACE)),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), Some(TRACE)),
            (format!("{good}-more"), None),
            (good.replace("00-4b", "ff-4b"), None),
            (good.to_uppercase(), None),
            (good.replace(TRACE, &"0".repeat(32)), None),
            (good.replace("00f067aa0ba902b7", "0000000000000000"), None),
            (good.replace("-01", ""), None),
            (String::new(), None),
        ];
        for (text, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, text.parse().unwrap());
            assert_eq!(trace_id(&headers), expected, "{text}");
            headers.append(TRACEPARENT, text.parse().unwrap());
            assert_eq!(trace_id(&headers), None, "twice");
        }
    }
}
