//! Records changed at random: no bytes make the decoder panic, and what it reads it writes back so
//! that it reads the same.

#[path = "../../tests/fuzz/driver.rs"]
mod driver;

use std::path::Path;

use driver::Fuzz;

use super::record::{Grant, Join, Line, Record, Refund, Shown};
use crate::book::Count;
use crate::clock::Timestamp;
use crate::ids::Slot;
use crate::phase::Phase;

fn examples() -> Vec<Vec<u8>> {
    let (sale, slot) = (3, Slot { shard: 63, row: 70_000 });
    let (at, expires_at) = (Timestamp::from_ms(1_588_122_000_000), Timestamp::from_ms(u64::MAX));
    let lines = [Line { item: 0, quantity: 1 }, Line { item: 7, quantity: 1_000 }];
    let grant = Grant {
        slot,
        number: 1,
        random: 0x0123_4567_89ab_cdef,
        expires_at,
        gifts: 5,
        confirmed: false,
        wait: None,
        lines: lines.into_iter().collect(),
        customer: "c-1",
        key: "order-77",
        area: "seoul",
    };
    let lines = grant.lines.clone();
    let join = Join { slot, random: 7, place: 3, lines, customer: "c-2", key: "k", area: "" };
    let lines = grant.lines.clone();
    let refund = Refund { slot, lines, all: true, restock: true, name: "r-1" };
    let goods = vec![Count { total: Some(5), held: 1, sold: 1 }, Count::default()];
    let shown = Shown { phase: Phase::Open, goods };
    let records = [
        Record::Resumed { now: at },
        Record::Campaign { first_sale: 0, json: "{\"campaign\":{}}" },
        Record::Opened { sale, shown: shown.clone() },
        Record::Closed { sale, pause_ms: 9, shown: shown.clone() },
        Record::Paused { sale, now: at, shown: shown.clone() },
        Record::Unpaused { sale, pause_ms: 9, shown: shown.clone() },
        Record::Stocked { sale, good: 0, total: 9, shown },
        Record::Refunded { sale, refund },
        Record::PaidLate { sale, slot, gifts: 1, payment: "toss-9" },
        Record::Waited { sale, join },
        Record::Left { sale, slot },
        Record::Granted { sale, grant },
        Record::Confirmed { sale, slot, payment: "toss-9" },
        Record::Released { sale, slot },
        Record::Expired { sale, slot },
        Record::Extended { sale, slot, expires_at },
        Record::Stepped { step_ms: -3_600_000 },
    ];
    let encoded = |record: &Record<'_>| {
        let mut bytes = Vec::new();
        record.encode(at, &mut bytes);
        bytes
    };
    let mut all: Vec<_> = records.iter().map(encoded).collect();
    // Openings and closings of a drop without goods, in both forms.
    for (kind, long) in [(3, &[1][..]), (4, &[0, 0, 0, 0, 0, 0, 0, 0, 3])] {
        for tail in [&[], long] {
            let mut bytes = encoded(&Record::Released { sale, slot });
            bytes.splice(16.., tail.iter().copied());
            bytes[0] = u8::try_from(bytes.len()).expect("a few bytes");
            bytes[3] = kind;
            all.push(bytes);
        }
    }
    all
}

/// Whether the record has a second form: nothing may follow if the drop has no goods.
fn has_short_form(record: &Record<'_>) -> bool {
    match record {
        Record::Opened { shown, .. } => *shown == Shown::unknown(Phase::Open),
        Record::Closed { pause_ms: 0, shown, .. } => *shown == Shown::unknown(Phase::Closed),
        _ => false,
    }
}

#[test]
fn journal_records() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/journal_records");
    let fuzz = Fuzz {
        name: "journal_records",
        corpus: &corpus,
        seeds: examples(),
        words: &["c-1", "{}", "\u{c7a5}"],
        changes: 50_000,
    };
    fuzz.run(|input| {
        let (mut rest, mut class) = (input, String::new());
        while let Ok((at, record, length)) = Record::decode(rest) {
            assert_eq!(length, Record::length(rest));
            let mut again = Vec::new();
            record.encode(at, &mut again);
            class.push_str(&format!("{:x} ", rest[3]));
            assert!(again.len() == length || has_short_form(&record), "{} bytes", again.len());
            assert_eq!(Record::decode(&again), Ok((at, record, again.len())));
            rest = &rest[length..];
        }
        format!("{class}{}", rest.len().min(20))
    });
}
