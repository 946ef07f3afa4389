//! What a drop promises, read from the campaign anew: what it sells, to whom, how long.

use crate::Timestamp;
use crate::campaign::{Campaign, LedgerRule, Occurrence, Stock};
use crate::journal::record::{Grant, Line};
use crate::limits::QUANTITY_MAX;

/// The rules that a drop's grants are held against.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) opens_at: Timestamp,
    pub(super) closes_at: Option<Timestamp>,
    pub(super) hold_ttl_ms: u64,
    /// Units one customer may have; 0: no limit.
    pub(super) limit: u64,
    areas: Option<Vec<String>>,
    auto_confirm: bool,
    pub(super) items: Vec<ItemTerms>,
    pub(super) ledger: Vec<LedgerRule>,
}

#[derive(Debug, PartialEq)]
pub(super) struct ItemTerms {
    pub(super) price: u64,
    /// Tags that ledger rules ask for.
    pub(super) eligible: Vec<String>,
    /// Units one customer may have; 0: no limit.
    pub(super) limit: u64,
    gift: Option<GiftTerms>,
}

/// A gift that joins each line of an item.
#[derive(Debug, PartialEq)]
struct GiftTerms {
    /// Its place among the drop's goods: items, then gifts.
    good: usize,
    quantity: u64,
    required: bool,
}

/// Units that one line of a hold takes.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) item: usize,
    pub(super) units: u64,
    /// How many of them came back.
    pub(super) back: u64,
    /// The gift that goes with the line: which good, and how many.
    pub(super) gift: Option<(usize, u64)>,
}

impl Taken {
    /// What it takes, from which goods.
    pub(super) fn moves(&self) -> impl Iterator<Item = (usize, u64)> + use<> {
        [Some((self.item, self.units)), self.gift].into_iter().flatten()
    }
}

/// A good's id and units.
pub(super) type Good = (String, Option<u32>);

impl Terms {
    /// The terms of one drop, and its goods: items, then gifts.
    pub(super) fn of(campaign: &Campaign, occurrence: &Occurrence) -> (Self, Vec<Good>) {
        let units = |stock| match stock {
            Stock::Units(units) => Some(units),
            Stock::Unlimited => None,
        };
        let sold_here: Vec<_> = campaign.items_in(occurrence.number).collect();
        let mut goods: Vec<Good> =
            sold_here.iter().map(|item| (item.sku.clone(), units(item.stock))).collect();
        goods.extend(campaign.gifts.iter().map(|gift| (gift.sku.clone(), units(gift.stock))));
        let items = sold_here.iter().map(|item| {
            let gift = item.gift.as_ref().and_then(|rule| {
                let place = campaign.gifts.iter().position(|gift| gift.sku == rule.sku)?;
                Some(GiftTerms {
                    good: sold_here.len() + place,
                    quantity: u64::from(rule.quantity),
                    required: rule.required,
                })
            });
            let (price, eligible) = (item.price, item.eligible.clone());
            ItemTerms { price, eligible, limit: u64::from(item.limit_per_customer), gift }
        });
        let terms = Self {
            opens_at: occurrence.opens_at,
            closes_at: occurrence.closes_at,
            hold_ttl_ms: campaign.rules.hold_ttl_ms,
            limit: u64::from(campaign.rules.limit_per_customer),
            areas: campaign.rules.areas.clone(),
            auto_confirm: campaign.rules.auto_confirm,
            items: items.collect(),
            ledger: campaign.ledger.clone(),
        };
        (terms, goods)
    }

