//! A campaign that is put again: what a drop that is fixed allows, what goes on, what is replaced.

use std::path::Path;
use std::sync::Arc;

use crate::common::{OPENS_MS, hold};
use crate::events::{all, text};
use jangteo::audit::{audit_directory, audit_storage};
use jangteo::{
    Campaign, Change, ChangeKind, Durability, Engine, Error, HoldId, HoldRequest, ManualClock,
    Options, Phase, Refusal, Sale, Timestamp, make_snapshot, snapshot_directory,
};
use jangteo_bench::faulty::{Call, FaultyStorage as Disk, Trouble};
use jangteo_bench::rng::Rng;

/// Three Wednesdays, each revealed an hour before it opens, and closed after six days.
pub(crate) const FILE: &str = r#"
[campaign]
id = "t"
title = "market"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;COUNT=3"
skip = []
closes_after = "6days"
reveal = "1h"
[rules]
hold_ttl = "10m"
limit_per_customer = 2
areas = ["seoul", "busan"]
[[items]]
sku = "a"
title = "onions"
price = 1000
stock = 9
gift = { sku = "g", quantity = 1 }
[[items]]
sku = "b"
title = "garlic"
price = 2000
stock = 5
drops = [2]
[[gifts]]
sku = "g"
title = "noodles"
stock = 9
[[ledger]]
kind = "donation"
beneficiary = "hope"
rate = "50%"
"#;

const DAY_MS: u64 = 86_400_000;

/// How the first drop stands. The other two are sealed in all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Sealed,
    Revealed,
    Open,
    Closed,
}

const ALL: [At; 4] = [At::Sealed, At::Revealed, At::Open, At::Closed];

impl At {
    fn clock(self) -> Arc<ManualClock> {
        let ms = match self {
            Self::Sealed => OPENS_MS - 7_200_000,
            Self::Revealed => OPENS_MS - 1_800_000,
            Self::Open => OPENS_MS + 1,
            Self::Closed => OPENS_MS + 6 * DAY_MS,
        };
        Arc::new(ManualClock::at(Timestamp::from_ms(ms)))
    }
}

/// From when on a change is refused.
enum Until {
    Never,
    Revealed,
}

fn parsed(file: &str) -> Campaign {
    Campaign::parse(file).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The file with one place of it changed.
fn with(from: &str, to: &str) -> Campaign {
    assert_eq!(FILE.matches(from).count(), 1, "{from}");
    parsed(&FILE.replace(from, to))
}

fn options(clock: &Arc<ManualClock>) -> Options {
    Engine::options().clock(clock.clone()).background(false).segment_bytes(1 << 16)
}

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Engine {
    options(clock).data(directory).open().unwrap()
}

fn served(customer: &str) -> HoldRequest<'_> {
    HoldRequest::new(customer).line("a", 1).area("seoul").key("k")
}

fn what(changes: &[Change]) -> Vec<(&str, ChangeKind)> {
    changes.iter().map(|change| (change.drop.as_str(), change.what)).collect()
}

const C: &str = "[[items]]\nsku = \"c\"\ntitle = \"c\"\nprice = 1\nstock = 1\n";
const H: &str = "[[gifts]]\nsku = \"h\"\ntitle = \"h\"\nstock = 1\n";

