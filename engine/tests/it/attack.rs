//! Claims that an attacker tried to break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::common::{OPENS_MS, campaign, clock, hold, item, one_item, open_sale};
use jangteo::{
    Campaign, Durability, Engine, Error, HoldId, HoldRequest, HoldState, ManualClock, Options,
    Refusal, Timestamp,
};
use jangteo_bench::faulty::{Call, FaultyStorage as Disk};
use jangteo_bench::rng::Rng;

pub(crate) fn on(disk: &Disk, clock: &Arc<ManualClock>, segment_bytes: u64) -> Options {
    let options = Engine::options().storage(Arc::new(disk.process())).clock(clock.clone());
    options.segment_bytes(segment_bytes).background(false)
}

/// Likewise with the engine's own threads.
pub(crate) fn threaded(disk: &Disk, clock: &Arc<ManualClock>, segment_bytes: u64) -> Options {
    on(disk, clock, segment_bytes).background(true)
}

/// Runs `work` on a thread; `None` if it takes longer than `limit`: the thread is left behind then.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, wait) = channel();
    std::thread::spawn(move || {
        let _ = done.send(work());
    });
    match wait.recv_timeout(limit) {
        Ok(value) => Some(value),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => panic!("the work panicked"),
    }
}

#[test]
fn a_campaign_put_again_is_never_ok_while_it_is_not_durable() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = on(&disk, &clock, 1 << 16).open().unwrap();
    disk.faults(|faults| faults.fail_sync = true);
    let first = engine.put(campaign("", &one_item(3)));
    assert!(matches!(first, Err(Error::OutcomeUnknown | Error::Unavailable)), "{first:?}");
    let again = engine.put(campaign("", &one_item(3)));
    assert!(again.is_err(), "acknowledged after a failed flush");
}

#[test]
fn a_wave_of_expiries_never_latches_the_journal() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = on(&disk, &clock, 1 << 18).open().unwrap();
    engine.put(campaign("hold_ttl = \"10s\"", &one_item(20_000))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    for n in 0..20_000 {
        drop(sale.hold(&HoldRequest::new(&format!("c-{n}")).line("a", 1)).unwrap());
        if n % 500 == 0 {
            engine.flush().unwrap();
        }
    }
    engine.flush().unwrap();
    clock.advance(10_000);
    assert_eq!(engine.tick(), 20_000);
    let flushed = engine.flush();
    assert!(flushed.is_ok(), "{:?}", engine.health());
}

struct Told(AtomicU64);
impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_future_is_never_left_waiting_when_the_engine_is_gone() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = threaded(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("", &one_item(3))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    drop(engine);
    let Ok(mut pending) = sale.hold(&HoldRequest::new("c").line("a", 1)) else { return };
    let told = Arc::new(Told(AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&told));
    let mut context = Context::from_waker(&waker);
    if std::pin::Pin::new(&mut pending).poll(&mut context).is_ready() {
        return;
    }
    let started = Instant::now();
    while told.0.load(Ordering::SeqCst) == 0 {
        assert!(started.elapsed() < Duration::from_secs(3), "nobody will ever wake it");
        std::thread::yield_now();
    }
}

