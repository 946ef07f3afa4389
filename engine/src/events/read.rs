//! Records to events, one page at a time.

use std::fmt;
use std::sync::Arc;

use super::event::{Event, EventData, EventId, EventKind};
use crate::catalogue::CampaignRecord;
use crate::engine::Engine;
use crate::error::Error;
use crate::hold::{Hold, HoldState};
use crate::ids::Slot;
use crate::journal::feed::{Feed, Located, NoFrame};
use crate::journal::record::{BadRecord, Record, Shown};
use crate::journal::settlement::{Settled, Settlement, Sums};
use crate::ledger::{DropSums, Report};
use crate::limits::{EVENTS_MAX, EVENTS_PAGE_BYTES};
use crate::phase::Phase;
use crate::sale::Sale;
use crate::wait::WaitState;

/// Some events, in the order of the journal.
#[derive(Clone, Debug)]
pub struct Events {
    /// The events; perhaps none.
    pub list: Vec<Event>,
    /// Everything up to here was looked at: go on after it. Not before the last event's id.
    pub through: EventId,
    /// Whether more was durable after that as the page was made.
    pub more: bool,
}

/// Why there are no events.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventsError {
    /// The place asked for is older than what is kept, of another incarnation, or one that was
    /// never reached.
    Gone {
        /// The oldest place that is kept: ask without a place to begin there.
        first: EventId,
    },
    /// In [`Durability::Memory`](crate::Durability::Memory) nothing is kept, so there is no feed.
    NotKept,
    /// The journal cannot be read.
    Failed(Error),
}

/// Why a record cannot be: the journal is not one this engine wrote.
type Impossible = &'static str;

