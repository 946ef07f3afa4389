//! The orders of one drop, summed up from their rows.

use std::ops::Range;

use smallvec::SmallVec;

use super::amount::{Amounts, amounts};
use crate::buyers::{HoldState, Shard};
use crate::campaign::{Campaign, LedgerRule};
use crate::fault::{Fault, planted};
use crate::journal::record::Line;
use crate::journal::settlement::Sums;
use crate::limits::{REPORT_ROWS, SHARDS};
use crate::sale::Sale;

/// What an order of a drop is held against: the prices of its items, and the rules they count for.
#[derive(Debug)]
pub(super) struct Counting {
    prices: Vec<u64>,
    rules: Vec<RuleHere>,
}

#[derive(Debug)]
struct RuleHere {
    rule: LedgerRule,
    /// For each item of the drop, whether it counts.
    counts: Vec<bool>,
}

/// One line of an order, as far as money goes.
#[derive(Clone, Copy, Debug)]
struct OrderLine {
    item: usize,
    price: u64,
    units: u64,
    /// Those of them that came back.
    refunded: u64,
}

/// The lines of one order.
type OrderLines = SmallVec<[OrderLine; 2]>;

/// What the orders of a drop come to, while they are added up.
#[derive(Debug)]
pub(super) struct Tally {
    /// All but the amounts.
    sums: Sums,
    /// For each beneficiary of each rule; wide, so that what was added can be taken off again.
    accrued: Vec<u128>,
}

impl Counting {
    /// Of drop `number` of `campaign`, under the rules of `ledger`.
    pub(super) fn of(ledger: &[LedgerRule], campaign: &Campaign, number: u32) -> Self {
        let counts = |rule: &LedgerRule| {
            let tagged =
                |tags: &[String]| rule.eligible.as_ref().is_none_or(|tag| tags.contains(tag));
            campaign.items_in(number).map(|item| tagged(&item.eligible)).collect()
        };
        let here = |rule: &LedgerRule| RuleHere { rule: rule.clone(), counts: counts(rule) };
        Self {
            prices: campaign.items_in(number).map(|item| item.price).collect(),
            rules: ledger.iter().map(here).collect(),
        }
    }

    /// No orders yet.
    pub(super) fn nothing(&self) -> Tally {
        let amounts = self.rules.iter().map(|here| here.rule.beneficiaries.len()).sum();
        Tally { sums: Sums::default(), accrued: vec![0; amounts] }
    }

    /// Adds the orders among some rows of a shard.
    fn add(&self, tally: &mut Tally, shard: &Shard, rows: Range<usize>) {
        let rows = shard.all().zip(0..).skip(rows.start).take(rows.len());
        for (hold, row) in rows.filter(|(hold, _)| is_order(hold.state())) {
            self.add_order(tally, &shard.lines(hold), &shard.kept(row));
        }
    }

    /// What one order comes to under each rule, for its beneficiaries together; nothing unless it
    /// is an order.
    pub(super) fn of_order(&self, shard: &Shard, row: u32) -> Option<Vec<u64>> {
        let hold = shard.row(row);
        let order = is_order(hold.state());
        let lines = order.then(|| self.lines(&shard.lines(hold), &shard.kept(row)))?;
        Some(self.rules.iter().map(|here| here.amounts(&lines).iter().sum()).collect())
    }

    fn lines(&self, bought: &[Line], kept: &[Line]) -> OrderLines {
        let line = |(bought, kept): (&Line, &Line)| {
            let item = usize::from(bought.item);
            let price = self.prices.get(item).copied().expect("a line names an item of its drop");
            let units = u64::from(bought.quantity);
            OrderLine { item, price, units, refunded: units - u64::from(kept.quantity) }
        };
        bought.iter().zip(kept).map(line).collect()
    }

    /// What an order comes to for each beneficiary of each rule.
    fn amounts(&self, lines: &OrderLines) -> impl Iterator<Item = u128> {
        self.rules.iter().flat_map(|here| here.amounts(lines)).map(u128::from)
    }

    /// Adds one order: what was bought, and what of it its customer still has, line by line.
    pub(super) fn add_order(&self, tally: &mut Tally, bought: &[Line], kept: &[Line]) {
        let lines = self.lines(bought, kept);
        let sums = &mut tally.sums;
        sums.orders += 1;
        for line in &lines {
            sums.units += line.units;
            sums.spend = sums.spend.saturating_add(line.price * line.units);
            sums.add_refund(line.price, line.refunded);
        }
        tally.accrued.iter_mut().zip(self.amounts(&lines)).for_each(|(sum, amount)| *sum += amount);
    }

    /// Something came back of an order that was added: what its customer had before, and has now.
    pub(super) fn add_refund(&self, tally: &mut Tally, bought: &[Line], kept: [&[Line]; 2]) {
        let [was, is] = kept.map(|kept| self.lines(bought, kept));
        for (was, is) in was.iter().zip(&is) {
            tally.sums.add_refund(is.price, is.refunded - was.refunded);
        }
        let amounts = self.amounts(&was).zip(self.amounts(&is));
        for (sum, (was, is)) in tally.accrued.iter_mut().zip(amounts) {
            *sum = *sum - was + is;
        }
    }
}

impl Sums {
    fn add_refund(&mut self, price: u64, units: u64) {
        self.refunded_units += units;
        self.refunds = self.refunds.saturating_add(price * units);
    }
}

impl Tally {
    pub(super) fn finish(self) -> Sums {
        let narrow = |sum| u64::try_from(sum).unwrap_or(u64::MAX);
        Sums { accrued: self.accrued.into_iter().map(narrow).collect(), ..self.sums }
    }
}

impl RuleHere {
    fn amounts(&self, lines: &OrderLines) -> Amounts {
        let counted = lines.iter().filter(|line| self.counts.get(line.item) == Some(&true));
        let spent = |line: &OrderLine| {
            let back = if planted(Fault::RefundKept) { 0 } else { line.refunded };
            line.price * (line.units - back)
        };
        if planted(Fault::RoundedByLine) {
            let mut all = amounts(&self.rule, 0);
            for line in counted {
                let of_line = amounts(&self.rule, spent(line));
                all.iter_mut().zip(of_line).for_each(|(sum, amount)| *sum += amount);
            }
            return all;
        }
        amounts(&self.rule, counted.map(spent).sum())
    }
}

/// Whether a hold in that state was ever confirmed.
pub(super) const fn is_order(state: HoldState) -> bool {
    matches!(state, HoldState::Confirmed | HoldState::Refunded)
}

impl Sale {
    /// What the drop's orders come to. Each order is taken as it is when its turn comes, some rows
    /// under one lock.
    pub(super) fn sums(&self, counting: &Counting) -> Sums {
        let mut tally = counting.nothing();
        for index in 0..SHARDS {
            let index = u8::try_from(index).expect("a slot names a shard in a byte");
            let mut from = 0;
            while let Some(shard) = self.0.shard_if_made(index)
                && from < shard.rows()
            {
                let to = shard.rows().min(from + REPORT_ROWS);
                counting.add(&mut tally, &shard, from..to);
                from = to;
            }
        }
        Sums { idle_unit_seconds: self.idle_unit_seconds(), ..tally.finish() }
    }
}
