//! Group commit: one write and one flush for everything that was appended during the last one.
//!
//! Whoever waits and finds nobody leading leads; the committer thread leads for those who do not
//! block, and for what nobody waits for yet: at once where that is much, else at the next tick. No
//! commit that somebody waits for is put off: a batch closes when the flush before it ends.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::utils::CachePadded;

use super::Durability;
use super::append::{Append, Batch, Room, Stamp};
use super::feed::Feed;
use super::flushes::{FlushLog, Flushes};
use super::frame;
use super::gate::{Class, Gate, PanicWatch};
use super::record::Record;
use super::recover::{Origin, Recovered};
use super::segment::Writer;
use super::storage::{FileName, Storage};
use super::supply::Supply;
use super::watermark::{Interest, Lead, Look, Watermark};
use crate::Timestamp;
use crate::error::Error;
use crate::fault::{Fault, planted};
use crate::limits::{FLUSH_AHEAD_RECORDS, PREPARED_BYTES_MAX, RESERVE_BYTES_PER_HOLD};
use crate::refusal::Refusal;
use crate::sync::Mutex;

/// The journal of one engine, and the book that its appends move.
#[derive(Debug)]
pub(crate) struct Journal<B> {
    append: Append<B>,
    /// Read by every command, in a line that nobody writes to meanwhile.
    gate: CachePadded<Gate>,
    watermark: Watermark,
    /// Whether threads flush and make segments; without them whoever needs it does so.
    threaded: bool,
    /// `None` without a disk behind it.
    disk: Option<Disk>,
}

#[derive(Debug)]
struct Disk {
    writer: Mutex<Writer>,
    supply: Arc<Supply>,
    /// Why the journal latched.
    failure: Mutex<Option<io::Error>>,
    flushes: FlushLog,
    feed: Feed,
    incarnation: u32,
}

/// How a journal is to be written.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) segment_bytes: u64,
    pub(crate) durability: Durability,
    pub(crate) threaded: bool,
}

