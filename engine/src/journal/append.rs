//! The one sequencing point: what is appended here happened in that order.
//!
//! INVARIANT(J5): under one short lock an append moves the book (reported counters, phases,
//! numbers), gets its sequence, its time and its place in the open batch. A commit takes the whole
//! batch and leaves an empty one, so appending goes on while the last batch is flushed.

use crossbeam::utils::CachePadded;

use super::frame;
use super::gate::Gate;
use super::record::Record;
use crate::Timestamp;
use crate::limits::{OPEN_BATCH_BYTES, OPEN_BATCH_BYTES_FIRST};
use crate::sync::Mutex;

/// What an append gave its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
}

/// A batch that a commit took.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Room for the frame's head, then the records.
    pub(crate) frame: Vec<u8>,
    pub(crate) first_sequence: u64,
    pub(crate) records: u32,
    /// Time of the last record.
    pub(crate) last_at: Timestamp,
}

/// What every append writes comes first, with the lock in one line of the cache: that line goes
/// from core to core with each record.
#[derive(Debug)]
#[repr(C)]
struct Open<B> {
    frame: Vec<u8>,
    first_sequence: u64,
    last_at: Timestamp,
    /// Journal room that new holds may still use, in bytes.
    room: u64,
    records: u32,
    /// Set while a record is made: if that panicked, book and batch are not to be trusted.
    midway: bool,
    book: B,
}

/// The open batch, and the book whose every change is a record of it.
#[derive(Debug)]
pub(crate) struct Append<B> {
    open: CachePadded<Mutex<Open<B>>>,
    /// Whether records are kept at all.
    keeps: bool,
}

/// Journal room that one record uses, and what it keeps back beyond its own bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// Nothing is kept back: the record spends what a hold kept, or is the engine's own.
    Own,
    /// A new hold: its bytes, and this many more for its end.
    Keep(u64),
}

impl<B> Append<B> {
    pub(crate) fn new(book: B, next_sequence: u64, last_at: Timestamp, keeps: bool) -> Self {
        let open = Open {
            book,
            frame: vec![0; frame::HEAD],
            first_sequence: next_sequence,
            records: 0,
            last_at,
            room: u64::MAX,
            midway: false,
        };
        Self { open: CachePadded::new(Mutex::new(open)), keeps }
    }