#[test]
fn holds_of_a_sale_that_outlives_the_engine_still_expire() {
    let engine = Engine::options().durability(Durability::Memory).open().unwrap();
    engine.put(campaign("hold_ttl = \"1s\"", &one_item(1))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    drop(engine);
    let Ok(held) = hold(&sale, "c-1", "k") else { return };
    std::thread::sleep(Duration::from_millis(1_300));
    let state = sale.get(&held.id).unwrap().wait().unwrap().state;
    assert_eq!(state, HoldState::Expired);
}

#[test]
fn the_engine_goes_away_although_the_disk_fills_up_meanwhile() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = threaded(&disk, &clock, 8192).open().unwrap();
    disk.faults(|faults| faults.block = Some(Call::Create));
    engine.put(campaign("", &one_item(5000))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let filler = sale.clone();
    std::thread::spawn(move || {
        for n in 0..200 {
            let name = format!("c-{n}");
            let Ok(pending) = filler.hold(&HoldRequest::new(&name).line("a", 1)) else { return };
            if pending.wait().is_err() {
                return;
            }
        }
    });
    std::thread::sleep(Duration::from_millis(500)); // the filler now waits for a segment
    let gone = std::thread::spawn(move || drop(engine));
    std::thread::sleep(Duration::from_millis(200));
    disk.faults(|faults| (faults.block, faults.fail_create) = (None, true));
    let gone = within(Duration::from_secs(5), move || gone.join().unwrap());
    disk.faults(|faults| faults.fail_create = false);
    assert!(gone.is_some(), "dropping the engine hangs");
}

#[test]
fn a_drop_is_there_and_not_closed_while_its_campaign_is_put_again() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 86_400_000)));
    let options = Engine::options().durability(Durability::Memory).clock(clock);
    let engine = options.background(false).open().unwrap();
    engine.put(campaign("", &one_item(1))).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (other, stop) = (engine.clone(), Arc::clone(&over));
    let putter = std::thread::spawn(move || {
        for n in 2..3_000 {
            other.put(campaign("", &one_item(n))).unwrap();
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    });
    let (mut looks, mut wrong) = (0_u64, None);
    while !putter.is_finished() && wrong.is_none() {
        looks += 1;
        let told = engine.sale("t-1").map(|sale| hold(&sale, "c-1", "k"));
        wrong = Some(told).filter(|told| !matches!(told, Some(Err(Refusal::NotOpen { .. }))));
    }
    over.store(true, Ordering::Relaxed);
    putter.join().unwrap();
    assert!(wrong.is_none(), "after {looks} looks: {wrong:?}");
}

#[test]
fn a_key_that_joined_the_line_is_asked_for_while_its_campaign_is_deleted() {
    let options = Engine::options().durability(Durability::Memory).clock(clock());
    let engine = options.background(false).open().unwrap();
    for _ in 0..200 {
        engine.put(campaign("", &one_item(0))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let request = HoldRequest::new("c-1").line("a", 1).key("k");
        drop(sale.hold_or_wait(&request).unwrap());
        let begun = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    begun.wait();
                    for _ in 0..50 {
                        drop(sale.hold_or_wait(&request));
                    }
                });
            }
            begun.wait();
            engine.delete("t").unwrap().wait().unwrap();
        });
        assert_eq!(engine.health().latched, None);
    }
}

#[test]
fn polling_again_never_piles_up_wakers() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = threaded(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("", &one_item(3))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    disk.faults(|faults| faults.block = Some(Call::Sync));
    let mut pending = sale.hold(&HoldRequest::new("c").line("a", 1)).unwrap();
    let told = Arc::new(Told(AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&told));
    let mut context = Context::from_waker(&waker);
    for _ in 0..10_000 {
        let poll = std::pin::Pin::new(&mut pending).poll(&mut context);
        assert!(matches!(poll, Poll::Pending));
    }
    let wakers = Arc::strong_count(&told);
    drop(pending);
    let left = Arc::strong_count(&told);
    disk.faults(|faults| faults.block = None);
    assert!(wakers < 10, "{wakers} wakers of one future; {left} once it was dropped");
}

#[test]
fn nothing_is_written_after_a_flush_that_panicked() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = threaded(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("", &one_item(9))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    std::thread::sleep(Duration::from_millis(300)); // the spare segment is made
    disk.faults(|faults| faults.panic_sync = true);
    let first = sale.clone();
    let panicked = std::thread::spawn(move || {
        let _ = first.hold(&HoldRequest::new("c-1").line("a", 1)).unwrap().wait();
    });
    assert!(panicked.join().is_err());
    let counts = |disk: &Disk| (disk.count(Call::Write), disk.count(Call::Sync));
    let before = counts(&disk);
    let second = sale.hold(&HoldRequest::new("c-2").line("a", 1));
    let entered = second.is_ok();
    if let Ok(pending) = second {
        assert!(pending.wait().is_err(), "latched");
    }
    engine.tick();
    let _ = engine.flush();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((counts(&disk), entered), (before, false), "{:?}", engine.health());
}

