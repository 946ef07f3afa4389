//! What a drop's orders come to, by an arithmetic of its own: quotient and remainder apart, in 64
//! bits, and what is left over handed out one by one.

use super::terms::{Taken, Terms};
use crate::campaign::{LedgerRule, Rate};
use crate::journal::settlement::Sums;

const WHOLE: u64 = Rate::DENOMINATOR as u64;

/// Sums over the orders seen so far.
pub(super) struct Ledger<'t> {
    terms: &'t Terms,
    orders: u64,
    units: u64,
    spend: u64,
    back: u64,
    refunds: u64,
    /// By rule and beneficiary.
    accrued: Vec<Vec<u64>>,
}

impl<'t> Ledger<'t> {
    pub(super) fn new(terms: &'t Terms) -> Self {
        let accrued = terms.ledger.iter().map(|rule| vec![0; rule.beneficiaries.len()]).collect();
        Self { terms, orders: 0, units: 0, spend: 0, back: 0, refunds: 0, accrued }
    }

    /// One more order, of these lines; gifts cost nothing and count for nothing.
    pub(super) fn order(&mut self, lines: &[Taken]) {
        self.orders += 1;
        let mut counted = vec![0_u64; self.terms.ledger.len()];
        for line in lines {
            let Some(item) = self.terms.items.get(line.item) else { continue };
            self.units += line.units;
            self.back += line.back;
            self.spend = self.spend.saturating_add(item.price.saturating_mul(line.units));
            self.refunds = self.refunds.saturating_add(item.price.saturating_mul(line.back));
            for (rule, counted) in self.terms.ledger.iter().zip(&mut counted) {
                if rule.eligible.as_ref().is_none_or(|tag| item.eligible.contains(tag)) {
                    *counted += item.price.saturating_mul(line.units - line.back);
                }
            }
        }
        for ((rule, counted), sums) in self.terms.ledger.iter().zip(counted).zip(&mut self.accrued)
        {
            for (sum, amount) in sums.iter_mut().zip(shared(rule, counted)) {
                *sum += amount;
            }
        }
    }

    /// In what a settlement that says `said` is wrong.
    pub(super) fn differences(&self, said: &Sums) -> Vec<String> {
        let mut wrong = Vec::new();
        for (what, said, are) in [
            ("orders", said.orders, self.orders),
            ("units", said.units, self.units),
            ("refunded units", said.refunded_units, self.back),
            ("spend", said.spend, self.spend),
            ("refunds", said.refunds, self.refunds),
        ] {
            if said != are {
                wrong.push(format!("settled with {what} of {said}, not {are}"));
            }
        }
        let amounts: Vec<u64> = self.accrued.iter().flatten().copied().collect();
        if said.accrued.len() != amounts.len() {
            wrong.push(format!("{} amounts settled, not {}", said.accrued.len(), amounts.len()));
        }
        for (place, (said, is)) in said.accrued.iter().zip(&amounts).enumerate() {
            if said != is {
                wrong.push(format!("amount {} settled is {said}, not {is}", place + 1));
            }
        }
        wrong
    }
}

/// What each beneficiary gets of an order on which `spend` counts.
fn shared(rule: &LedgerRule, spend: u64) -> Vec<u64> {
    let (amount, _) = part(spend, rule.rate);
    let parts = rule.beneficiaries.iter().map(|share| part(amount, share.share));
    let (mut gets, mut lost): (Vec<u64>, Vec<u64>) = parts.unzip();
    let mut left = amount - gets.iter().sum::<u64>();
    while left > 0 {
        let most = lost.iter().copied().max().unwrap_or_default();
        let loser = lost.iter_mut().zip(&mut gets).find(|(lost, _)| **lost == most);
        let Some((lost, gets)) = loser else { break };
        (*lost, *gets) = (0, *gets + 1);
        left -= 1;
    }
    gets
}

/// A rate of an amount, rounded down, and what that lost in parts of the whole.
fn part(amount: u64, rate: Rate) -> (u64, u64) {
    let (hundreds, rest) = (amount / WHOLE, amount % WHOLE);
    let of_rest = rest * u64::from(rate.numerator());
    (hundreds * u64::from(rate.numerator()) + of_rest / WHOLE, of_rest % WHOLE)
}
