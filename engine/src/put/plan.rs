//! What a put comes to: which drops go on, which make way, which are new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Change, ChangeKind};
use crate::Timestamp;
use crate::book::Book;
use crate::campaign::{Campaign, Closing, Comparison, Occurrence};
use crate::catalogue::{CampaignRecord, Catalogue, Put};
use crate::engine::EngineCore;
use crate::error::Error;
use crate::journal::record::CAMPAIGN_RECORD_MAX;
use crate::limits::SALES_MAX;
use crate::phase::Phase;
use crate::replay::Replayed;
use crate::sale::Sale;

/// How much of a drop may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It may make way for another.
    Sealed,
    Fixed,
    /// Fixed, and nothing moves its closing any more.
    Closed,
}

/// A drop that is there, as it is recorded, and how it stands.
struct There {
    sale: Sale,
    occurrence: Occurrence,
    standing: Standing,
}

/// A drop that goes on.
pub(super) struct Kept {
    pub(super) sale: Sale,
    pub(super) closes_at: Option<Timestamp>,
    /// Everybody is shown the same as before.
    pub(super) same: bool,
}

/// See the module.
pub(super) struct Plan {
    pub(super) record: CampaignRecord,
    pub(super) json: String,
    /// Index of the first drop that is made.
    pub(super) first: u32,
    pub(super) made: Vec<Replayed>,
    pub(super) kept: Vec<Kept>,
    /// Drops that others take the place of, or none.
    pub(super) over: Vec<Sale>,
    /// By drop; empty if nothing becomes different.
    pub(super) changes: Vec<Change>,
    /// What all of it builds on.
    there: Vec<There>,
}

impl EngineCore {
    /// Compares a campaign with the one of its id that is recorded.
    pub(super) fn plan(
        &self,
        catalogue: &Catalogue,
        campaign: &Arc<Campaign>,
    ) -> Result<Plan, Error> {
        let first = u32::try_from(self.sales.read().len()).map_err(|_| Error::TooMany("drops"))?;
        let old = catalogue.get(&campaign.id);
        let there = old.map(|old| self.there(old)).unwrap_or_default();
        let mut occurrences = campaign.occurrences();
        let (mut kept, mut over) = (Vec::new(), Vec::new());
        let mut hash_key = None;
        if let Some(old) = old {
            let comparison = Comparison::of(&old.record.campaign, campaign);
            let is_closed = |one: &There| one.standing == Standing::Closed;
            let closed: BTreeSet<u32> =
                there.iter().filter(|one| is_closed(one)).map(There::number).collect();
            let all_closed = occurrences.iter().all(|one| closed.contains(&one.number));
            for one in &there {
                let closing = match (is_closed(one), all_closed) {
                    (false, _) => Closing::ToCome,
                    (true, false) => Closing::Passed,
                    (true, true) => Closing::Over,
                };
                match comparison.kept(&one.occurrence, closing) {
                    Ok(occurrence) => kept.push(one.kept(campaign, occurrence, &mut occurrences)),
                    Err(_) if one.standing == Standing::Sealed => over.push(one.sale.clone()),
                    Err(key) => {
                        return Err(Error::Conflict { drop: one.sale.id().to_owned(), key });
                    }
                }
            }
            hash_key = (!kept.is_empty()).then_some(old.record.hash_key);
        }
        let hash_key = hash_key.map_or_else(|| self.hash_key(first), Ok)?;
        let indices = kept.iter().map(|one| (one.sale.0.number(), one.sale.0.index)).collect();
        let campaign = Arc::clone(campaign);
        let record = CampaignRecord { campaign, occurrences, kept: indices, hash_key };
        let json = record.to_json();
        if json.len() > CAMPAIGN_RECORD_MAX {
            return Err(Error::TooMany("bytes in a campaign"));
        }
        let made = Replayed::drops_of(&record, first);
        if made.last().is_some_and(|last| last.index >= SALES_MAX) {
            return Err(Error::TooMany("drops"));
        }
        let areas = old.map(|old| &old.record.campaign.rules.areas);
        let same_areas = areas.is_none_or(|areas| *areas == record.campaign.rules.areas);
        let changes = changes(&made, &kept, &over, same_areas);
        Ok(Plan { record, json, first, made, kept, over, changes, there })
    }