#[test]
fn units_of_one_customer_never_overflow() {
    let items: String = (0..20).map(|n| item(&format!("i{n}"), 1_000_000_000, "")).collect();
    let (_engine, sale, _) = open_sale("", &items);
    let skus: Vec<String> = (0..20).map(|n| format!("i{n}")).collect();
    let mut request = HoldRequest::new("counter-sale");
    for sku in &skus {
        request = request.line(sku, 1_000);
    }
    for _ in 0..214_749 {
        drop(sale.hold(&request).unwrap());
    }
    let audit = sale.audit().wait().unwrap();
    assert!(audit.ok, "{:?}", audit.violations);
}

#[test]
fn a_unit_shown_as_available_is_never_refused() {
    let (_engine, sale, _) = open_sale("", &one_item(1));
    let rounds = 20_000;
    let (give, take) = std::sync::mpsc::sync_channel::<HoldId>(0);
    let releasing = sale.clone();
    let releaser = std::thread::spawn(move || {
        while let Ok(id) = take.recv() {
            drop(releasing.release(&id).unwrap());
        }
    });
    let mut refused = 0;
    let mut held = hold(&sale, "c-0", "k0").unwrap().id;
    for n in 1..rounds {
        give.send(held).unwrap();
        while sale.view().0.sold_out {}
        // Nobody else asks: the one unit is available, and stays so until it is taken here.
        held = loop {
            match sale.hold(&HoldRequest::new(&format!("c-{}", n % 97)).line("a", 1)) {
                Ok(pending) => break pending.wait().unwrap().id,
                Err(Refusal::SoldOut { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        };
    }
    drop(give);
    releaser.join().unwrap();
    assert_eq!(refused, 0, "refusals of a unit that was shown as available, in {rounds} rounds");
}

#[test]
fn blank_segments_leave_descriptors_for_others() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 16);
    let engine = options.clock(clock()).open().unwrap();
    engine.put(campaign("", &one_item(400_000))).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(descriptors < 500, "{descriptors} open files for one drop");
}

/// The process is killed, or the machine loses power; the next one has a disk that works.
fn end(disk: &Disk, killed: bool, seed: u64) {
    if killed {
        disk.kill();
    } else {
        disk.lose_power(&mut Rng::new(seed), 50);
    }
    disk.faults(|faults| faults.changes_left = None);
}

#[test]
fn what_was_acknowledged_survives_any_crashes_in_a_row() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut acknowledged, mut failed_starts) = (0, 0);
    for round in 0..60_u32 {
        let clock = clock();
        let disk = Disk::default();
        let mut known: Vec<(String, HoldId, u32)> = Vec::new();
        let mut there = false;
        for start in 0..6_u32 {
            disk.faults(|faults| faults.short = (random(2) == 0).then_some(701));
            // In every other round segments follow one another, and nothing fails.
            let rolling = round % 2 == 1;
            let operations = (!rolling).then(|| random(60));
            disk.faults(|faults| faults.changes_left = operations);
            let segment_bytes = if rolling { 8192 } else { 1 << 15 };
            let buffered = round % 4 == 3;
            let durability = if buffered { Durability::Buffered } else { Durability::Synced };
            let opened = on(&disk, &clock, segment_bytes).durability(durability).open();
            if let Err(Error::Corrupt(found)) = &opened {
                panic!("round {round} start {start}: {found:?}");
            }
            if let Ok(engine) = opened {
                there |= engine.put(campaign("", &one_item(60))).is_ok();
                if let Some(sale) = engine.sale("t-1") {
                    for (customer, id, number) in &known {
                        let again = sale.get(id).ok().and_then(|hold| hold.wait().ok());
                        let again = again.unwrap_or_else(|| panic!("{round} {start}: {customer}"));
                        assert_eq!((again.customer(), again.number), (&**customer, *number));
                    }
                    for n in 0..random(12) {
                        let customer = format!("c-{start}-{n}");
                        let name = customer.clone();
                        let request = HoldRequest::new(&name).line("a", 1).key("k");
                        let Ok(pending) = sale.hold(&request) else { break };
                        let Ok(hold) = pending.wait() else { break };
                        if random(3) == 0 {
                            let _ = sale.confirm(&hold.id, "p").map(|pending| pending.wait());
                        }
                        known.push((customer, hold.id, hold.number));
                        if random(4) == 0 {
                            engine.tick();
                        }
                    }
                    let audit = sale.audit().into_parts().0;
                    assert!(audit.ok, "{:?}", audit.violations);
                } else {
                    assert!(!there, "round {round} start {start}: the campaign is gone");
                }
                end(&disk, buffered || random(2) == 0, random(1 << 32));
                drop(engine);
            } else {
                failed_starts += 1;
                end(&disk, buffered || random(2) == 0, random(1 << 32));
            }
        }
        acknowledged += known.len();
    }
    assert!(acknowledged > 100 && failed_starts > 10, "{acknowledged}, {failed_starts}");
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn putting_a_long_schedule_again_does_not_grow_memory() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 86_400_000)));
    let options = Engine::options().durability(Durability::Memory).clock(clock);
    let engine = options.background(false).open().unwrap();
    let put = |units: u32| {
        let text = format!(
            r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=DAILY;COUNT=1000"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = {units}
"#
        );
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
    };
    put(1);
    let before = resident_bytes();
    (2..12).for_each(put);
    let grown = resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 60, "{grown} MiB more after ten puts of the same 1,000 drops");
}

