//! One drop: its goods, its buyers, its phase. The way of a hold is in [`grant`](crate::grant), of
//! what follows in [`settle`](crate::settle) and [`refund`](crate::refund), of the drop itself in
//! [`lifecycle`](crate::lifecycle) and [`restock`](crate::restock).

use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use siphasher::sip::SipHasher13;

use crate::Timestamp;
use crate::book::{Book, Page};
use crate::buyers::{Shard, Sharded};
use crate::campaign::{Campaign, Occurrence, Rules};
use crate::clock::Clock;
use crate::goods::Goods;
use crate::hold::Hold;
use crate::ids::{HoldId, Slot};
use crate::journal::Journal;
use crate::limits::{HOLDS_LISTED_MAX, SHARDS};
use crate::line::Line;
use crate::pending::Pending;
use crate::phase::{Phase, PhaseMirror};
use crate::refusal::Refusal;
use crate::replay::Replayed;
use crate::terms::TermsCell;

/// What all sales of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) journal: Arc<Journal<Book>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Makes the random bits of ids: its key is new in every process and written nowhere.
    pub(crate) ids: SipHasher13,
    /// Held while shards are made, and while the engine follows a stepped clock.
    pub(crate) making: Mutex<()>,
}

/// A drop. Cheap to clone; any number of threads may use it at once.
///
/// Keep its [`Engine`](crate::Engine) for as long: without it everything that would change is
/// answered [`Unavailable`](Refusal::Unavailable).
///
/// It is called `Sale` because `Drop` is the standard library's.
#[derive(Clone)]
pub struct Sale(pub(crate) Arc<SaleCore>);

/// Aligned so that its owners are counted in a line of the cache of its own.
#[repr(align(128))]
pub(crate) struct SaleCore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: u32,
    id: Box<str>,
    /// As the drop was made; what can change since is in the terms.
    campaign: Arc<Campaign>,
    occurrence: Occurrence,
    /// Set once its contents could be seen: a clock that is put back hides nothing.
    pub(crate) revealed: OnceLock<()>,
    pub(crate) terms: TermsCell,
    pub(crate) goods: Goods,
    pub(crate) phase: PhaseMirror,
    /// The waiting line, and the mutex of whoever changes several stock words at once.
    pub(crate) basket: Mutex<Line>,
    /// Hashes customers and keys; its key is part of the campaign's record.
    pub(crate) names: SipHasher13,
    /// Made for the first request: a year's schedule of drops costs next to nothing until then.
    pub(crate) buyers: OnceLock<Sharded>,
    /// Shards whose rows are ready.
    warmed: Mutex<u8>,
    /// Set once its campaign is deleted.
    forgotten: OnceLock<()>,
}

impl Sale {
    pub(crate) fn new(shared: &Arc<Shared>, replayed: Replayed) -> Self {
        let Replayed {
            forgotten,
            index,
            id,
            campaign,
            occurrence,
            terms,
            names,
            mut goods,
            mut shards,
            page,
            ..
        } = replayed;
        goods.restock(&page.goods);
        let over = page.phase >= Phase::Closed;
        if !over {
            shards.iter_mut().for_each(|shard| shard.reserve(goods.rows_expected()));
        }
        let line = if over { Line::default() } else { Line::of(&shards, &goods) };
        let opened = !over && !page.awaits_opening();
        let made = (!shards.is_empty()).then(|| Sharded::of(shards, goods.holds_expected()));
        Self(Arc::new(SaleCore {
            shared: Arc::clone(shared),
            index,
            id,
            campaign,
            occurrence,
            revealed: if opened { OnceLock::from(()) } else { OnceLock::new() },
            terms: TermsCell::new(terms),
            goods,
            phase: PhaseMirror::new(&page),
            basket: Mutex::new(line),
            names,
            buyers: made.map_or_else(OnceLock::new, OnceLock::from),
            warmed: Mutex::new(0),
            forgotten: if forgotten { OnceLock::from(()) } else { OnceLock::new() },
        }))
    }

    /// `<campaign>-<occurrence>`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The campaign it belongs to, as it was put last.
    #[must_use]
    pub fn campaign(&self) -> Arc<Campaign> {
        self.0.terms.now().campaign
    }