/// What is changed, until when the first drop lets it be, and which key it then stands by.
fn table() -> Vec<(&'static str, String, Until, &'static str)> {
    use Until::{Never, Revealed};
    let rows = [
        ("title = \"market\"", "title = \"fair\"", Never, ""),
        ("title = \"onions\"", "title = \"leeks\"", Never, ""),
        ("title = \"noodles\"", "title = \"rice\"", Never, ""),
        ("areas = [\"seoul\", \"busan\"]", "areas = [\"jeju\", \"busan\", \"seoul\"]", Never, ""),
        ("areas = [\"seoul\", \"busan\"]", "", Never, ""),
        ("areas = [\"seoul\", \"busan\"]", "areas = [\"seoul\"]", Revealed, "rules.areas"),
        ("closes_after = \"6days\"", "closes_after = \"7days\"", Never, ""),
        ("closes_after = \"6days\"", "", Never, ""),
        ("closes_after = \"6days\"", "closes_after = \"5days\"", Revealed, "schedule.closes_after"),
        ("currency = \"KRW\"", "currency = \"JPY\"", Revealed, "campaign.currency"),
        ("Asia/Seoul", "Asia/Tokyo", Revealed, "campaign.time_zone"),
        ("29T10:00", "29T10:01", Revealed, "schedule.opens"),
        ("FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=7", Never, ""),
        ("COUNT=3", "COUNT=4", Never, ""),
        ("COUNT=3", "COUNT=2", Never, ""),
        ("skip = []", "skip = [1]", Revealed, "schedule.skip"),
        ("skip = []", "skip = [3]", Never, ""),
        ("reveal = \"1h\"", "reveal = \"2h\"", Revealed, "schedule.reveal"),
        ("hold_ttl = \"10m\"", "hold_ttl = \"11m\"", Revealed, "rules.hold_ttl"),
        ("per_customer = 2", "per_customer = 3", Revealed, "rules.limit_per_customer"),
        ("[rules]", "[rules]\nauto_confirm = true", Revealed, "rules.auto_confirm"),
        ("price = 1000", "price = 999", Revealed, "items[0].price"),
        ("price = 1000", "price = 1000\nseller = \"s\"", Revealed, "items[0].seller"),
        ("price = 1000", "price = 1000\ndrops = [2, 3]", Revealed, "items[0].drops"),
        ("price = 1000", "price = 1000\ndrops = [1, 3]", Never, ""),
        ("stock = 9\ngift", "stock = 10\ngift", Revealed, "items[0].stock"),
        ("quantity = 1", "quantity = 2", Revealed, "items[0].gift.quantity"),
        ("sku = \"a\"", "sku = \"z\"", Revealed, "items[0].sku"),
        ("price = 2000", "price = 1", Never, ""),
        ("drops = [2]", "drops = [1, 2]", Revealed, "items[1].drops"),
        (
            "title = \"noodles\"\nstock = 9",
            "title = \"noodles\"\nstock = 8",
            Revealed,
            "gifts[0].stock",
        ),
        ("rate = \"50%\"", "rate = \"51%\"", Revealed, "ledger[0].rate"),
    ];
    let mut rows: Vec<_> =
        rows.map(|(from, to, until, key)| (from, to.to_owned(), until, key)).into();
    rows.push(("[[gifts]]", format!("{C}[[gifts]]"), Revealed, "items[2].sku"));
    rows.push(("[[gifts]]", format!("{C}drops = [3]\n[[gifts]]"), Never, ""));
    rows.push(("[[ledger]]", format!("{H}[[ledger]]"), Revealed, "gifts[1]"));
    rows
}

#[test]
fn a_fixed_drop_lets_only_titles_areas_and_a_later_closing_change() {
    for (from, to, until, key) in table() {
        for at in ALL {
            let clock = at.clock();
            let engine = options(&clock).durability(Durability::Memory).open().unwrap();
            engine.put(parsed(FILE)).unwrap();
            let sale = engine.sale("t-1").unwrap();
            let before: Vec<u32> = engine.sales().iter().map(Sale::index).collect();
            let after = with(from, &to);
            let refused = match until {
                Until::Never => false,
                Until::Revealed => at != At::Sealed,
            };
            let said = engine.would_put(after.clone());
            let put = engine.put(after.clone());
            let row = format!("{from} -> {to} at {at:?}: {said:?}, {put:?}");
            let fixed = |error: &Error| match error {
                Error::Conflict { drop, key: named } => drop == "t-1" && named == key,
                _ => false,
            };
            let now: Vec<u32> = engine.sales().iter().map(Sale::index).collect();
            if refused {
                assert!(said.is_err_and(|error| fixed(&error)), "{row}");
                assert!(put.is_err_and(|error| fixed(&error)), "{row}");
                assert_eq!((now, &*sale.campaign()), (before, &parsed(FILE)), "{row}");
            } else {
                let said = said.unwrap_or_else(|_| panic!("{row}"));
                assert!(put.is_ok(), "{row}");
                let recorded =
                    &*engine.sale("t-2").or_else(|| engine.sale("t-1")).unwrap().campaign();
                assert_eq!(recorded, &after, "{row}");
                let same = engine.sale("t-1").is_some_and(|now| now.index() == sale.index());
                let gone = what(&said).contains(&("t-1", ChangeKind::Replaced))
                    || what(&said).contains(&("t-1", ChangeKind::Removed));
                assert_eq!(same, !gone, "{row}");
                assert!(same || at == At::Sealed, "{row}");
            }
        }
    }
}