#[test]
fn starting_again_does_not_use_up_the_disk() {
    let (disk, clock) = (Disk::default(), clock());
    for _ in 0..21 {
        drop(on(&disk, &clock, 1 << 16).open().unwrap());
    }
    assert!(disk.used() <= 3 << 16, "{} bytes, of 65,536 a segment", disk.used());
}

struct LastOwner(Engine);
impl Wake for LastOwner {
    fn wake(self: Arc<Self>) {
        let _ = self.0.health();
    }
}

#[test]
fn the_engine_may_go_away_on_the_thread_that_wakes_its_last_owner() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = threaded(&disk, &clock, 1 << 16).open().unwrap();
    engine.put(campaign("", &one_item(3))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    disk.faults(|faults| faults.block = Some(Call::Sync));
    let mut pending = sale.hold(&HoldRequest::new("c").line("a", 1)).unwrap();
    let waker = Waker::from(Arc::new(LastOwner(engine)));
    let mut context = Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut pending).poll(&mut context).is_pending());
    drop(waker); // the one that was left with the journal is the engine's last owner now
    let panicked = Arc::new(AtomicBool::new(false));
    let (saw, usual) = (Arc::clone(&panicked), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some("jangteo-commit") {
            saw.store(info.to_string().contains("join"), Ordering::SeqCst);
        }
        usual(info);
    }));
    disk.faults(|faults| faults.block = None);
    let second = sale.clone();
    let answer = within(Duration::from_secs(5), move || {
        std::thread::sleep(Duration::from_millis(500));
        second.hold(&HoldRequest::new("c-2").line("a", 1)).map(|pending| pending.wait().is_ok())
    });
    assert!(answer.is_some(), "the thread waits for itself");
    assert!(!panicked.load(Ordering::SeqCst), "the committer joined itself and panicked");
    drop(pending);
}
