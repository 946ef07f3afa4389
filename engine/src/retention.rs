//! What of the past is dropped: the oldest segment, once all in it is long over.
//!
//! # Rules
//!
//! 1. Only the oldest segment goes, one at a look, and its removal is durable before the next one
//!    goes. So what is kept is always the whole end of the journal. Before it, one behind it goes
//!    that was cut short in its first batch and has nothing that can be read: what is kept begins
//!    with a batch.
//! 2. It goes only while the two newest snapshots that can be read both go on behind it: a start
//!    needs nothing of it, also if the newest of them is damaged tomorrow.
//! 3. It goes only if every campaign with a record in it is over for good: deleted, or settled for
//!    longer than is to be kept. That must be durable.
//! 4. A campaign's record comes before all others of it, and indices of drops ascend. So of each
//!    campaign either everything is kept, or its first record is gone; what is left of such a one
//!    holds nothing back.
//!
//! Nothing is stored for this. The kept records are read as the event feed reads them, no further
//! than the oldest segment asks for, a bounded piece at each look: whom each segment speaks of, and
//! when campaigns were settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::Timestamp;
use crate::catalogue::CampaignRecord;
use crate::engine::{Engine, EngineCore};
use crate::error::Error;
use crate::fault::{Fault, planted};
use crate::journal::feed::{Feed, Located, NoFrame};
use crate::journal::record::Record;
use crate::journal::recover::{first_head, first_valid};
use crate::journal::settlement::Settlement;
use crate::journal::{FileName, Look, Storage, segments};
use crate::limits::{RETENTION_LOOK_MS, RETENTION_READ_BYTES, SNAPSHOTS_KEPT};
use crate::phase::Phase;
use crate::snapshot;

/// See the module.
#[derive(Debug)]
pub(crate) struct Retention {
    /// How long a settled campaign is kept, in milliseconds; `None`: for ever.
    settled_ms: Option<u64>,
    past: Mutex<Past>,
    /// What the last look failed for, if it did.
    failed: Mutex<Option<String>>,
}

/// The kept records, as far as they were read.
#[derive(Debug, Default)]
struct Past {
    /// Not before that is the next look.
    look_at: Timestamp,
    /// A removal may not be durable: nothing more is dropped.
    stopped: bool,
    feed: Option<Feed>,
    /// The first record that was not read; 0 before the first look.
    next: u64,
    /// Segments with records, in their order; the last one perhaps not to its end.
    segments: VecDeque<Spoken>,
    /// The first drop of the first campaign whose record is kept, among those that were read.
    first_drop: Option<u32>,
    /// The drop that the next campaign makes.
    next_drop: u32,
    /// When all rules of a drop were settled.
    settled_at: BTreeMap<u32, Timestamp>,
}

/// The drops that a segment speaks of.
#[derive(Debug)]
struct Spoken {
    segment: u64,
    drops: BTreeSet<u32>,
    /// The first drop that is made after it.
    next_drop: u32,
}

/// What is to become of the oldest segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Goes,
    Stays,
    /// More has to be read to tell.
    Unread,
}

impl Retention {
    pub(crate) fn new(settled: Option<Duration>) -> Self {
        let ms = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self { settled_ms: settled.map(ms), past: Mutex::default(), failed: Mutex::default() }
    }
}

impl Engine {
    /// Why the last look at what is [not to be kept](crate::Options::retain_settled) failed, if it
    /// did. Nothing is lost by that; more is kept than is wanted.
    #[must_use]
    pub fn retention_failure(&self) -> Option<String> {
        self.core().retention.failed.lock().clone()
    }
}

impl EngineCore {
    /// Drops the oldest segment if it may go. Does nothing until a while after the last look.
    pub(crate) fn drop_oldest_segment(&self) {
        let journal = &self.shared.journal;
        let (Some(kept_ms), Some(storage)) = (self.retention.settled_ms, journal.storage()) else {
            return;
        };
        let now = self.shared.clock.now();
        let Some(mut past) = self.retention.past.try_lock() else { return };
        // A look that lies further ahead was set before the clock was put back.
        let early = past.look_at.as_ms().saturating_sub(now.as_ms());
        if past.stopped || (1..=RETENTION_LOOK_MS).contains(&early) {
            return;
        }
        past.look_at = now.plus_ms(RETENTION_LOOK_MS);
        let looked = self.look(&mut past, storage, now.minus_ms(kept_ms));
        *self.retention.failed.lock() = looked.err().map(|error| error.to_string());
    }

