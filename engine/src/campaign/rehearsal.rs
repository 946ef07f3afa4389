//! One drop of a campaign, moved to another instant: for demonstrations and rehearsals.

use super::model::{Campaign, Stock};
use super::zone;
use crate::Timestamp;

impl Campaign {
    /// The drop with this number alone, as a one-off that opens at `opens_at`, rounded up to a
    /// whole second, and is otherwise the same; its drop is number 1 and stays open for as long.
    /// `None` if there is no such drop, or if the zone's clocks show that instant a second time.
    ///
    /// Ledger rules settle by hand in it: their dates belong to the real schedule.
    #[must_use]
    pub fn one_drop(&self, number: u32, opens_at: Timestamp) -> Option<Self> {
        let real = *self.occurrences.iter().find(|occurrence| occurrence.number == number)?;
        let mut moved = self.clone();
        let opens_at = Timestamp::from_ms(opens_at.as_ms().next_multiple_of(1_000));
        moved.schedule.opens = zone::local(self.time_zone, opens_at);
        moved.schedule.repeats = None;
        moved.schedule.skip.clear();
        moved.schedule.closes_at = None;
        let open_ms = |at: Timestamp| at.as_ms().saturating_sub(real.opens_at.as_ms());
        moved.schedule.closes_after_ms = real.closes_at.map(open_ms);
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
        let moved = Self::parse_json(&moved.to_json()).ok()?;
        moved.occurrences.first().is_some_and(|drop| drop.opens_at == opens_at).then_some(moved)
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
        assert_eq!(moved.schedule.closes_after_ms, Some(6 * 86_400_000));
        assert!(campaign.one_drop(9, Timestamp::default()).is_none());
    }

    #[test]
    fn a_one_off_that_closes_at_an_instant_is_open_for_as_long() {
        let file = include_str!("../../../docs/campaigns/try-it.toml").replace(
            "opens = \"2026-01-01T10:00:00\"",
            "opens = \"2026-01-01T10:00:00\"\ncloses_at = \"2026-01-01T11:30:00\"",
        );
        let moved = Campaign::parse(&file).unwrap();
        let moved = moved.one_drop(1, Timestamp::from_ms(1_800_000_000_000)).unwrap();
        let closes_at = moved.occurrences[0].closes_at.unwrap();
        assert_eq!(closes_at.as_ms(), 1_800_000_000_000 + 90 * 60_000);
    }

    #[test]
    fn an_instant_that_the_clocks_show_twice_is_met_the_first_time_only() {
        let file = include_str!("../../../docs/campaigns/try-it.toml");
        let file = file.replace("Asia/Seoul", "Europe/Berlin");
        let campaign = Campaign::parse(&file).unwrap();
        // 25 October 2026, 02:30 in Berlin, in summer time and an hour later again.
        let first = 1_792_888_200_000;
        assert!(campaign.one_drop(1, Timestamp::from_ms(first)).is_some());
        assert!(campaign.one_drop(1, Timestamp::from_ms(first + 3_600_000)).is_none());
    }
}
