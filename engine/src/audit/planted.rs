//! Journals written by hand, each with one rule broken: the audit has to see it, and nothing else.

use smallvec::smallvec;

use super::{DirectoryAudit, audit_directory};
use crate::campaign::Campaign;
use crate::catalogue::CampaignRecord;
use crate::error::Error;
use crate::hold::HoldState;
use crate::ids::Slot;
use crate::journal::frame::{self, Head, SECTOR};
use crate::journal::record::{Grant, Line, Record, Shown};
use crate::phase::Phase;
use crate::{HoldId, Timestamp};

/// 2020-04-29 10:00 in Seoul.
pub(super) const OPENS_MS: u64 = 1_588_122_000_000;
const MINUTE_MS: u64 = 60_000;

fn campaign(rules: &str) -> String {
    let text = format!(
        r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "1h"
[rules]
hold_ttl = "10m"
limit_per_customer = 4
{rules}
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 5
limit_per_customer = 2
gift = {{ sku = "g", quantity = 2 }}
[[items]]
sku = "b"
title = "b"
price = 0
stock = 5
gift = {{ sku = "r", quantity = 1, required = true }}
[[gifts]]
sku = "g"
title = "g"
stock = 3
[[gifts]]
sku = "r"
title = "r"
stock = 9
"#
    );
    let campaign = Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let occurrences = campaign.occurrences();
    let (campaign, kept) = (campaign.into(), std::collections::BTreeMap::new());
    CampaignRecord { campaign, occurrences, kept, hash_key: [1, 2] }.to_json()
}

fn opened(sale: u32) -> Record<'static> {
    Record::Opened { sale, shown: Shown::unknown(Phase::Open) }
}

pub(super) fn closed(sale: u32) -> Record<'static> {
    Record::Closed { sale, pause_ms: 0, shown: Shown::unknown(Phase::Closed) }
}

pub(super) type Timed<'a> = (u64, Record<'a>);

/// One start, the campaign, the opening: records 1 to 3.
fn begin(json: &str) -> Vec<Timed<'_>> {
    vec![
        (OPENS_MS - 1, Record::Resumed { now: Timestamp::from_ms(OPENS_MS - 1) }),
        (OPENS_MS - 1, Record::Campaign { first_sale: 0, json }),
        (OPENS_MS, opened(0)),
    ]
}

/// Hold `number`, in row `number - 1` of shard 0: one unit of `a` for a customer of its own.
pub(super) fn grant<'a>(number: u32, customer: &'a str, key: &'a str) -> Grant<'a> {
    Grant {
        slot: slot(number),
        number,
        random: u64::from(number) * 7,
        expires_at: Timestamp::from_ms(OPENS_MS + 10 * MINUTE_MS),
        gifts: 0,
        confirmed: false,
        wait: None,
        lines: smallvec![Line { item: 0, quantity: 1 }],
        customer,
        key,
        area: "",
    }
}

pub(super) fn slot(number: u32) -> Slot {
    Slot { shard: 0, row: number - 1 }
}

