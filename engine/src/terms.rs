//! What a file may still change of a drop that goes on: titles, areas, a later closing. Everything
//! else of it is fixed with it.
//!
//! **Word**: the instant at which the drop closes by itself, in milliseconds; all ones: never.
//! **Rule**: written only inside the append of the campaign's record, so whoever reads it inside an
//! append reads what the journal says there. **Orderings**: relaxed; who reads an instant that is a
//! moment old is put right by the append.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::Timestamp;
use crate::campaign::Campaign;
use crate::sync::{AtomicU64, Ordering};

/// A drop's campaign as some file had it, and what it made of the drop.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The record that brought them; 0 for the one that made the drop.
    pub(crate) since: u64,
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) closes_at: Option<Timestamp>,
}

/// All terms a drop ever had, in order: what happened is told as it was then.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Number of the drop in its campaign.
    number: u32,
    /// Never empty.
    all: Vec<Terms>,
}

impl History {
    pub(crate) fn new(number: u32, campaign: Arc<Campaign>, closes_at: Option<Timestamp>) -> Self {
        Self { number, all: vec![Terms { since: 0, campaign, closes_at }] }
    }

    /// Goes on with other terms. Grows only if not everybody is shown the `same` as before.
    pub(crate) fn change(&mut self, terms: Terms, same: bool) {
        match self.all.last_mut() {
            Some(last) if same => last.campaign = terms.campaign,
            _ => self.all.push(terms),
        }
    }

    /// Whether everybody would be shown the same with these terms.
    pub(crate) fn show_as(&self, campaign: &Campaign, closes_at: Option<Timestamp>) -> bool {
        let (now, number) = (self.now(), self.number);
        now.closes_at == closes_at
            && now.campaign.title == campaign.title
            && titles(&now.campaign, number).eq(titles(campaign, number))
    }

    pub(crate) fn now(&self) -> &Terms {
        self.all.last().expect("there is always one")
    }

    /// The terms at the record `sequence`.
    fn at(&self, sequence: u64) -> &Terms {
        let then = self.all.iter().rev().find(|terms| terms.since <= sequence);
        then.unwrap_or_else(|| self.now())
    }
}

/// Titles of a drop's goods.
fn titles(campaign: &Campaign, number: u32) -> impl Iterator<Item = &String> {
    let items = campaign.items_in(number).map(|item| &item.title);
    items.chain(campaign.gifts.iter().map(|gift| &gift.title))
}

/// See the module.
#[derive(Debug)]
pub(crate) struct TermsCell {
    closes_at_ms: AtomicU64,
    history: RwLock<History>,
}

const NEVER: u64 = u64::MAX;

impl TermsCell {
    pub(crate) fn new(history: History) -> Self {
        let closes_at_ms = AtomicU64::new(word(history.now().closes_at));
        Self { closes_at_ms, history: RwLock::new(history) }
    }

    /// When the drop closes by itself.
    #[inline]
    pub(crate) fn closes_at(&self) -> Option<Timestamp> {
        let ms = self.closes_at_ms.load(Ordering::Relaxed);
        (ms != NEVER).then(|| Timestamp::from_ms(ms))
    }

    pub(crate) fn now(&self) -> Terms {
        self.history.read().now().clone()
    }

    /// The terms at the record `sequence`.
    pub(crate) fn at(&self, sequence: u64) -> Terms {
        self.history.read().at(sequence).clone()
    }

    /// See [`History::show_as`].
    pub(crate) fn show_as(&self, campaign: &Campaign, closes_at: Option<Timestamp>) -> bool {
        self.history.read().show_as(campaign, closes_at)
    }

    /// Whether an area is served that the campaign's first file does not name.
    #[cold]
    pub(crate) fn serve(&self, area: &str) -> bool {
        let history = self.history.read();
        let areas = &history.now().campaign.rules.areas;
        areas.as_ref().is_none_or(|areas| areas.iter().any(|one| one == area))
    }

    /// IMPORTANT: only from inside an append.
    pub(crate) fn change(&self, terms: Terms, same: bool) {
        self.closes_at_ms.store(word(terms.closes_at), Ordering::Relaxed);
        self.history.write().change(terms, same);
    }
}

fn word(closes_at: Option<Timestamp>) -> u64 {
    closes_at.map_or(NEVER, Timestamp::as_ms)
}