#[test]
fn what_becomes_of_each_drop_is_said() {
    use ChangeKind::{Added, Changed, Removed, Replaced};
    let clock = At::Open.clock();
    let engine = options(&clock).durability(Durability::Memory).open().unwrap();
    let new = engine.would_put(parsed(FILE)).unwrap();
    assert_eq!(what(&new), [("t-1", Added), ("t-2", Added), ("t-3", Added)]);
    assert!(engine.sales().is_empty());
    engine.put(parsed(FILE)).unwrap();
    let table = [
        ("market", "market", vec![]),
        ("market", "fair", vec![("t-1", Changed), ("t-2", Changed), ("t-3", Changed)]),
        ("garlic", "leeks", vec![("t-2", Changed)]),
        ("price = 2000", "price = 1", vec![("t-2", Replaced)]),
        ("COUNT=3", "COUNT=2", vec![("t-3", Removed)]),
        ("COUNT=3", "COUNT=4", vec![("t-4", Added)]),
        ("FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=7", vec![]),
    ];
    for (from, to, expected) in table {
        assert_eq!(what(&engine.would_put(with(from, to)).unwrap()), expected, "{to}");
    }
    let put = engine.put_if(with("COUNT=3", "COUNT=4"), |old| old == Some(&parsed(FILE)));
    assert_eq!(what(&put.unwrap()), [("t-4", Added)]);
    let again = engine.put_if(parsed(FILE), |old| old == Some(&parsed(FILE)));
    assert!(matches!(again, Err(Error::PreconditionFailed)));
    assert!(engine.sale("t-4").is_some());
}

/// The second file: everything that an open drop lets change, and another price for the second.
fn second() -> Campaign {
    let file = FILE.replace("market", "fair").replace("onions", "leeks");
    let file = file.replace("noodles", "rice").replace("closes_after = \"6days\"", "");
    parsed(&file.replace("\"busan\"]", "\"busan\", \"jeju\"]").replace("price = 2000", "price = 1"))
}

/// Everything about an engine that a change or a restart might spoil.
fn assert_changed(engine: &Engine, held: HoldId) {
    let sale = engine.sale("t-1").unwrap();
    let view = sale.view().0;
    let (items, gifts) = (view.items.unwrap(), view.gifts.unwrap());
    let titles = [view.title.as_str(), &items[0].title, &gifts[0].title];
    assert_eq!((titles, view.closes_at), (["fair", "leeks", "rice"], None));
    assert_eq!((sale.closes_at(), sale.phase()), (None, Phase::Open));
    let again = sale.hold(&served("c-1")).unwrap().wait().unwrap();
    assert!(again.replayed && again.id == held && again.number == 1);
    assert_eq!(sale.get(&held).unwrap().wait().unwrap().id, held);
    assert!(sale.audit().wait().unwrap().ok);
    let nowhere = sale.hold(&HoldRequest::new("c-9").line("a", 1).area("ulsan"));
    assert!(matches!(nowhere, Err(Refusal::AreaNotServed)));
    assert_eq!(engine.sale("t-2").unwrap().campaign().items[1].price, 1);
    assert_eq!(engine.sales().len(), 3);
}

