//! What is allowed but probably not meant.

use std::collections::BTreeMap;

use super::model::{Campaign, Item, Occurrence, Stock};
use crate::Timestamp;
use crate::limits::AMOUNT_MAX;

/// From this long before its opening a drop without items is warned about, in milliseconds.
const EMPTY_DROP_MS: u64 = 24 * 3_600_000;

impl Campaign {
    /// What is probably not meant, in words for the operator. `now` tells which drops are over,
    /// and which are near enough to need items.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_of_times(now, &mut warnings);
        self.warn_of_items(&mut warnings);
        self.warn_of_gifts(&mut warnings);
        warnings
    }

    fn warn_of_times(&self, now: Timestamp, warnings: &mut Vec<String>) {
        let over = |drop: &Occurrence| drop.closes_at.is_some_and(|closes_at| closes_at <= now);
        if self.occurrences.iter().all(over) {
            warnings.push("every drop is over".to_owned());
        }
        for drop in &self.occurrences {
            let near = now.plus_ms(EMPTY_DROP_MS) >= drop.opens_at && !over(drop);
            if near && self.items_in(drop.number).next().is_none() {
                warnings.push(format!(
                    "{} opens at {} and has no items",
                    self.drop_id(drop.number),
                    drop.opens_at
                ));
            }
        }
        let pairs = self.occurrences.iter().zip(self.occurrences.iter().skip(1));
        let overlaps = |(drop, next): &(&Occurrence, &Occurrence)| {
            drop.closes_at.is_none_or(|closes_at| closes_at > next.opens_at)
        };
        if let Some((drop, next)) = pairs.into_iter().find(overlaps) {
            let (drop, next) = (self.drop_id(drop.number), self.drop_id(next.number));
            warnings.push(format!("{drop} is still open when {next} opens"));
        }
    }

    fn warn_of_items(&self, warnings: &mut Vec<String>) {
        for item in &self.items {
            if item.list_price.is_some_and(|list_price| list_price < item.price) {
                warnings.push(format!("{} costs more than its list price", item.sku));
            }
        }
        let spend = |item: &Item| match item.stock {
            Stock::Units(units) => u128::from(units) * u128::from(item.price),
            Stock::Unlimited => 0,
        };
        let drops = self.occurrences.iter();
        let full: u128 =
            drops.map(|drop| self.items_in(drop.number).map(spend).sum::<u128>()).sum();
        if full > u128::from(AMOUNT_MAX) {
            warnings.push(format!("all units together cost {full}, more than JSON numbers hold"));
        }
    }

    fn warn_of_gifts(&self, warnings: &mut Vec<String>) {
        let mut short: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
        for drop in &self.occurrences {
            for (sku, wanted) in self.gifts_wanted(drop.number) {
                let most = short.entry(sku).or_insert((drop.number, wanted));
                if wanted > most.1 {
                    *most = (drop.number, wanted);
                }
            }
        }
        for gift in &self.gifts {
            match (short.get(gift.sku.as_str()), gift.stock) {
                (None, _) => warnings.push(format!("no drop has an item with gift {}", gift.sku)),
                (Some((number, wanted)), Stock::Units(stock)) if *wanted > u64::from(stock) => {
                    let wanted = match *wanted {
                        u64::MAX => "an unlimited number".to_owned(),
                        wanted => wanted.to_string(),
                    };
                    let drop = self.drop_id(*number);
                    let sku = &gift.sku;
                    warnings.push(format!("{drop} may need {wanted} of gift {sku}, has {stock}"));
                }
                _ => {}
            }
        }
    }

    /// How many of each gift a drop may need, if every unit is an order of its own.
    fn gifts_wanted(&self, number: u32) -> BTreeMap<&str, u64> {
        let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
        for item in self.items_in(number) {
            let Some(gift) = &item.gift else { continue };
            let pieces = match item.stock {
                Stock::Units(units) => u64::from(units) * u64::from(gift.quantity),
                Stock::Unlimited => u64::MAX,
            };
            let sum = wanted.entry(&gift.sku).or_default();
            *sum = sum.saturating_add(pieces);
        }
        wanted
    }
}