    /// Looks at the oldest segment. `until`: what was settled later is kept.
    fn look(
        &self,
        past: &mut Past,
        storage: &Arc<dyn Storage>,
        until: Timestamp,
    ) -> Result<(), Error> {
        let files = segments(&**storage)?;
        let [oldest, next, ..] = files[..] else { return Ok(()) };
        // What is kept begins with a frame.
        for front in [oldest, next] {
            if first_head(&**storage, front)?.is_none() {
                return Self::drop_dead(past, &**storage, front, &files);
            }
        }
        let needed = if planted(Fault::OneSnapshotIsEnough) { 1 } else { SNAPSHOTS_KEPT };
        let beyond = snapshot::beyond(&**storage, oldest)?;
        if beyond.len() < needed {
            return Ok(());
        }
        let mut verdict = self.verdict(past, oldest, until);
        if verdict == Verdict::Unread {
            self.read_on(past, storage)?;
            verdict = self.verdict(past, oldest, until);
        }
        if verdict != Verdict::Goes {
            return Ok(());
        }
        let whole = beyond.into_iter().filter(|sequence| snapshot::is_whole(&**storage, *sequence));
        let journal = &self.shared.journal;
        let durable = || matches!(journal.wait(journal.last_sequence()), Look::Durable);
        if whole.take(needed).count() < needed || !durable() {
            return Ok(());
        }
        Self::remove(past, &**storage, oldest)
    }

    /// Drops `id`, whose first batch cannot be read, if nothing in it can and nothing will be
    /// written to it: a start went on behind it. Nobody was told of what was cut short there.
    fn drop_dead(
        past: &mut Past,
        storage: &dyn Storage,
        id: u64,
        files: &[u64],
    ) -> Result<(), Error> {
        let mut later = files.iter().filter(|later| **later > id);
        let went_on = later.try_fold(false, |went_on, later| {
            io::Result::Ok(went_on || first_head(storage, *later)?.is_some())
        })?;
        if went_on && first_valid(storage, id)?.is_none() {
            return Self::remove(past, storage, id);
        }
        Ok(())
    }

    fn remove(past: &mut Past, storage: &dyn Storage, id: u64) -> Result<(), Error> {
        // Until both are done: what came back with the loss of power may leave a hole behind it.
        past.stopped = true;
        storage.remove(FileName::Segment(id))?;
        if !planted(Fault::DropNotSynced) {
            storage.sync_directory()?;
        }
        past.stopped = false;
        Ok(())
    }

    /// INVARIANT(J3): nothing of a campaign that may go on is dropped.
    fn verdict(&self, past: &mut Past, oldest: u64, until: Timestamp) -> Verdict {
        past.forget_before(oldest);
        let spoken = past.segments.front().filter(|spoken| spoken.segment == oldest);
        let catalogue = self.catalogue.lock();
        let of = |drop: &u32| catalogue.became(*drop).filter(|put| put.deleted.is_none());
        let whole = spoken.into_iter().flat_map(|spoken| &spoken.drops);
        let live = whole.filter(|drop| past.is_kept(**drop)).filter_map(of);
        let mut drops: BTreeSet<u32> = live.flat_map(|put| put.indices()).collect();
        drop(catalogue);
        drops.retain(|drop| past.is_kept(*drop));
        let settled = self
            .shared
            .journal
            .read(|book, _| drops.iter().all(|drop| book.page(*drop).phase == Phase::Settled));
        let later = |drop: &u32| past.settled_at.get(drop).is_some_and(|at| *at > until);
        if planted(Fault::OpenCampaignDropped) {
            drops.clear();
        } else if !settled || drops.iter().any(later) {
            return Verdict::Stays;
        }
        let read_through = past.segments.back().is_some_and(|last| last.segment > oldest);
        let known = drops.iter().all(|drop| past.settled_at.contains_key(drop));
        if read_through && known { Verdict::Goes } else { Verdict::Unread }
    }