#[test]
fn a_drop_goes_on_with_its_holds_keys_and_numbers_over_changes_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let clock = At::Open.clock();
    let engine = open(directory.path(), &clock);
    engine.put(parsed(FILE)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let held = sale.hold(&served("c-1")).unwrap().wait().unwrap().id;
    let early = HoldRequest::new("c-2").line("a", 1).area("jeju");
    assert!(matches!(sale.hold(&early), Err(Refusal::AreaNotServed)));
    let events = |engine: &Engine| all(engine, None, 100).iter().map(text).collect::<Vec<_>>();
    let told = events(&engine);
    assert!(told[1].contains("drop.opened") && told[1].contains("onions"), "{}", told[1]);

    engine.put(second()).unwrap();
    assert_changed(&engine, held);
    assert_eq!(sale.hold(&early).unwrap().wait().unwrap().number, 2, "the sale from before");
    let now = events(&engine);
    assert_eq!(now[..told.len()], told, "what was told stays as it was");
    assert!(now[told.len()].contains("campaign.put") && now[told.len()].contains("leeks"));
    let files = |engine: &Engine| engine.sales().iter().map(Sale::index).collect::<Vec<_>>();
    let indices = files(&engine);
    drop((sale, engine));

    // From the journal, from a snapshot of another process, and from one of an engine's end.
    for round in 0..3 {
        if round == 1 {
            snapshot_directory(directory.path()).unwrap().unwrap();
        }
        let after = if round == 2 { 0 } else { u64::MAX };
        let options = options(&clock).data(directory.path()).snapshot_after(after);
        let engine = options.open().unwrap();
        assert!(engine.snapshots_passed_over().is_empty());
        assert_changed(&engine, held);
        assert_eq!((files(&engine), &events(&engine)[..now.len()]), (indices.clone(), &now[..]));
        drop(engine);
        let found = audit_directory(directory.path()).unwrap();
        assert!(found.ok, "{:?}", found.violations);
        assert_eq!(found.drops.iter().map(|drop| drop.holds.held).sum::<u64>(), 2);
    }
}

