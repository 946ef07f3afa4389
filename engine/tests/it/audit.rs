//! What the audits say of directories that the engine wrote.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::attack::{on, within};
use crate::common::{OPENS_MS, campaign, clock, hold, item, one_item};
use jangteo::audit::{
    Audit, DirectoryAudit, DropAudit, HoldAudit, HoldStep, audit_directory, audit_hold,
    audit_storage,
};
use jangteo::{
    Engine, HoldId, HoldRequest, HoldState, ManualClock, Phase, Refusal, Sale, SaleView,
};
use jangteo_bench::faulty::FaultyStorage as Disk;

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Engine {
    let options = Engine::options().data(directory).clock(clock.clone());
    options.segment_bytes(1 << 16).background(false).open().unwrap()
}

fn offline(directory: &Path) -> DirectoryAudit {
    let found = audit_directory(directory).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    found
}

fn by_number(mut holds: Vec<HoldAudit>) -> Vec<HoldAudit> {
    holds.sort_by_key(|hold| hold.number);
    holds
}

/// The online audit, the offline audit and the view say the same of a drop that stands still.
fn assert_agree(sale: &Sale, directory: &Path) -> (Audit, DropAudit) {
    let (online, holds) = sale.audit_holds().wait().unwrap();
    assert!(online.ok, "{:?}", online.violations);
    let (view, sequence) = sale.view();
    let found = offline(directory);
    assert_eq!((online.sequence, found.last_sequence), (sequence, sequence));
    let drop = found.drops.into_iter().find(|drop| drop.id == sale.id()).unwrap();
    assert_eq!(drop.phase, view.phase);
    assert_eq!((online.orders, online.states), (drop.orders, drop.holds));
    assert_eq!(drop.items, online.items.iter().map(|c| c.reported.clone()).collect::<Vec<_>>());
    assert_eq!(drop.gifts, online.gifts.iter().map(|c| c.reported.clone()).collect::<Vec<_>>());
    assert_eq!(by_number(holds), drop.holds());
    let SaleView { items, gifts, .. } = view;
    for (shown, counted) in items.unwrap().iter().zip(&drop.items) {
        assert_eq!((&shown.sku, shown.total), (&counted.sku, counted.total));
        let units = (shown.available.map(i64::from), shown.held, shown.sold);
        assert_eq!(units, (counted.units.available, counted.units.held, counted.units.sold));
    }
    for (shown, counted) in gifts.unwrap().iter().zip(&drop.gifts) {
        let shown = (&shown.sku, shown.available.map(i64::from));
        assert_eq!(shown, (&counted.sku, counted.units.available));
    }
    (online, drop)
}

