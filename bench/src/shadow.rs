//! What one client knows must be true, from the answers it got. Outcomes are *certain*, or
//! *uncertain* where an answer never came, until a later answer tells.

use std::collections::HashMap;
use std::sync::Arc;

use jangteo::{HoldId, HoldState};
use smallvec::SmallVec;

use crate::command::{Customer, Key, Payment, Units};
use crate::in_line::Places;
use crate::known::Known;
use crate::plan::Plan;

/// A grant, and when it was asked for and answered: for the order of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// Its number.
    pub number: u32,
    /// When it was asked for, ns.
    pub sent_ns: u64,
    /// When it was answered, ns.
    pub answered_ns: u64,
}

/// What one client knows.
#[derive(Debug)]
pub struct Shadow {
    plan: Arc<Plan>,
    holds: Vec<Known>,
    by_id: HashMap<HoldId, u32>,
    by_key: HashMap<(Customer, Key), u32>,
    by_customer: HashMap<Customer, SmallVec<[u32; 2]>>,
    live: Vec<u32>,
    /// Requests that may have been granted although no answer said so.
    unanswered: HashMap<(Customer, Key), Units>,
    /// Places in the line.
    pub places: Places,
    /// Units in all of each good, as they were set last.
    pub totals: Vec<Option<u32>>,
    /// Fresh grants in the order of this client's asking.
    pub granted: Vec<Granted>,
    /// For each request that found too few: when the last one like it was sent, ns.
    pub refused: HashMap<Units, u64>,
    /// For each gift that a grant went without: when the last such grant was asked for, ns.
    pub ungiven: HashMap<(u16, u32), u64>,
    /// When the last give-back (or passing of time) was answered, ns.
    pub gave_back_ns: u64,
    /// Commands answered.
    pub operations: u64,
    /// Grants, confirms, releases and extensions among them, and expiries caused.
    pub changes: u64,
    /// Baskets that took something and had to put it back, where that is known.
    pub undone: u64,
}

