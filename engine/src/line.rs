//! The waiting line of a drop: who comes next when units come back.
//!
//! INVARIANT(S3): a unit that is freed or added goes to the first in the line whom it fits, else to
//! stock. While somebody waits for a good, its word says so, and everything that takes units of it
//! or frees some happens under the basket mutex (`stock`, rule 7). Whoever holds the mutex serves
//! the line before taking anything, and after freeing something. A place in the line is recorded
//! only when the book, under the append lock, has fewer units than it asks for: so units that were
//! on their way back as it joined are not passed by.
//!
//! A hand-over is one record, the grant, that names the wait it ends: it fits all lines of the wait
//! or nothing happens. Limits and keys hold across it, since units that are waited for count, and
//! the key of a wait is its hold's.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::Timestamp;
use crate::buyers::{Shard, WaitRow, WaitRowState};
use crate::fault::{Fault, planted};
use crate::goods::Goods;
use crate::grant::{Ask, Attempt};
use crate::ids::{HoldId, Slot};
use crate::journal::record::{Join, Lines, Record};
use crate::journal::{Class, Room};
use crate::limits::{
    GIVE_BACK_MAX, HOLDS_LISTED_MAX, LINE_MAX, RESERVE_BYTES_PER_HOLD, ROWS_MAX, SHARDS,
    WAITS_EACH_MAX,
};
use crate::pending::Pending;
use crate::phase::Phase;
use crate::places::Places;
use crate::refusal::Refusal;
use crate::request::HoldRequest;
use crate::sale::{Sale, SaleCore};
use crate::wait::{HoldOrWait, Wait, WaitId, WaitState};

/// Who waits, in the order of the journal. Behind the basket mutex.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// By the record that made the place.
    queue: BTreeMap<u64, Waiting>,
    /// How many wait for each good.
    awaited: BTreeMap<u16, u32>,
    /// Units of goods at which nobody in the line is served; of those that are not in it: none.
    /// Somebody may fit only once more are there of some good.
    pub(crate) nobody_at: BTreeMap<u16, u32>,
    places: Places,
    idle: Idle,
}

/// Units that are free although somebody waits for no more than that many: while the disk is too
/// short for a grant, and never else.
#[derive(Clone, Copy, Debug, Default)]
struct Idle {
    /// As of the last look, and when that was.
    units: u64,
    looked_at: Timestamp,
    /// Sum so far.
    unit_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) slot: Slot,
    pub(crate) lines: Lines,
    /// How many joined before.
    ordinal: usize,
}

