//! One drop of a campaign, moved to another instant: for demonstrations and rehearsals.

use super::model::{Campaign, Stock};
use super::zone;
use crate::Timestamp;

impl Campaign {
    /// The drop with this number alone, as a one-off that opens at `opens_at`, rounded up to a
    /// whole second, and is otherwise the same; its drop is number 1. `None` if there is no such
    /// drop.
    ///
    /// Ledger rules settle by hand in it: their dates belong to the real schedule.
    #[must_use]
    pub fn one_drop(&self, number: u32, opens_at: Timestamp) -> Option<Self> {
        self.occurrences.iter().find(|occurrence| occurrence.number == number)?;
        let mut moved = self.clone();
        let opens_at = Timestamp::from_ms(opens_at.as_ms().next_multiple_of(1_000));
        moved.schedule.opens = zone::local(self.time_zone, opens_at);
        moved.schedule.repeats = None;
        moved.schedule.skip.clear();
        moved.schedule.closes_at = None;
        moved.items.retain(|item| item.is_in(number));
        for item in &mut moved.items {
            item.drops = None;
        }
        let given = |sku: &str| {
            let gift = |item: &super::Item| item.gift.as_ref().is_some_and(|gift| gift.sku == sku);
            moved.items.iter().any(gift)
        };
        moved.gifts.retain(|gift| given(&gift.sku));
        let tagged = |tag: &Option<String>| {
            let has = |tag: &String| moved.items.iter().any(|item| item.eligible.contains(tag));
            tag.as_ref().is_none_or(has)
        };
        moved.ledger.retain(|rule| tagged(&rule.eligible));
        for rule in &mut moved.ledger {
            rule.settles = None;
        }
        // Reading it back computes its instants, by the rules of any file.
        Self::parse_json(&moved.to_json()).ok()
    }

    /// Units of all limited items of the drop with this number.
    #[must_use]
    pub fn units_in(&self, number: u32) -> u64 {
        let units = |stock| if let Stock::Units(units) = stock { u64::from(units) } else { 0 };
        self.items_in(number).map(|item| units(item.stock)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_moves_with_its_goods() {
        let file = include_str!("../../../docs/campaigns/uroad-2020.toml");
        let campaign = Campaign::parse(file).unwrap();
        let moved = campaign.one_drop(3, Timestamp::from_ms(1_800_000_000_001)).unwrap();
        let [occurrence] = moved.occurrences()[..] else { panic!("one drop") };
        assert_eq!((occurrence.number, occurrence.opens_at.as_ms()), (1, 1_800_000_001_000));
        let goods = |campaign: &Campaign, number| -> Vec<String> {
            campaign.items_in(number).map(|item| item.sku.clone()).collect()
        };
        assert_eq!(goods(&moved, 1), goods(&campaign, 3));
        assert_eq!(moved.units_in(1), campaign.units_in(3));
        assert!(campaign.one_drop(9, Timestamp::default()).is_none());
    }
}
