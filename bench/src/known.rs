//! A hold as its client knows it: what is certain, and what may be instead.

use jangteo::{HoldId, HoldState};

use crate::command::{Answer, Customer, Key, Payment, Units};
use crate::plan::Plan;

/// A hold as its client knows it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub id: HoldId,
    /// Its number.
    pub number: u32,
    /// Whose.
    pub customer: Customer,
    /// The key it was granted under.
    pub key: Key,
    /// Units of items.
    pub lines: Units,
    /// Units of gifts.
    pub gifts: Units,
    /// Units of items that came back.
    pub back: Units,
    /// What may have come back besides: a refund whose answer never came.
    pub perhaps_back: Option<(u16, u32)>,
    /// What became of it.
    pub state: HoldState,
    /// What may have become of it instead: a change whose answer never came.
    pub perhaps: Option<(HoldState, Option<Payment>)>,
    /// What it was confirmed with.
    pub payment: Option<Payment>,
    /// When it was granted, ms: no earlier and no later.
    pub created_ms: (u64, u64),
    /// When it expires, ms: no earlier and no later.
    pub expires_ms: (u64, u64),
    /// Whether it was due at some moment, so that it may be over.
    pub was_due: bool,
    /// Whether the process that is alive has surely expired it.
    pub is_gone: bool,
    /// Its place among the live ones.
    pub(crate) live_at: Option<usize>,
}

impl Known {
    /// A hold just heard of.
    #[must_use]
    pub fn new(customer: Customer, key: Key, answer: &Answer) -> Self {
        Self {
            id: answer.id,
            number: answer.number,
            customer,
            key,
            lines: answer.lines.clone(),
            gifts: answer.gifts.clone(),
            back: answer.back.clone(),
            perhaps_back: None,
            state: answer.state,
            perhaps: None,
            payment: None,
            created_ms: (answer.created_ms, answer.created_ms),
            expires_ms: answer.expires_ms.map_or((u64::MAX, u64::MAX), |ms| (ms, ms)),
            was_due: false,
            is_gone: false,
            live_at: None,
        }
    }

    /// Whether it may have expired by `ms`.
    #[must_use]
    pub fn may_expire(&self, ms: u64) -> bool {
        self.state == HoldState::Held && (self.was_due || self.expires_ms.0 <= ms)
    }

    /// Whether it has expired, or may have by `ms`.
    #[must_use]
    pub fn may_be_over(&self, ms: u64) -> bool {
        self.state == HoldState::Expired || self.may_expire(ms)
    }

    /// Whether everything about it is known.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        self.perhaps.is_none() && self.perhaps_back.is_none() && !self.was_due
    }

    /// Shows that what is known of its times is exact.
    pub(crate) fn is_exact(&self, created_ms: u64, expires_ms: u64) -> bool {
        let exact = (created_ms, created_ms, expires_ms, expires_ms, false);
        let known = (self.created_ms.0, self.created_ms.1, self.expires_ms.0, self.expires_ms.1);
        (known.0, known.1, known.2, known.3, self.was_due) == exact
    }

    /// Whether it keeps its units.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self.state, HoldState::Held | HoldState::Confirmed)
    }

    /// Whether it may keep its units: it does, or a late payment was not answered.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        self.keeps() || self.perhaps.is_some_and(|(state, _)| state == HoldState::Confirmed)
    }

    /// Units of items that did not come back.
    #[must_use]
    pub fn left(&self) -> Units {
        let left = |&(item, units): &(u16, u32)| {
            let back = self.back.iter().find(|(other, _)| *other == item);
            (item, units - back.map_or(0, |(_, back)| *back))
        };
        self.lines.iter().map(left).filter(|(_, units)| *units > 0).collect()
    }

    /// The gift that came with the line of an item. Two lines that share a gift get different
    /// numbers of it in every plan of which single lines are refunded, so the sum tells who got
    /// his.
    #[must_use]
    pub fn gift_of(&self, plan: &Plan, item: u16) -> Option<(u16, u32)> {
        let gift = plan.good(item).gift?;
        let (_, all) = self.gifts.iter().find(|(good, _)| *good == gift.good)?;
        let rules = self.lines.iter().filter_map(|&(item, _)| plan.good(item).gift);
        let most: u32 = rules.filter(|rule| rule.good == gift.good).map(|rule| rule.quantity).sum();
        (*all == most || *all == gift.quantity).then_some((gift.good, gift.quantity))
    }

    /// Units of gifts that did not come back with the last unit of their line.
    #[must_use]
    pub fn gifts_left(&self, plan: &Plan) -> Units {
        if self.back.is_empty() {
            return self.gifts.clone();
        }
        let mut gifts = Units::new();
        for (good, units) in self.left().iter().filter_map(|&(item, _)| self.gift_of(plan, item)) {
            match gifts.iter_mut().find(|(other, _)| *other == good) {
                Some((_, all)) => *all += units,
                None => gifts.push((good, units)),
            }
        }
        gifts
    }

    /// Its units of items.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.left().iter().map(|&(_, units)| units).sum()
    }
}
