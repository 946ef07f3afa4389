//! What the contract says of a hold that was over: a payment that comes late, and refunds.

use std::collections::BTreeMap;
use std::rc::Rc;

use jangteo::{HoldState, Phase};

use super::operation::Refunding;
use super::reference::{Held, No, Reference, summed};
use super::terms::ITEMS;

/// A refund that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    name: Option<u8>,
    /// Nothing was named: all that was left.
    all: bool,
    restock: bool,
    /// Units by item.
    lines: BTreeMap<usize, u32>,
}

impl Held {
    /// Units of an item that came back.
    pub(crate) fn came_back(&self, item: usize) -> u32 {
        self.backs.iter().filter_map(|back| back.lines.get(&item)).sum()
    }

    /// Units of an item that its customer still has.
    pub(crate) fn kept(&self, item: usize) -> u32 {
        self.lines.get(&item).map_or(0, |units| units - self.came_back(item))
    }

    /// Units of a gift that are with it: a line's comes back with the line's last unit.
    pub(crate) fn gives(&self, gift: usize) -> u32 {
        let mine = self.gifts.iter().filter(|(_, (which, _))| *which == gift);
        mine.filter(|(item, _)| self.kept(**item) > 0).map(|(_, (_, units))| units).sum()
    }
}

impl Reference {
    /// An expired hold is paid for: it gets what it had, if it still can.
    pub(super) fn pay_late(&mut self, hold: usize, payment: Option<&str>) -> Result<bool, No> {
        let old = Rc::clone(&self.holds[hold]);
        if payment.is_none() && self.total(&old.lines) > 0 {
            return Err(No::Plain("malformed"));
        }
        let expired = |_| No::Plain("expired");
        self.within_limits(old.ask.customer, &old.lines).map_err(expired)?;
        let gifts = self.take(&old.lines).map_err(expired)?;
        // In a pause nobody is served, and nobody is passed by.
        let over = self.phase >= Phase::Closed || self.is_over();
        if over || self.first_served().is_some() {
            return Err(No::Plain("expired"));
        }
        let confirmed_ms = (self.now_ms, self.latest_ms);
        let held = Rc::make_mut(&mut self.holds[hold]);
        (held.state, held.confirmed_ms, held.gifts) = (HoldState::Confirmed, confirmed_ms, gifts);
        held.payment = payment.map(str::to_owned);
        Ok(true)
    }

    /// Whether anything came back, or why not.
    pub(crate) fn refund(&mut self, hold: usize, refunding: &Refunding) -> Result<bool, No> {
        let asked = summed(&refunding.lines);
        if asked.keys().any(|&item| item >= ITEMS) {
            return Err(No::Plain("unknown_sku"));
        }
        let (name, all) = (refunding.name, asked.is_empty());
        let restock = refunding.restock.unwrap_or(self.terms.restock_refunds);
        let old = &self.holds[hold];
        if let Some(before) = old.backs.iter().find(|back| name.is_some() && back.name == name) {
            let same =
                before.restock == restock && before.all == all && (all || before.lines == asked);
            return if same { Ok(false) } else { Err(No::Plain("conflict")) };
        }
        match old.state {
            HoldState::Confirmed => {}
            HoldState::Refunded => return Ok(false),
            HoldState::Expired => return Err(No::Plain("expired")),
            _ => return Err(No::Plain("wrong_state")),
        }
        if asked.iter().any(|(&item, &units)| old.kept(item) < units) {
            return Err(No::Plain("wrong_state"));
        }
        let left = old.lines.keys().map(|&item| (item, old.kept(item)));
        let lines = if all { left.filter(|(_, units)| *units > 0).collect() } else { asked };
        let before = (0..self.totals.len()).map(|good| self.sold(good)).collect::<Vec<_>>();
        let refunded_ms = (self.now_ms, self.latest_ms);
        let held = Rc::make_mut(&mut self.holds[hold]);
        held.backs.push(Back { name, all, restock, lines });
        held.refunded_ms = refunded_ms;
        if held.lines.keys().all(|&item| held.kept(item) == 0) {
            held.state = HoldState::Refunded;
        }
        if !restock {
            for (good, before) in before.into_iter().enumerate() {
                let less = u32::try_from(before - self.sold(good)).expect("few");
                self.totals[good] = self.totals[good].map(|total| total - less);
            }
        }
        Ok(true)
    }

    /// Units sold of an item, or, after the items, of a gift.
    fn sold(&self, good: usize) -> u64 {
        let holds = self.holds.iter().filter(|held| held.state == HoldState::Confirmed);
        let of = |held: &Rc<Held>| match good.checked_sub(ITEMS) {
            None => held.kept(good),
            Some(gift) => held.gives(gift),
        };
        holds.map(|held| u64::from(of(held))).sum()
    }
}