    /// Id of the campaign it belongs to.
    #[must_use]
    pub fn campaign_id(&self) -> &str {
        &self.0.campaign.id
    }

    pub(crate) fn currency(&self) -> &str {
        &self.0.campaign.currency
    }

    /// When it opens.
    #[must_use]
    pub fn opens_at(&self) -> Timestamp {
        self.0.occurrence.opens_at
    }

    /// When it closes by itself.
    #[must_use]
    pub fn closes_at(&self) -> Option<Timestamp> {
        self.0.terms.closes_at()
    }

    /// Whether its contents are still secret: before its reveal, and not opened yet; also if it was
    /// closed or deleted before that. Once they are not, they never are again, for as long as the
    /// engine runs.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.is_sealed_if(self.0.phase.shows_nothing())
    }

    /// Likewise, if its opening has shown nothing.
    pub(crate) fn is_sealed_if(&self, shows_nothing: bool) -> bool {
        shows_nothing && !self.0.is_revealed(self.0.shared.clock.now())
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase.get()
    }

    /// The hold of that id, as it is now.
    ///
    /// # Errors
    /// [`Refusal::UnknownHold`].
    pub fn get(&self, id: &HoldId) -> Result<Pending<Hold>, Refusal> {
        let (shard, row) = self.locate(id)?;
        Ok(self.answer(&shard, row))
    }

    /// A customer's holds of any state, newest first, at most 100; durable when all of them are.
    pub fn find(&self, customer: &str) -> Pending<Vec<Hold>> {
        let hash = self.0.hash(customer);
        let index = self.0.shard_of(hash);
        let Some(shard) = self.0.shard_if_made(index) else {
            return Pending::new(&self.0.shared.journal, 0, Vec::new());
        };
        let buyer = shard.buyer(customer, hash).row;
        self.list(&shard, index, shard.holds_of(buyer))
    }

    /// The holds of these rows, as many as may be listed.
    pub(crate) fn list(
        &self,
        shard: &Shard,
        shard_index: u8,
        rows: impl Iterator<Item = u32>,
    ) -> Pending<Vec<Hold>> {
        let mut sequence = 0;
        let mut holds = Vec::new();
        for row in rows.take(HOLDS_LISTED_MAX) {
            sequence = sequence.max(shard.row(row).last_sequence);
            holds.push(self.view_row(shard, shard_index, row, u64::MAX));
        }
        Pending::new(&self.0.shared.journal, sequence, holds)
    }

    /// Locks the shard of a hold and finds its row.
    pub(crate) fn locate(&self, id: &HoldId) -> Result<(MutexGuard<'_, Shard>, u32), Refusal> {
        let known = id.sale() == self.0.index && usize::from(id.slot().shard) < SHARDS;
        if !known {
            return Err(Refusal::UnknownHold);
        }
        let shard = self.0.shard_if_made(id.slot().shard).ok_or(Refusal::UnknownHold)?;
        let row = shard.find(id.slot(), id.random()).ok_or(Refusal::UnknownHold)?;
        Ok((shard, row))
    }

    /// INVARIANT(J6): the answer about a hold is durable with the hold's last record.
    pub(crate) fn answer(&self, shard: &Shard, row: u32) -> Pending<Hold> {
        let sequence = shard.row(row).last_sequence;
        let shard_index = self.0.shard_of(shard.buyer_hash(row));
        let hold = self.view_row(shard, shard_index, row, u64::MAX);
        Pending::new(&self.0.shared.journal, sequence, hold)
    }

    /// The hold at `slot` as it is now, durable or not; but granted when that was said to have been
    /// at the record `sequence`: a step of the wall clock moves the grant of a live hold along with
    /// its deadline.
    pub(crate) fn at(&self, slot: Slot, sequence: u64) -> Option<Hold> {
        if usize::from(slot.shard) >= SHARDS {
            return None;
        }
        // Steps are recorded with all shards locked, so none comes between.
        let shard = self.0.shard_if_made(slot.shard)?;
        if slot.row as usize >= shard.rows() {
            return None;
        }
        let mut hold = self.view_row(&shard, slot.shard, slot.row, sequence);
        let after = shard.afterwards(slot.row).filter(|after| sequence <= after.ended);
        if let Some(late) = after.and_then(|after| after.late) {
            hold = hold.before(late);
        }
        let until = shard.ended(slot.row).unwrap_or(u64::MAX);
        let step_ms = self.0.shared.journal.read(|book, _| book.stepped(sequence, until));
        hold.created_at = hold.created_at.moved_ms(step_ms.saturating_neg());
        Some(hold)
    }

    /// The hold in that row, with its refunds up to the record `until`.
    pub(crate) fn view_row(&self, shard: &Shard, shard_index: u8, row: u32, until: u64) -> Hold {
        let slot = Slot { shard: shard_index, row };
        let id = HoldId::new(self.0.index, slot, shard.row(row).random);
        Hold::view(self, shard, id, until)
    }

    pub(crate) fn goods(&self) -> &Goods {
        &self.0.goods
    }

    /// The book's page, and the sequence it stands at.
    pub(crate) fn page(&self) -> (Page, u64) {
        self.0.shared.journal.read(|book, sequence| (book.page(self.0.index).clone(), sequence))
    }
}

