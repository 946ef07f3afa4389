//! The tables of `docs/journal-format.md` say what the code writes.

use smallvec::smallvec;

use super::super::head::Head;
use super::super::section::{Kind, Writer};
use crate::Timestamp;
use crate::book::Count;
use crate::ids::Slot;
use crate::journal::frame;
use crate::journal::record::{Grant, Join, Line, Record, Refund, Shown};
use crate::journal::recover::{Origin, Place};
use crate::journal::settlement::{Settlement, Sums};
use crate::phase::Phase;

const PAGE: &str = include_str!("../../../../docs/journal-format.md");

/// The rows of the first table behind `heading` whose first column is called `column`.
fn table(heading: &str, column: &str) -> Vec<Vec<&'static str>> {
    let (_, behind) = PAGE.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let head = format!("| {column} |");
    let mut lines = behind.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows = lines.by_ref().take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Every row `from-to` or `byte`, in order and without a gap up to `end`: its field's bytes.
fn assert_bytes(rows: &[Vec<&str>], bytes: &[u8], end: usize, expected: &[(&str, Vec<u8>)]) {
    let mut at = 0;
    for row in rows {
        let (from, to) = row[0].split_once('-').unwrap_or((row[0], row[0]));
        let (from, to) = (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap());
        assert_eq!(from, at, "{row:?}");
        at = to + 1;
        let found = &bytes[from..at];
        match expected.iter().find(|(field, _)| *field == row[1]) {
            Some((_, bytes)) => assert_eq!(found, bytes, "{row:?}"),
            None => assert!(row[1].is_empty() && found.iter().all(|&byte| byte == 0), "{row:?}"),
        }
    }
    assert_eq!((at, rows.iter().filter(|row| !row[1].is_empty()).count()), (end, expected.len()));
}

fn of_magic(text: &str) -> Vec<u8> {
    let hex = text.split('`').nth(1).unwrap();
    hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_frames_table_is_the_frame() {
    let head = frame::Head {
        segment: 0x0102_0304_0506_0708,
        epoch: 0x1112_1314,
        incarnation: 0x2122_2324,
        first_sequence: 0x3132_3334_3536_3738,
        records: 0x4142_4344,
        bytes: 5,
        durable_up_to: 0x5152_5354_5556_5758,
        previous: 0x6162_6364,
    };
    let mut bytes = vec![0; frame::HEAD];
    bytes.extend_from_slice(b"bytes");
    let checksum = frame::seal(&mut bytes, &head);
    let rows = table("## Frame", "bytes");
    let expected = [
        ("magic", of_magic(rows[0][2])),
        ("version", frame::VERSION.to_le_bytes().to_vec()),
        ("segment id", head.segment.to_le_bytes().to_vec()),
        ("epoch", head.epoch.to_le_bytes().to_vec()),
        ("incarnation", head.incarnation.to_le_bytes().to_vec()),
        ("first sequence", head.first_sequence.to_le_bytes().to_vec()),
        ("count", head.records.to_le_bytes().to_vec()),
        ("bytes", head.bytes.to_le_bytes().to_vec()),
        ("durable up to", head.durable_up_to.to_le_bytes().to_vec()),
        ("previous", head.previous.to_le_bytes().to_vec()),
        ("checksum", checksum.to_le_bytes().to_vec()),
    ];
    assert_bytes(&rows, &bytes, frame::HEAD, &expected);
    assert!(PAGE.contains(&format!("A sector is {} bytes.", frame::SECTOR)));
}

/// The time of a record, and a drop.
const AT: Timestamp = Timestamp::from_ms(0x7172_7374_7576_7778);
const SALE: u32 = 0x0071_7273;

fn a_grant() -> Grant<'static> {
    Grant {
        slot: Slot { shard: 63, row: 0x0102_0304 },
        number: 0x1112_1314,
        random: 0x2122_2324_2526_2728,
        expires_at: Timestamp::from_ms(0x3132_3334_3536_3738),
        gifts: 0x4142_4344,
        confirmed: true,
        wait: None,
        lines: smallvec![Line { item: 0x5152, quantity: 0x6162 }],
        customer: "customer",
        key: "key",
        area: "area1",
    }
}

