//! Records changed at random: no bytes make the decoder panic, and what it reads it writes back so
//! that it reads the same.

#[path = "../../tests/fuzz/driver.rs"]
mod driver;

use std::path::Path;

use driver::Fuzz;

use super::record::tests::samples;
use super::record::{Record, Shown};
use crate::clock::Timestamp;
use crate::ids::Slot;
use crate::phase::Phase;

/// A record of every kind, and openings and closings of a drop without goods, in both forms.
fn examples() -> Vec<Vec<u8>> {
    let encoded = |record: &Record<'_>| {
        let mut bytes = Vec::new();
        record.encode(Timestamp::from_ms(1_588_122_000_000), &mut bytes);
        bytes
    };
    let mut all: Vec<_> = samples().iter().map(encoded).collect();
    let short = Record::Released { sale: 3, slot: Slot { shard: 63, row: 70_000 } };
    for (kind, long) in [(3, &[1][..]), (4, &[0, 0, 0, 0, 0, 0, 0, 0, 3])] {
        for tail in [&[], long] {
            let mut bytes = encoded(&short);
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
