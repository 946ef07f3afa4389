//! One drop by its records: plain maps and plain sums, every rule looked at on the way.

use std::collections::{HashMap, HashSet};

use super::drop_line::WaitingLine;
use super::history::{HoldHistory, HoldUnits};
use super::report::{Counted, DropAudit, Found, HoldAudit, HoldCounts, Units};
use super::terms::{Taken, Terms};
use crate::Timestamp;
use crate::campaign::{Campaign, Occurrence};
use crate::hold::HoldState;
use crate::ids::{HoldId, Slot};
use crate::journal::record::Grant;
use crate::limits::{GRACE_AFTER_RESTART_MS, SHARDS};
use crate::phase::Phase;

#[derive(Debug)]
pub(super) struct DropBook {
    index: u32,
    id: String,
    campaign: String,
    /// Whether a later put of the campaign took this drop's place, or deleted it.
    replaced: bool,
    pub(super) terms: Terms,
    pub(super) phase: Phase,
    /// Since when it is paused, and what it was before.
    pub(super) pause: Option<(Timestamp, Phase)>,
    /// Items, then gifts.
    pub(super) goods: Vec<Tally>,
    pub(super) holds: Vec<Entry>,
    by_slot: HashMap<Slot, usize>,
    /// Rows granted in each shard.
    rows: HashMap<u8, u32>,
    last_number: u32,
    customers: HashMap<Box<str>, u32>,
    /// Units held and sold, by customer, and by customer and item.
    pub(super) units: HashMap<u32, u64>,
    pub(super) units_of: HashMap<(u32, usize), u64>,
    pub(super) keys: HashSet<(u32, Box<str>)>,
    pub(super) line: WaitingLine,
    /// Names of refunds, by hold.
    pub(super) refunds: HashSet<(usize, Box<str>)>,
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) sku: String,
    pub(super) total: Option<u32>,
    pub(super) held: u64,
    pub(super) sold: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    id: HoldId,
    pub(super) number: u32,
    pub(super) customer: u32,
    key: Box<str>,
    pub(super) state: HoldState,
    granted_at: Timestamp,
    pub(super) due_at: Timestamp,
    /// What each line takes.
    pub(super) taken: Vec<Taken>,
    pub(super) price: u64,
}

impl Entry {
    /// Which goods it takes, and how many.
    pub(super) fn moves(&self) -> Vec<(usize, u64)> {
        self.taken.iter().flat_map(Taken::moves).collect()
    }
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Confirmed { paid: bool },
    Released,
    Expired { at: Timestamp },
}

impl DropBook {
    pub(super) fn new(index: u32, campaign: &Campaign, occurrence: &Occurrence) -> Self {
        let (terms, goods) = Terms::of(campaign, occurrence);
        let tally = |(sku, total)| Tally { sku, total, held: 0, sold: 0 };
        Self {
            index,
            id: format!("{}-{}", campaign.id, occurrence.number),
            campaign: campaign.id.clone(),
            replaced: false,
            terms,
            phase: Phase::Scheduled,
            pause: None,
            goods: goods.into_iter().map(tally).collect(),
            holds: Vec::new(),
            by_slot: HashMap::new(),
            rows: HashMap::new(),
            last_number: 0,
            customers: HashMap::new(),
            units: HashMap::new(),
            units_of: HashMap::new(),
            keys: HashSet::new(),
            line: WaitingLine::default(),
            refunds: HashSet::new(),
        }
    }

    pub(super) fn wrong(&self, found: &mut Found, rule: &'static str, what: String) {
        found.add(Some(&self.id), rule, what);
    }

    pub(super) fn is_current_of(&self, campaign: &str) -> bool {
        self.campaign == campaign && !self.replaced
    }

