//! A disk that fills up: holds stop while every live one can still be confirmed or released.

use std::sync::Arc;

use jangteo::{Engine, HoldRequest, ManualClock, Refusal, Timestamp};

use crate::faulty::FaultyStorage;
use crate::plan::{OPENS_MS, Plan, Profile, SALE};
use crate::violation::{Violation, require};

const SEGMENT_BYTES: u64 = 16 << 10;
/// More holds than such a disk can have room for.
const HOLDS_MAX: u32 = 10_000;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Holds until the disk was short.
    pub holds: usize,
}

/// Fills a disk of so many segments beyond four with holds, until they are refused; then confirms
/// or releases each, one flush at a time, which must all be acknowledged.
///
/// # Errors
/// INVARIANT(F1): one was not.
pub fn fill(segments: u64) -> Result<Filled, Violation> {
    let wrong = |text: String| Violation::of("F1", text);
    let storage = FaultyStorage::new();
    storage.faults(|faults| faults.capacity = Some((4 + segments) * SEGMENT_BYTES));
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
    let options = Engine::options().storage(Arc::new(storage.process())).clock(clock);
    let options = options.segment_bytes(SEGMENT_BYTES).background(false);
    let engine = options.open().map_err(|error| wrong(error.to_string()))?;
    let put = engine.put(Plan::of(Profile::Window, 1, 1).campaign());
    put.map_err(|error| wrong(error.to_string()))?;
    let sale = engine.sale(SALE).ok_or_else(|| wrong("no drop".to_owned()))?;
    let mut held = Vec::new();
    loop {
        engine.tick();
        let customer = format!("c-{}", held.len());
        match sale.hold(&HoldRequest::new(&customer).line("a", 1).key("k")) {
            Ok(pending) => match pending.wait() {
                Ok(hold) => held.push(hold.id),
                Err(unknown) => return Err(wrong(format!("hold {}: {unknown}", held.len()))),
            },
            Err(Refusal::Unavailable) => break,
            Err(other) => return Err(wrong(other.to_string())),
        }
        require(held.len() < HOLDS_MAX as usize, "F1", || "the disk is never short".to_owned())?;
    }
    for (number, id) in held.iter().enumerate() {
        engine.tick();
        let ended =
            if number.is_multiple_of(2) { sale.confirm(id, "p-1") } else { sale.release(id) };
        let ended = ended.map(|pending| pending.wait().is_ok());
        require(matches!(ended, Ok(true)), "F1", || {
            let of = held.len();
            format!("hold {number} of {of} did not end: {ended:?}, {:?}", engine.health())
        })?;
    }
    Ok(Filled { holds: held.len() })
}