    /// The drops of a campaign.
    fn there(&self, put: &Put) -> Vec<There> {
        let sales = self.sales.read();
        let drops: Vec<(Sale, Occurrence)> = put
            .record
            .drops(put.first)
            .filter_map(|drop| Some((sales.get(drop.index as usize)?.clone(), drop.occurrence)))
            .collect();
        let now = self.shared.clock.now();
        self.shared.journal.read(|book, _| {
            let there = drops.into_iter().map(|(sale, occurrence)| {
                let standing = Standing::of(book, &sale, &occurrence, now);
                There { sale, occurrence, standing }
            });
            there.collect()
        })
    }
}

impl Standing {
    fn of(book: &Book, sale: &Sale, occurrence: &Occurrence, now: Timestamp) -> Self {
        let page = book.page(sale.0.index);
        let is_over = occurrence.closes_at.is_some_and(|at| at <= now);
        match page.phase {
            _ if sale.is_sealed_if(page.awaits_opening()) => Self::Sealed,
            Phase::Closed | Phase::Settled => Self::Closed,
            _ if is_over => Self::Closed,
            _ => Self::Fixed,
        }
    }
}

impl There {
    const fn number(&self) -> u32 {
        self.occurrence.number
    }

    /// It goes on under `campaign` as `occurrence`, which takes its place among all.
    fn kept(
        &self,
        campaign: &Campaign,
        occurrence: Occurrence,
        occurrences: &mut [Occurrence],
    ) -> Kept {
        let closes_at = occurrence.closes_at;
        let place = occurrences.iter_mut().find(|one| one.number == occurrence.number);
        place.into_iter().for_each(|one| *one = occurrence);
        let same = self.sale.0.terms.show_as(campaign, closes_at);
        Kept { sale: self.sale.clone(), closes_at, same }
    }
}

impl Plan {
    /// The drop whose place another takes, if it does.
    pub(super) fn in_place_of(&self, drop: &Replayed) -> Option<u32> {
        let number = drop.occurrence.number;
        let same = self.over.iter().find(|sale| sale.0.number() == number);
        same.map(|sale| sale.0.index)
    }

    /// Whether every drop that was there stands as it did when this was planned.
    ///
    /// IMPORTANT: from inside the append that makes it so.
    pub(super) fn holds(&self, book: &Book, now: Timestamp) -> bool {
        self.there.iter().all(|There { sale, occurrence, standing }| {
            Standing::of(book, sale, occurrence, now) == *standing
        })
    }
}

/// What becomes of each drop, by number; nothing of those that stay as they are.
fn changes(made: &[Replayed], kept: &[Kept], over: &[Sale], same_areas: bool) -> Vec<Change> {
    let replaced: BTreeSet<u32> = over.iter().map(|sale| sale.0.number()).collect();
    let mut all = BTreeMap::new();
    for sale in over {
        all.insert(sale.0.number(), (sale.id(), ChangeKind::Removed));
    }
    for drop in made {
        let number = drop.occurrence.number;
        let again = replaced.contains(&number);
        let what = if again { ChangeKind::Replaced } else { ChangeKind::Added };
        all.insert(number, (&drop.id, what));
    }
    for one in kept.iter().filter(|one| !one.same || !same_areas) {
        all.insert(one.sale.0.number(), (one.sale.id(), ChangeKind::Changed));
    }
    let change = |(drop, what): (&str, ChangeKind)| Change { drop: drop.to_owned(), what };
    all.into_values().map(change).collect()
}
