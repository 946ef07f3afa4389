//! The append and the watermark without a disk: who leads, and who is told by whom.

use std::sync::Arc;
use std::task::{Wake, Waker};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::explore::explore;
use crate::Timestamp;
use crate::journal::Room;
use crate::journal::append::Append;
use crate::journal::gate::Gate;
use crate::journal::record::{Record, Shown};
use crate::journal::watermark::{Interest, Lead, Look, Watermark};
use crate::phase::Phase;
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, wait_on};

struct Log {
    append: Append<()>,
    gate: Gate,
    watermark: Watermark,
    leaders: AtomicU64,
    flushed: AtomicU64,
}

/// A waker that lets a task go on.
struct Bell {
    rung: Mutex<bool>,
    told: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock() = true;
        self.told.notify_all();
    }
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            rung = wait_on(&self.told, rung);
        }
    }
}

impl Log {
    fn append(&self) -> u64 {
        let post = |_: &mut (), _| {
            Ok::<_, ()>(Record::Opened { sale: 0, shown: Shown::unknown(Phase::Open) })
        };
        self.append.append(&self.gate, Timestamp::default(), Room::Own, post).unwrap().sequence
    }

    fn commit(&self, lead: Lead<'_>) {
        assert_eq!(self.leaders.fetch_add(1, Ordering::Relaxed), 0, "one leads at a time");
        let batch = self.append.take(&self.gate, &mut Vec::new());
        let last = batch.map_or(self.watermark.durable(), |batch| {
            batch.first_sequence + u64::from(batch.records) - 1
        });
        self.flushed.store(last, Ordering::Relaxed);
        assert_eq!(self.leaders.fetch_sub(1, Ordering::Relaxed), 1, "one leads at a time");
        lead.publish(last);
    }

    fn block(&self) {
        let sequence = self.append();
        assert_eq!(self.watermark.wait(sequence, &|lead| self.commit(lead)), Look::Durable);
        assert!(sequence <= self.flushed.load(Ordering::Relaxed));
    }

    /// As a future does, asking the committer.
    fn poll(&self) {
        let sequence = self.append();
        let mut place = None;
        loop {
            let bell = Arc::new(Bell { rung: Mutex::new(false), told: Condvar::new() });
            let waker = Waker::from(Arc::clone(&bell));
            match self.watermark.register(sequence, &mut place, &waker, Interest::Demand) {
                Look::Durable => break,
                Look::Unknown => panic!("nothing failed"),
                Look::NotYet => bell.wait(),
            }
        }
        assert!(sequence <= self.flushed.load(Ordering::Relaxed));
    }
}

pub(super) fn led() {
    let log = Arc::new(Log {
        append: Append::new((), 1, Timestamp::default(), true),
        gate: Gate::open(),
        watermark: Watermark::at(0),
        leaders: AtomicU64::new(0),
        flushed: AtomicU64::new(0),
    });
    let spawn = |work: fn(&Log)| {
        let log = Arc::clone(&log);
        thread::spawn(move || work(&log))
    };
    let committer = spawn(|log| log.watermark.serve(&|lead| log.commit(lead)));
    let mut draw = thread_rng();
    let (blocking, polling) = (draw.gen_range(0..=7_u64), draw.gen_range(1..=7_u64));
    let tasks: Vec<_> = (0..blocking)
        .map(|_| spawn(Log::block))
        .chain((0..polling).map(|_| spawn(Log::poll)))
        .collect();
    tasks.into_iter().for_each(|task| task.join().unwrap());
    log.watermark.stop();
    committer.join().unwrap();
    assert_eq!(log.watermark.durable(), blocking + polling);
}

#[test]
fn one_leads_at_a_time_and_everybody_is_woken() {
    explore("one_leads_at_a_time_and_everybody_is_woken", led);
}