    /// Reads some more of what is durable.
    fn read_on(&self, past: &mut Past, storage: &Arc<dyn Storage>) -> Result<(), Error> {
        let feed = past.feed.take().unwrap_or_else(|| Feed::new(Arc::clone(storage)));
        let read = self.read_with(past, &feed);
        past.feed = Some(feed);
        read
    }

    fn read_with(&self, past: &mut Past, feed: &Feed) -> Result<(), Error> {
        if past.next == 0 {
            past.next = feed.first()?;
        }
        let durable = self.shared.journal.durable();
        let mut bytes = 0;
        while past.next <= durable && bytes < RETENTION_READ_BYTES {
            let loaded = feed.frame(past.next).map_err(|missing| match missing {
                NoFrame::Failed(error) => error,
                NoFrame::Gone { .. } => Error::Io(io::ErrorKind::NotFound.into()),
            })?;
            for located in loaded.records(past.next) {
                let located = located.map_err(|_| feed.corrupt(&loaded, UNREADABLE))?;
                let is_whole = |settlement: &Settlement| self.settles_all(settlement);
                past.see(&located, is_whole).map_err(|why| feed.corrupt(&loaded, why))?;
                bytes += located.bytes;
            }
            feed.done_with(&loaded);
        }
        Ok(())
    }

    /// Whether a settlement leaves no rule of its campaign.
    fn settles_all(&self, settlement: &Settlement) -> bool {
        let sales = self.sales.read();
        let of = |(index, _): &(u32, _)| sales.get(*index as usize).map(|sale| sale.campaign());
        settlement
            .drops
            .first()
            .and_then(of)
            .is_some_and(|campaign| campaign.ledger.len() == settlement.rules.len())
    }
}

const UNREADABLE: &str = "a record that cannot be read";

impl Past {
    /// Whether everything of a drop that was spoken of is kept, and not its end alone (rule 4).
    fn is_kept(&self, drop: u32) -> bool {
        self.first_drop.is_some_and(|first| drop >= first)
    }

    /// Lets go of segments that are not there any more.
    fn forget_before(&mut self, oldest: u64) {
        while let Some(gone) = self.segments.pop_front_if(|spoken| spoken.segment < oldest) {
            self.first_drop = self.first_drop.map(|first| first.max(gone.next_drop));
        }
        let first = self.first_drop.unwrap_or(0);
        self.settled_at = self.settled_at.split_off(&first);
    }

    /// Takes in the next record.
    fn see(
        &mut self,
        located: &Located<'_>,
        is_whole: impl Fn(&Settlement) -> bool,
    ) -> Result<(), &'static str> {
        let drops = match &located.record {
            Record::Resumed { .. } | Record::Stepped { .. } => Vec::new(),
            Record::Campaign { first_sale, json } => {
                let put = CampaignRecord::from_json(json).ok_or(UNREADABLE)?;
                self.first_drop.get_or_insert(*first_sale);
                let made = put.drops(*first_sale).filter(|drop| !drop.kept);
                self.next_drop = made.map(|drop| drop.index + 1).last().unwrap_or(*first_sale);
                put.drops(*first_sale).map(|drop| drop.index).collect()
            }
            Record::Settled { settlement, .. } => {
                let drops = settlement.drops.iter().map(|(drop, _)| *drop);
                if is_whole(settlement) {
                    self.settled_at.extend(drops.clone().map(|drop| (drop, located.at)));
                }
                drops.collect()
            }
            about_a_drop => vec![about_a_drop.sale()],
        };
        let (segment, next_drop) = (located.place.segment, self.next_drop);
        if self.segments.back().is_none_or(|last| last.segment != segment) {
            self.segments.push_back(Spoken { segment, drops: BTreeSet::new(), next_drop });
        }
        if let Some(last) = self.segments.back_mut() {
            last.drops.extend(drops);
            last.next_drop = next_drop;
        }
        self.next = located.sequence + 1;
        Ok(())
    }
}
