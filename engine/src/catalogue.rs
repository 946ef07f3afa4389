//! Campaigns as the journal remembers them: the file's content, and the instants it meant when it
//! was put. A newer time-zone table never moves a drop that was announced.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::campaign::{Campaign, Occurrence};
use crate::ledger::Report;

/// A campaign and its drops, as put.
#[derive(Clone, Debug)]
pub(crate) struct CampaignRecord {
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) occurrences: Vec<Occurrence>,
    /// Occurrences whose drops go on from the campaign as it was before, with their indices.
    pub(crate) kept: BTreeMap<u32, u32>,
    /// Key of the hash that spreads this campaign's customers over their shards.
    pub(crate) hash_key: [u64; 2],
}

/// One drop of a campaign that was put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PutDrop {
    pub(crate) index: u32,
    pub(crate) occurrence: Occurrence,
    /// It was there before.
    pub(crate) kept: bool,
}

/// A campaign that was put.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    /// Index of the first drop that it made.
    pub(crate) first: u32,
    /// Its record, if drops went on with it; else 0.
    pub(crate) sequence: u64,
    /// No other took its place, and it was not deleted.
    pub(crate) current: bool,
    /// What was recorded as it was deleted.
    pub(crate) deleted: Option<DeletedRecord>,
    pub(crate) record: CampaignRecord,
}

impl Put {
    /// A current one, of the record `sequence`.
    pub(crate) fn new(sequence: u64, first: u32, record: CampaignRecord) -> Self {
        let sequence = if record.kept.is_empty() { 0 } else { sequence };
        Self { first, sequence, current: true, deleted: None, record }
    }

    /// The indices of its drops.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        self.record.drops(self.first).map(|drop| drop.index)
    }
}

/// Every campaign in the order they were put, those that were replaced too: each made drops, or
/// showed them in its way.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Vec<Put>);

impl Catalogue {
    pub(crate) fn all(&self) -> &[Put] {
        &self.0
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Put> {
        self.0.last_mut()
    }

    pub(crate) fn current(&self) -> impl Iterator<Item = &Put> {
        self.0.iter().filter(|put| put.current)
    }

    /// The campaign of that id.
    pub(crate) fn get(&self, id: &str) -> Option<&Put> {
        self.current().find(|put| put.record.campaign.id == id)
    }

    /// What became of the campaign that made the drop of that index: the put of its id that is
    /// current, or was deleted.
    pub(crate) fn became(&self, drop: u32) -> Option<&Put> {
        let made = self.0.partition_point(|put| put.first <= drop).checked_sub(1)?;
        let id = &self.0.get(made)?.record.campaign.id;
        let mut its = self.0.iter().skip(made).filter(|put| put.record.campaign.id == *id);
        its.find(|put| put.current || put.deleted.is_some())
    }

    /// What a deleted campaign of that id came to, the one that was deleted last.
    pub(crate) fn report_of_deleted(&self, id: &str) -> Option<&Report> {
        let deleted = self.0.iter().rev().filter_map(|put| put.deleted.as_ref());
        deleted.filter(|deleted| deleted.campaign == id).find_map(|it| it.report.as_ref())
    }

    /// Forgets a campaign, but for the places of its drops.
    pub(crate) fn delete(&mut self, deleted: DeletedRecord) {
        let its = |put: &&mut Put| put.current && put.record.campaign.id == deleted.campaign;
        if let Some(put) = self.0.iter_mut().find(its) {
            (put.current, put.deleted) = (false, Some(deleted));
        }
    }

    /// Adds one; a current one takes the place of another of its id.
    pub(crate) fn add(&mut self, put: Put) {
        let id = &put.record.campaign.id;
        let same = |old: &&mut Put| put.current && old.record.campaign.id == *id;
        self.0.iter_mut().filter(same).for_each(|old| old.current = false);
        self.0.push(put);
    }
}

/// A campaign that is deleted: what is left of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeletedRecord {
    pub(crate) campaign: String,
    /// What it came to.
    pub(crate) report: Option<Report>,
}

impl DeletedRecord {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts always serialise")
    }

    pub(crate) fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    campaign: String,
    drops: Vec<StoredDrop>,
    hash_key: [u64; 2],
}

#[derive(Serialize, Deserialize)]
struct StoredDrop {
    number: u32,
    opens_at_ms: u64,
    closes_at_ms: Option<u64>,
    reveals_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<u32>,
}

impl CampaignRecord {
    /// Its drops: those that were kept, and new ones from index `first` on.
    pub(crate) fn drops(&self, first: u32) -> impl Iterator<Item = PutDrop> {
        let mut next = first;
        self.occurrences.iter().map(move |&occurrence| {
            let kept = self.kept.get(&occurrence.number);
            let index = kept.copied().unwrap_or(next);
            next += u32::from(kept.is_none());
            PutDrop { index, occurrence, kept: kept.is_some() }
        })
    }

    /// Whether the drop of that index goes on.
    pub(crate) fn keeps(&self, index: u32) -> bool {
        self.kept.values().any(|kept| *kept == index)
    }

    pub(crate) fn to_json(&self) -> String {
        let drop = |occurrence: &Occurrence| StoredDrop {
            number: occurrence.number,
            opens_at_ms: occurrence.opens_at.as_ms(),
            closes_at_ms: occurrence.closes_at.map(Timestamp::as_ms),
            reveals_at_ms: occurrence.reveals_at.as_ms(),
            kept: self.kept.get(&occurrence.number).copied(),
        };
        let stored = Stored {
            campaign: self.campaign.to_json(),
            drops: self.occurrences.iter().map(drop).collect(),
            hash_key: self.hash_key,
        };
        serde_json::to_string(&stored).expect("numbers and texts always serialise")
    }

    pub(crate) fn from_json(json: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(json).ok()?;
        let occurrence = |drop: &StoredDrop| Occurrence {
            number: drop.number,
            opens_at: Timestamp::from_ms(drop.opens_at_ms),
            closes_at: drop.closes_at_ms.map(Timestamp::from_ms),
            reveals_at: Timestamp::from_ms(drop.reveals_at_ms),
        };
        let occurrences: Vec<Occurrence> = stored.drops.iter().map(occurrence).collect();
        let campaign = Campaign::parse_recorded(&stored.campaign, &occurrences).ok()?;
        let campaign = Arc::new(campaign);
        let kept = stored.drops.iter().filter_map(|drop| Some((drop.number, drop.kept?)));
        Some(Self { campaign, occurrences, kept: kept.collect(), hash_key: stored.hash_key })
    }
}
