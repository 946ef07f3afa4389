//! Campaigns as the journal remembers them: the file's content, and the instants it meant when it
//! was put. A newer time-zone table never moves a drop that was announced.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::campaign::{Campaign, Occurrence};

/// A campaign and its drops, as put.
#[derive(Clone, Debug)]
pub(crate) struct CampaignRecord {
    pub(crate) campaign: Campaign,
    pub(crate) occurrences: Vec<Occurrence>,
    /// Key of the hash that spreads this campaign's customers over their shards.
    pub(crate) hash_key: [u64; 2],
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
}

impl CampaignRecord {
    /// The indices of its drops, the first of them at `first`.
    pub(crate) fn indices(&self, first: u32) -> impl Iterator<Item = u32> + use<> {
        (first..).take(self.occurrences.len())
    }

    pub(crate) fn to_json(&self) -> String {
        let drop = |occurrence: &Occurrence| StoredDrop {
            number: occurrence.number,
            opens_at_ms: occurrence.opens_at.as_ms(),
            closes_at_ms: occurrence.closes_at.map(Timestamp::as_ms),
            reveals_at_ms: occurrence.reveals_at.as_ms(),
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
        let campaign = Campaign::parse_recorded(&stored.campaign).ok()?;
        let occurrence = |drop: &StoredDrop| Occurrence {
            number: drop.number,
            opens_at: Timestamp::from_ms(drop.opens_at_ms),
            closes_at: drop.closes_at_ms.map(Timestamp::from_ms),
            reveals_at: Timestamp::from_ms(drop.reveals_at_ms),
        };
        let occurrences = stored.drops.iter().map(occurrence).collect();
        Some(Self { campaign, occurrences, hash_key: stored.hash_key })
    }
}
