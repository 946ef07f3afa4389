//! Everything that a data directory comes to, in words: for the golden directory.

use std::path::Path;
use std::sync::Arc;

use jangteo::audit::audit_directory;
use jangteo::{Engine, Error, ManualClock, Timestamp};
use serde_json::{Value, json};

/// When the directory is read: 2020-04-29 12:00 in Seoul.
const READ_AT_MS: u64 = 1_588_129_200_000;

/// What the audit of `directory` finds, and then every drop and every hold after a start on it.
///
/// # Errors
/// Whatever keeps the directory from being read.
pub(crate) fn describe(directory: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    let mut audit = serde_json::to_value(audit_directory(directory)?)?;
    // File names are this machine's.
    for place in ["torn_tail", "snapshots_unreadable"] {
        let text = audit.get(place).ok_or(place)?.to_string();
        let inside = text.split("journal/").skip(1).collect::<Vec<_>>();
        *audit.get_mut(place).ok_or(place)? = json!(inside);
    }
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(READ_AT_MS)));
    let options = Engine::options().data(directory).clock(clock).background(false);
    let engine = options.segment_bytes(1 << 14).open()?;
    let sales: Result<Vec<Value>, Error> = engine
        .sales()
        .iter()
        .map(|sale| {
            let (audit, mut all) = sale.audit_holds().wait()?;
            all.sort_by_key(|hold| hold.number);
            let mut holds = Vec::new();
            for hold in all {
                let found = sale.get(&hold.id).map_err(|_| Error::Unavailable)?.wait()?;
                holds.push(serde_json::to_value(found).unwrap_or_default());
            }
            let phase = sale.phase().name();
            let (opens_at, closes_at) = (sale.opens_at().as_ms(), sale.closes_at());
            let closes_at = closes_at.map(Timestamp::as_ms);
            let (items, gifts) = (audit.items, audit.gifts);
            Ok(json!({
                "drop": sale.id(), "phase": phase, "opens_at": opens_at, "closes_at": closes_at,
                "ok": audit.ok, "items": items, "gifts": gifts, "holds": holds,
            }))
        })
        .collect();
    let passed_over = engine.snapshots_passed_over().len();
    Ok(json!({ "audit": audit, "drops": sales?, "snapshots_passed_over": passed_over }))
}
