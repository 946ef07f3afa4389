//! When holds are granted, and what is shown before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{OPENS_MS, hold, one_item};
use crate::events::all;
use jangteo::{
    Campaign, Clock, Durability, Engine, EventData, HoldRequest, ManualClock, Phase, Refusal, Sale,
    Timestamp, snapshot_directory,
};

const CLOSES_MS: u64 = OPENS_MS + 3_600_000;

const CAMPAIGN: &str = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "1h"
[rules]
hold_ttl = "2h"
"#;

/// The drop one second before it opens; it closes after an hour.
fn sealed_sale() -> (Engine, Sale, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 1_000)));
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    let text = format!("{CAMPAIGN}{}", one_item(9));
    engine.put(Campaign::parse(&text).unwrap()).unwrap();
    let sale = engine.sale("t-1").unwrap();
    (engine, sale, clock)
}

#[test]
fn nothing_is_granted_before_the_opening_or_after_the_closing() {
    let (_engine, sale, clock) = sealed_sale();
    let opens_at = Timestamp::from_ms(OPENS_MS);
    clock.advance(999);
    let early = hold(&sale, "c-1", "k");
    assert!(matches!(early, Err(Refusal::NotOpen { opens_at: at }) if at == opens_at));
    clock.advance(1);
    let first = hold(&sale, "c-1", "k").unwrap();
    assert_eq!((first.number, first.created_at), (1, opens_at), "the first request opens it");
    clock.advance_to(Timestamp::from_ms(CLOSES_MS - 1));
    let last = hold(&sale, "c-2", "k").unwrap();
    clock.advance(1);
    assert!(matches!(hold(&sale, "c-3", "k"), Err(Refusal::Closed)));
    assert_eq!(hold(&sale, "c-1", "k").unwrap().id, first.id, "a key is still answered");
    assert!(matches!(sale.extend(&last.id), Err(Refusal::Closed)));
    assert!(sale.confirm(&last.id, "p").is_ok(), "a live hold may be confirmed");
}

/// A clock that goes on with every look at it.
#[derive(Debug)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn step_ms(&self) -> i64 {
        0
    }

    fn resync(&self) -> i64 {
        0
    }
}

#[test]
fn whoever_meets_the_opening_is_granted_nothing_before_it() {
    let (mut granted, mut too_early) = (0, 0);
    for before_ms in 0..8 {
        let clock = Arc::new(Hasty(AtomicU64::new(OPENS_MS - 1_000)));
        let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
        let engine = options.background(false).open().unwrap();
        let text = format!("{CAMPAIGN}{}", one_item(9));
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
        let sale = engine.sale("t-1").unwrap();
        clock.0.store(OPENS_MS - before_ms, Ordering::Relaxed);
        match hold(&sale, "c-1", "k") {
            Ok(hold) => {
                assert!(hold.created_at >= Timestamp::from_ms(OPENS_MS), "{before_ms}: {hold:?}");
                granted += 1;
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::NotOpen { .. }), "{refusal}");
                too_early += 1;
            }
        }
    }
    assert_eq!((granted, too_early), (1, 7), "the look at the clock that may open it decides");
}

#[test]
fn a_clock_that_steps_back_undoes_no_opening_and_no_closing() {
    let (engine, sale, clock) = sealed_sale();
    clock.advance(1_000);
    engine.tick();
    clock.step(-60_000);
    engine.tick();
    assert_eq!(sale.phase(), Phase::Open);
    assert!(hold(&sale, "c-1", "k").is_ok());
    clock.advance_to(Timestamp::from_ms(CLOSES_MS));
    engine.tick();
    clock.step(-60_000);
    engine.tick();
    assert!(matches!(hold(&sale, "c-2", "k"), Err(Refusal::Closed)));
}

#[test]
fn a_clock_that_steps_back_seals_nothing_that_was_revealed() {
    for seen in [true, false] {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 600_001)));
        let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
        let engine = options.background(false).open().unwrap();
        let text =
            CAMPAIGN.replace("closes_after", "reveal = \"10m\"\ncloses_after") + &one_item(9);
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
        let sale = engine.sale("t-1").unwrap();
        engine.tick();
        assert!(sale.view().0.sealed);
        clock.advance(1);
        if seen {
            assert!(!sale.view().0.sealed);
        } else {
            engine.tick(); // nobody looked, but everybody could
        }
        clock.step(-60_000);
        engine.tick();
        assert_eq!(engine.now().as_ms(), OPENS_MS - 660_000);
        assert!(!sale.is_sealed() && sale.view().0.items.is_some(), "{seen}");
        let other = Campaign::parse(&text.replace("stock = 9", "stock = 8")).unwrap();
        assert!(engine.put(other).is_err(), "what was shown is fixed");
    }
}

#[test]
fn a_drop_that_is_closed_before_its_reveal_stays_sealed_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 1_000)));
    let options = || Engine::options().data(directory.path()).clock(clock.clone());
    let text = format!("{CAMPAIGN}{}", one_item(9));
    for snapshot in [false, true] {
        let engine = options().background(false).open().unwrap();
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let closed = sale.close().unwrap().wait().unwrap();
        assert_eq!((closed.phase, closed.sealed, closed.items), (Phase::Closed, true, None));
        let told = all(&engine, None, 100).into_iter().filter_map(|event| match event.data {
            EventData::Drop(view) => Some(view.sealed && view.items.is_none()),
            _ => None,
        });
        let told: Vec<bool> = told.collect();
        assert!(!told.is_empty() && !told.contains(&false), "{snapshot} {told:?}");
        drop(engine);
        if snapshot {
            snapshot_directory(directory.path()).unwrap();
        }
    }
    let engine = options().background(false).open().unwrap();
    let sale = engine.sale("t-1").unwrap();
    assert!(sale.is_sealed() && sale.view().0.items.is_none(), "after a start too");
    let other = Campaign::parse(&text.replace("stock = 9", "stock = 8")).unwrap();
    assert!(engine.put(other).is_err(), "and is closed for good");
    clock.advance(1_000);
    assert_eq!(sale.view().0.items.unwrap()[0].total, Some(9));
    assert_eq!(sale.phase(), Phase::Closed);
}

#[test]
fn a_drop_that_has_opened_is_not_sealed_by_its_closing() {
    let directory = tempfile::tempdir().unwrap();
    for restarts in [false, true] {
        let path = directory.path().join(restarts.to_string());
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
        let open = || Engine::options().data(&path).clock(clock.clone()).background(false).open();
        let mut engine = open().unwrap();
        engine.put(Campaign::parse(&format!("{CAMPAIGN}{}", one_item(9))).unwrap()).unwrap();
        assert_eq!(engine.sale("t-1").unwrap().phase(), Phase::Open);
        clock.step(-60_000);
        if restarts {
            drop(engine);
            engine = open().unwrap();
        }
        let closed = engine.sale("t-1").unwrap().close().unwrap().wait().unwrap();
        assert!(!closed.sealed && closed.items.is_some(), "{restarts}");
    }
}

#[test]
fn a_sealed_drop_shows_nothing_and_says_the_same_of_every_item() {
    let (_engine, sale, _) = sealed_sale();
    let (view, _) = sale.view();
    assert!(view.sealed && view.items.is_none() && view.gifts.is_none() && !view.sold_out);
    for sku in ["a", "nothing-of-that-name"] {
        let refused = sale.hold(&HoldRequest::new("c-1").line(sku, 1).area("anywhere"));
        assert!(matches!(refused, Err(Refusal::NotOpen { .. })), "{sku}");
    }
}