impl Line {
    /// The line of those who still wait in these shards.
    pub(crate) fn of(shards: &[Shard], goods: &Goods) -> Self {
        let mut line = Self::default();
        let mut waiting = Vec::new();
        for (shard, index) in shards.iter().zip(0..) {
            for (wait, row) in shard.all_waits().iter().zip(0..) {
                if wait.state == WaitRowState::Waiting && !planted(Fault::LineForgotten) {
                    waiting.push((wait.joined, Slot { shard: index, row }, wait.lines.clone()));
                }
            }
        }
        waiting.sort_unstable_by_key(|(joined, ..)| *joined);
        for (joined, slot, lines) in waiting {
            line.expect(goods, &lines);
            line.push(goods, joined, slot, lines);
        }
        line
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// 1 for the head.
    fn place(&self, joined: u64) -> Option<u32> {
        self.queue.get(&joined).map(|waiting| self.places.up_to(waiting.ordinal + 1))
    }

    /// Somebody is about to wait for these lines: from now on whoever takes units of their goods,
    /// or frees some, comes by the mutex.
    fn expect(&mut self, goods: &Goods, lines: &Lines) {
        for good in goods.needed(lines) {
            let count = self.awaited.entry(good).or_default();
            *count += 1;
            if *count == 1 {
                mark(goods, good, true);
            }
        }
    }

    /// Nobody waits for these lines any more.
    fn forget(&mut self, goods: &Goods, lines: &Lines) {
        for good in goods.needed(lines) {
            let count = self.awaited.get_mut(&good).expect("what was expected is counted");
            *count -= 1;
            if *count == 0 {
                self.awaited.remove(&good);
                mark(goods, good, false);
            }
        }
    }

    /// Somebody joins, whom what is there does not fit.
    fn push(&mut self, goods: &Goods, joined: u64, slot: Slot, lines: Lines) {
        for good in goods.needed(&lines) {
            if let Some(units) = self.nobody_at.get_mut(&good) {
                *units = left(goods, good).min(*units);
            }
        }
        let ordinal = self.places.push();
        self.queue.insert(joined, Waiting { slot, lines, ordinal });
    }

    pub(crate) fn remove(&mut self, goods: &Goods, joined: u64) {
        if let Some(waiting) = self.queue.remove(&joined) {
            if !planted(Fault::PlaceKept) {
                self.places.remove(waiting.ordinal);
            }
            self.forget(goods, &waiting.lines);
        }
        if self.queue.is_empty() {
            self.places = Places::default();
        }
    }

    /// Everybody goes home.
    pub(crate) fn end(&mut self, goods: &Goods) {
        self.queue.clear();
        std::mem::take(&mut self.awaited).into_keys().for_each(|good| mark(goods, good, false));
        self.places = Places::default();
    }

    /// Whether what is there may fit somebody: a good that somebody waits for has more units than
    /// when it fitted nobody.
    pub(crate) fn may_fit(&self, goods: &Goods) -> bool {
        let more = |good: &u16| left(goods, *good) > self.nobody_at.get(good).copied().unwrap_or(0);
        self.awaited.keys().any(more)
    }

    /// Units of each good that somebody waits for.
    pub(crate) fn units(&self, goods: &Goods) -> BTreeMap<u16, u32> {
        self.awaited.keys().map(|good| (*good, left(goods, *good))).collect()
    }

    /// Units that are free for the first whom they fit: none, but while nobody can be served.
    pub(crate) fn idle_units(&self, goods: &Goods) -> u64 {
        let fits = |waiting: &&Waiting| goods.has_units(&waiting.lines);
        let first = self.may_fit(goods).then(|| self.queue.values().find(fits)).flatten();
        let lines = first.into_iter().flat_map(|waiting| &waiting.lines);
        lines.map(|line| u64::from(line.quantity)).sum()
    }

    /// The clock moved on by so much, and no time passed for who waits: a pause is over, or the
    /// clock was stepped.
    pub(crate) fn pass_over(&mut self, ms: i64) {
        self.idle.looked_at = self.idle.looked_at.moved_ms(ms);
    }

    /// Looks at what is idle, and counts what was since the last look.
    pub(crate) fn measure(&mut self, goods: &Goods, now: Timestamp) {
        let passed_ms = now.as_ms().saturating_sub(self.idle.looked_at.as_ms());
        self.idle.unit_ms += self.idle.units * passed_ms;
        self.idle = Idle { units: self.idle_units(goods), looked_at: now, ..self.idle };
    }

    /// The first who joined after the record `after`.
    pub(crate) fn next(&self, after: u64) -> Option<(u64, Waiting)> {
        let mut behind = self.queue.range(after + 1..);
        let next = if planted(Fault::LastServedFirst) { behind.next_back() } else { behind.next() };
        next.map(|(joined, waiting)| (*joined, waiting.clone()))
    }
}

/// Units of a good that are there; unlimited ones are more than anybody asks for.
pub(crate) fn left(goods: &Goods, good: u16) -> u32 {
    goods.get(good).cell.as_ref().map_or(u32::MAX, |cell| cell.left())
}

fn mark(goods: &Goods, good: u16, awaited: bool) {
    if let Some(cell) = &goods.get(good).cell {
        cell.set_awaited(awaited);
    }
}

/// Why a place was not recorded.
enum No {
    /// Things changed meanwhile: look again.
    Again,
    Refused(Refusal),
}

impl Sale {
    /// Sets units aside as [`Sale::hold`] does; where too few are there, the customer joins the
    /// line. A freed or added unit goes to the first in the line whom it fits: n units or none.
    ///
    /// Under a key that was used before, the hold or the wait of then, as it is now.
    ///
    /// # Errors
    /// As [`Sale::hold`], but for [`SoldOut`](Refusal::SoldOut).
    pub fn hold_or_wait(&self, request: &HoldRequest<'_>) -> Result<Pending<HoldOrWait>, Refusal> {
        match self.hold(request) {
            Ok(hold) => Ok(hold.map(HoldOrWait::Hold)),
            Err(Refusal::Waiting(wait)) => Ok(wait.map(HoldOrWait::Wait)),
            Err(Refusal::SoldOut { .. }) => self.wait_in_line(request),
            Err(refusal) => Err(refusal),
        }
    }

