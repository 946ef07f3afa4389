//! Claims about clocks that an attacker tried to break: steps, closings, deadlines.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::attack::on;
use crate::common::{OPENS_MS, campaign, clock, hold, one_item, open_sale};
use jangteo::audit::audit_directory;
use jangteo::{
    Campaign, Clock, Durability, Engine, HoldState, ManualClock, Phase, Refusal, Timestamp,
};
use jangteo_bench::faulty::FaultyStorage as Disk;

#[test]
fn a_hold_behind_an_older_one_expires_in_time() {
    let disk = Disk::default();
    let late = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS + 7_200_000)));
    {
        let engine = on(&disk, &late, 1 << 16).open().unwrap();
        engine.put(campaign("hold_ttl = \"10m\"", &one_item(9))).unwrap();
        hold(&engine.sale("t-1").unwrap(), "c-1", "k1").unwrap();
    }
    // While the service was down, its clock was put back by an hour.
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS + 3_600_000)));
    let engine = on(&disk, &clock, 1 << 16).open().unwrap();
    let sale = engine.sale("t-1").unwrap();
    let second = hold(&sale, "c-1", "k2").unwrap();
    let due = second.expires_at.unwrap();
    assert_eq!(due, clock.now().plus_ms(600_000));
    clock.advance(600_100);
    engine.tick();
    assert_eq!(sale.get(&second.id).unwrap().wait().unwrap().state, HoldState::Expired);
}

#[test]
fn a_clock_that_once_jumped_ahead_never_ends_a_drop_that_is_open() {
    let clock = clock();
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).clock(clock.clone());
    let engine = options.segment_bytes(1 << 20).background(false).open().unwrap();
    clock.step(30 * 86_400_000);
    engine.tick();
    // Something is recorded while the clock is wrong: here another campaign, next year's.
    let other = r#"
[campaign]
id = "other"
title = "other"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2021-04-29T10:00:00"
"#;
    engine.put(Campaign::parse(other).unwrap()).unwrap();
    clock.step(-30 * 86_400_000);
    engine.tick();
    let text = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "6days"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 5
"#;
    engine.put(Campaign::parse(text).unwrap()).unwrap();
    let sale = engine.sale("t-1").unwrap();
    assert_eq!(sale.phase(), Phase::Open);
    let answer = hold(&sale, "c-1", "k");
    assert!(answer.is_ok(), "{:?}, while {:?}", answer.err(), sale.phase());
    drop((sale, engine));
    assert_eq!(audit_directory(directory.path()).unwrap().violations, []);
}

/// A manual clock that lets another thread's call happen at the worst moment: just after a step
/// became visible, before the engine has followed it.
#[derive(Default)]
struct Interleaved {
    now_ms: AtomicU64,
    step_ms: AtomicI64,
    then: OnceLock<Arc<dyn Fn() + Send + Sync>>,
    busy: AtomicBool,
    /// The other thread, which may have to wait until the step was followed.
    other: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Interleaved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interleaved")
    }
}

impl Clock for Interleaved {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms.load(Ordering::SeqCst))
    }

    fn step_ms(&self) -> i64 {
        self.step_ms.load(Ordering::SeqCst)
    }

    fn resync(&self) -> i64 {
        let step = self.step_ms.swap(0, Ordering::SeqCst);
        self.now_ms.store(self.now().moved_ms(step).as_ms(), Ordering::SeqCst);
        if let Some(then) = self.then.get().filter(|_| !self.busy.swap(true, Ordering::SeqCst)) {
            let then = Arc::clone(then);
            *self.other.lock().unwrap() = Some(std::thread::spawn(move || then()));
            std::thread::sleep(Duration::from_millis(50)); // a fair chance to come between
        }
        step
    }
}

impl Interleaved {
    fn join_other(&self) {
        self.other.lock().unwrap().take().expect("the step was followed").join().unwrap();
    }
}

fn interleaved() -> (Engine, Arc<Interleaved>) {
    let clock = Arc::new(Interleaved::default());
    clock.now_ms.store(OPENS_MS, Ordering::SeqCst);
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    engine.put(campaign("hold_ttl = \"10m\"", &one_item(9))).unwrap();
    (engine, clock)
}

#[test]
fn a_hold_granted_while_a_clock_step_is_followed_has_its_whole_time() {
    let (engine, clock) = interleaved();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "c-1", "k").unwrap();
    let other = sale.clone();
    let _ = clock.then.set(Arc::new(move || {
        hold(&other, "c-2", "k").unwrap();
    }));
    clock.step_ms.store(-3_600_000, Ordering::SeqCst);
    engine.tick();
    clock.join_other();
    engine.tick();
    let second = &sale.find("c-2").wait().unwrap()[0];
    assert_eq!(second.state, HoldState::Held, "granted an instant ago, for ten minutes");
}

#[test]
fn two_ticks_at_once_never_expire_a_hold_early() {
    let (engine, clock) = interleaved();
    let sale = engine.sale("t-1").unwrap();
    let held = hold(&sale, "c-1", "k").unwrap();
    let other = engine.clone();
    let _ = clock.then.set(Arc::new(move || {
        other.tick(); // as `put` does, on its caller's thread
    }));
    clock.step_ms.store(3_600_000, Ordering::SeqCst);
    engine.tick();
    clock.join_other();
    let state = sale.get(&held.id).unwrap().wait().unwrap().state;
    assert_eq!(state, HoldState::Held, "no time has passed");
}

#[test]
fn the_offline_audit_accepts_a_clock_that_was_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    {
        let options = Engine::options().data(directory.path()).clock(clock.clone());
        let engine = options.segment_bytes(1 << 16).background(false).open().unwrap();
        engine.put(campaign("hold_ttl = \"10m\"", &one_item(9))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        hold(&sale, "c-1", "k").unwrap();
        clock.step(-3_600_000);
        engine.tick();
        clock.advance(600_000);
        assert_eq!(engine.tick(), 1);
        engine.flush().unwrap();
    }
    let found = audit_directory(directory.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
}

#[test]
fn a_hold_never_ends_before_it_was_made_and_is_not_extended_for_hours() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
    hold(&sale, "c-0", "k").unwrap();
    clock.step(-3_600_000);
    engine.tick();
    let held = hold(&sale, "c-1", "k").unwrap();
    for _ in 0..6 {
        clock.advance(5 * 60_000);
        engine.tick();
        let _ = sale.extend(&held.id).map(|pending| pending.wait().unwrap());
    }
    let state = sale.get(&held.id).unwrap().wait().unwrap().state;
    assert!(held.created_at <= held.expires_at.unwrap(), "{held:?}: made {}", held.created_at);
    assert_eq!(state, HoldState::Expired, "30 minutes, of 20 at most");
}

#[test]
fn closed_comes_before_sold_out_from_the_closing_instant_on() {
    let clock = clock();
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    let text = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "1h"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 1
"#;
    engine.put(Campaign::parse(text).unwrap()).unwrap();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "c-1", "k").unwrap();
    clock.advance(3_600_000);
    engine.tick(); // the engine's own thread comes within a millisecond of the instant
    let answer = hold(&sale, "c-2", "k");
    assert!(matches!(answer, Err(Refusal::Closed)), "{:?}", answer.err());
}