#[test]
fn the_table_of_kinds_has_every_record() {
    let (at, sale, grant) = (AT, SALE, a_grant());
    let slot = grant.slot;
    let shown = Shown { phase: Phase::Open, goods: vec![Count::default()] };
    let lines = grant.lines.clone();
    let refund = Refund { slot, lines: lines.clone(), all: true, restock: true, name: "r" };
    let join =
        Join { slot, random: 1, place: 3, lines, customer: "customer", key: "key", area: "" };
    let records = [
        ("resumed", Record::Resumed { now: at }),
        ("campaign", Record::Campaign { first_sale: sale, json: "{}" }),
        ("opened", Record::Opened { sale, shown: shown.clone() }),
        ("closed", Record::Closed { sale, pause_ms: 1, shown: shown.clone() }),
        ("granted", Record::Granted { sale, grant }),
        ("confirmed", Record::Confirmed { sale, slot, payment: "p" }),
        ("released", Record::Released { sale, slot }),
        ("expired", Record::Expired { sale, slot }),
        ("extended", Record::Extended { sale, slot, expires_at: at }),
        ("stepped", Record::Stepped { step_ms: -1 }),
        ("refunded", Record::Refunded { sale, refund }),
        ("paused", Record::Paused { sale, now: at, shown: shown.clone() }),
        ("unpaused", Record::Unpaused { sale, pause_ms: 1, shown: shown.clone() }),
        ("stocked", Record::Stocked { sale, good: 0, total: 1, shown }),
        ("paid late", Record::PaidLate { sale, slot, gifts: 0, payment: "p" }),
        ("waited", Record::Waited { sale, join }),
        ("left", Record::Left { sale, slot }),
        ("settled", Record::Settled { first_sale: sale, settlement: Settlement::default() }),
        ("deleted", Record::Deleted { first_sale: sale, json: "{}" }),
    ];
    let kinds = table("## Record", "kind");
    assert_eq!(kinds.len(), records.len());
    for (row, (name, record)) in kinds.iter().zip(&records) {
        let mut bytes = Vec::new();
        record.encode(at, &mut bytes);
        assert_eq!((row[0], row[1]), (bytes[3].to_string().as_str(), *name));
    }
}

#[test]
fn the_records_tables_are_the_records() {
    let (at, sale, grant) = (AT, SALE, a_grant());
    let mut bytes = Vec::new();
    let length = Record::Granted { sale, grant }.encode(at, &mut bytes);
    let expected = [
        ("length", length.to_le_bytes()[..3].to_vec()),
        ("kind", vec![5]),
        ("sale", vec![0x73, 0x72, 0x71]),
        ("flags", vec![1]),
        ("time", at.as_ms().to_le_bytes().to_vec()),
    ];
    assert_bytes(&table("## Record", "bytes"), &bytes, 16, &expected);
    let (_, fixed) = bytes.split_at(16);
    assert_grant(fixed);
}

/// The table of a grant's bytes.
fn assert_grant(fixed: &[u8]) {
    let grants = table("A grant, from byte 16", "bytes");
    let expected = [
        ("number", 0x1112_1314_u32.to_le_bytes().to_vec()),
        ("row", 0x0102_0304_u32.to_le_bytes().to_vec()),
        ("random bits", 0x2122_2324_2526_2728_u64.to_le_bytes().to_vec()),
        ("deadline", 0x3132_3334_3536_3738_u64.to_le_bytes().to_vec()),
        ("gifts", 0x4142_4344_u32.to_le_bytes().to_vec()),
        ("s", vec![63]),
        ("l", vec![1]),
    ];
    assert_bytes(&grants[..expected.len()], fixed, 30, &expected);
    assert_eq!(&grants[expected.len()][..2], ["30, 31, 32", "c, k, a"]);
    assert_eq!(&fixed[30..33], [8, 3, 5]);
    assert_eq!(&fixed[33..], b"\x52\x51\x62\x61customerkeyarea1");
}