#[test]
fn every_witness_agrees_on_every_command_over_restarts_and_many_segments() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let gift = "limit_per_customer = 2\ngift = { sku = \"g\", quantity = 1 }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 100\n";
    let endless = "[[items]]\nsku = \"e\"\ntitle = \"e\"\nprice = 0\nstock = \"unlimited\"\n";
    let items = item("a", 900, gift) + &item("b", 900, "") + endless + gifts;
    let rules = "limit_per_customer = 4\nhold_ttl = \"60s\"\nauto_confirm = true";
    let mut granted = 0;
    for round in 0..4 {
        let engine = open(directory.path(), &clock);
        engine.put(campaign(rules, &items)).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for number in 0..300 {
            let customer = format!("c-{round}-{number}");
            let request = HoldRequest::new(&customer).key("k");
            let request = match number % 4 {
                0 => request.line("a", 1),
                1 => request.line("a", 2).line("b", 2),
                2 => request.line("e", 1),
                _ => request.line("b", 3).line("e", 1),
            };
            let held = match sale.hold(&request) {
                Ok(pending) => pending.wait().unwrap(),
                Err(Refusal::SoldOut { .. }) => continue,
                Err(refusal) => panic!("{refusal}"),
            };
            granted += 1;
            assert!(sale.hold(&request).unwrap().wait().unwrap().replayed);
            if held.state == HoldState::Confirmed {
                continue;
            }
            clock.advance(7);
            match number % 5 {
                0 => drop(sale.release(&held.id).unwrap().wait().unwrap()),
                1 | 2 => drop(sale.confirm(&held.id, "p").unwrap().wait().unwrap()),
                3 => drop(sale.extend(&held.id).unwrap().wait().unwrap()),
                _ => {}
            }
        }
        assert_agree(&sale, directory.path());
        clock.advance(59_000);
        engine.tick();
        assert_agree(&sale, directory.path());
    }
    let engine = open(directory.path(), &clock);
    let sale = engine.sale("t-1").unwrap();
    clock.advance(59_999);
    assert_eq!(engine.tick(), 0, "a minute is left after a restart");
    clock.advance(1);
    engine.tick();
    let (online, drop) = assert_agree(&sale, directory.path());
    assert_eq!((online.holds, drop.holds.held), (granted, 0));
    assert!(drop.holds.released > 0 && drop.holds.expired > 0 && drop.holds.confirmed > 0);
    let found = offline(directory.path());
    assert_eq!(found.epochs, 5);
    assert!(found.segments > 5 && found.torn_tail.is_none(), "{found:?}");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["drops"][0]["items"][0]["total"], 900);
    assert!(!json.to_string().contains("c-0-"), "an audit names no customer");
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Holds, releases and waits until it is over.
fn sell(sale: &Sale, seller: usize, over: &AtomicBool) {
    let customers = ["c-1", "c-2", "c-3"].map(|name| format!("{name}-{seller}"));
    for turn in 0_usize.. {
        let request = HoldRequest::new(&customers[turn % 3]).line("a", 1);
        let request = if turn % 2 == 0 { request.line("b", 2) } else { request };
        if let Ok(held) = sale.hold(&request) {
            let released = sale.release(&held.into_parts().0.id).unwrap();
            released.wait().unwrap();
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
}

#[test]
fn audits_agree_while_the_drop_is_sold() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(4 << 20);
    let engine = options.durability(jangteo::Durability::Buffered).open().unwrap();
    let items = one_item(4) + &item("b", 3, "");
    engine.put(campaign("limit_per_customer = 3", &items)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when an assertion fails: the sellers would go on for ever.
        let _over = Over(&over);
        for seller in 0..2 {
            let (sale, over) = (&sale, &over);
            scope.spawn(move || sell(sale, seller, over));
        }
        let (mut sequence, mut audits) = (0, 0);
        while audits < 10 {
            let online = sale.audit().wait();
            let online = online.unwrap_or_else(|_| panic!("{:?}", engine.health()));
            assert!(online.ok, "{:?}", online.violations);
            let found = offline(directory.path());
            assert!(found.last_sequence >= online.sequence, "what was flushed is read");
            // An audit beside a sale that stands still shows nothing.
            audits += u32::from(online.sequence > sequence);
            sequence = online.sequence;
        }
    });
    engine.flush().unwrap();
    assert_agree(&sale, directory.path());
}

#[test]
fn a_closed_and_a_replaced_drop_are_told_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = open(directory.path(), &clock);
    let text = |stock: u32, opens: &str| {
        let file = format!(
            "[campaign]\nid = \"n\"\ntitle = \"n\"\ncurrency = \"KRW\"\ntime_zone = \"Asia/Seoul\"\n\
             [schedule]\nopens = \"{opens}\"\ncloses_after = \"1h\"\n{}",
            one_item(stock)
        );
        jangteo::Campaign::parse(&file).unwrap()
    };
    engine.put(text(5, "2020-04-29T11:00:00")).unwrap();
    engine.put(text(7, "2020-04-29T11:00:00")).unwrap();
    let sale = engine.sale("n-1").unwrap();
    assert_eq!(offline(directory.path()).drops[0].phase, Phase::Scheduled);
    clock.advance(3_600_000);
    engine.tick();
    let held = hold(&sale, "c-1", "k").unwrap();
    clock.advance(3_600_000);
    engine.tick();
    engine.flush().unwrap();
    let found = offline(directory.path());
    assert_eq!(found.drops.len(), 1, "the drop that was replaced is gone");
    let drop = &found.drops[0];
    assert_eq!((drop.phase, drop.items[0].total), (Phase::Closed, Some(7)));
    assert_eq!((drop.holds()[0].id, drop.holds()[0].state), (held.id, HoldState::Expired));
}

