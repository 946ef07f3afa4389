//! `INFO`: what clients and dashboards ask of a Redis server, and what we can truly say.

use std::fmt::Write;

use super::frame::Args;

/// The Redis version whose words and replies this wire keeps to. Clients decide by it what they
/// may send.
pub(super) const REDIS_VERSION: &str = "7.4.0";

/// What the connection's own answers need to know of the server, at the moment of answering.
#[derive(Clone, Copy, Debug)]
pub struct ServerFacts {
    /// The product's version.
    pub version: &'static str,
    /// Whether the journal is still being replayed.
    pub loading: bool,
    /// The wall clock, in milliseconds since 1970.
    pub now_ms: u64,
    /// When the server was started, likewise.
    pub started_ms: u64,
    /// RESP connections that are open, this one included.
    pub connections: usize,
    /// Watchers of drops, over both wires.
    pub watchers: usize,
    /// How often a drop was encoded for its watchers, however many these were.
    pub updates_encoded: u64,
}

type Section = (&'static str, fn(&ServerFacts, &mut String) -> std::fmt::Result);

const SECTIONS: [Section; 5] = [
    ("Server", server),
    ("Clients", clients),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
];

/// The sections that `names` name, or all of them; one that does not exist is left out.
pub(super) fn text(facts: &ServerFacts, names: &Args<'_>) -> String {
    let mut text = String::new();
    for (title, fields) in SECTIONS {
        if asked_for(title, names) {
            let separator = if text.is_empty() { "" } else { "\r\n" };
            // Writing to a string cannot fail.
            _ = write!(text, "{separator}# {title}\r\n");
            _ = fields(facts, &mut text);
        }
    }
    text
}

fn asked_for(title: &str, names: &Args<'_>) -> bool {
    let means_it = |name: &[u8]| {
        [title, "default", "all", "everything"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
    };
    names.is_empty() || names.clone().any(means_it)
}

fn server(facts: &ServerFacts, text: &mut String) -> std::fmt::Result {
    let uptime_s = facts.now_ms.saturating_sub(facts.started_ms) / 1_000;
    write!(text, "redis_version:{REDIS_VERSION}\r\n")?;
    write!(text, "redis_mode:standalone\r\n")?;
    write!(text, "jangteo_version:{}\r\n", facts.version)?;
    write!(text, "uptime_in_seconds:{uptime_s}\r\n")
}

fn clients(facts: &ServerFacts, text: &mut String) -> std::fmt::Result {
    write!(text, "connected_clients:{}\r\n", facts.connections)
}

/// A client that finds `loading:1` waits `loading_eta_seconds` and asks again.
fn persistence(facts: &ServerFacts, text: &mut String) -> std::fmt::Result {
    write!(text, "loading:{}\r\n", u8::from(facts.loading))?;
    if facts.loading { text.write_str("loading_eta_seconds:1\r\n") } else { Ok(()) }
}

fn stats(facts: &ServerFacts, text: &mut String) -> std::fmt::Result {
    let ServerFacts { watchers, updates_encoded, .. } = facts;
    write!(text, "watchers:{watchers}\r\nupdates_encoded:{updates_encoded}\r\n")
}

fn replication(_: &ServerFacts, text: &mut String) -> std::fmt::Result {
    text.write_str("role:master\r\nconnected_slaves:0\r\n")
}