impl Shadow {
    /// A client that knows nothing yet.
    #[must_use]
    pub fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            holds: Vec::new(),
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            by_customer: HashMap::new(),
            live: Vec::new(),
            unanswered: HashMap::new(),
            places: Places::default(),
            totals: plan.goods.iter().map(|good| good.units).collect(),
            granted: Vec::new(),
            refused: HashMap::new(),
            ungiven: HashMap::new(),
            gave_back_ns: 0,
            operations: 0,
            changes: 0,
            undone: 0,
        }
    }

    /// The plan it plays.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All holds it heard of, in the order of hearing.
    #[must_use]
    pub fn holds(&self) -> &[Known] {
        &self.holds
    }

    fn at(&self, place: u32) -> &Known {
        self.holds.get(place as usize).expect("what was heard of stays")
    }

    fn at_mut(&mut self, place: u32) -> &mut Known {
        self.holds.get_mut(place as usize).expect("what was heard of stays")
    }

    /// The hold of that id.
    #[must_use]
    pub fn by_id(&self, id: HoldId) -> Option<&Known> {
        self.by_id.get(&id).map(|&place| self.at(place))
    }

    /// The hold under that key.
    #[must_use]
    pub fn by_key(&self, customer: Customer, key: Key) -> Option<&Known> {
        self.by_key.get(&(customer, key)).map(|&place| self.at(place))
    }

    /// A customer's holds, newest first.
    pub fn of(&self, customer: Customer) -> impl Iterator<Item = &Known> {
        let places = self.by_customer.get(&customer);
        places.into_iter().flat_map(|places| places.iter().rev()).map(|&place| self.at(place))
    }

    /// Holds that are held as far as it knows.
    pub fn live(&self) -> impl Iterator<Item = &Known> {
        self.live.iter().map(|&place| self.at(place))
    }

    /// How many those are.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// One of them.
    #[must_use]
    pub fn live_at(&self, place: usize) -> Option<&Known> {
        self.live.get(place).map(|&place| self.at(place))
    }

    /// Units that a customer surely has, and may have, at `ms`.
    #[must_use]
    pub fn units(&self, customer: Customer, ms: u64) -> (u32, u32) {
        let mut units = (0, 0);
        for known in self.of(customer).filter(|known| known.may_keep()) {
            units.1 += known.units();
            let may_be_free = known.perhaps.is_some_and(|(state, _)| {
                matches!(state, HoldState::Released | HoldState::Refunded)
            });
            if known.keeps() && !known.may_expire(ms) && !may_be_free {
                let less = known.perhaps_back.map_or(0, |(_, units)| units);
                units.0 += known.units().saturating_sub(less);
            }
        }
        let open = self.unanswered.iter().chain(self.places.open());
        for lines in open.filter(|((other, _), _)| *other == customer) {
            units.1 += lines.1.iter().map(|&(_, units)| units).sum::<u32>();
        }
        units
    }

    /// Whether a request under that key may have been granted unheard.
    #[must_use]
    pub fn is_unanswered(&self, customer: Customer, key: Key) -> bool {
        self.unanswered.contains_key(&(customer, key)) || self.places.is_open(customer, key)
    }

    /// Whether nothing was left open about a customer's requests.
    #[must_use]
    pub fn is_settled(&self, customer: Customer) -> bool {
        let open = self.unanswered.iter().chain(self.places.open());
        open.map(|((other, _), _)| other).all(|other| *other != customer)
    }

    /// Requests that may have been granted unheard.
    pub fn unanswered(&self) -> impl Iterator<Item = (&(Customer, Key), &Units)> {
        self.unanswered.iter()
    }

    /// A request under a key had no answer that tells.
    pub fn leave_open(&mut self, customer: Customer, key: Key, lines: Units) {
        self.unanswered.insert((customer, key), lines);
    }

    /// A request that had no answer was answered after all.
    pub fn settle_open(&mut self, customer: Customer, key: Key) {
        self.unanswered.remove(&(customer, key));
    }

    /// A hold was heard of for the first time.
    pub fn learn(&mut self, mut known: Known) {
        let place = u32::try_from(self.holds.len()).expect("a round has few holds");
        self.unanswered.remove(&(known.customer, known.key));
        self.places.close(known.customer, known.key);
        self.by_id.insert(known.id, place);
        self.by_key.insert((known.customer, known.key), place);
        self.by_customer.entry(known.customer).or_default().push(place);
        if known.state == HoldState::Held {
            known.live_at = Some(self.live.len());
            self.live.push(place);
        }
        self.holds.push(known);
    }

    /// A hold was heard to be in `state`.
    pub fn turn(&mut self, id: HoldId, state: HoldState, payment: Option<Payment>) {
        let Some(&place) = self.by_id.get(&id) else { return };
        let known = self.at_mut(place);
        known.state = state;
        known.perhaps = None;
        known.payment = payment.or(known.payment);
        if state != HoldState::Held {
            (known.was_due, known.is_gone) = (false, false);
        }
        if state != HoldState::Held
            && let Some(live_at) = known.live_at.take()
        {
            self.live.swap_remove(live_at);
            if let Some(&moved) = self.live.get(live_at) {
                self.at_mut(moved).live_at = Some(live_at);
            }
        }
    }

    /// A change of a hold had no answer that tells.
    pub fn doubt(&mut self, id: HoldId, state: HoldState, payment: Option<Payment>) {
        if let Some(&place) = self.by_id.get(&id) {
            self.at_mut(place).perhaps = Some((state, payment));
        }
    }

    /// A hold was heard to have these gifts: a late payment may get others.
    pub fn given(&mut self, id: HoldId, gifts: &Units) {
        if let Some(&place) = self.by_id.get(&id) {
            self.at_mut(place).gifts.clone_from(gifts);
        }
    }

    /// These units of a hold came back.
    pub fn came_back(&mut self, id: HoldId, back: &Units) {
        if let Some(&place) = self.by_id.get(&id) {
            let known = self.at_mut(place);
            (known.back, known.perhaps_back) = (back.clone(), None);
        }
    }

    /// These units of a hold may have come back besides, without an answer that tells.
    pub fn may_come_back(&mut self, id: HoldId, line: (u16, u32)) {
        if let Some(&place) = self.by_id.get(&id) {
            self.at_mut(place).perhaps_back = Some(line);
        }
    }

    /// A hold was heard to expire at `ms`.
    pub fn extend(&mut self, id: HoldId, ms: u64) {
        if let Some(&place) = self.by_id.get(&id) {
            let known = self.at_mut(place);
            (known.expires_ms, known.was_due) = ((ms, ms), false);
        }
    }

    /// A hold may have been extended to `ms`, without an answer that tells.
    pub fn may_extend(&mut self, id: HoldId, ms: u64) {
        if let Some(&place) = self.by_id.get(&id) {
            let known = self.at_mut(place);
            known.expires_ms.1 = known.expires_ms.1.max(ms);
        }
    }

    /// A hold was seen to be held, with these times.
    pub fn saw(&mut self, id: HoldId, created_ms: u64, expires_ms: u64) {
        let Some(&place) = self.by_id.get(&id) else { return };
        if !self.at(place).is_exact(created_ms, expires_ms) {
            let known = self.at_mut(place);
            known.created_ms = (created_ms, created_ms);
            (known.expires_ms, known.was_due) = ((expires_ms, expires_ms), false);
        }
    }

    fn each_live(&mut self, mut change: impl FnMut(&mut Known)) {
        for at in 0..self.live.len() {
            let place = self.live.get(at).copied().unwrap_or(u32::MAX);
            if let Some(known) = self.holds.get_mut(place as usize) {
                change(known);
            }
        }
    }

    /// The engine did what was due at `ms`. Returns how many holds it must have expired, and how
    /// many it can have.
    pub fn ticked(&mut self, ms: u64) -> (u64, u64) {
        let unheard = self.unanswered.len() + self.places.open_count();
        let (mut surely, mut perhaps) = (0, unheard as u64);
        self.each_live(|known| {
            if known.is_gone || known.expires_ms.0 > ms {
                perhaps += u64::from(known.was_due && !known.is_gone);
                return;
            }
            perhaps += 1;
            if known.is_certain() && known.expires_ms.1 <= ms {
                surely += 1;
                known.is_gone = true;
            }
            known.was_due = true;
        });
        (surely, perhaps)
    }

    /// The engine may have done what was due at `ms`.
    pub fn may_have_ticked(&mut self, ms: u64) {
        self.each_live(|known| known.was_due |= known.expires_ms.0 <= ms);
    }

    /// The engine followed a step of its clock, which showed `ms`: what was left of live holds is
    /// left of them still.
    pub fn stepped(&mut self, ms: u64, step_ms: i64) {
        self.each_live(|known| {
            if known.is_gone {
                return;
            }
            // One that is over by then does not move.
            let over = known.expires_ms.0 <= ms && known.was_due || known.perhaps.is_some();
            for span in [&mut known.created_ms, &mut known.expires_ms] {
                let moved =
                    (span.0.saturating_add_signed(step_ms), span.1.saturating_add_signed(step_ms));
                *span = if over { (span.0.min(moved.0), span.1.max(moved.1)) } else { moved };
            }
        });
    }

    /// The drop was paused for so long: what was left of live holds is left of them still.
    pub fn paused(&mut self, ms: u64) {
        self.each_live(|known| {
            if known.is_gone {
                return;
            }
            // One that is over does not move.
            let over = known.was_due || known.perhaps.is_some();
            known.expires_ms.0 += if over { 0 } else { ms };
            known.expires_ms.1 += ms;
        });
    }

    /// Likewise, if it was paused at all and the pause has ended.
    pub fn may_have_paused(&mut self, ms: u64) {
        self.each_live(|known| known.expires_ms.1 += ms);
    }

    /// The process is gone, and some of these steps of its clock, from the last one backwards, may
    /// never have been recorded.
    pub fn unstepped(&mut self, steps_ms: &[i64]) {
        let back = |last: usize| {
            let mut back_ms = 0_i64;
            let (mut least, mut most) = (0, 0);
            for step_ms in steps_ms.iter().take(last).rev() {
                back_ms -= step_ms;
                (least, most) = (back_ms.min(least), back_ms.max(most));
            }
            (least, most)
        };
        let all = back(steps_ms.len());
        // A hold that was gone did not follow the last of them.
        let some = (0..=steps_ms.len()).map(back);
        let some = some.fold(all, |(least, most), (a, b)| (a.min(least), b.max(most)));
        self.each_live(|known| {
            let (least, most) = if known.is_gone { some } else { all };
            for span in [&mut known.created_ms, &mut known.expires_ms] {
                let low = span.0.saturating_add_signed(least);
                *span = (low, span.1.saturating_add_signed(most));
            }
        });
    }

    /// The engine was started again at `ms`: every live hold has at least `grace_ms` left.
    pub fn resumed(&mut self, ms: u64, grace_ms: u64) {
        self.each_live(|known| {
            known.was_due |= known.is_gone;
            known.is_gone = false;
            let earliest = ms + grace_ms;
            let (from, to) = known.expires_ms;
            known.expires_ms = (from.max(earliest), to.max(earliest));
        });
    }

    /// Everything due at `ms` has surely expired.
    pub fn expire(&mut self, ms: u64) -> u64 {
        let due = |known: &&Known| known.may_expire(ms);
        let due: Vec<HoldId> = self.live().filter(due).map(|known| known.id).collect();
        for &id in &due {
            self.turn(id, HoldState::Expired, None);
        }
        due.len() as u64
    }
}