impl SaleCore {
    #[inline]
    pub(crate) fn hash(&self, text: &str) -> u64 {
        self.names.hash(text.as_bytes())
    }

    /// Which shard a customer belongs to. Bits that neither of the tables' own uses looks at.
    #[inline]
    pub(crate) fn shard_of(&self, hash: u64) -> u8 {
        const { assert!(SHARDS.is_power_of_two() && SHARDS <= 256) };
        let [.., byte, _, _, _, _, _] = hash.to_be_bytes();
        byte & u8::try_from(SHARDS - 1).unwrap_or(u8::MAX)
    }

    /// A shard, made with all others where there are none yet.
    pub(crate) fn shard(&self, index: u8) -> MutexGuard<'_, Shard> {
        let buyers = self.buyers.get_or_init(|| {
            let _no_step = self.shared.making.lock();
            Sharded::empty(self.goods.holds_expected())
        });
        buyers.shard(index)
    }

    /// A shard, unless nobody was ever granted anything and nothing was made ready.
    #[inline]
    pub(crate) fn shard_if_made(&self, index: u8) -> Option<MutexGuard<'_, Shard>> {
        Some(self.buyers.get()?.shard(index))
    }

    /// All shards there are, locked one after another.
    pub(crate) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.buyers.get().into_iter().flat_map(Sharded::shards)
    }

    /// Whether its reveal has come, now or before.
    pub(crate) fn is_revealed(&self, now: Timestamp) -> bool {
        let revealed = self.revealed.get().is_some() || self.reveals_at() <= now;
        if revealed {
            let _ = self.revealed.set(());
        }
        revealed
    }

    /// Whether its campaign is deleted.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten.get().is_some()
    }

    /// IMPORTANT: only from inside the append that deletes its campaign.
    pub(crate) fn forget(&self) {
        let _ = self.forgotten.set(());
    }

    /// Whether an item has a limit of its own to count for.
    pub(crate) fn is_limited(&self, item: u16) -> bool {
        self.goods.get(item).limit != 0
    }

    /// Makes and touches rows for the whole stock before the crowd comes: those of one more shard,
    /// so that whoever keeps the time is not kept from it. Whether there was one left.
    pub(crate) fn warm_one(&self) -> bool {
        let mut warmed = self.warmed.lock();
        if usize::from(*warmed) == SHARDS {
            return false;
        }
        self.shard(*warmed).warm(self.goods.rows_expected());
        *warmed += 1;
        true
    }

    /// The rules that no file changes while the drop goes on.
    pub(crate) fn rules(&self) -> &Rules {
        &self.campaign.rules
    }

    /// Its number in the campaign.
    pub(crate) fn number(&self) -> u32 {
        self.occurrence.number
    }

    pub(crate) fn opens_at(&self) -> Timestamp {
        self.occurrence.opens_at
    }

    pub(crate) fn reveals_at(&self) -> Timestamp {
        self.occurrence.reveals_at
    }
}

impl fmt::Debug for Sale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sale").field(&self.id()).finish()
    }
}