    /// What of a drop that goes on a file may not change, and would.
    pub(super) fn broken_by(&self, after: &Self, closed: bool) -> Option<&'static str> {
        let later = match (self.closes_at, after.closes_at) {
            (Some(before), Some(after)) => before <= after,
            (before, after) => after.is_none() || before.is_some(),
        };
        let lost = |after: &Vec<String>| match &self.areas {
            Some(areas) => areas.iter().any(|area| !after.contains(area)),
            None => true,
        };
        [
            (self.opens_at != after.opens_at, "opening"),
            (!later || (closed && self.closes_at != after.closes_at), "closing"),
            (self.hold_ttl_ms != after.hold_ttl_ms, "time to live"),
            (self.limit != after.limit, "limit"),
            (self.auto_confirm != after.auto_confirm, "rule of confirming"),
            (after.areas.as_ref().is_some_and(lost), "areas"),
            (self.items != after.items, "items"),
        ]
        .into_iter()
        .find_map(|(broken, what)| broken.then_some(what))
    }

    /// Which units lines take, bit n of `gifts` telling whether line n got its gift.
    pub(super) fn taken(&self, lines: &[Line], gifts: u32) -> Vec<Taken> {
        let taken = |(place, line): (usize, &Line)| {
            let item = self.items.get(usize::from(line.item))?;
            let gift = item.gift.as_ref().filter(|_| has_gift(gifts, place));
            Some(Taken {
                item: line.item.into(),
                units: line.quantity.into(),
                back: 0,
                gift: gift.map(|gift| (gift.good, gift.quantity)),
            })
        };
        lines.iter().enumerate().filter_map(taken).collect()
    }

    /// The gift of a line of that item: which good, how many, and whether it is required.
    pub(super) fn gift_of(&self, item: usize) -> Option<(usize, u64, bool)> {
        let gift = self.items.get(item)?.gift.as_ref()?;
        Some((gift.good, gift.quantity, gift.required))
    }

    /// What lines cost.
    pub(super) fn price(&self, lines: &[Line]) -> u64 {
        let line = |line: &Line| {
            let price = self.items.get(usize::from(line.item)).map_or(0, |item| item.price);
            price.saturating_mul(u64::from(line.quantity))
        };
        lines.iter().map(line).fold(0, u64::saturating_add)
    }

    /// What about a grant, by itself, is not as the campaign says: rule and words.
    pub(super) fn faults(&self, at: Timestamp, grant: &Grant<'_>) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        self.line_faults(grant, &mut faults);
        self.gift_faults(&grant.lines, grant.gifts, &mut faults);
        // What the clock showed: the record's own time may be later, after a clock that was ahead.
        let granted_at = grant.expires_at.minus_ms(self.hold_ttl_ms);
        if self.closes_at.is_some_and(|closes_at| closes_at <= granted_at) {
            faults
                .push(("T1", format!("granted at {granted_at}, after the drop's closing instant")));
        }
        if grant.customer.is_empty() {
            faults.push(("line", "granted to nobody".to_owned()));
        }
        if self.areas.as_ref().is_some_and(|areas| !areas.iter().any(|area| area == grant.area)) {
            faults.push(("area", "granted to an area that is not served".to_owned()));
        }
        let at_once = self.auto_confirm && self.price(&grant.lines) == 0;
        if grant.confirmed != at_once {
            let how = if grant.confirmed { "confirmed as it was granted" } else { "not confirmed" };
            faults.push(("state", format!("{how}, against the drop's rule")));
        }
        if grant.expires_at > at.plus_ms(self.hold_ttl_ms) {
            let what = format!("due at {}, later than the time to live allows", grant.expires_at);
            faults.push(("deadline", what));
        }
        faults
    }

    fn line_faults(&self, grant: &Grant<'_>, faults: &mut Vec<(&'static str, String)>) {
        let mut seen = Vec::with_capacity(grant.lines.len());
        for line in &grant.lines {
            let (item, quantity) = (line.item, line.quantity);
            if usize::from(item) >= self.items.len() {
                faults.push(("line", format!("a line names good {item}, which is no item")));
            }
            if quantity == 0 || u32::from(quantity) > QUANTITY_MAX {
                faults.push(("line", format!("a line of {quantity} units")));
            }
            if seen.contains(&item) {
                faults.push(("line", format!("two lines of item {item}")));
            }
            seen.push(item);
        }
    }

    /// Gifts that nothing gives, and required ones that are not there.
    pub(super) fn gift_faults(
        &self,
        lines: &[Line],
        gifts: u32,
        faults: &mut Vec<(&'static str, String)>,
    ) {
        for place in 0..32 {
            let item = lines.get(place).map(|line| usize::from(line.item));
            let rule = item.and_then(|item| self.items.get(item)?.gift.as_ref());
            match (has_gift(gifts, place), rule) {
                (true, None) => {
                    let what = format!("line {} has a gift that nothing gives", place + 1);
                    faults.push(("gift", what));
                }
                (false, Some(gift)) if gift.required => {
                    faults.push(("gift", format!("line {} lacks its required gift", place + 1)));
                }
                _ => {}
            }
        }
    }
}

fn has_gift(gifts: u32, place: usize) -> bool {
    gifts & (1 << place) != 0
}
