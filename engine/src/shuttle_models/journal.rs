//! The whole journal: tasks that append and wait in every way there is, the committer, the thread
//! that makes segments, a disk that fails, an end at any moment.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use shuttle::rand::{Rng, thread_rng};
use shuttle::{future, thread};

use super::disk::{AfterPowerLoss, Disk, Fault, Mounted};
use super::explore::{explore, replays};
use crate::Timestamp;
use crate::book::Book;
use crate::journal::record::{Record, Shown};
use crate::journal::recover::{Apply, Extent, Recovered, recover};
use crate::journal::{Class, Durability, Journal, Opened, Room, Storage};
use crate::pending::Pending;
use crate::phase::Phase;

/// A batch is full with so many records; each task may slip one more in.
const FULL: u32 = 6;

/// What happened in all schedules of a model.
#[derive(Debug)]
struct Tally {
    acknowledged: AtomicU64,
    /// Outcomes that could not be known.
    unknown: AtomicU64,
    /// Records that the gate did not let in.
    refused: AtomicU64,
    /// Answers that nobody waited for to the end.
    left: AtomicU64,
    /// Schedules in which a write or flush failed.
    failed: AtomicU64,
}

impl Tally {
    const fn new() -> Self {
        let [acknowledged, unknown, refused, left, failed] = [const { AtomicU64::new(0) }; 5];
        Self { acknowledged, unknown, refused, left, failed }
    }
}

static SOUND: Tally = Tally::new();
static FAILING: Tally = Tally::new();
static STOPPING: Tally = Tally::new();
static SHORT: Tally = Tally::new();

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

/// What a schedule draws before it begins.
#[derive(Clone, Copy, Debug)]
struct Plan {
    tally: &'static Tally,
    tasks: u32,
    fault: Fault,
    /// Attempts to make a segment that find the disk full.
    full: u64,
    /// Whether the engine stops while the tasks are at work.
    stops: bool,
}

/// One record that a task appended: its sequence, and whether it was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Noted {
    sequence: u64,
    sale: u32,
    acknowledged: bool,
}

struct Scene {
    plan: Plan,
    disk: Arc<Disk>,
    journal: Arc<Journal<Book>>,
    noted: Mutex<Vec<Noted>>,
}

/// How a task waits for what it appended.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Blocks, and leads if nobody does.
    Blocks,
    /// Leaves a waker and asks the committer.
    Awaits,
    /// Leaves a waker and flushes itself, as a gateway's worker does.
    Watches,
    /// Looks once and goes on.
    Glances,
    /// Leaves a waker, then takes it back.
    GivesUp,
}

const WAYS: [Way; 5] = [Way::Blocks, Way::Awaits, Way::Watches, Way::Glances, Way::GivesUp];

fn read(storage: &dyn Storage, apply: &mut Apply<'_>) -> Recovered {
    recover(storage, Extent::all(storage).unwrap(), apply).unwrap()
}

impl Scene {
    fn new(plan: Plan, segment_bytes: u64) -> Arc<Self> {
        let disk = Disk::new();
        let storage = Arc::new(Mounted(Arc::clone(&disk)));
        let found = read(&*storage, &mut |_, _, _| Ok(()));
        let opened =
            Opened { storage, segment_bytes, durability: Durability::Synced, threaded: true };
        let journal =
            Journal::resume(&opened, found, Timestamp::default(), Book::default()).unwrap();
        disk.arm(plan.fault, plan.full, FULL + plan.tasks);
        Arc::new(Self { plan, disk, journal: Arc::new(journal), noted: Mutex::new(Vec::new()) })
    }

    /// Appends a record, unless the gate is shut.
    fn append(&self, sale: u32) -> Option<Pending<u32>> {
        let class = if sale % 3 == 0 { Class::End } else { Class::New };
        let passed = self.journal.pass(class);
        if let Err(refusal) = &passed {
            let ended = self.plan.stops || self.journal.failure().is_some();
            assert!(ended || refusal.code() == "overloaded", "{refusal}");
            count(&self.plan.tally.refused);
            return None;
        }
        let now = Timestamp::default();
        let post = |_: &mut Book, _| {
            Ok::<_, ()>(Record::Opened { sale, shown: Shown::unknown(Phase::Open) })
        };
        let stamp = self.journal.append(now, Room::Own, post).ok()?;
        Some(Pending::new(&self.journal, stamp.sequence, sale))
    }

    fn task(&self, number: u32) {
        let records = thread_rng().gen_range(1..=3_u32);
        for record in 0..records {
            let sale = number * 10 + record;
            let Some(pending) = self.append(sale) else { continue };
            let way = WAYS[thread_rng().gen_range(0..WAYS.len())];
            self.wait(pending, sale, way);
        }
    }

    fn wait(&self, pending: Pending<u32>, sale: u32, way: Way) {
        let (_, mut ticket) = pending.into_parts();
        let sequence = ticket.sequence();
        let asked = |ticket: &crate::pending::Ticket| ticket.outcome();
        let outcome = match way {
            Way::Blocks => Some(ticket.wait()),
            Way::Awaits => Some(future::block_on(poll_fn(|context| ticket.poll_durable(context)))),
            Way::Watches => {
                let mut context = Context::from_waker(Waker::noop());
                let _ = ticket.poll_watching(&mut context);
                let _ = self.journal.wait(self.journal.last_sequence());
                let outcome = asked(&ticket);
                assert!(outcome.is_some(), "its own flush covers it");
                outcome
            }
            Way::Glances => asked(&ticket),
            Way::GivesUp => {
                let _ = ticket.poll_durable(&mut Context::from_waker(Waker::noop()));
                asked(&ticket)
            }
        };
        let acknowledged = matches!(outcome, Some(Ok(())));
        if acknowledged {
            let flushed = self.disk.flushed();
            assert!(sequence <= flushed, "INVARIANT(J1): {sequence} is told, {flushed} is on disk");
            count(&self.plan.tally.acknowledged);
        } else if outcome.is_some() {
            assert!(self.journal.failure().is_some(), "{sequence} is unknown without a failure");
            count(&self.plan.tally.unknown);
        } else {
            count(&self.plan.tally.left);
        }
        self.noted.lock().unwrap().push(Noted { sequence, sale, acknowledged });
    }