impl Engine {
    /// Events after `after`, or from the oldest that is kept on: at most `limit` (up to
    /// [`EVENTS_MAX`](crate::limits::EVENTS_MAX)), fewer where their records are long. Gapless, in
    /// order, and only what is as durable as the engine's [`Durability`](crate::Durability) says.
    ///
    /// Reads files, and so may wait for the disk.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let engine = jangteo::Engine::open(directory.path())?;
    /// let mut after = None;
    /// loop {
    ///     let page = engine.events(after, 100)?;
    ///     for event in &page.list {
    ///         println!("{} {}", event.id, event.kind.name());
    ///     }
    ///     after = Some(page.through);
    ///     if !page.more {
    ///         break; // or engine.events_ready(page.through).wait()?
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EventsError`].
    pub fn events(&self, after: Option<EventId>, limit: usize) -> Result<Events, EventsError> {
        let journal = &self.shared().journal;
        let (feed, incarnation) = journal.feed().ok_or(EventsError::NotKept)?;
        // INVARIANT(J6): nothing above the watermark is looked at.
        let durable = journal.durable();
        let id = |sequence| EventId { incarnation, sequence };
        let missing = |missing| match missing {
            NoFrame::Gone { first } => EventsError::Gone { first: id(first) },
            NoFrame::Failed(error) => EventsError::Failed(error),
        };
        let next = match after {
            None => feed.first()?,
            Some(after) if after.incarnation == incarnation && after.sequence <= durable => {
                after.sequence + 1
            }
            Some(_) => return Err(EventsError::Gone { first: id(feed.first()?) }),
        };
        let mut page = Page { engine: self, id: &id, limit: limit.clamp(1, EVENTS_MAX), next };
        let list = match page.read(feed, durable) {
            // The oldest segment was dropped a moment ago.
            Err(NoFrame::Gone { first }) if after.is_none() => {
                page.next = first;
                page.read(feed, durable)
            }
            read => read,
        };
        let list = list.map_err(missing)?;
        Ok(Events { list, through: id(page.next - 1), more: page.next <= durable })
    }

    /// Where the journal was found damaged as events were read since the start, if it was: file,
    /// byte and what. The sale goes on; the events that lie there cannot be read any more.
    #[must_use]
    pub fn events_damage(&self) -> Option<String> {
        self.shared().journal.feed()?.0.damage()
    }
}

struct Page<'a> {
    engine: &'a Engine,
    id: &'a dyn Fn(u64) -> EventId,
    limit: usize,
    /// The first sequence that was not looked at.
    next: u64,
}

impl Page<'_> {
    /// Reads on up to `durable`, or until the page is full.
    fn read(&mut self, feed: &Feed, durable: u64) -> Result<Vec<Event>, NoFrame> {
        let mut list = Vec::new();
        let mut bytes = 0;
        while self.next <= durable && list.len() < self.limit && bytes < EVENTS_PAGE_BYTES {
            let loaded = feed.frame(self.next)?;
            let corrupt = |why| NoFrame::Failed(feed.corrupt(&loaded, why));
            for located in loaded.records(self.next) {
                let bad = |BadRecord| corrupt("a record that cannot be read");
                let located = located.map_err(bad)?;
                list.extend(self.event(&located).map_err(corrupt)?);
                self.next = located.sequence + 1;
                bytes += located.bytes;
                if list.len() >= self.limit || bytes >= EVENTS_PAGE_BYTES {
                    break;
                }
            }
            if self.next > loaded.last_sequence() {
                feed.done_with(&loaded);
            }
        }
        Ok(list)
    }

    fn event(&self, located: &Located<'_>) -> Result<Option<Event>, Impossible> {
        let &Located { sequence, at, ref record, .. } = located;
        let what = self.what(located);
        // Looked at last, since it may have been deleted meanwhile.
        if self.is_forgotten(record) {
            return Ok(None);
        }
        Ok(what?.map(|(kind, data)| {
            let id = (self.id)(sequence);
            Event { id, kind, time: at, data }
        }))
    }

    fn what(&self, located: &Located<'_>) -> Result<Option<(EventKind, EventData)>, Impossible> {
        let &Located { sequence, at, ref record, .. } = located;
        let what = match record {
            Record::Resumed { .. } | Record::Stepped { .. } | Record::Deleted { .. } => {
                return Ok(None);
            }
            Record::Campaign { json, .. } => {
                let put =
                    CampaignRecord::from_json(json).ok_or("a campaign that cannot be read")?;
                (
                    EventKind::CampaignPut,
                    EventData::Campaign(Box::new(Arc::unwrap_or_clone(put.campaign))),
                )
            }
            Record::Opened { sale, shown } => {
                (EventKind::DropOpened, self.drop(*sale, located, shown)?)
            }
            Record::Closed { sale, shown, .. } => {
                (EventKind::DropClosed, self.drop(*sale, located, shown)?)
            }
            Record::Paused { sale, shown, .. } => {
                (EventKind::DropPaused, self.drop(*sale, located, shown)?)
            }
            Record::Unpaused { sale, shown, .. } => {
                (EventKind::DropResumed, self.drop(*sale, located, shown)?)
            }
            Record::Stocked { sale, shown, .. } => {
                (EventKind::DropStock, self.drop(*sale, located, shown)?)
            }
            Record::Granted { sale, grant } => {
                (EventKind::HoldGranted, hold(Hold::of_grant(&self.sale(*sale)?, grant)))
            }
            Record::Confirmed { sale, slot, payment }
            | Record::PaidLate { sale, slot, payment, .. } => {
                let left = self.hold(*sale, *slot, sequence)?;
                let left = left.left(HoldState::Confirmed, None, Some((at, payment)));
                (EventKind::HoldConfirmed, hold(left))
            }
            Record::Extended { sale, slot, expires_at } => {
                let left = self.hold(*sale, *slot, sequence)?;
                let left = left.left(HoldState::Held, Some(*expires_at), None);
                (EventKind::HoldExtended, hold(left))
            }
            Record::Released { sale, slot } => {
                let left = self.hold(*sale, *slot, sequence)?;
                (EventKind::HoldReleased, hold(left.left(HoldState::Released, None, None)))
            }
            Record::Expired { sale, slot } => {
                let left = self.hold(*sale, *slot, sequence)?;
                let due_at = left.expires_at; // nothing moves the deadline of a hold that is over
                (EventKind::HoldExpired, hold(left.left(HoldState::Expired, due_at, None)))
            }
            Record::Refunded { sale, refund } => {
                (EventKind::HoldRefunded, hold(self.hold(*sale, refund.slot, sequence)?))
            }
            Record::Waited { sale, join } => {
                let (state, place) = (WaitState::Waiting, Some(join.place));
                (EventKind::WaitJoined, self.wait(*sale, join.slot, state, place)?)
            }
            Record::Left { sale, slot } => {
                (EventKind::WaitLeft, self.wait(*sale, *slot, WaitState::Left, None)?)
            }
            Record::Settled { first_sale, settlement } => {
                let report = self.report(*first_sale, settlement)?;
                (EventKind::CampaignSettled, EventData::Report(Box::new(report)))
            }
        };
        Ok(Some(what))
    }

    /// Whether a record is about a drop whose campaign is deleted. What the campaign was is no
    /// secret.
    fn is_forgotten(&self, record: &Record<'_>) -> bool {
        let sale = match record {
            Record::Campaign { .. } => None,
            other => self.engine.sale_at(other.sale()),
        };
        sale.is_some_and(|sale| sale.0.is_forgotten())
    }

    /// The report right after a settlement, from its record alone.
    fn report(&self, first_sale: u32, settlement: &Settlement) -> Result<Report, Impossible> {
        let drop = |(index, sums): &(u32, Sums)| {
            let settled = Settled { rules: settlement.rules.clone(), sums: sums.clone() };
            let drop = self.sale(*index)?.id().to_owned();
            Ok(DropSums { drop, sums: sums.clone(), settled: Some(settled) })
        };
        let drops = settlement.drops.iter().map(drop).collect::<Result<Vec<_>, Impossible>>()?;
        Ok(Report::of(&self.sale(first_sale)?.campaign(), &drops))
    }

    fn sale(&self, index: u32) -> Result<Sale, Impossible> {
        self.engine.sale_at(index).ok_or("a drop that does not exist")
    }

    /// The drop as it was right after that record. Contents that were secret then are not told
    /// later.
    fn drop(
        &self,
        sale: u32,
        located: &Located<'_>,
        shown: &Shown,
    ) -> Result<EventData, Impossible> {
        let sale = self.sale(sale)?;
        let sealed = shown.phase != Phase::Open && located.at < sale.0.reveals_at();
        let known = shown.goods.len() == sale.goods().counts().len();
        let now = if known { None } else { Some(sale.page().0.goods) };
        let terms = sale.0.terms.at(located.sequence);
        let goods = now.as_deref().unwrap_or(&shown.goods);
        let view = sale.view_of(shown.phase, sealed, goods, &terms);
        Ok(EventData::Drop(Box::new(view)))
    }

    /// The wait at `slot`, as a record left it.
    fn wait(
        &self,
        sale: u32,
        slot: Slot,
        state: WaitState,
        place: Option<u32>,
    ) -> Result<EventData, Impossible> {
        let wait = self.sale(sale)?.wait_at(slot, state, place);
        Ok(EventData::Wait(Box::new(wait.ok_or("a wait that does not exist")?)))
    }

    /// The hold at `slot`, for what a record does not say of it.
    fn hold(&self, sale: u32, slot: Slot, sequence: u64) -> Result<Hold, Impossible> {
        self.sale(sale)?.at(slot, sequence).ok_or("a hold that does not exist")
    }
}

fn hold(hold: Hold) -> EventData {
    EventData::Hold(Box::new(hold))
}

impl From<Error> for EventsError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for EventsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { first } => write!(f, "what is kept begins with {first}"),
            Self::NotKept => f.write_str("without a journal there is no feed"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EventsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}