    /// The wait of that id, as it is now.
    ///
    /// # Errors
    /// [`Refusal::UnknownWait`].
    pub fn wait(&self, id: &WaitId) -> Result<Pending<Wait>, Refusal> {
        let line = self.0.basket.lock();
        let shard = self.0.shard_of_wait(id).ok_or(Refusal::UnknownWait)?;
        Ok(self.wait_in(&line, &shard, id.slot()))
    }

    /// A customer's waits of any state, newest first, at most 100; durable when all of them are.
    pub fn waits_of(&self, customer: &str) -> Pending<Vec<Wait>> {
        let hash = self.0.hash(customer);
        let index = self.0.shard_of(hash);
        let line = self.0.basket.lock();
        let (mut waits, mut sequence) = (Vec::new(), 0);
        if let Some(shard) = self.0.shard_if_made(index) {
            let buyer = shard.buyer(customer, hash).row;
            for row in shard.waits_of(buyer).take(HOLDS_LISTED_MAX) {
                let (wait, ticket) =
                    self.wait_in(&line, &shard, Slot { shard: index, row }).into_parts();
                sequence = sequence.max(ticket.sequence());
                waits.push(wait);
            }
        }
        Pending::new(&self.0.shared.journal, sequence, waits)
    }

    /// Seconds that units were free while somebody waited for no more than that many, summed over
    /// units, since the engine was started. Nobody is refused units that are free, and a unit that
    /// comes back goes to the line in the same step: so only a disk that is too short for a grant
    /// makes it grow.
    #[must_use]
    pub fn idle_unit_seconds(&self) -> u64 {
        self.0.basket.lock().idle.unit_ms / 1_000
    }

    /// Leaves the line: the units count for the limit no longer. Leaving again gives the same
    /// answer.
    ///
    /// # Errors
    /// [`UnknownWait`](Refusal::UnknownWait), [`WrongState`](Refusal::WrongState) once it became a
    /// hold or ended, [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn leave(&self, id: &WaitId) -> Result<Pending<Wait>, Refusal> {
        // No room is kept for it: on a full disk it comes after what holds need to end.
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let mut line = self.0.basket.lock();
        let mut shard = self.0.shard_of_wait(id).ok_or(Refusal::UnknownWait)?;
        let (sale, slot, now) = (self.0.index, id.slot(), self.0.shared.clock.now());
        let wait = shard.wait(slot.row).expect("it was found just now");
        let joined = wait.joined;
        match wait.state {
            WaitRowState::Waiting => {}
            WaitRowState::Granted(_) => return Err(Refusal::WrongState),
            WaitRowState::Left => return Ok(self.wait_in(&line, &shard, slot)),
        }
        let left = self.0.shared.journal.append(now, Room::Own, |book, _| {
            if book.page(sale).phase >= Phase::Closed {
                return Err(Refusal::WrongState);
            }
            Ok(Record::Left { sale, slot })
        });
        shard.left(slot.row, left?, |item| self.0.is_limited(item));
        line.remove(&self.0.goods, joined);
        Ok(self.wait_in(&line, &shard, slot))
    }

