//! What a new file would change of a drop that is there: whether the drop can go on as it is
//! recorded, or which key stands against it.
//!
//! A drop goes on if the file only repeats what is recorded, changes titles, adds areas, or moves
//! its closing later. Lines name items by their place, so these keep their order too.

use std::collections::BTreeSet;

use serde_json::Value;

use super::model::{Campaign, Item, Occurrence};
use crate::Timestamp;

/// What a file that moves closings later means for a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It closes later.
    ToCome,
    /// Nothing: it is closed, and others of the file close later.
    Passed,
    /// It is refused: all drops of the file are closed, so nothing could come of it.
    Over,
}

/// Two campaigns of one id, compared once for all drops.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    old: &'a Campaign,
    new: &'a Campaign,
    /// The first key outside items and schedule that no drop can go on with.
    everywhere: Option<String>,
    /// Likewise of each item of the new file, beside the old one of its SKU.
    items: Vec<Option<String>>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn of(old: &'a Campaign, new: &'a Campaign) -> Self {
        let (before, after) = (tree(old), tree(new));
        let part = |pointer: &str, free: &[&str]| {
            let key = pointer.trim_start_matches('/').to_owned();
            let at = |tree: &'_ Value| tree.pointer(pointer).cloned().unwrap_or_default();
            difference(key, &at(&before), &at(&after), free)
        };
        let everywhere = part("/campaign", &["title"])
            .or_else(|| part("/rules", &["areas"]))
            .or_else(|| lost_areas(old, new))
            .or_else(|| part("/gifts", &["title"]))
            .or_else(|| part("/ledger", &[]));
        let items = new.items.iter().enumerate().map(|(place, item)| {
            let was = old.items.iter().find(|was| was.sku == item.sku)?;
            let free = ["title", "drops"];
            difference(format!("items[{place}]"), &tree(was), &tree(item), &free)
        });
        let items = items.collect();
        Self { old, new, everywhere, items }
    }

    /// When the drop recorded as `recorded` opens and closes from now on if it goes on; or the
    /// first key that stands against it.
    pub(crate) fn kept(
        &self,
        recorded: &Occurrence,
        closing: Closing,
    ) -> Result<Occurrence, String> {
        if let Some(key) = &self.everywhere {
            return Err(key.clone());
        }
        let occurrence = self.occurrence(recorded, closing)?;
        self.item_key(recorded.number).map_or(Ok(occurrence), Err)
    }

    /// What both files say of the occurrence is read with the same table of time zones: a newer one
    /// moves nothing that was announced.
    fn occurrence(&self, recorded: &Occurrence, closing: Closing) -> Result<Occurrence, String> {
        let number = recorded.number;
        let (old, new) = (&self.old.schedule, &self.new.schedule);
        let key = |name: &str| Err(format!("schedule.{name}"));
        let before = find(self.old, number).unwrap_or(*recorded);
        let Some(after) = find(self.new, number) else {
            let skipped = new.skip.contains(&number);
            return key(if skipped { "skip" } else { self.date_key() });
        };
        if after.opens_at != before.opens_at {
            return key(self.date_key());
        }
        if after.reveals_at != before.reveals_at {
            return key("reveal");
        }
        if after.closes_at == before.closes_at {
            return Ok(*recorded);
        }
        let is_later = |than: Option<Timestamp>| match (than, after.closes_at) {
            (Some(than), Some(at)) => than <= at,
            (than, at) => at.is_none() || than.is_some(),
        };
        let later = is_later(before.closes_at) && is_later(recorded.closes_at);
        if !later || closing == Closing::Over {
            let by_instant = old.closes_at != new.closes_at;
            return key(if by_instant { "closes_at" } else { "closes_after" });
        }
        Ok(match closing {
            Closing::ToCome => Occurrence { closes_at: after.closes_at, ..*recorded },
            Closing::Passed | Closing::Over => *recorded,
        })
    }

    /// The key by which an opening moved, or went.
    fn date_key(&self) -> &'static str {
        let (old, new) = (&self.old.schedule, &self.new.schedule);
        if old.opens == new.opens && old.repeats != new.repeats { "repeats" } else { "opens" }
    }

    /// The first key that the drop's items are not the same by.
    fn item_key(&self, number: u32) -> Option<String> {
        let mut old = sold_in(self.old, number);
        let mut new = sold_in(self.new, number);
        loop {
            match (old.next(), new.next()) {
                (None, None) => return None,
                (Some((_, was)), Some((place, item))) if was.sku == item.sku => {
                    if let Some(Some(key)) = self.items.get(place) {
                        return Some(key.clone());
                    }
                }
                (was, item) => {
                    let gone = was.and_then(|(place, was)| self.gone(place, was, number));
                    return gone.or_else(|| item.map(|(place, item)| self.come(place, item)));
                }
            }
        }
    }

    /// The key by which an item is not in the drop any more, if it is not.
    fn gone(&self, place: usize, was: &Item, number: u32) -> Option<String> {
        match self.new.items.iter().position(|item| item.sku == was.sku) {
            None => Some(format!("items[{place}].sku")),
            Some(place) => {
                let there = self.new.items.get(place).is_some_and(|item| item.is_in(number));
                (!there).then(|| format!("items[{place}].drops"))
            }
        }
    }

    /// The key by which an item is in the drop, or where it was not.
    fn come(&self, place: usize, item: &Item) -> String {
        let was = self.old.items.iter().find(|was| was.sku == item.sku);
        let name = if was.is_some_and(|was| was.drops != item.drops) { "drops" } else { "sku" };
        format!("items[{place}].{name}")
    }
}

/// A drop's items with their places in the file.
fn sold_in(campaign: &Campaign, number: u32) -> impl Iterator<Item = (usize, &Item)> {
    campaign.items.iter().enumerate().filter(move |(_, item)| item.is_in(number))
}

fn find(campaign: &Campaign, number: u32) -> Option<Occurrence> {
    campaign.occurrences.iter().find(|occurrence| occurrence.number == number).copied()
}

fn lost_areas(old: &Campaign, new: &Campaign) -> Option<String> {
    let kept = match (&old.rules.areas, &new.rules.areas) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(old), Some(new)) => old.iter().all(|area| new.contains(area)),
    };
    (!kept).then(|| "rules.areas".to_owned())
}

fn tree(part: &impl serde::Serialize) -> Value {
    serde_json::to_value(part).expect("texts and numbers always have a JSON form")
}

/// The first key that differs, but for members of these names.
fn difference(key: String, old: &Value, new: &Value, free: &[&str]) -> Option<String> {
    match (old, new) {
        _ if old == new => None,
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            names.into_iter().filter(|name| !free.contains(&name.as_str())).find_map(|name| {
                let (old, new) = (old.get(name), new.get(name));
                let null = &Value::Null;
                difference(format!("{key}.{name}"), old.unwrap_or(null), new.unwrap_or(null), free)
            })
        }
        (Value::Array(old), Value::Array(new)) => {
            (0..old.len().max(new.len())).find_map(|place| match (old.get(place), new.get(place)) {
                (Some(old), Some(new)) => difference(format!("{key}[{place}]"), old, new, free),
                _ => Some(format!("{key}[{place}]")),
            })
        }
        _ => Some(key),
    }
}
