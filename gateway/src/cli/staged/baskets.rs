//! What a crowd wants of a drop: baskets of its own goods, within its own rules.

use jangteo::{Campaign, Item, Stock};
use jangteo_loadtest::{Basket, Line};

/// Most lines of a basket.
const LINES_MAX: usize = 5;

/// One basket for each item of the campaign's only drop, beginning with that item. The more goods
/// there are, the more lines some baskets have. None has more than one customer may have.
pub(super) fn of(campaign: &Campaign) -> Vec<Basket> {
    let items: Vec<&Item> = campaign.items_in(1).collect();
    let basket = |first| basket(&items, first, campaign.rules.limit_per_customer);
    (0..items.len()).map(basket).collect()
}

fn basket(items: &[&Item], first: usize, limit: u32) -> Basket {
    let wanted = (1 + first % LINES_MAX).min(items.len());
    let mut left = most(limit);
    let (mut lines, mut may_lack_a_gift) = (Vec::new(), false);
    for (place, item) in items.iter().cycle().skip(first).take(wanted).enumerate() {
        // One or two of each, by turns.
        let wish = if (first + place).is_multiple_of(2) { 1 } else { 2 };
        let units = wish.min(most_of(item)).min(left);
        if units > 0 {
            left -= units;
            lines.push(Line { sku: item.sku.clone(), units });
            may_lack_a_gift |= item.gift.as_ref().is_some_and(|gift| gift.required);
        }
    }
    Basket { lines: lines.into(), may_lack_a_gift }
}

/// Most units of an item that one customer can have. Of one that has no stock yet one is asked for
/// all the same.
fn most_of(item: &Item) -> u32 {
    let stock = match item.stock {
        Stock::Units(units) => units.max(1),
        Stock::Unlimited => u32::MAX,
    };
    most(item.limit_per_customer).min(stock)
}

/// What a limit allows.
const fn most(limit: u32) -> u32 {
    if limit == 0 { u32::MAX } else { limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The baskets of a file's first drop, as `sku units` and so on.
    fn baskets(file: &str) -> Vec<Vec<(String, u32)>> {
        let campaign = Campaign::parse(file).unwrap();
        let moved = campaign.one_drop(1, jangteo::Timestamp::from_ms(1_800_000_000_000)).unwrap();
        let lines = |basket: Basket| -> Vec<(String, u32)> {
            basket.lines.iter().map(|line| (line.sku.clone(), line.units)).collect()
        };
        of(&moved).into_iter().map(lines).collect()
    }

    #[test]
    fn one_item_with_a_limit_of_one_is_wanted_once() {
        let found = baskets(include_str!("../../../../docs/campaigns/uroad-2020.toml"));
        assert_eq!(found, [[("onion-3kg".to_owned(), 1)]]);
    }

    #[test]
    fn baskets_keep_to_the_limits_and_reach_every_item() {
        for (file, limit, item_limit, items) in [
            (include_str!("../../../../docs/campaigns/live-market-2020.toml"), 60, 60, 60),
            (include_str!("../../../../docs/campaigns/street-coupons-2020.toml"), 3, 1, 4),
            (include_str!("../../../../docs/campaigns/performances-2020.toml"), 4, 1, 4),
            (include_str!("../../../../docs/campaigns/try-it.toml"), 2, 2, 2),
        ] {
            let found = baskets(file);
            assert_eq!(found.len(), items);
            for basket in &found {
                let units: u32 = basket.iter().map(|(_, units)| units).sum();
                assert!((1..=limit).contains(&units), "{basket:?}");
                assert!(basket.iter().all(|(_, units)| *units <= item_limit), "{basket:?}");
            }
            let firsts: std::collections::HashSet<_> = found.iter().map(|one| &one[0].0).collect();
            assert_eq!(firsts.len(), items);
            let most_lines = found.iter().map(Vec::len).max().unwrap();
            assert_eq!(most_lines, items.min(LINES_MAX).min(usize::try_from(limit).unwrap()));
        }
    }

    #[test]
    fn a_gift_that_must_come_may_be_what_is_lacking() {
        let file = include_str!("../../../../docs/campaigns/try-it.toml");
        let campaign = |file: &str| Campaign::parse(file).unwrap();
        assert!(!of(&campaign(file))[0].may_lack_a_gift);
        let required = file.replace("required = false", "required = true");
        assert!(of(&campaign(&required))[0].may_lack_a_gift);
    }
}
