//! What the audits say of directories that the engine wrote.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{campaign, clock, hold, item, one_item};
use jangteo::audit::{Audit, DirectoryAudit, DropAudit, HoldAudit, audit_directory};
use jangteo::{Engine, HoldRequest, HoldState, ManualClock, Phase, Refusal, Sale, SaleView};

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

#[test]
fn audits_agree_while_the_drop_is_sold() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 18);
    let engine = options.durability(jangteo::Durability::Buffered).open().unwrap();
    let items = one_item(4) + &item("b", 3, "");
    engine.put(campaign("limit_per_customer = 3", &items)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let sellers = AtomicU32::new(2);
    std::thread::scope(|scope| {
        for seller in 0..2 {
            let (sale, sellers) = (&sale, &sellers);
            scope.spawn(move || {
                let customers = ["c-1", "c-2", "c-3"].map(|name| format!("{name}-{seller}"));
                for turn in 0..10_000 {
                    let request = HoldRequest::new(&customers[turn % 3]).line("a", 1);
                    let request = if turn % 2 == 0 { request.line("b", 2) } else { request };
                    if let Ok(pending) = sale.hold(&request) {
                        let held = pending.into_parts().0;
                        drop(
                            sale.release(&held.id)
                                .map(|pending| turn % 100 == 0 && pending.wait().is_ok()),
                        );
                    }
                }
                sellers.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut audits = 0;
        while sellers.load(Ordering::Relaxed) > 0 || audits == 0 {
            let online = sale.audit().wait().unwrap();
            assert!(online.ok, "{:?}", online.violations);
            let found = offline(directory.path());
            assert!(found.last_sequence >= online.sequence, "what was flushed is read");
            audits += 1;
        }
        assert!(audits > 3, "{audits} audits beside the sale");
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
    let found = offline(directory.path());
    assert_eq!(found.drops.len(), 1, "the drop that was replaced is gone");
    let drop = &found.drops[0];
    assert_eq!((drop.phase, drop.items[0].total), (Phase::Closed, Some(7)));
    assert_eq!((drop.holds()[0].id, drop.holds()[0].state), (held.id, HoldState::Expired));
}