    /// Whatever was acknowledged is there after a loss of power, in the order of appending.
    fn check(&self) {
        let noted = self.noted.lock().unwrap();
        let mut sequences: Vec<u64> = noted.iter().map(|noted| noted.sequence).collect();
        sequences.sort_unstable();
        // Sequence 1 is the record of the start.
        assert!(sequences.iter().copied().eq(2..2 + sequences.len() as u64), "{sequences:?}");
        let mut there = BTreeMap::new();
        let mut apply = |sequence: u64, _: Timestamp, record: &Record<'_>| {
            if let Record::Opened { sale, .. } = record {
                there.insert(sequence, *sale);
            }
            Ok(())
        };
        read(&AfterPowerLoss(Arc::clone(&self.disk)), &mut apply);
        for noted in noted.iter() {
            let found = there.get(&noted.sequence);
            assert!(found.is_none_or(|sale| *sale == noted.sale), "INVARIANT(J5): {noted:?}");
            assert!(found.is_some() || !noted.acknowledged, "INVARIANT(J3): {noted:?} is lost");
        }
        if self.disk.has_failed() {
            count(&self.plan.tally.failed);
        }
        let broken = self.disk.has_failed() || self.plan.full > 0;
        assert!(broken || self.journal.failure().is_none(), "latched on a sound disk");
        assert!(!self.disk.has_failed() || self.journal.failure().is_some(), "J4: no latch");
    }
}

fn play(plan: Plan, segment_bytes: u64) {
    let scene = Scene::new(plan, segment_bytes);
    let spawn = |work: Box<dyn FnOnce(&Scene) + Send>| {
        let scene = Arc::clone(&scene);
        thread::spawn(move || work(&scene))
    };
    let committer = spawn(Box::new(|scene| scene.journal.serve()));
    let segments = spawn(Box::new(|scene| scene.journal.keep_segments_ready()));
    let tasks: Vec<_> =
        (0..plan.tasks).map(|number| spawn(Box::new(move |scene| scene.task(number)))).collect();
    if plan.stops {
        scene.journal.stop();
    }
    tasks.into_iter().for_each(|task| task.join().unwrap());
    scene.journal.stop();
    committer.join().unwrap();
    segments.join().unwrap();
    scene.check();
}

fn draw(tally: &'static Tally, stops: bool) -> Plan {
    let tasks = thread_rng().gen_range(2..=12);
    Plan { tally, tasks, fault: Fault::None, full: 0, stops }
}

pub(super) fn sound() {
    play(draw(&SOUND, false), 64 << 10);
}

pub(super) fn failing() {
    let number = thread_rng().gen_range(1..=6);
    let write = thread_rng().gen_range(0..3) == 0;
    let fault = if write { Fault::Write(number) } else { Fault::Flush(number) };
    play(Plan { fault, ..draw(&FAILING, false) }, 64 << 10);
}

pub(super) fn stopping() {
    play(draw(&STOPPING, true), 64 << 10);
}

pub(super) fn short_of_room() {
    let full = thread_rng().gen_range(0..4);
    let stops = thread_rng().gen_range(0..3) == 0;
    play(Plan { full, ..draw(&SHORT, stops) }, 1024);
}

/// Runs a model, and makes sure that what it is about happened.
fn tried(name: &str, model: fn(), tally: &Tally, happened: &[&AtomicU64]) {
    explore(name, model);
    println!("{name}: {tally:?}");
    let seldom = happened.iter().any(|times| times.load(Ordering::Relaxed) == 0);
    assert!(!seldom || replays(), "what the model is about never happened");
}

#[test]
fn nobody_is_told_before_the_flush_that_covers_it() {
    let happened = [&SOUND.acknowledged, &SOUND.refused, &SOUND.left];
    tried("nobody_is_told_before_the_flush_that_covers_it", sound, &SOUND, &happened);
}

#[test]
fn after_a_failed_write_or_flush_nothing_is_told_written_or_flushed() {
    let name = "after_a_failed_write_or_flush_nothing_is_told_written_or_flushed";
    let happened = [&FAILING.acknowledged, &FAILING.unknown, &FAILING.failed];
    tried(name, failing, &FAILING, &happened);
}

#[test]
fn everybody_is_answered_though_the_engine_stops_at_any_moment() {
    let name = "everybody_is_answered_though_the_engine_stops_at_any_moment";
    tried(name, stopping, &STOPPING, &[&STOPPING.acknowledged, &STOPPING.refused]);
}

#[test]
fn segments_follow_one_another_while_the_disk_is_full_for_a_time() {
    let name = "segments_follow_one_another_while_the_disk_is_full_for_a_time";
    tried(name, short_of_room, &SHORT, &[&SHORT.acknowledged, &SHORT.left]);
}
