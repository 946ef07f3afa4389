//! What stands in for keys as long as there are none: only this machine is served.

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, Uri};

use super::current::is_loopback;

/// Headers that a proxy sets: whoever is behind it is not this machine. Those that begin with
/// [`X_FORWARDED`] are too.
const FORWARDING: [&str; 12] = [
    "cdn-loop",
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "x-original-host",
    "x-real-ip",
];
const X_FORWARDED: &str = "x-forwarded";

/// Why a request is not admitted, if it is not: it is for another name than this machine's, a proxy
/// passed it on, or a page of another origin wants something done (what it may read is its
/// browser's affair). `uri` has the name in HTTP/2.
pub(super) fn refuses(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let forwarding = |name: &str| FORWARDING.contains(&name) || name.starts_with(X_FORWARDED);
    if headers.keys().any(|name| forwarding(name.as_str())) {
        return Some("without a key no proxy may pass requests on");
    }
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let loopback = match (hosts.next(), hosts.next(), uri.authority()) {
        (Some(host), None, None) => is_loopback_name(host),
        (Some(host), None, Some(name)) => is_loopback_name(host) && is_loopback_name(name.as_str()),
        (None, None, Some(name)) => is_loopback_name(name.as_str()),
        _ => false,
    };
    if !loopback {
        return Some("without a key only a loopback Host is served");
    }
    let foreign = |origin: &HeaderValue| !origin.to_str().is_ok_and(is_loopback_origin);
    let is_foreign = !method.is_safe() && headers.get_all(ORIGIN).iter().any(foreign);
    is_foreign.then_some("without a key only pages of a loopback origin may do anything")
}

/// Whether an origin, as browsers write it, is this machine.
fn is_loopback_origin(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| is_loopback_name(host))
}

/// Whether `host`, a name with or without a port, is this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => name,
            Some((name, port)) if port.strip_prefix(':').is_some_and(is_port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_this_machine() {
        let ours = ["localhost", "LocalHost:7480", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:1"];
        for host in ours {
            assert!(is_loopback_name(host), "{host}");
        }
        let others = [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::1]x",
            "[::1",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "127.0.0.1:80:80",
        ];
        for host in others {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
