//! Campaigns that are deleted: when they may be, and that nothing is told of them any more.

use std::sync::Arc;

use crate::changes::FILE;
use crate::common::{OPENS_MS, campaign, hold, one_item};
use crate::events::{all, text};
use jangteo::audit::audit_storage;
use jangteo::{Campaign, Engine, ManualClock, Refusal, Timestamp, make_snapshot};
use jangteo_bench::faulty::{Call, FaultyStorage as Disk, Trouble};
use jangteo_bench::rng::Rng;

fn open(disk: &Disk, clock: &Arc<ManualClock>) -> Engine {
    let options = Engine::options().storage(Arc::new(disk.process())).clock(clock.clone());
    options.segment_bytes(1 << 16).background(false).open().unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)))
}

fn delete(engine: &Engine, id: &str) -> Result<(), Refusal> {
    engine.delete(id).map(|pending| pending.wait().unwrap())
}

#[test]
fn a_campaign_of_which_nothing_was_granted_is_forgotten_over_restarts() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = open(&disk, &clock);
    assert!(matches!(delete(&engine, "t"), Err(Refusal::UnknownCampaign)));
    engine.put(campaign("", &one_item(3))).unwrap();
    let old = engine.sale("t-1").unwrap();
    let told = all(&engine, None, 100);
    assert_eq!(told.len(), 2, "put and opened");
    delete(&engine, "t").unwrap();
    assert!(engine.sale("t-1").is_none() && engine.sales().is_empty());
    assert!(matches!(hold(&old, "c-1", "k"), Err(Refusal::Closed)));
    assert!(matches!(delete(&engine, "t"), Err(Refusal::UnknownCampaign)));
    let left: Vec<_> = all(&engine, None, 100).iter().map(text).collect();
    assert_eq!(left, [text(&told[0])], "the campaign was put, and no more is told");
    drop((old, engine));

    for round in 0..3 {
        if round > 0 {
            make_snapshot(&disk.process()).unwrap().unwrap();
        }
        let engine = open(&disk, &clock);
        assert!(engine.sales().is_empty() && engine.snapshots_passed_over().is_empty());
        assert_eq!(all(&engine, None, 100).iter().map(text).collect::<Vec<_>>(), left);
    }
    // The id is free: what takes it is another campaign.
    let engine = open(&disk, &clock);
    engine.put(Campaign::parse(FILE).unwrap()).unwrap();
    assert_eq!(engine.sales().len(), 3);
    delete(&engine, "t").unwrap();
    engine.put(campaign("", &one_item(5))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    assert_eq!((sale.index(), hold(&sale, "c-1", "k").unwrap().number), (4, 1));
    drop((sale, engine));
    make_snapshot(&disk.process()).unwrap().unwrap();
    let engine = open(&disk, &clock);
    assert_eq!(engine.sale("t-1").unwrap().find("c-1").wait().unwrap().len(), 1);
    drop(engine);
    let found = audit_storage(&disk.process()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!(found.drops.len(), 1);
}

#[test]
fn what_was_granted_and_is_not_settled_stays() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = open(&disk, &clock);
    engine.put(campaign("", &one_item(3))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let held = hold(&sale, "c-1", "k").unwrap().id;
    assert!(matches!(delete(&engine, "t"), Err(Refusal::WrongState)));
    sale.release(&held).unwrap().wait().unwrap();
    assert!(matches!(delete(&engine, "t"), Err(Refusal::WrongState)), "it was granted");
    assert_eq!(sale.find("c-1").wait().unwrap().len(), 1);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_deletion_that_is_cut_short_happened_or_did_not() {
    for lost in [true, false] {
        let (disk, clock) = (Disk::default(), clock());
        let engine = open(&disk, &clock);
        engine.put(campaign("", &one_item(3))).unwrap();
        disk.plan(Call::Sync, disk.count(Call::Sync) + 1, Trouble::Die);
        let _nobody_hears = engine.delete("t").map(jangteo::Pending::wait);
        assert!(disk.has_died());
        drop(engine);
        disk.kill();
        if lost {
            disk.lose_power(&mut Rng::new(1), 0);
        }
        let engine = open(&disk, &clock);
        assert_eq!(engine.sale("t-1").is_some(), lost);
        drop(engine);
        assert!(audit_storage(&disk.process()).unwrap().ok);
    }
}