#[test]
fn a_closing_that_moved_is_met_where_it_is_now() {
    let clock = At::Open.clock();
    let engine = options(&clock).durability(Durability::Memory).open().unwrap();
    engine.put(parsed(FILE)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    engine.put(with("6days", "8days")).unwrap();
    clock.advance_to(Timestamp::from_ms(OPENS_MS + 8 * DAY_MS - 1));
    engine.tick();
    assert_eq!(sale.phase(), Phase::Open);
    assert!(sale.hold(&served("c-1")).is_ok());
    clock.advance(1);
    assert!(matches!(sale.hold(&served("c-2")), Err(Refusal::Closed)));
    assert!(engine.put(with("6days", "9days")).is_ok());
    assert_eq!(sale.closes_at(), Some(Timestamp::from_ms(OPENS_MS + 8 * DAY_MS)));
}

#[test]
fn once_a_drop_is_closed_the_others_may_still_close_later() {
    let directory = tempfile::tempdir().unwrap();
    let clock = At::Closed.clock();
    let engine = open(directory.path(), &clock);
    engine.put(parsed(FILE)).unwrap();
    let closings = |engine: &Engine| -> Vec<u64> {
        let days = |sale: &Sale| (sale.closes_at().unwrap().as_ms() - OPENS_MS) / DAY_MS;
        engine.sales().iter().map(days).collect()
    };
    engine.put(with("6days", "5days")).unwrap_err();
    engine.put(with("6days", "7days")).unwrap();
    assert_eq!(closings(&engine), [6, 14, 21]);
    assert_eq!(engine.sale("t-1").unwrap().phase(), Phase::Closed);
    drop(engine);
    let engine = open(directory.path(), &clock);
    assert_eq!(closings(&engine), [6, 14, 21], "after a start too");
    clock.advance_to(Timestamp::from_ms(OPENS_MS + 21 * DAY_MS));
    let late = engine.put(with("6days", "8days"));
    assert!(matches!(late, Err(Error::Conflict { drop, .. }) if drop == "t-1"), "all are closed");
    drop(engine);
    assert!(audit_directory(directory.path()).unwrap().ok);
}

#[test]
fn what_takes_the_place_of_a_paused_drop_is_paused() {
    let (disk, clock) = (Disk::default(), At::Sealed.clock());
    let process = |disk: &Disk| options(&clock).storage(Arc::new(disk.process())).open().unwrap();
    let engine = process(&disk);
    engine.put(parsed(FILE)).unwrap();
    let old = engine.sale("t-1").unwrap();
    old.pause().unwrap().wait().unwrap();
    let other = with("price = 1000", "price = 999");
    assert_eq!(what(&engine.would_put(other.clone()).unwrap()).len(), 3);
    engine.put(other).unwrap();
    drop((old, engine));
    for round in 0..2 {
        let engine = process(&disk);
        let sale = engine.sale("t-1").unwrap();
        assert_eq!((sale.phase(), sale.index()), (Phase::Paused, 3), "round {round}");
        drop((sale, engine));
        make_snapshot(&disk.process()).unwrap().unwrap();
    }
    clock.advance_to(Timestamp::from_ms(OPENS_MS));
    let engine = process(&disk);
    engine.tick();
    let sale = engine.sale("t-1").unwrap();
    assert!(matches!(sale.hold(&served("c-1")), Err(Refusal::Paused)));
    sale.resume().unwrap().wait().unwrap();
    assert!(sale.hold(&served("c-1")).unwrap().wait().is_ok());
    drop((sale, engine));
    let found = audit_storage(&disk.process()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
}

#[test]
fn a_put_that_is_cut_short_took_effect_wholly_or_not_at_all() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..24 {
        let (disk, clock) = (Disk::default(), At::Open.clock());
        let process = |disk: &Disk| options(&clock).storage(Arc::new(disk.process()));
        let engine = process(&disk).open().unwrap();
        engine.put(parsed(FILE)).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let held = sale.hold(&served("c-1")).unwrap().wait().unwrap().id;
        // In the middle of the write, or when all of it is written and nothing flushed.
        let call = if seed % 4 == 0 { Call::Write } else { Call::Sync };
        disk.plan(call, disk.count(call) + 1, Trouble::Die);
        let _nobody_hears = engine.put(second());
        assert!(disk.has_died());
        drop((sale, engine));
        disk.lose_power(&mut Rng::new(seed), 90);
        let engine = process(&disk).open().unwrap();
        if *engine.sale("t-3").unwrap().campaign() == second() {
            new += 1;
            assert_changed(&engine, held);
        } else {
            old += 1;
            assert!(engine.sales().iter().all(|sale| *sale.campaign() == parsed(FILE)));
            engine.put(second()).unwrap();
            assert_changed(&engine, held);
        }
        drop(engine);
        let found = audit_storage(&disk.process()).unwrap();
        assert!(found.ok, "{:?}", found.violations);
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
}

#[test]
fn a_put_beside_a_crowd_loses_no_hold() {
    let directory = tempfile::tempdir().unwrap();
    let clock = At::Open.clock();
    let engine = open(directory.path(), &clock);
    let file = FILE.replace("stock = 9\ngift", "stock = 900\ngift");
    engine.put(parsed(&file)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..40 {
                engine.put(parsed(&file.replace("market", &format!("market {n}")))).unwrap();
            }
        });
        for n in 0..300 {
            let customer = format!("c-{n}");
            sale.hold(&served(&customer)).unwrap().wait().unwrap();
        }
    });
    assert_eq!(sale.view().0.title, "market 39");
    assert_eq!(engine.sales().iter().map(Sale::index).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(hold(&sale, "c-0", "other").is_err(), "without an area");
    drop((sale, engine));
    let found = audit_directory(directory.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!(found.drops[0].holds.held, 300);
}