    /// Appends the record that `post` makes of the book, at `now` or later, and counts it there;
    /// or nothing at all, if `post` refuses.
    ///
    /// The record is durable once the watermark reaches the stamp's sequence.
    ///
    /// # Panics
    /// If `post` does, and after that always: whoever passed the gate before it was latched must
    /// not build on a book that was left half-moved.
    pub(crate) fn append<'r, E>(
        &self,
        gate: &Gate,
        now: Timestamp,
        room: Room,
        post: impl FnOnce(&mut B, Stamp) -> Result<Record<'r>, E>,
    ) -> Result<Stamp, E> {
        let mut guard = self.open.lock();
        // Ends before the guard does: the gate is latched before anybody else is let in.
        let _watch = gate.watch();
        let open = &mut *guard;
        assert!(!std::mem::replace(&mut open.midway, true), "an earlier append was broken off");
        let sequence = open.first_sequence + u64::from(open.records);
        let stamp = Stamp { sequence, at: now.max(open.last_at) };
        let record = match post(&mut open.book, stamp) {
            Ok(record) => record,
            Err(refused) => {
                open.midway = false;
                return Err(refused);
            }
        };
        open.last_at = stamp.at;
        if self.keeps {
            open.records += 1;
            let bytes = record.encode(stamp.at, &mut open.frame) as u64;
            if open.frame.len() > OPEN_BATCH_BYTES {
                gate.set_full(true, open.frame.len() > OPEN_BATCH_BYTES_FIRST);
            }
            if let Room::Keep(more) = room {
                open.room = open.room.saturating_sub(bytes + more);
                if open.room == 0 {
                    gate.set_short(true);
                }
            }
        } else {
            open.first_sequence += 1;
        }
        open.midway = false;
        Ok(stamp)
    }

    /// Takes the open batch and leaves `spare` (emptied) in its place. `None` if it is empty, or if
    /// the making of a record was broken off.
    pub(crate) fn take(&self, gate: &Gate, spare: &mut Vec<u8>) -> Option<Batch> {
        spare.clear();
        spare.resize(frame::HEAD, 0);
        let mut open = self.open.lock();
        if open.records == 0 || open.midway {
            return None;
        }
        let batch = Batch {
            frame: std::mem::replace(&mut open.frame, std::mem::take(spare)),
            first_sequence: open.first_sequence,
            records: open.records,
            last_at: open.last_at,
        };
        open.first_sequence += u64::from(batch.records);
        open.records = 0;
        gate.set_full(false, false);
        Some(batch)
    }

    /// Reads the book together with the sequence of the last record that made it so.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&B, u64) -> R) -> R {
        let open = self.open.lock();
        let sequence = open.first_sequence + u64::from(open.records) - 1;
        read(&open.book, sequence)
    }

    /// Sets how much journal room new holds may use, less what waits in the open batch.
    pub(crate) fn set_room(&self, gate: &Gate, bytes: u64) {
        let mut open = self.open.lock();
        open.room = bytes.saturating_sub(open.frame.len() as u64);
        gate.set_short(open.room == 0);
    }

    /// Bytes of the open batch.
    pub(crate) fn open_bytes(&self) -> u64 {
        self.open.lock().frame.len() as u64
    }

    /// Sequence of the last record appended.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.read(|_, sequence| sequence)
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use super::*;
    use crate::journal::record::Shown;
    use crate::phase::Phase;

    fn post(book: &mut u32, _: Stamp) -> Result<Record<'static>, ()> {
        *book += 1;
        Ok(Record::Opened { sale: *book, shown: Shown::unknown(Phase::Open) })
    }

    #[test]
    fn sequences_are_gapless_and_time_never_runs_backwards() {
        let append = Append::new(0_u32, 1, Timestamp::from_ms(50), true);
        let gate = Gate::open();
        let mut stamps = Vec::new();
        for now in [40, 60, 55] {
            let at = Timestamp::from_ms(now);
            stamps.push(append.append(&gate, at, Room::Own, post).unwrap());
            assert!(append.append(&gate, at, Room::Own, |_, _| Err(())).is_err());
        }
        let expected = [(1, 50), (2, 60), (3, 60)];
        let expected =
            expected.map(|(sequence, ms)| Stamp { sequence, at: Timestamp::from_ms(ms) });
        assert_eq!(stamps, expected);
        assert_eq!(append.read(|book, sequence| (*book, sequence)), (3, 3));
    }

    #[test]
    fn a_taken_batch_leaves_an_empty_one() {
        let append = Append::new(0_u32, 9, Timestamp::default(), true);
        let gate = Gate::open();
        let mut spare = Vec::new();
        assert!(append.take(&gate, &mut spare).is_none());
        append.append(&gate, Timestamp::default(), Room::Own, post).unwrap();
        let batch = append.take(&gate, &mut spare).unwrap();
        assert_eq!((batch.first_sequence, batch.records), (9, 1));
        assert!(batch.frame.len() > frame::HEAD);
        assert!(append.take(&gate, &mut spare).is_none());
        assert_eq!(append.last_sequence(), 9);
    }

    #[test]
    fn after_a_panic_nothing_is_appended_and_nothing_is_written() {
        use super::super::gate::Class;
        let append = Append::new(0_u32, 1, Timestamp::default(), true);
        let gate = Gate::open();
        append.append(&gate, Timestamp::default(), Room::Own, post).unwrap();
        let broken = |what: &'static str| {
            let appended = std::panic::AssertUnwindSafe(|| {
                append.append(&gate, Timestamp::default(), Room::Own, |_, _| {
                    assert!(what.is_empty(), "{what}");
                    post(&mut 0, Stamp { sequence: 0, at: Timestamp::default() })
                })
            });
            std::panic::catch_unwind(appended).unwrap_err()
        };
        broken("an invariant");
        assert!(gate.is_latched() && gate.pass(Class::End).is_err());
        // One that passed the gate before.
        let why = broken("");
        assert_eq!(why.downcast_ref(), Some(&"an earlier append was broken off"));
        assert!(append.take(&gate, &mut Vec::new()).is_none());
    }

    #[test]
    fn the_last_unreserved_room_shuts_the_gate_for_holds() {
        use super::super::gate::Class;
        let append = Append::new(0_u32, 1, Timestamp::default(), true);
        let gate = Gate::open();
        append.set_room(&gate, frame::HEAD as u64 + 100);
        let now = Timestamp::default();
        append.append(&gate, now, Room::Own, post).unwrap();
        assert!(gate.pass(Class::New).is_ok(), "a settlement spends what was kept back for it");
        append.append(&gate, now, Room::Keep(1_000), post).unwrap();
        assert!(gate.pass(Class::New).is_err());
        assert!(gate.pass(Class::End).is_ok());
        append.set_room(&gate, 1 << 20);
        assert!(gate.pass(Class::New).is_ok());
    }
}
