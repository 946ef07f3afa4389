//! A disk that is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::attack::{on, threaded, within};
use crate::common::{campaign, clock, item, one_item};
use jangteo::{
    Engine, Hold, HoldId, HoldOrWait, HoldRequest, ManualClock, Refusal, Wait, WaitState,
};
use jangteo_bench::faulty::FaultyStorage as Disk;

/// An engine on a disk of `segments` segments, filled with holds until it refuses more.
fn full(segments: u64) -> (Disk, Arc<ManualClock>, Engine, Vec<HoldId>) {
    full_of(segments, 100_000)
}

/// Likewise, with so many units to prepare segments for.
fn full_of(segments: u64, units: u32) -> (Disk, Arc<ManualClock>, Engine, Vec<HoldId>) {
    let (disk, clock) = (Disk::default(), clock());
    disk.faults(|faults| faults.capacity = Some(segments << 16));
    let engine = on(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("hold_ttl = \"10m\"", &one_item(units))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let mut holds = Vec::new();
    for n in 0..100_000 {
        let name = format!("c-{n}");
        match sale.hold(&HoldRequest::new(&name).line("a", 1)) {
            Ok(pending) => holds.push(pending.wait().unwrap().id),
            Err(Refusal::Unavailable) => return (disk, clock, engine, holds),
            Err(other) => panic!("{other}"),
        }
        engine.tick();
    }
    panic!("the disk never ran short");
}

#[test]
fn every_hold_can_be_confirmed_on_a_full_disk() {
    let (_disk, _clock, engine, holds) = full(6);
    let sale = engine.sale("t-1").unwrap();
    let confirmed = Arc::new(AtomicU64::new(0));
    let (count, all) = (Arc::clone(&confirmed), holds.len() as u64);
    let done = within(Duration::from_secs(20), move || {
        for id in &holds {
            sale.confirm(id, "p").unwrap().wait().unwrap();
            engine.tick();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(done.is_some(), "{} of {all}", confirmed.load(Ordering::SeqCst));
}

#[test]
fn extensions_never_use_up_the_room_kept_for_confirms() {
    let (_disk, clock, engine, holds) = full(6);
    let sale = engine.sale("t-1").unwrap();
    let extender = (sale.clone(), engine.clone(), holds.clone());
    let _ = within(Duration::from_secs(10), move || {
        let (sale, engine, holds) = extender;
        for _ in 0..20 {
            clock.advance(1);
            for id in &holds {
                match sale.extend(id) {
                    Ok(pending) => drop(pending.wait()),
                    Err(_) => return,
                }
                engine.tick();
            }
        }
    });
    let confirm = within(Duration::from_secs(3), move || {
        sale.confirm(&holds[0], "p").map(|pending| pending.wait().is_ok())
    });
    assert!(matches!(confirm, Some(Ok(true))), "{confirm:?}");
}

#[test]
fn late_payments_never_use_up_the_room_kept_for_confirms() {
    let (disk, clock) = (Disk::default(), clock());
    disk.faults(|faults| faults.capacity = Some(8 << 16));
    let engine = on(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("hold_ttl = \"10m\"", &one_item(100_000))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let name = |n: usize| format!("c-{n}");
    let hold = |n: usize| sale.hold(&HoldRequest::new(&name(n)).line("a", 1));
    // Few batches for many holds; one for each late payment.
    let mut expired = Vec::new();
    for wave in 0..8 {
        let pending: Vec<_> = (0..100).map(|n| hold(wave * 100 + n).unwrap()).collect();
        expired.extend(pending.into_iter().map(|pending| pending.wait().unwrap().id));
        clock.advance(600_000);
        assert_eq!(engine.tick(), 100);
    }
    let mut live = Vec::new();
    for n in 800.. {
        let Ok(pending) = hold(n) else { break };
        live.push(pending.wait().unwrap().id);
        engine.tick();
    }
    assert!(live.len() > 20, "{} holds fit the rest of the disk", live.len());
    let payer = (sale.clone(), engine.clone());
    let late = within(Duration::from_secs(20), move || {
        let (sale, engine) = payer;
        for id in &expired {
            match sale.confirm(id, "late") {
                Ok(pending) => drop(pending.wait()),
                Err(refusal) => return Some(refusal),
            }
            engine.tick();
        }
        None
    });
    assert!(matches!(late, Some(Some(Refusal::Unavailable))), "{late:?}");
    let done = within(Duration::from_secs(20), move || {
        for id in &live {
            sale.confirm(id, "p").unwrap().wait().unwrap();
            engine.tick();
        }
    });
    assert!(done.is_some(), "confirms hang");
}

#[test]
fn an_engine_starts_again_on_the_disk_that_it_filled() {
    let (disk, clock, engine, holds) = full(6);
    drop(engine);
    let blank = disk.used();
    let engine = on(&disk, &clock, 1 << 16).open();
    let engine = engine.unwrap_or_else(|error| panic!("{error}; {blank} bytes used"));
    let sale = engine.sale("t-1").unwrap();
    assert!(sale.confirm(&holds[0], "p").unwrap().wait().is_ok());
}

#[test]
fn every_hold_can_be_confirmed_after_a_start_on_a_disk_without_a_free_byte() {
    let (disk, clock, engine, holds) = full_of(6, 250); // one segment is prepared at a time
    drop(engine);
    let used = disk.used();
    // Something else took the rest.
    disk.faults(|faults| faults.capacity = Some(used));
    let engine = threaded(&disk, &clock, 1 << 16).open().unwrap();
    let sale = engine.sale("t-1").unwrap();
    let all = holds.len();
    assert!(all > 80, "{all} holds fit the first segment");
    let done = within(Duration::from_secs(20), move || {
        for some in holds.chunks(4) {
            let pending: Vec<_> = some.iter().map(|id| sale.confirm(id, "p").unwrap()).collect();
            pending.into_iter().for_each(|one| drop(one.wait().unwrap()));
        }
    });
    assert!(done.is_some(), "{all} confirms hang");
}

/// An engine whose disk is short, who holds the one unit of `a`, and who waits for it.
fn short_of_disk_with_one_in_line(disk: &Disk, clock: &Arc<ManualClock>) -> (Engine, Hold, Wait) {
    disk.faults(|faults| faults.capacity = Some(6 << 16));
    let engine = on(disk, clock, 1 << 16).open().unwrap();
    let goods = [one_item(1), item("b", 100_000, "")].concat();
    engine.put(campaign("hold_ttl = \"10m\"", &goods)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let first = sale.hold(&HoldRequest::new("h").line("a", 1)).unwrap().wait().unwrap();
    let wait = sale.hold_or_wait(&HoldRequest::new("w").line("a", 1)).unwrap().wait();
    let Ok(HoldOrWait::Wait(wait)) = wait else { panic!("{wait:?}") };
    while let Ok(pending) = sale.hold(&HoldRequest::new("c").line("b", 1)) {
        pending.wait().unwrap();
        engine.tick();
    }
    assert!(matches!(engine.admits_holds(), Err(Refusal::Unavailable)), "the disk is short");
    (engine, first, wait)
}

#[test]
fn units_that_the_line_cannot_have_for_want_of_disk_are_counted_as_idle() {
    let (disk, clock) = (Disk::default(), clock());
    let (engine, first, wait) = short_of_disk_with_one_in_line(&disk, &clock);
    let sale = engine.sale("t-1").unwrap();
    assert_eq!(sale.idle_unit_seconds(), 0);
    // The next start has the segment that was kept for it, and all holds before it to think of.
    drop((sale, engine));
    let engine = on(&disk, &clock, 1 << 16).open().unwrap();
    let sale = engine.sale("t-1").unwrap();
    sale.release(&first.id).unwrap().wait().unwrap();
    engine.tick();
    clock.advance(7_000);
    engine.tick();
    assert_eq!(sale.idle_unit_seconds(), 7);
    disk.faults(|faults| faults.capacity = Some(1 << 30));
    clock.advance(1_000);
    engine.tick();
    engine.tick();
    assert_eq!(sale.wait(&wait.id).unwrap().wait().unwrap().state, WaitState::Granted);
    let idle = sale.idle_unit_seconds();
    clock.advance(60_000);
    engine.tick();
    assert_eq!(sale.idle_unit_seconds(), idle, "it is sold");
}

#[test]
fn on_a_full_disk_a_hold_that_ends_makes_room_for_who_waits() {
    let (disk, clock) = (Disk::default(), clock());
    let (engine, first, wait) = short_of_disk_with_one_in_line(&disk, &clock);
    let sale = engine.sale("t-1").unwrap();
    sale.release(&first.id).unwrap().wait().unwrap();
    engine.tick();
    assert_eq!(sale.wait(&wait.id).unwrap().wait().unwrap().state, WaitState::Granted);
    clock.advance(7_000);
    engine.tick();
    assert_eq!(sale.idle_unit_seconds(), 0);
}