pub(super) fn granted(grant: Grant<'_>) -> Timed<'_> {
    (OPENS_MS, Record::Granted { sale: 0, grant })
}

/// One frame with its records, in segment 1.
fn batch(first_sequence: u64, previous: u32, records: &[Timed<'_>]) -> (Vec<u8>, u32) {
    let mut bytes = vec![0; frame::HEAD];
    for (at, record) in records {
        record.encode(Timestamp::from_ms(*at), &mut bytes);
    }
    let head = Head {
        segment: 1,
        epoch: 1,
        incarnation: 1,
        first_sequence,
        records: u32::try_from(records.len()).unwrap(),
        bytes: u32::try_from(bytes.len() - frame::HEAD).unwrap(),
        durable_up_to: first_sequence - 1,
        previous,
    };
    let checksum = frame::seal(&mut bytes, &head);
    (bytes, checksum)
}

/// A directory with a segment that holds `bytes`.
fn directory(bytes: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("journal")).unwrap();
    std::fs::write(directory.path().join("journal/000000000001.segment"), bytes).unwrap();
    directory
}

/// Audits a journal of one batch and the marker that vouches for it.
fn audit(records: &[Timed<'_>]) -> DirectoryAudit {
    let (mut bytes, checksum) = batch(1, 0, records);
    bytes.extend(batch(records.len() as u64 + 1, checksum, &[]).0);
    audit_directory(directory(&bytes).path()).unwrap()
}

/// Audits `more` after the beginning; the violations as (sequence, rule).
pub(super) fn planted(rules: &str, more: Vec<Timed<'_>>) -> Vec<(u64, &'static str)> {
    let json = campaign(rules);
    let mut records = begin(&json);
    records.extend(more);
    let found = audit(&records);
    assert_eq!(found.ok, found.violations.is_empty());
    for violation in &found.violations {
        assert!(!violation.to_string().contains("c-"), "names a customer: {violation}");
    }
    found.violations.iter().map(|violation| (violation.sequence, violation.rule)).collect()
}

#[test]
fn a_whole_story_adds_up() {
    let json = campaign("");
    let mut records = begin(&json);
    let two = Grant { gifts: 1, ..grant(2, "c-2", "k") };
    let lines = smallvec![Line { item: 0, quantity: 2 }, Line { item: 1, quantity: 1 }];
    let three = Grant { gifts: 0b10, lines, ..grant(3, "c-3", "") };
    records.extend([granted(grant(1, "c-1", "k")), granted(two), granted(three)]);
    let later = OPENS_MS + MINUTE_MS;
    let due = Timestamp::from_ms(later + 10 * MINUTE_MS);
    records.extend([
        (later, Record::Confirmed { sale: 0, slot: slot(2), payment: "p" }),
        (later, Record::Extended { sale: 0, slot: slot(1), expires_at: due }),
        (later, Record::Released { sale: 0, slot: slot(3) }),
        (due.as_ms(), Record::Expired { sale: 0, slot: slot(1) }),
        (due.as_ms() + 50 * MINUTE_MS, closed(0)),
    ]);
    let found = audit(&records);
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!((found.segments, found.batches, found.records, found.epochs), (1, 1, 11, 1));
    assert_eq!((found.last_sequence, &found.torn_tail), (11, &None));
    let drop = &found.drops[0];
    assert_eq!((drop.id.as_str(), drop.phase, drop.orders), ("t-1", Phase::Closed, 1));
    let units = |counted: &super::Counted| (counted.units.available, counted.units.sold);
    assert_eq!(drop.items.iter().map(units).collect::<Vec<_>>(), [(Some(4), 1), (Some(5), 0)]);
    assert_eq!(drop.gifts.iter().map(units).collect::<Vec<_>>(), [(Some(1), 2), (Some(9), 0)]);
    assert_eq!(drop.holds.all(), 3);
    let third = &drop.holds()[2];
    assert_eq!((third.number, third.state, third.units), (3, HoldState::Released, 3));
    assert_eq!((third.customer.as_str(), &third.key), ("c-3", &None));
    assert_eq!(third.id, HoldId::new(0, slot(3), 21));
}

#[test]
fn selling_more_than_there_is_shows_at_the_record_that_does() {
    let lines = |item, quantity| smallvec![Line { item, quantity }];
    let two = |number, customer| Grant { lines: lines(0, 2), ..grant(number, customer, "") };
    let more = vec![granted(two(1, "c-1")), granted(two(2, "c-2")), granted(two(3, "c-3"))];
    let mut freed = more.clone();
    freed.insert(2, (OPENS_MS, Record::Released { sale: 0, slot: slot(1) }));
    assert_eq!(planted("", more), [(6, "S1")]);
    assert_eq!(planted("", freed), [], "given back before it was sold again");
    let gift = |number, customer| Grant { gifts: 1, ..grant(number, customer, "") };
    assert_eq!(planted("", vec![granted(gift(1, "c-1")), granted(gift(2, "c-2"))]), [(5, "S1")]);
}

#[test]
fn more_than_the_limit_shows() {
    let item = vec![granted(grant(1, "c-1", "")), granted(grant(2, "c-1", ""))];
    let mut over = item.clone();
    over.push(granted(grant(3, "c-1", "")));
    assert_eq!(planted("", item.clone()), []);
    assert_eq!(planted("", over.clone()), [(6, "C1")]);
    over.insert(2, (OPENS_MS, Record::Confirmed { sale: 0, slot: slot(1), payment: "p" }));
    assert_eq!(planted("", over.clone()), [(7, "C1")], "sold units count");
    over[2] = (OPENS_MS, Record::Released { sale: 0, slot: slot(1) });
    assert_eq!(planted("", over), [], "released units do not");
    let lines = smallvec![Line { item: 1, quantity: 3 }];
    let mut all = item;
    all.push(granted(Grant { lines, gifts: 1, ..grant(3, "c-1", "") }));
    assert_eq!(planted("", all), [(6, "C1")], "of all items together");
}

#[test]
fn a_key_granted_twice_shows() {
    let same = vec![granted(grant(1, "c-1", "k")), granted(grant(2, "c-1", "k"))];
    assert_eq!(planted("", same), [(5, "K1")]);
    let other = vec![granted(grant(1, "c-1", "k")), granted(grant(2, "c-2", "k"))];
    assert_eq!(planted("", other), [], "a key belongs to its customer");
}

#[test]
fn a_number_out_of_order_shows() {
    let two = Grant { number: 3, ..grant(2, "c-2", "") };
    assert_eq!(planted("", vec![granted(grant(1, "c-1", "")), granted(two)]), [(5, "O1")]);
    let again = Grant { number: 1, ..grant(2, "c-2", "") };
    assert_eq!(planted("", vec![granted(grant(1, "c-1", "")), granted(again)]), [(5, "O1")]);
}

#[test]
fn a_grant_outside_the_open_phase_shows() {
    let json = campaign("");
    let mut early = begin(&json);
    early.swap_remove(2);
    let before = Timestamp::from_ms(OPENS_MS + 10 * MINUTE_MS - 1);
    let one = Grant { expires_at: before, ..grant(1, "c-1", "") };
    early.push((OPENS_MS - 1, Record::Granted { sale: 0, grant: one }));
    let found = audit(&early);
    assert_eq!((found.violations[0].rule, found.violations.len()), ("T1", 1));

    let closes_ms = OPENS_MS + 60 * MINUTE_MS;
    let one = Grant { expires_at: Timestamp::from_ms(closes_ms), ..grant(1, "c-1", "") };
    let late = (closes_ms - 1, Record::Granted { sale: 0, grant: one.clone() });
    let closed = (closes_ms - 1, closed(0));
    assert_eq!(planted("", vec![late.clone()]), []);
    assert_eq!(planted("", vec![closed.clone(), late]), [(5, "T1")]);
    assert_eq!(planted("", vec![closed.clone(), closed]), [(5, "phase")]);
    let one = Grant { expires_at: Timestamp::from_ms(closes_ms + 10 * MINUTE_MS), ..one };
    let after = (closes_ms, Record::Granted { sale: 0, grant: one });
    assert_eq!(planted("", vec![after]), [(4, "T1")], "before its Closed, after its instant");
    assert_eq!(planted("", vec![(OPENS_MS, opened(0))]), [(4, "phase")]);

    let mut soon = begin(&json);
    soon[2].0 = OPENS_MS - 1;
    assert_eq!(audit(&soon).violations[0].rule, "T1");
}

#[test]
fn a_hold_that_changes_after_its_end_shows() {
    let ends = [
        Record::Confirmed { sale: 0, slot: slot(1), payment: "p" },
        Record::Released { sale: 0, slot: slot(1) },
        Record::Expired { sale: 0, slot: slot(1) },
    ];
    let due_ms = OPENS_MS + 10 * MINUTE_MS;
    let extended =
        Record::Extended { sale: 0, slot: slot(1), expires_at: Timestamp::from_ms(due_ms + 1) };
    for first in &ends {
        for second in ends.iter().chain([&extended]) {
            let more = vec![
                granted(grant(1, "c-1", "")),
                (due_ms, first.clone()),
                (due_ms, second.clone()),
            ];
            assert_eq!(planted("", more), [(6, "state")], "{first:?} {second:?}");
        }
        assert_eq!(planted("", vec![(due_ms, first.clone())]), [(4, "state")], "never granted");
    }
}

#[test]
fn an_end_before_the_deadline_shows() {
    let due_ms = OPENS_MS + 10 * MINUTE_MS;
    let expired = |at| (at, Record::Expired { sale: 0, slot: slot(1) });
    let one = || granted(grant(1, "c-1", ""));
    assert_eq!(planted("", vec![one(), expired(due_ms - 1)]), [(5, "deadline")]);
    assert_eq!(planted("", vec![one(), expired(due_ms)]), []);
    let resumed = |at| (at, Record::Resumed { now: Timestamp::from_ms(at) });
    let grace = vec![one(), resumed(due_ms - 1), expired(due_ms + MINUTE_MS - 2)];
    assert_eq!(planted("", grace), [(6, "deadline")], "a minute is left after a start");
    let grace = vec![one(), resumed(due_ms - 1), expired(due_ms + MINUTE_MS - 1)];
    assert_eq!(planted("", grace), []);

    let extended = |at, ms| {
        (at, Record::Extended { sale: 0, slot: slot(1), expires_at: Timestamp::from_ms(ms) })
    };
    let half = OPENS_MS + 5 * MINUTE_MS;
    let longer = due_ms + 5 * MINUTE_MS;
    assert_eq!(planted("", vec![one(), extended(half, longer), expired(longer)]), []);
    let early = vec![one(), extended(half, longer), expired(longer - 1)];
    assert_eq!(planted("", early), [(6, "deadline")]);
    for (at, to) in [(half, due_ms - 1), (half, longer + 1), (longer, due_ms + 10 * MINUTE_MS + 1)]
    {
        assert_eq!(planted("", vec![one(), extended(at, to)]), [(5, "deadline")], "to {to}");
    }
    let closed = (half, closed(0));
    assert_eq!(planted("", vec![one(), closed, extended(half, longer)]), [(6, "phase")]);
    let far = Grant { expires_at: Timestamp::from_ms(due_ms + 1), ..grant(1, "c-1", "") };
    assert_eq!(planted("", vec![granted(far)]), [(4, "deadline")]);
}

#[test]
fn a_place_given_twice_or_left_out_shows() {
    let twice = Grant { slot: slot(1), ..grant(2, "c-2", "") };
    assert_eq!(planted("", vec![granted(grant(1, "c-1", "")), granted(twice)]), [(5, "id")]);
    let gap = Grant { slot: slot(2), ..grant(1, "c-1", "") };
    assert_eq!(planted("", vec![granted(gap)]), [(4, "id")]);
    let shard = Grant { slot: Slot { shard: 64, row: 0 }, ..grant(1, "c-1", "") };
    assert_eq!(planted("", vec![granted(shard)]), [(4, "id")]);
}

#[test]
fn a_grant_against_the_campaign_shows() {
    let line = |item, quantity| Line { item, quantity };
    let one = || grant(1, "c-1", "");
    let cases = [
        ("line", Grant { lines: smallvec![line(0, 1), line(2, 1)], ..one() }),
        ("line", Grant { lines: smallvec![line(0, 0)], ..one() }),
        ("line", Grant { lines: smallvec![line(0, 1), line(0, 1)], ..one() }),
        ("line", Grant { customer: "", ..one() }),
        ("gift", Grant { gifts: 0b10, ..one() }),
        ("gift", Grant { lines: smallvec![line(1, 1)], ..one() }),
        ("state", Grant { confirmed: true, ..one() }),
    ];
    for (rule, grant) in cases {
        let shown = format!("{grant:?}");
        assert_eq!(planted("", vec![granted(grant)]), [(4, rule)], "{shown}");
    }
    assert_eq!(planted("areas = [\"seoul\"]", vec![granted(one())]), [(4, "area")]);
    let here = Grant { area: "seoul", ..one() };
    assert_eq!(planted("areas = [\"seoul\"]", vec![granted(here)]), []);
    let free = Grant { lines: smallvec![line(1, 1)], gifts: 1, ..one() };
    assert_eq!(planted("auto_confirm = true", vec![granted(free.clone())]), [(4, "state")]);
    let sold = Grant { confirmed: true, ..free };
    assert_eq!(planted("auto_confirm = true", vec![granted(sold)]), []);
    let unpaid = Record::Confirmed { sale: 0, slot: slot(1), payment: "" };
    assert_eq!(planted("", vec![granted(one()), (OPENS_MS, unpaid)]), [(5, "state")]);
}

#[test]
fn records_that_cannot_follow_show() {
    assert_eq!(
        planted(
            "",
            vec![(OPENS_MS - 1, Record::Resumed { now: Timestamp::from_ms(OPENS_MS - 1) })]
        ),
        [(4, "time")]
    );
    assert_eq!(planted("", vec![(OPENS_MS, closed(7))]), [(4, "drop")]);
    let again = campaign("auto_confirm = true");
    let put = |first_sale| (OPENS_MS, Record::Campaign { first_sale, json: &again });
    assert_eq!(planted("", vec![put(1)]), [(4, "drop")], "a drop that is open is replaced");
    let json = campaign("");
    let mut early = begin(&json);
    early.swap_remove(2);
    early.push(put(1));
    early.push((OPENS_MS, opened(1)));
    let found = audit(&early);
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!((found.drops.len(), found.drops[0].phase), (1, Phase::Open), "the new one counts");
    early[2] = put(2);
    assert_eq!(audit(&early).violations[0].rule, "drop");
}

#[test]
fn a_journal_wrong_throughout_is_told_in_bounded_space() {
    let closed = (OPENS_MS, closed(9));
    let found = planted("", vec![closed; 1_500]);
    assert_eq!((found.len(), found.last()), (1_001, Some(&(1_503, "more"))));
}

#[test]
fn what_is_damaged_is_named_by_file_and_byte() {
    let json = campaign("");
    let (mut bytes, checksum) = batch(1, 0, &begin(&json));
    let second = bytes.len();
    let (more, checksum) = batch(4, checksum, &[granted(grant(1, "c-1", ""))]);
    bytes.extend(more);
    let third = bytes.len();
    bytes.extend(batch(5, checksum, &[]).0);
    let intact = audit_directory(directory(&bytes).path()).unwrap();
    assert_eq!((intact.ok, intact.records, intact.torn_tail), (true, 4, None));

    let mut damaged = bytes.clone();
    damaged[second + 100] ^= 1;
    match audit_directory(directory(&damaged).path()) {
        Err(Error::Corrupt(corruption)) => {
            assert!(corruption.file.ends_with("journal/000000000001.segment"), "{corruption:?}");
            assert_eq!(corruption.offset, second as u64);
        }
        other => panic!("{other:?}"),
    }
    // Without the marker nothing vouches for the second batch: it was never acknowledged.
    let torn = audit_directory(directory(&damaged[..third]).path()).unwrap();
    assert_eq!((torn.ok, torn.records), (true, 3));
    let tail = torn.torn_tail.unwrap();
    assert!(tail.ends_with(&format!("000000000001.segment: byte {second}")), "{tail}");

    let unreadable = vec![(OPENS_MS, Record::Campaign { first_sale: 0, json: "{}" })];
    let damaged = directory(&batch(1, 0, &unreadable).0);
    assert!(matches!(audit_directory(damaged.path()), Err(Error::Corrupt(_))));
    let nowhere = tempfile::tempdir().unwrap();
    assert!(matches!(audit_directory(nowhere.path()), Err(Error::Io(_))));
    assert_eq!(second % SECTOR, 0);
}