    pub(super) fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
    }

    /// Whether nothing was ever granted.
    pub(super) const fn is_untouched(&self) -> bool {
        self.holds.is_empty()
    }

    /// The drop is deleted, with everything that is known of its customers.
    pub(super) fn forget(&mut self) {
        (self.replaced, self.phase) = (true, Phase::Closed);
        self.holds = Vec::new();
        self.by_slot.clear();
        self.customers.clear();
        self.keys.clear();
    }

    pub(super) fn campaign(&self) -> &str {
        &self.campaign
    }

    pub(super) fn replaced(&mut self, found: &mut Found) {
        let from = self.pause.map_or(self.phase, |(_, from)| from);
        if from != Phase::Scheduled {
            self.wrong(found, "drop", format!("replaced while {}", self.phase.name()));
        }
        self.pause = None;
        self.replaced = true;
        self.phase = Phase::Closed;
    }

    /// Whether it is this drop, by its name.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// It takes the place of a drop that was paused, or not.
    pub(super) fn pause_like(&mut self, other: &Self) {
        (self.pause, self.phase) = (other.pause, other.phase);
    }

    /// The drop goes on under the campaign as it was put again.
    pub(super) fn goes_on(
        &mut self,
        campaign: &Campaign,
        occurrence: &Occurrence,
        found: &mut Found,
    ) {
        let (terms, goods) = Terms::of(campaign, occurrence);
        let same_goods = goods.iter().map(|(sku, _)| sku).eq(self.goods.iter().map(|one| &one.sku));
        let broken = self.terms.broken_by(&terms, self.phase == Phase::Closed);
        if let Some(what) = broken.or_else(|| (!same_goods).then_some("goods")) {
            self.wrong(found, "terms", format!("put again with another {what}"));
        }
        if self.replaced || self.id != format!("{}-{}", campaign.id, occurrence.number) {
            self.wrong(found, "drop", format!("goes on as {}", occurrence.number));
        }
        self.terms = terms;
    }

    pub(super) fn opened(&mut self, at: Timestamp, found: &mut Found) {
        if self.phase != Phase::Scheduled {
            self.wrong(found, "phase", format!("opened while {}", self.phase.name()));
        }
        if at < self.terms.opens_at {
            let what = format!("opened at {at}, before {}", self.terms.opens_at);
            self.wrong(found, "T1", what);
        }
        self.phase = Phase::Open;
    }

    pub(super) fn granted(&mut self, at: Timestamp, grant: &Grant<'_>, found: &mut Found) {
        if self.phase != Phase::Open {
            self.wrong(found, "T1", format!("granted while {}", self.phase.name()));
        }
        for (rule, what) in self.terms.faults(at, grant) {
            self.wrong(found, rule, format!("hold {}: {what}", grant.number));
        }
        self.number(grant, found);
        self.place(grant, found);
        match grant.wait {
            Some(row) => self.handed_over(row, grant, found),
            None => self.passes_by(grant.number, &grant.lines, found),
        }
        let customer = self.customer(grant.customer);
        let fresh = grant.key.is_empty() || self.keys.insert((customer, grant.key.into()));
        // The key of a wait is its hold's.
        if !fresh && grant.wait.is_none() {
            let what = format!("hold {}: granted under a key that has a hold", grant.number);
            self.wrong(found, "K1", what);
        }
        let taken = self.terms.taken(&grant.lines, grant.gifts);
        let moves: Vec<_> = taken.iter().flat_map(Taken::moves).collect();
        self.take(&moves, grant.confirmed, grant.number, found);
        self.limits(customer, &moves, grant.number, found);
        self.by_slot.insert(grant.slot, self.holds.len());
        self.holds.push(Entry {
            id: HoldId::new(self.index, grant.slot, grant.random),
            number: grant.number,
            customer,
            key: grant.key.into(),
            state: if grant.confirmed { HoldState::Confirmed } else { HoldState::Held },
            granted_at: grant.expires_at.minus_ms(self.terms.hold_ttl_ms),
            due_at: grant.expires_at,
            taken,
            price: self.terms.price(&grant.lines),
        });
    }

    /// A customer's number among those who were granted something, or wait.
    pub(super) fn customer(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.customers.len()).unwrap_or(u32::MAX);
        *self.customers.entry(name.into()).or_insert(next)
    }

    /// O1: 1, 2, 3 ... in the order of the journal.
    fn number(&mut self, grant: &Grant<'_>, found: &mut Found) {
        let expected = u64::from(self.last_number) + 1;
        if u64::from(grant.number) != expected {
            self.wrong(found, "O1", format!("number {}, not {expected}", grant.number));
        }
        self.last_number = grant.number;
    }

    /// A hold's id is its place: each is given once, and without a gap.
    fn place(&mut self, grant: &Grant<'_>, found: &mut Found) {
        let Slot { shard, row } = grant.slot;
        let rows = self.rows.entry(shard).or_default();
        let next = *rows;
        *rows = next.max(row.saturating_add(1));
        if self.by_slot.contains_key(&grant.slot) {
            let what = format!("hold {}: takes the place of an earlier hold", grant.number);
            self.wrong(found, "id", what);
        } else if row != next || usize::from(shard) >= SHARDS {
            let what = format!("hold {}: row {row} of shard {shard}, not {next}", grant.number);
            self.wrong(found, "id", what);
        }
    }

    /// S1: units held and sold never pass the total.
    pub(super) fn take(
        &mut self,
        moves: &[(usize, u64)],
        sold: bool,
        number: u32,
        found: &mut Found,
    ) {
        for &(good, units) in moves {
            let Some(tally) = self.goods.get_mut(good) else { continue };
            *if sold { &mut tally.sold } else { &mut tally.held } += units;
            let over = tally.units().oversold();
            if over > 0 {
                let what = format!("hold {number}: {over} units of {} too many", tally.sku);
                self.wrong(found, "S1", what);
            }
        }
    }

    /// C1: a customer's units held and sold never pass a limit.
    pub(super) fn limits(
        &mut self,
        customer: u32,
        moves: &[(usize, u64)],
        number: u32,
        found: &mut Found,
    ) {
        let mut over = Vec::new();
        for &(good, units) in moves {
            // Gifts count for no limit.
            let Some(item) = self.terms.items.get(good) else { continue };
            *self.units.entry(customer).or_default() += units;
            let of_item = self.units_of.entry((customer, good)).or_default();
            *of_item += units;
            if item.limit != 0 && *of_item > item.limit {
                over.push((*of_item, item.limit));
            }
        }
        let all = self.units.get(&customer).copied().unwrap_or_default();
        if self.terms.limit != 0 && all > self.terms.limit {
            over.push((all, self.terms.limit));
        }
        for (has, limit) in over {
            let what = format!("hold {number}: its customer has {has} units, of at most {limit}");
            self.wrong(found, "C1", what);
        }
    }

    /// The place of the hold at `slot`, which must be in that state to be changed `to` another.
    pub(super) fn place_in(
        &self,
        slot: Slot,
        state: HoldState,
        to: &str,
        found: &mut Found,
    ) -> Option<usize> {
        let place = self.by_slot.get(&slot).copied();
        let Some(hold) = place.and_then(|place| self.holds.get(place)) else {
            self.wrong(found, "state", format!("{to}: a hold that was never granted"));
            return None;
        };
        if hold.state != state {
            let what = format!("hold {}: {to}, though {}", hold.number, hold.state.name());
            self.wrong(found, "state", what);
            return None;
        }
        place
    }

    /// The live hold at `slot`.
    fn live(&mut self, slot: Slot, to: &str, found: &mut Found) -> Option<&mut Entry> {
        let place = self.place_in(slot, HoldState::Held, to, found)?;
        self.holds.get_mut(place)
    }

    pub(super) fn ended(&mut self, slot: Slot, end: End, found: &mut Found) {
        let state = match end {
            End::Confirmed { .. } => HoldState::Confirmed,
            End::Released => HoldState::Released,
            End::Expired { .. } => HoldState::Expired,
        };
        if state == HoldState::Expired && self.phase == Phase::Paused {
            self.wrong(found, "phase", "a hold expired while the drop was paused".to_owned());
        }
        let Some(hold) = self.live(slot, state.name(), found) else { return };
        hold.state = state;
        let (number, due_at, price) = (hold.number, hold.due_at, hold.price);
        let (customer, moves) = (hold.customer, hold.moves());
        match end {
            End::Expired { at } if at < due_at => {
                let what = format!("hold {number}: expired at {at}, before {due_at}");
                self.wrong(found, "deadline", what);
            }
            End::Confirmed { paid: false } if price > 0 => {
                self.wrong(found, "state", format!("hold {number}: confirmed without a payment"));
            }
            _ => {}
        }
        let sold = state == HoldState::Confirmed;
        for (good, units) in moves {
            let Some(tally) = self.goods.get_mut(good) else { continue };
            tally.held -= units;
            if sold {
                tally.sold += units;
            } else if good < self.terms.items.len() {
                *self.units.entry(customer).or_default() -= units;
                *self.units_of.entry((customer, good)).or_default() -= units;
            }
        }
    }

    /// A deadline moves later only, and to twice the time to live after the grant at most.
    pub(super) fn extended(
        &mut self,
        slot: Slot,
        at: Timestamp,
        due_at: Timestamp,
        found: &mut Found,
    ) {
        if self.phase >= Phase::Closed {
            self.wrong(found, "phase", "extended after the drop was closed".to_owned());
        }
        let ttl_ms = self.terms.hold_ttl_ms;
        let Some(hold) = self.live(slot, "extended", found) else { return };
        let latest = at.plus_ms(ttl_ms).min(hold.granted_at.plus_ms(2 * ttl_ms)).max(hold.due_at);
        let (number, before) = (hold.number, hold.due_at);
        hold.due_at = due_at;
        if due_at < before || due_at > latest {
            let what = format!("hold {number}: extended from {before} to {due_at}");
            self.wrong(found, "deadline", what);
        }
    }

    /// The wall clock was stepped: a live hold has as much time left as before.
    pub(super) fn stepped(&mut self, step_ms: i64) {
        for hold in self.holds.iter_mut().filter(|hold| hold.state == HoldState::Held) {
            hold.granted_at = hold.granted_at.moved_ms(step_ms);
            hold.due_at = hold.due_at.moved_ms(step_ms);
        }
        if let Some((since, _)) = &mut self.pause {
            *since = since.moved_ms(step_ms);
        }
    }

    /// The engine was started as the clock showed `now`: a live hold has a fair rest of its time.
    pub(super) fn resumed(&mut self, now: Timestamp) {
        // In a pause the hold's time stands still.
        let now = self.pause.map_or(now, |(since, _)| since);
        let fair = now.plus_ms(self.terms.hold_ttl_ms.min(GRACE_AFTER_RESTART_MS));
        for hold in self.holds.iter_mut().filter(|hold| hold.state == HoldState::Held) {
            hold.due_at = hold.due_at.max(fair);
        }
    }

    fn find(&self, id: HoldId) -> Option<&Entry> {
        let place = self.by_slot.get(&id.slot())?;
        self.holds.get(*place).filter(|hold| hold.id == id)
    }

    /// State and deadline of a hold.
    pub(super) fn hold(&self, id: HoldId) -> Option<(HoldState, Timestamp)> {
        self.find(id).map(|hold| (hold.state, hold.due_at))
    }

    /// What a hold is, without what happened to it.
    pub(super) fn history(&self, id: HoldId) -> Option<HoldHistory> {
        let hold = self.find(id)?;
        let units = hold.moves().into_iter().filter_map(|(good, quantity)| {
            let sku = self.goods.get(good)?.sku.clone();
            Some(HoldUnits { sku, quantity })
        });
        Some(HoldHistory {
            hold: id,
            drop: self.id.clone(),
            number: hold.number,
            units: units.collect(),
            ok: true,
            steps: Vec::new(),
        })
    }

    /// What the drop comes to; `None` if another took its place.
    pub(super) fn into_audit(self) -> Option<DropAudit> {
        if self.replaced {
            return None;
        }
        let names: HashMap<u32, Box<str>> =
            self.customers.into_iter().map(|(name, customer)| (customer, name)).collect();
        let mut holds = HoldCounts::default();
        let items = self.terms.items.len();
        let list = self.holds.into_iter().map(|hold| {
            holds.count(hold.state);
            HoldAudit {
                id: hold.id,
                number: hold.number,
                customer: names.get(&hold.customer).map(ToString::to_string).unwrap_or_default(),
                units: hold.taken.iter().map(|taken| taken.units).sum(),
                key: Some(hold.key.into_string()).filter(|key| !key.is_empty()),
                state: hold.state,
                granted_at: hold.granted_at,
            }
        });
        let list = list.collect();
        let mut goods = self.goods.iter().map(Tally::counted);
        let items = goods.by_ref().take(items).collect();
        let gifts = goods.collect();
        let orders = holds.orders();
        Some(DropAudit { id: self.id, phase: self.phase, items, gifts, holds, orders, list })
    }
}

impl Tally {
    pub(super) fn units(&self) -> Units {
        Units::of(self.total, self.held, self.sold)
    }

    fn counted(&self) -> Counted {
        Counted { sku: self.sku.clone(), total: self.total, units: self.units() }
    }
}