    /// Joins the line, unless there are units after all.
    fn wait_in_line(&self, request: &HoldRequest<'_>) -> Result<Pending<HoldOrWait>, Refusal> {
        let mut ask = self.0.ask(request);
        self.0.resolve(request, &mut ask);
        let _watch = self.0.shared.journal.pass(Class::New)?;
        let since = Instant::now();
        loop {
            let mut line = self.0.basket.lock();
            self.0.serve(&mut line)?;
            line.expect(&self.0.goods, &ask.lines);
            // What came back before the words were marked is seen now.
            let attempt = self.attempt(&ask, true);
            if let Attempt::Refused(Refusal::SoldOut { .. }) = attempt {
                match self.0.join(&mut line, &ask) {
                    Ok(slot) => {
                        let shard = self.0.shard(slot.shard);
                        return Ok(self.wait_in(&line, &shard, slot).map(HoldOrWait::Wait));
                    }
                    Err(no) => {
                        line.forget(&self.0.goods, &ask.lines);
                        match no {
                            No::Refused(refusal) => return Err(refusal),
                            No::Again if since.elapsed() > GIVE_BACK_MAX => {
                                return Err(Refusal::Overloaded);
                            }
                            No::Again => {}
                        }
                    }
                }
                drop(line);
                std::thread::yield_now(); // to the thread whose units are on their way
                continue;
            }
            line.forget(&self.0.goods, &ask.lines);
            drop(line);
            return match attempt {
                Attempt::Granted(hold) => Ok(hold.map(HoldOrWait::Hold)),
                Attempt::Refused(refusal) => Err(refusal),
                Attempt::Waits(slot) => Ok(self.waiting(slot)?.map(HoldOrWait::Wait)),
                Attempt::Slow => unreachable!("under the mutex everything is decided"),
            };
        }
    }

    /// The wait at `slot`, whose key was used again; unless the campaign was deleted since.
    pub(crate) fn waiting(&self, slot: Slot) -> Result<Pending<Wait>, Refusal> {
        let line = self.0.basket.lock();
        let shard = self.0.shard(slot.shard);
        shard.wait(slot.row).ok_or(Refusal::UnknownDrop)?;
        Ok(self.wait_in(&line, &shard, slot).map(|wait| Wait { replayed: true, ..wait }))
    }

    /// INVARIANT(J6): the answer about a wait is durable with its last record, with that of the
    /// hold it names, and with the closing that ended it.
    fn wait_in(&self, line: &Line, shard: &Shard, slot: Slot) -> Pending<Wait> {
        let row = shard.wait(slot.row).expect("a wait once found stays");
        let mut wait = self.wait_row(shard, row, slot);
        let mut sequence = row.last_sequence;
        if let WaitRowState::Granted(hold) = row.state {
            sequence = sequence.max(shard.row(hold).last_sequence);
        }
        if wait.state == WaitState::Ended {
            sequence = self.0.shared.journal.last_sequence();
        }
        if wait.state == WaitState::Waiting {
            wait.place = line.place(row.joined);
        }
        let pending = Pending::new(&self.0.shared.journal, sequence, wait);
        if planted(Fault::PlaceBeforeFlush) { pending.unwaited() } else { pending }
    }

    /// A wait without its place.
    fn wait_row(&self, shard: &Shard, row: &WaitRow, slot: Slot) -> Wait {
        let hold = |hold: u32| {
            let slot = Slot { row: hold, ..slot };
            HoldId::new(self.0.index, slot, shard.row(hold).random)
        };
        let (state, hold) = match row.state {
            WaitRowState::Waiting if self.phase() >= Phase::Closed => (WaitState::Ended, None),
            WaitRowState::Waiting => (WaitState::Waiting, None),
            WaitRowState::Granted(row) => (WaitState::Granted, Some(hold(row))),
            WaitRowState::Left => (WaitState::Left, None),
        };
        Wait {
            id: WaitId::new(self.0.index, slot, row.random),
            state,
            place: None,
            hold,
            created_at: row.created_at,
            replayed: false,
            sale: self.clone(),
            customer: shard.waiter(row).into(),
            lines: row.lines.clone(),
        }
    }

