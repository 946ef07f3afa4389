//! What becomes of a drop: it opens and closes by the clock, and is paused, resumed and closed by
//! hand. Every turn is one record; only new holds depend on the phase.
//!
//! While a drop is paused no time passes for its holds. The pause's end moves every live hold's
//! deadline by its length, with all shards locked, so that nobody sees one without the other.

use crate::Timestamp;
use crate::book::Page;
use crate::buyers::Shard;
use crate::fault::{Fault, planted};
use crate::journal::record::Record;
use crate::journal::{Class, Room};
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::sale::{Sale, SaleCore};
use crate::view::SaleView;

impl Sale {
    /// Stops granting: requests are answered [`Paused`](Refusal::Paused), before the opening
    /// instant still [`NotOpen`](Refusal::NotOpen), and no hold expires. A drop that is paused as
    /// its opening instant comes does not open. Pausing again gives the same answer.
    ///
    /// # Errors
    /// [`WrongState`](Refusal::WrongState) once closed, [`Overloaded`](Refusal::Overloaded),
    /// [`Unavailable`](Refusal::Unavailable).
    pub fn pause(&self) -> Result<Pending<SaleView>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let _no_step = self.0.shared.making.lock();
        let now = self.0.shared.clock.now();
        self.0.turn_phase(now);
        let paused = self.0.turn(now, |page| match page.phase {
            Phase::Scheduled | Phase::Open => {
                page.pause(now);
                Ok(Record::Paused { sale: self.0.index, now, shown: (&*page).into() })
            }
            Phase::Paused => Err(None),
            Phase::Closed | Phase::Settled => Err(Some(Refusal::WrongState)),
        });
        self.turned(paused)
    }

    /// Ends a pause: the drop is open, or scheduled if its instant has not come, and every live
    /// hold's deadline is later by the length of the pause. Resuming again gives the same answer.
    ///
    /// # Errors
    /// As [`Sale::pause`].
    pub fn resume(&self) -> Result<Pending<SaleView>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let resumed = self.0.unpause(|page, now| match page.phase {
            Phase::Paused => {
                let pause_ms = page.unpause(now);
                let (sale, shown) = (self.0.index, (&*page).into());
                Ok((pause_ms, Record::Unpaused { sale, pause_ms, shown }))
            }
            Phase::Scheduled | Phase::Open => Err(None),
            Phase::Closed | Phase::Settled => Err(Some(Refusal::WrongState)),
        });
        self.0.turn_phase(self.0.shared.clock.now());
        self.turned(resumed)
    }

    /// Closes the drop for good, also before it opened. Live holds may be confirmed until they
    /// expire. Closing again gives the same answer.
    ///
    /// # Errors
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable).
    pub fn close(&self) -> Result<Pending<SaleView>, Refusal> {
        let _watch = self.0.shared.journal.pass(Class::Change)?;
        let closed = self.0.close();
        self.turned(closed)
    }

    /// The drop after a turn, or as it was before: durable with everything it shows.
    fn turned(&self, turned: Result<(), Option<Refusal>>) -> Result<Pending<SaleView>, Refusal> {
        if let Err(Some(refusal)) = turned {
            return Err(refusal);
        }
        Ok(self.shown())
    }

    /// The drop as it is now, durable with everything it shows.
    pub(crate) fn shown(&self) -> Pending<SaleView> {
        let (view, sequence) = self.view();
        Pending::new(&self.0.shared.journal, sequence, view)
    }
}

impl SaleCore {
    /// Opens or closes the drop if its instant has come. Cheap when nothing is due. A paused drop
    /// is closed by [`SaleCore::close_if_due`] alone: here a shard may be locked.
    pub(crate) fn turn_phase(&self, now: Timestamp) {
        let due = |phase| match phase {
            Phase::Scheduled => self.opens_at() <= now,
            Phase::Open => self.is_over(now),
            Phase::Paused | Phase::Closed | Phase::Settled => false,
        };
        while due(self.phase.get()) {
            // Two threads may come here; the second finds nothing due under the append lock.
            let _ = self.turn(now, |page| {
                if !due(page.phase) {
                    // Another thread turned it, or another drop has taken its place.
                    self.phase.set(page);
                    return Err(());
                }
                let sale = self.index;
                if page.phase == Phase::Scheduled {
                    page.phase = Phase::Open;
                    let _ = self.revealed.set(());
                    return Ok(Record::Opened { sale, shown: (&*page).into() });
                }
                page.phase = Phase::Closed;
                Ok(Record::Closed { sale, pause_ms: 0, shown: (&*page).into() })
            });
        }
    }

    /// Closes a paused drop whose closing instant has come.
    pub(crate) fn close_if_due(&self, now: Timestamp) {
        if self.phase.get() == Phase::Paused && self.is_over(now) {
            let _ = self.close();
        }
    }

    /// Whether the drop's closing instant has come.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.terms.closes_at().is_some_and(|closes_at| closes_at <= now)
    }

    fn close(&self) -> Result<(), Option<Refusal>> {
        self.unpause(|page, now| {
            if page.phase >= Phase::Closed {
                return Err(None);
            }
            let pause_ms = page.unpause(now);
            page.phase = Phase::Closed;
            let (sale, shown) = (self.index, (&*page).into());
            Ok((pause_ms, Record::Closed { sale, pause_ms, shown }))
        })
    }

    /// Appends a turn of the phase, and mirrors it in the same step.
    fn turn<E>(
        &self,
        now: Timestamp,
        turn: impl FnOnce(&mut Page) -> Result<Record<'static>, E>,
    ) -> Result<(), E> {
        let appended = self.shared.journal.append(now, Room::Own, |book, _| {
            let page = book.page_mut(self.index);
            let record = turn(page)?;
            self.phase.set(page);
            Ok::<_, E>(record)
        });
        appended.map(|_| ())
    }

    /// Likewise a turn that may end a pause, whose length it returns.
    fn unpause(
        &self,
        turn: impl FnOnce(&mut Page, Timestamp) -> Result<(u64, Record<'static>), Option<Refusal>>,
    ) -> Result<(), Option<Refusal>> {
        let mut line = self.basket.lock();
        let no_step = self.shared.making.lock();
        let now = self.shared.clock.now();
        let mut shards: Vec<_> = self.shards().collect();
        let mut paused_ms = 0;
        self.turn(now, |page| {
            let (pause_ms, record) = turn(page, now)?;
            paused_ms = pause_ms;
            Ok::<_, Option<Refusal>>(record)
        })?;
        if paused_ms > 0 && !planted(Fault::PauseNotGivenBack) {
            shards.iter_mut().for_each(|shard| Shard::unpaused(shard, paused_ms));
        }
        drop((shards, no_step));
        line.pass_over(i64::try_from(paused_ms).unwrap_or(i64::MAX));
        // First of all the line. What it cannot have yet it gets with the next look.
        let _ = self.serve(&mut line);
        Ok(())
    }
}
