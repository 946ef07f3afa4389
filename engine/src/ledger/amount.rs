//! What follows from one order under one rule. Integers only: the order's amount is rounded down
//! once, and nothing of it is lost when it is shared out.

use std::cmp::Reverse;

use smallvec::SmallVec;

use crate::campaign::{LedgerRule, Rate, Share};

/// The amounts of a rule's beneficiaries, in the order of the file.
pub(super) type Amounts = SmallVec<[u64; 4]>;

/// What each beneficiary gets of an order on which `spend` counts for the rule.
pub(super) fn amounts(rule: &LedgerRule, spend: u64) -> Amounts {
    share_out(rule.rate.of(spend), &rule.beneficiaries)
}

/// Shares an amount out by largest remainder: everybody gets their share rounded down, and what is
/// left goes, one each, to those who lost most by that; among equals to the first in the file.
fn share_out(amount: u64, shares: &[Share]) -> Amounts {
    if let [_] = shares {
        return Amounts::from_slice(&[amount]);
    }
    let mut amounts: Amounts = shares.iter().map(|share| share.share.of(amount)).collect();
    let left = amount - amounts.iter().sum::<u64>();
    if left == 0 {
        return amounts;
    }
    let lost = |share: &Share| {
        let exact = u128::from(amount) * u128::from(share.share.numerator());
        exact % u128::from(Rate::DENOMINATOR)
    };
    let mut by_loss: SmallVec<[(Reverse<u128>, &mut u64); 4]> =
        shares.iter().map(|share| Reverse(lost(share))).zip(&mut amounts).collect();
    by_loss.sort_by_key(|(lost, _)| *lost); // a stable sort: equals stay in the order of the file
    for ((_, amount), _) in by_loss.iter_mut().zip(0..left) {
        **amount += 1;
    }
    drop(by_loss);
    amounts
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use super::*;
    use crate::campaign::Campaign;
    use crate::limits::AMOUNT_MAX;

    /// The rule of a file with these shares, in millionths of a percent.
    fn rule(rate: u32, shares: &[u32]) -> LedgerRule {
        let percent = |parts: u32| format!("{}.{:06}%", parts / 1_000_000, parts % 1_000_000);
        let shares = shares.iter().enumerate();
        let shares = shares.map(|(place, &parts)| {
            format!("{{ id = \"b{place}\", share = \"{}\" }}", percent(parts))
        });
        let text = format!(
            "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\ntime_zone = \"UTC\"\n\
             [schedule]\nopens = \"2020-04-29T10:00:00\"\n[[ledger]]\nkind = \"donation\"\n\
             beneficiary = [{}]\nrate = \"{}\"\n",
            shares.collect::<Vec<_>>().join(", "),
            percent(rate)
        );
        let campaign = Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
        campaign.ledger[0].clone()
    }

    /// The same by fractions over one denominator, one unit at a time: whoever is furthest below
    /// the exact share gets the next.
    fn by_fractions(rule: &LedgerRule, spend: u64) -> Vec<u64> {
        let whole = i128::from(Rate::DENOMINATOR);
        let exact = i128::from(spend) * i128::from(rule.rate.numerator());
        let amount = exact.div_euclid(whole);
        let exact: Vec<i128> = rule
            .beneficiaries
            .iter()
            .map(|share| amount * i128::from(share.share.numerator()))
            .collect();
        let mut given: Vec<i128> = exact.iter().map(|exact| exact.div_euclid(whole)).collect();
        while given.iter().sum::<i128>() < amount {
            let short = |place: usize| exact[place] - given[place] * whole;
            let mut most = 0;
            for place in 1..exact.len() {
                if short(place) > short(most) {
                    most = place;
                }
            }
            given[most] += 1;
        }
        given.iter().map(|&amount| u64::try_from(amount).unwrap()).collect()
    }

    fn check(rule: &LedgerRule, spend: u64) {
        let found = amounts(rule, spend);
        assert_eq!(found.as_slice(), by_fractions(rule, spend), "{rule:?} of {spend}");
        let exact = u128::from(spend) * u128::from(rule.rate.numerator());
        let amount = u128::from(found.iter().sum::<u64>());
        let over = amount * u128::from(Rate::DENOMINATOR);
        assert!(over <= exact && exact < over + u128::from(Rate::DENOMINATOR), "{rule:?}");
    }

    #[test]
    fn small_amounts_are_shared_out_as_fractions_say() {
        const WHOLE: u32 = Rate::DENOMINATOR;
        let thirds = [33_333_333, 33_333_333, 33_333_334];
        let sevenths = [14_285_714, 14_285_714, 14_285_714, 14_285_714, 14_285_714, 28_571_430];
        let lists: [&[u32]; 7] = [
            &[WHOLE],
            &[WHOLE / 2, WHOLE / 2],
            &[60_000_000, 40_000_000],
            &[1, WHOLE - 1],
            &thirds,
            &sevenths,
            &[25_000_000; 4],
        ];
        for rate in [1, 1_000_000, 33_333_333, WHOLE / 2, WHOLE - 1, WHOLE] {
            for shares in lists {
                let rule = rule(rate, shares);
                (0..=600).for_each(|spend| check(&rule, spend));
            }
        }
    }

    #[test]
    fn any_amount_is_shared_out_as_fractions_say() {
        let mut state = 7_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            (state >> 11) % bound
        };
        for _ in 0..300 {
            let mut left = Rate::DENOMINATOR;
            let mut shares = Vec::new();
            while left > 0 && shares.len() < 12 {
                let part = 1 + u32::try_from(below(u64::from(left))).unwrap();
                shares.push(part);
                left -= part;
            }
            *shares.last_mut().unwrap() += left;
            let rate = 1 + u32::try_from(below(u64::from(Rate::DENOMINATOR))).unwrap();
            let rule = rule(rate, &shares);
            for _ in 0..50 {
                let digits = 1 + below(53);
                check(&rule, below(1 << digits));
            }
            check(&rule, AMOUNT_MAX);
        }
    }

    #[test]
    fn equals_are_served_in_the_order_of_the_file() {
        let halves = rule(Rate::DENOMINATOR, &[50_000_000, 50_000_000]);
        assert_eq!(amounts(&halves, 3).as_slice(), [2, 1]);
        let quarters = rule(Rate::DENOMINATOR, &[25_000_000; 4]);
        assert_eq!(amounts(&quarters, 7).as_slice(), [2, 2, 2, 1]);
        assert_eq!(amounts(&quarters, 1).as_slice(), [1, 0, 0, 0]);
    }
}