#[test]
fn a_hold_is_explained_record_by_record() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let gift = "gift = { sku = \"g\", quantity = 2 }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 9\n";
    let engine = open(directory.path(), &clock);
    engine.put(campaign("hold_ttl = \"10m\"", &(item("a", 9, gift) + gifts))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let other = hold(&sale, "c-0", "k").unwrap().id;
    let id = hold(&sale, "c-secret", "k-secret").unwrap().id;
    clock.advance(60_000);
    sale.extend(&id).unwrap().wait().unwrap();
    clock.step(5_000);
    engine.tick();
    sale.release(&other).unwrap().wait().unwrap();
    drop((sale, engine));
    clock.advance(600_000);
    let engine = open(directory.path(), &clock);
    let sale = engine.sale("t-1").unwrap();
    sale.confirm(&id, "p-secret").unwrap().wait().unwrap();

    let found = audit_hold(directory.path(), &id).unwrap().unwrap();
    assert_eq!((found.ok, found.drop.as_str(), found.number), (true, "t-1", 2));
    let units: Vec<_> = found.units.iter().map(|one| (one.sku.as_str(), one.quantity)).collect();
    assert_eq!(units, [("a", 1), ("g", 2)]);
    let ms = |step: &HoldStep| step.expires_at.map(|at| at.as_ms() - OPENS_MS);
    let steps: Vec<_> = found.steps.iter().map(|step| (step.what, step.state, ms(step))).collect();
    let expected = [
        ("granted", HoldState::Held, Some(600_000)),
        ("extended", HoldState::Held, Some(660_000)),
        ("stepped", HoldState::Held, Some(665_000)),
        ("resumed", HoldState::Held, Some(725_000)),
        ("confirmed", HoldState::Confirmed, None),
    ];
    assert_eq!(steps, expected);
    for step in &found.steps {
        // Each record is where it is said to be: its kind is there.
        let kind = match step.what {
            "granted" => 5,
            "extended" => 9,
            "stepped" => 10,
            "resumed" => 1,
            _ => 6,
        };
        let bytes = std::fs::read(&step.file).unwrap();
        let at = usize::try_from(step.offset).unwrap();
        assert_eq!(bytes[at + 3], kind, "{step:?}");
        let time = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        assert_eq!(time, step.at.as_ms(), "{step:?}");
    }
    assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
    let ended = audit_hold(directory.path(), &other).unwrap().unwrap();
    assert_eq!(ended.steps.last().map(|step| step.what), Some("released"));

    let strange = HoldId::new(id.sale(), id.slot(), id.random() ^ 1);
    assert_eq!(audit_hold(directory.path(), &strange).unwrap(), None);
    let strange = HoldId::new(77, id.slot(), id.random());
    assert_eq!(audit_hold(directory.path(), &strange).unwrap(), None);
}

#[test]
fn files_and_starts_add_up_to_the_whole_journal() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut records = 0;
    for round in 0..3 {
        let engine = open(directory.path(), &clock);
        engine.put(campaign("", &one_item(9_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for number in 0..200 {
            hold(&sale, &format!("c-{round}-{number}"), "k").unwrap();
        }
        let found = offline(directory.path());
        assert!(found.records > records);
        records = found.records;
        let used: Vec<_> = found.files.iter().filter(|file| file.batches > 0).collect();
        let mut next = 1;
        for file in &used {
            assert_eq!(file.first_sequence, Some(next), "{file:?}");
            next = file.last_sequence.unwrap() + 1;
            assert!(file.used_bytes <= file.bytes && file.replaced_batches == 0, "{file:?}");
            let bytes = std::fs::read(&file.file).unwrap();
            let used = usize::try_from(file.used_bytes).unwrap();
            assert!(bytes[used..].iter().all(|byte| *byte == 0), "{file:?}");
            assert!(bytes[used - 512..used].iter().any(|byte| *byte != 0), "{file:?}");
        }
        assert_eq!(next - 1, found.last_sequence);
        assert_eq!(used.iter().map(|file| file.batches).sum::<u64>(), found.batches);
        let epochs: Vec<_> = found.starts.iter().map(|start| start.epoch).collect();
        assert_eq!(epochs, (1..=round + 1).collect::<Vec<_>>());
        assert!(found.starts.iter().all(|start| start.written_again == 0));
        assert!(found.starts.is_sorted_by(|a, b| a.sequence < b.sequence));
    }
}

#[test]
fn a_long_line_is_audited_in_time_that_grows_with_it_and_not_with_its_square() {
    const EACH: u32 = 60_000;
    let (disk, clock) = (Disk::default(), clock());
    let engine = on(&disk, &clock, 1 << 20).open().unwrap();
    let goods = [one_item(1), item("b", EACH, "")].concat();
    engine.put(campaign("", &goods)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "h", "k").unwrap();
    for n in 0..EACH {
        let customer = format!("c-{n}");
        drop(sale.hold_or_wait(&HoldRequest::new(&customer).line("a", 1)).unwrap());
        drop(sale.hold(&HoldRequest::new(&customer).line("b", 1)).unwrap());
        if n % 1_000 == 0 {
            engine.flush().unwrap();
        }
    }
    drop((sale, engine));
    // A second or so; with a look at everybody in the line for every hold, many minutes.
    let found = within(Duration::from_secs(60), move || audit_storage(&disk.process()).unwrap());
    let found = found.expect("an audit that takes too long");
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!(found.drops[0].holds.held, u64::from(EACH) + 1);
}