    /// The wait at `slot` as one of its records left it.
    pub(crate) fn wait_at(&self, slot: Slot, state: WaitState, place: Option<u32>) -> Option<Wait> {
        if usize::from(slot.shard) >= SHARDS {
            return None;
        }
        let shard = self.0.shard_if_made(slot.shard)?;
        let wait = self.wait_row(&shard, shard.wait(slot.row)?, slot);
        Some(Wait { state, place, hold: None, ..wait })
    }
}

impl SaleCore {
    /// Appends and applies a place in the line; its slot.
    fn join(&self, line: &mut Line, ask: &Ask<'_>) -> Result<Slot, No> {
        if line.queue.len() >= LINE_MAX {
            return Err(No::Refused(Refusal::Overloaded));
        }
        let index = self.shard_of(ask.hash);
        let mut shard = self.shard(index);
        let buyer = shard.buyer(ask.customer, ask.hash);
        // INVARIANT(F1): whoever leaves and joins again and again takes up room only so often.
        if shard.waits_of(buyer.row).count() >= WAITS_EACH_MAX {
            return Err(No::Refused(Refusal::Overloaded));
        }
        let known = buyer.row.map(|row| (&*shard, row));
        let key_taken = |row| !ask.key.is_empty() && self.has_key(&shard, row, ask.key);
        // The shard was let go of since both were looked at.
        if buyer.row.is_some_and(key_taken) || !self.within_limits(&ask.lines, known) {
            return Err(No::Again);
        }
        self.remember(&shard, ask.hash);
        let slot = Slot { shard: index, row: shard.next_wait() };
        if slot.row >= ROWS_MAX {
            return Err(No::Refused(Refusal::Overloaded));
        }
        let join = Join {
            slot,
            random: self.random_of_wait(slot),
            place: u32::try_from(line.queue.len() + 1).expect("limits.rs bounds the line"),
            lines: ask.lines.clone(),
            customer: ask.customer,
            key: ask.key,
            area: ask.area,
        };
        let now = self.shared.clock.now();
        let room = Room::Keep(RESERVE_BYTES_PER_HOLD);
        let appended = self.shared.journal.append(now, room, |book, _| {
            let page = book.page(self.index);
            self.still_open(page.phase, now).map_err(No::Refused)?;
            // INVARIANT(S2, S3): nobody waits for what is there, or on its way back.
            if self.goods.are_available(&page.goods, &ask.lines) {
                return Err(No::Again);
            }
            Ok(Record::Waited { sale: self.index, join: join.clone() })
        });
        let stamp = appended?;
        let limited = |item| self.is_limited(item);
        shard.waited(&buyer, &join, stamp.at, stamp.sequence, limited);
        line.push(&self.goods, stamp.sequence, slot, join.lines);
        Ok(slot)
    }

    fn has_key(&self, shard: &Shard, buyer: u32, key: &str) -> bool {
        let hold = shard.by_key(buyer, key, &self.names);
        hold.is_some() || shard.wait_by_key(buyer, key).is_some()
    }

    /// Locks the shard of a wait, if there is such a wait.
    fn shard_of_wait(&self, id: &WaitId) -> Option<parking_lot::MutexGuard<'_, Shard>> {
        if id.sale() != self.index || usize::from(id.slot().shard) >= SHARDS {
            return None;
        }
        let shard = self.shard_if_made(id.slot().shard)?;
        let known = shard.wait(id.slot().row).is_some_and(|wait| wait.random == id.random());
        known.then_some(shard)
    }
}
