//! Checks that concern several places of a file: names that refer to each other, occurrences that
//! exist, sums over a drop.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::model::{Item, LedgerRule, Occurrence};
use super::table::{Field, quoted};
use crate::Timestamp;
use crate::limits::{ITEMS_MAX, LEDGER_AMOUNTS_MAX};

/// What was met so far. Names are taken as written, so that a gift with a wrong price does not
/// also make its users wrong.
#[derive(Debug)]
pub(super) struct Cross<'a> {
    /// Numbers of the schedule and when its last drop closes, or opens if it has no end; none if
    /// the schedule is wrong.
    times: Option<(BTreeSet<u32>, Timestamp)>,
    /// The campaign is one that was recorded.
    recorded: bool,
    skus: HashMap<String, String>,
    gifts: HashSet<String>,
    gift_uses: Vec<(String, Field<'a>)>,
    tag_uses: Vec<(String, Field<'a>)>,
}

impl<'a> Cross<'a> {
    pub(super) fn new(occurrences: Option<&[Occurrence]>, recorded: bool) -> Self {
        let times = occurrences.and_then(|occurrences| {
            let numbers = occurrences.iter().map(|occurrence| occurrence.number).collect();
            let last = occurrences.last()?;
            Some((numbers, last.closes_at.unwrap_or(last.opens_at)))
        });
        Self {
            times,
            recorded,
            skus: HashMap::new(),
            gifts: HashSet::new(),
            gift_uses: Vec::new(),
            tag_uses: Vec::new(),
        }
    }

    /// Items and gifts share one name space: answers name both by SKU.
    pub(super) fn sku(&mut self, sku: &str, field: &Field<'a>) -> Option<()> {
        match self.skus.get(sku) {
            Some(first) => field.fault(format!("{} is already {first}", quoted(sku))),
            None => {
                self.skus.insert(sku.to_owned(), field.path().to_owned());
                Some(())
            }
        }
    }

    pub(super) fn gift(&mut self, sku: &str) {
        self.gifts.insert(sku.to_owned());
    }

    pub(super) fn gift_use(&mut self, sku: &str, field: &Field<'a>) {
        self.gift_uses.push((sku.to_owned(), field.clone()));
    }

    pub(super) fn tag_use(&mut self, tag: &str, field: &Field<'a>) {
        self.tag_uses.push((tag.to_owned(), field.clone()));
    }

    pub(super) fn drops(&self, drops: Vec<u32>, field: &Field<'_>) -> Option<Vec<u32>> {
        let Some((numbers, _)) = &self.times else { return Some(drops) };
        match drops.iter().find(|number| !numbers.contains(number)) {
            Some(number) => field.fault(format!("the schedule has no occurrence {number}")),
            None => Some(drops),
        }
    }

    pub(super) fn settles(&self, settles: Timestamp, field: &Field<'_>) -> Option<Timestamp> {
        match self.times {
            Some((_, last)) if settles < last && !self.recorded => {
                field.fault(format!("must not be before the last drop ends ({last})"))
            }
            _ => Some(settles),
        }
    }

    /// Bounds what one settlement has to say.
    pub(super) fn ledger(
        &self,
        rules: Vec<LedgerRule>,
        field: &Field<'_>,
    ) -> Option<Vec<LedgerRule>> {
        let drops = self.times.as_ref().map_or(0, |(numbers, _)| numbers.len());
        let amounts: usize = rules.iter().map(|rule| rule.beneficiaries.len() * drops).sum();
        if amounts > LEDGER_AMOUNTS_MAX {
            return field.fault(format!(
                "must not name more than {LEDGER_AMOUNTS_MAX} beneficiaries over all {drops} drops"
            ));
        }
        Some(rules)
    }

    /// What can only be told at the end of the file. `items` are none if one of them is wrong.
    pub(super) fn check(&self, items_field: Option<&Field<'_>>, items: Option<&[Item]>) {
        for (sku, field) in &self.gift_uses {
            if !self.gifts.contains(sku) {
                field.fault::<()>(format!("there is no gift {}", quoted(sku)));
            }
        }
        let Some((field, items)) = items_field.zip(items).filter(|(_, items)| !items.is_empty())
        else {
            return; // goods may follow later
        };
        let tags: HashSet<&str> =
            items.iter().flat_map(|item| &item.eligible).map(String::as_str).collect();
        for (tag, field) in &self.tag_uses {
            if !tags.contains(tag.as_str()) {
                field.fault::<()>(format!("no item is eligible for {}", quoted(tag)));
            }
        }
        if let Some((number, count)) = self.largest_drop(items)
            && count > ITEMS_MAX
        {
            let most = format!("at most {ITEMS_MAX} are possible");
            field.fault::<()>(format!("drop {number} has {count} items; {most}"));
        }
    }

    fn largest_drop(&self, items: &[Item]) -> Option<(u32, usize)> {
        let (numbers, _) = self.times.as_ref()?;
        let in_all = items.iter().filter(|item| item.drops.is_none()).count();
        let mut counts: BTreeMap<u32, usize> =
            numbers.iter().map(|number| (*number, in_all)).collect();
        for number in items.iter().flat_map(|item| item.drops.iter().flatten()) {
            *counts.entry(*number).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(number, count)| (*count, std::cmp::Reverse(*number)))
    }
}
