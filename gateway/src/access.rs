//! Who may call: without keys, only this machine.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap};

/// Who may call the service.
///
/// NOTE: keys and tokens are not there yet; the service is open to the machine it runs on and to
/// nobody else.
#[derive(Clone, Debug)]
pub struct Access(());

/// Headers that a proxy sets: whoever is behind it is not this machine.
const FORWARDING: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

impl Access {
    /// Everybody on this machine: over HTTP only requests for a loopback name that no proxy passed
    /// on (so that no web page can make a browser call it), over RESP only loopback peers.
    #[must_use]
    pub const fn loopback() -> Self {
        Self(())
    }

    /// Whether a service with this access may listen there.
    #[must_use]
    #[expect(clippy::unused_self, reason = "depends on the keys once there are some")]
    pub fn allows_listening(&self, address: SocketAddr) -> bool {
        is_loopback(address.ip())
    }

    #[expect(clippy::unused_self, reason = "depends on the keys once there are some")]
    pub(crate) fn admits_peer(&self, peer: SocketAddr) -> bool {
        is_loopback(peer.ip())
    }

    /// Why a request is not admitted, if it is not.
    #[expect(clippy::unused_self, reason = "depends on the keys once there are some")]
    pub(crate) fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        if FORWARDING.iter().any(|name| headers.contains_key(*name)) {
            return Some("without a key no proxy may pass requests on");
        }
        let mut hosts = headers.get_all(HOST).iter();
        let loopback = match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
            (Some(host), None) => is_loopback_name(host),
            _ => false,
        };
        (!loopback).then_some("without a key only a loopback Host is served")
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
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