impl<B: Send + 'static> Journal<B> {
    /// A journal without a disk: every change is acknowledged at once and survives nothing.
    pub(crate) fn in_memory(book: B) -> Self {
        Self {
            append: Append::new(book, 1, Timestamp::default(), false),
            gate: CachePadded::new(Gate::open()),
            watermark: Watermark::at(u64::MAX >> 1),
            threaded: false,
            disk: None,
        }
    }

    /// Goes on after what was recovered: writes again what nothing vouches for, with the record of
    /// this start, and flushes it before anything can be answered.
    ///
    /// # Errors
    /// Any error of the medium.
    pub(crate) fn resume(
        opened: &Opened,
        found: Recovered,
        now: Timestamp,
        book: B,
    ) -> Result<Self, Error> {
        let storage = Arc::clone(&opened.storage);
        let supply =
            Supply::new(storage, opened.segment_bytes, found.next_segment, opened.threaded);
        let supply = Arc::new(supply);
        let mut batch = Batch {
            frame: vec![0; frame::HEAD],
            first_sequence: found.vouched.sequence + 1,
            records: found.again_records + 1,
            last_at: now.max(found.last.at),
        };
        batch.frame.extend_from_slice(&found.again);
        let at = batch.last_at;
        Record::Resumed { now }.encode(at, &mut batch.frame);
        let next_sequence = batch.first_sequence + u64::from(batch.records);

        for id in found.blank {
            // Gives back what a full disk needs for the next.
            opened.storage.remove(FileName::Segment(id))?;
        }
        let blank = supply.make_now(2 * batch.frame.len() as u64 + frame::SECTOR as u64)?;
        let incarnation = found.incarnation;
        let mut writer = Writer::after(
            Arc::clone(&supply),
            opened.durability,
            found.vouched,
            (found.epoch + u32::from(!planted(Fault::ReuseEpoch)), incarnation),
        );
        writer.begin(blank);
        if planted(Fault::TailNotFlushed) {
            writer.write_unflushed(batch)?;
            writer.believe();
        } else {
            writer.write(batch)?;
            writer.mark()?;
        }
        let disk = Disk {
            writer: Mutex::new(writer),
            supply,
            failure: Mutex::new(None),
            flushes: FlushLog::default(),
            feed: Feed::new(Arc::clone(&opened.storage)),
            incarnation,
        };
        Ok(Self {
            append: Append::new(book, next_sequence, at, true),
            gate: CachePadded::new(Gate::open()),
            watermark: Watermark::at(next_sequence - 1),
            threaded: opened.threaded,
            disk: Some(disk),
        })
    }

    /// Starts the committer and the thread that makes segments, if threads are wanted; each goes to
    /// `threads` as soon as it runs.
    pub(crate) fn start(self: &Arc<Self>, threads: &mut Vec<JoinHandle<()>>) -> io::Result<()> {
        if self.disk.is_none() || !self.threaded {
            return Ok(());
        }
        let [segments, commits] = [Arc::clone(self), Arc::clone(self)];
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        match named("jangteo-segments").spawn(move || segments.keep_segments_ready()) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                // Whoever ends this must not wait for segments that nobody makes.
                self.disk.iter().for_each(|disk| disk.supply.stop());
                return Err(error);
            }
        }
        threads.push(named("jangteo-commit").spawn(move || commits.serve())?);
        Ok(())
    }

    /// Where the journal lies, if it has a disk behind it.
    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.disk.as_ref().map(|disk| disk.supply.storage())
    }

    /// The end of the journal, if it was stopped with everything in it vouched for.
    pub(crate) fn end(&self) -> Option<Origin> {
        let writer = self.disk.as_ref()?.writer.try_lock()?;
        let end = writer.end().filter(|_| !self.gate.is_latched())?;
        (end.sequence == self.last_sequence()).then_some(end)
    }

    /// Makes segments ahead of need, until [`Journal::stop`]. Runs on its own thread.
    pub(crate) fn keep_segments_ready(&self) {
        if let Some(disk) = &self.disk {
            disk.supply.keep_ready();
        }
    }

    /// Flushes whenever somebody asks for it, until [`Journal::stop`]. Runs on its own thread.
    pub(crate) fn serve(&self) {
        self.watermark.serve(&|lead| self.commit(lead));
    }

    /// Lets a command enter, or says why not. Nothing enters any more if the command panics while
    /// the returned watch lives.
    #[inline]
    pub(crate) fn pass(&self, class: Class) -> Result<PanicWatch<'_>, Refusal> {
        self.gate.pass(class)?;
        Ok(self.gate.watch())
    }

    /// Nothing enters any more if what follows panics while the returned watch lives.
    pub(crate) fn watch(&self) -> PanicWatch<'_> {
        self.gate.watch()
    }

    /// Appends the record that `post` makes of the book; see [`Append::append`].
    #[inline]
    pub(crate) fn append<'r, E>(
        &self,
        now: Timestamp,
        room: Room,
        post: impl FnOnce(&mut B, Stamp) -> Result<Record<'r>, E>,
    ) -> Result<Stamp, E> {
        let stamp = self.append.append(&self.gate, now, room, post)?;
        if stamp.sequence.is_multiple_of(FLUSH_AHEAD_RECORDS) {
            self.flush_ahead(stamp.sequence);
        }
        Ok(stamp)
    }

    /// Has the committer flush what nobody waits for yet, if that is much: whoever has many answers
    /// outstanding need not stop for the oldest of them.
    #[cold]
    fn flush_ahead(&self, sequence: u64) {
        if self.threaded && sequence.saturating_sub(self.durable()) >= FLUSH_AHEAD_RECORDS {
            self.watermark.demand();
        }
    }

    /// Reads the book and the sequence it stands at.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&B, u64) -> R) -> R {
        self.append.read(read)
    }

    /// Sequence of the last record appended.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.append.last_sequence()
    }

    /// Whether `sequence` is durable.
    #[inline]
    pub(crate) fn look(&self, sequence: u64) -> Look {
        self.watermark.look(sequence)
    }

    /// Blocks until `sequence` is durable or never will be; flushes on this thread if no other
    /// does.
    pub(crate) fn wait(&self, sequence: u64) -> Look {
        self.watermark.wait(sequence, &|lead| self.commit(lead))
    }

    /// Leaves a waker for `sequence`.
    pub(crate) fn register(
        &self,
        sequence: u64,
        place: &mut Option<u64>,
        waker: &Waker,
        interest: Interest,
    ) -> Look {
        self.watermark.register(sequence, place, waker, interest)
    }

    /// Takes a waker back that was left.
    pub(crate) fn forget(&self, sequence: u64, place: u64) {
        self.watermark.forget(sequence, place);
    }

    /// Whether a thread flushes for those who ask; without one, whoever waits or polls leads.
    pub(crate) const fn is_served(&self) -> bool {
        self.threaded
    }

    /// Whether nothing more will be flushed but by those who wait: the engine stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.watermark.is_stopping()
    }

    /// Asks the committer thread to flush what is there; without threads, does so.
    pub(crate) fn demand(&self) {
        self.watermark.demand();
        if !self.threaded && self.disk.is_some() {
            self.watermark.serve_once(&|lead| self.commit(lead));
        }
    }

    /// Records appended and not yet durable.
    pub(crate) fn backlog(&self) -> u64 {
        self.last_sequence().saturating_sub(self.watermark.durable())
    }

    /// What flushes have cost.
    pub(crate) fn flushes(&self) -> Flushes {
        self.disk.as_ref().map(|disk| disk.flushes.all()).unwrap_or_default()
    }

    /// The journal to be read, and its incarnation; `None` without a disk.
    pub(crate) fn feed(&self) -> Option<(&Feed, u32)> {
        self.disk.as_ref().map(|disk| (&disk.feed, disk.incarnation))
    }

    /// The last durable sequence.
    pub(crate) fn durable(&self) -> u64 {
        self.watermark.durable()
    }

    /// Writes and flushes the open batch, or a marker if there is none.
    fn commit(&self, lead: Lead<'_>) {
        let Some(disk) = &self.disk else { return lead.publish(u64::MAX >> 1) };
        let _watch = self.gate.watch();
        if self.gate.is_latched() {
            // INVARIANT(J4): after a failure nothing is written and no flush is tried again.
            return lead.latch();
        }
        let mut writer = disk.writer.lock();
        let taken = self.append.take(&self.gate, &mut writer.spare);
        let (last, written) = match taken {
            Some(batch) => {
                let records = u64::from(batch.records);
                let last = batch.first_sequence + records - 1;
                let begun = Instant::now();
                let written = writer.write(batch);
                disk.flushes.add(begun.elapsed(), records);
                (last, written)
            }
            None => (self.watermark.durable(), writer.mark()),
        };
        drop(writer);
        match written {
            // INVARIANT(J1): the watermark moves after the flush, and every answer waits for it.
            Ok(()) if planted(Fault::PublishTooFar) => lead.publish(self.last_sequence()),
            Ok(()) => lead.publish(last),
            Err(_) if planted(Fault::LatchForgotten) => lead.publish(self.watermark.durable()),
            Err(error) => {
                // IMPORTANT: the gate first, so that nothing enters once the watermark is latched.
                self.gate.latch();
                disk.failure.lock().get_or_insert(error);
                lead.latch();
            }
        }
    }

    /// What has to be done now and then: flush what nobody waits for, mark what is idle, watch the
    /// disk. `live_holds` is for how many holds room is kept back.
    pub(crate) fn keep(&self, live_holds: u64) {
        let Some(disk) = &self.disk else { return };
        let idle = self.backlog() == 0;
        // The writer is locked while a flush runs, and then it is not idle.
        let marked = disk.writer.try_lock().is_none_or(|writer| writer.is_marked());
        if !idle || !marked {
            self.demand();
        }
        if !self.gate.is_latched() {
            disk.supply.make_missing();
        }
        // Beside what live holds need to end, the next start needs a segment.
        let start = disk.supply.segment_bytes();
        let live_holds = if planted(Fault::ReserveForgotten) { 0 } else { live_holds };
        let kept_back = live_holds.saturating_mul(RESERVE_BYTES_PER_HOLD).saturating_add(start);
        self.append.set_room(&self.gate, disk.supply.room().saturating_sub(kept_back));
    }

    /// Whether a commit would wait for a segment to be made.
    pub(crate) fn flush_waits(&self) -> bool {
        let bytes = self.append.open_bytes();
        self.disk.as_ref().is_some_and(|disk| !disk.supply.has_ready(bytes))
    }

    /// Asks for prepared segments for `bytes` of records, within reason.
    pub(crate) fn expect(&self, bytes: u64) {
        if let Some(disk) = &self.disk {
            disk.supply.want(bytes.min(PREPARED_BYTES_MAX));
        }
    }

    /// Flushes and marks everything, then ends the committer and the segment thread.
    pub(crate) fn stop(&self) {
        self.gate.stop();
        let Some(disk) = &self.disk else { return };
        disk.supply.give_up_when_failing(); // nobody waits for room that does not come
        let _ = self.wait(self.last_sequence());
        self.demand(); // a marker for a clean start
        self.watermark.stop();
        disk.supply.stop();
    }

    /// Why nothing can be acknowledged any more, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        if !self.gate.is_latched() {
            return None;
        }
        let error = self
            .disk
            .as_ref()
            .and_then(|disk| disk.failure.lock().as_ref().map(ToString::to_string));
        Some(error.unwrap_or_else(|| "an invariant was broken".to_owned()))
    }

    /// Whether new holds are refused for want of disk space.
    pub(crate) fn is_short(&self) -> bool {
        self.gate.is_short()
    }
}