#[test]
fn the_settlements_table_is_the_settlement() {
    let sums = Sums {
        orders: 0x0102_0304_0506_0708,
        units: 0x1112_1314_1516_1718,
        refunded_units: 0x2122_2324_2526_2728,
        spend: 0x3132_3334_3536_3738,
        refunds: 0x4142_4344_4546_4748,
        idle_unit_seconds: 0x5152_5354_5556_5758,
        accrued: vec![0x6162_6364_6566_6768, 1],
    };
    let figures = [
        sums.orders,
        sums.units,
        sums.refunded_units,
        sums.spend,
        sums.refunds,
        sums.idle_unit_seconds,
    ];
    let settlement = Settlement { rules: vec![0x7172], drops: vec![(0x0081_8283, sums)] };
    let mut bytes = Vec::new();
    Record::Settled { first_sale: 1, settlement }.encode(Timestamp::default(), &mut bytes);
    let mut expected = vec![
        ("rules", 1_u16.to_le_bytes().to_vec()),
        ("amounts", 2_u16.to_le_bytes().to_vec()),
        ("drops", 1_u32.to_le_bytes().to_vec()),
        ("rule", 0x7172_u16.to_le_bytes().to_vec()),
        ("drop", 0x0081_8283_u32.to_le_bytes().to_vec()),
    ];
    let names = ["orders", "units", "refunded units", "spend", "refunds", "idle"];
    let figures = names.iter().zip(figures);
    expected.extend(figures.map(|(name, figure)| (*name, figure.to_le_bytes().to_vec())));
    expected.push(("amount", 0x6162_6364_6566_6768_u64.to_le_bytes().to_vec()));
    let (fixed, second) = bytes.split_at(bytes.len() - 8);
    assert_bytes(&table("A settlement, from byte 16", "bytes"), &fixed[16..], 70, &expected);
    assert_eq!(second, 1_u64.to_le_bytes());
}

#[test]
fn the_snapshots_tables_are_the_snapshot() {
    let origin = Origin {
        sequence: 0x0102_0304_0506_0708,
        at: Timestamp::from_ms(0x1112_1314_1516_1718),
        checksum: 0x2122_2324,
        epoch: 0x3132_3334,
        incarnation: 0x4142_4344,
        end: Place { segment: 0x5152_5354_5556_5758, offset: 0x6162_6364_6566_6768 },
    };
    let head = Head { origin, drops: 0x7172_7374 };
    let mut file = Vec::new();
    let mut out = Writer::new(&mut file, origin.sequence);
    for _ in 0..2 {
        head.encode(out.bytes());
        out.end(Kind::Head).unwrap();
    }
    let (first, second) = file.split_at(file.len() / 2);
    let (section, bytes) = second.split_at(32);
    let rows = table("### Section", "bytes");
    let checksum = crc32c::crc32c_append(
        crc32c::crc32c_append(crc32c::crc32c(&section[..28]), &[0; 4]),
        bytes,
    );
    let expected = [
        ("magic", of_magic(rows[0][2])),
        ("version", super::super::section::VERSION.to_le_bytes().to_vec()),
        ("kind", vec![1]),
        ("sequence", origin.sequence.to_le_bytes().to_vec()),
        ("offset", (first.len() as u64).to_le_bytes().to_vec()),
        ("bytes", u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec()),
        ("checksum", checksum.to_le_bytes().to_vec()),
    ];
    assert_bytes(&rows, section, super::super::section::HEAD, &expected);
    let expected = [
        ("incarnation", origin.incarnation.to_le_bytes().to_vec()),
        ("epoch", origin.epoch.to_le_bytes().to_vec()),
        ("checksum", origin.checksum.to_le_bytes().to_vec()),
        ("drops", head.drops.to_le_bytes().to_vec()),
        ("time", origin.at.as_ms().to_le_bytes().to_vec()),
        ("segment", origin.end.segment.to_le_bytes().to_vec()),
        ("byte", origin.end.offset.to_le_bytes().to_vec()),
    ];
    assert_bytes(&table("The head:", "bytes"), bytes, super::super::head::BYTES, &expected);
    let kinds = table("### Section", "kind");
    let names: Vec<String> =
        Kind::ALL.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
    assert_eq!(kinds.iter().map(|row| row[1]).collect::<Vec<_>>(), names);
    for (row, kind) in kinds.iter().zip(Kind::ALL) {
        assert_eq!(row[0], (kind as u8).to_string());
    }
}
