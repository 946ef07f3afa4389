//! One drop by its records, further on: pauses and closings, stock that is set anew, and what
//! happens to holds after they were over.

use super::drop_book::DropBook;
use super::ledger::Ledger;
use super::report::Found;
use super::terms::Taken;
use crate::Timestamp;
use crate::hold::HoldState;
use crate::ids::Slot;
use crate::journal::record::{Line, Refund, Shown};
use crate::journal::settlement::Sums;
use crate::phase::Phase;

impl DropBook {
    /// What a record says the drop shows is what its records add up to.
    pub(super) fn shows(&self, shown: &Shown, found: &mut Found) {
        if shown.goods.is_empty() {
            return; // by an earlier version
        }
        if shown.phase != self.phase {
            let (said, is) = (shown.phase.name(), self.phase.name());
            self.wrong(found, "phase", format!("said to be {said}, and is {is}"));
        }
        let said = shown.goods.iter().map(|count| (count.total, count.held, count.sold));
        let add_up = self.goods.iter().map(|tally| (tally.total, tally.held, tally.sold));
        if !said.eq(add_up) {
            self.wrong(found, "S1", "shows other units than its holds add up to".to_owned());
        }
    }

    pub(super) fn paused(&mut self, now: Timestamp, found: &mut Found) {
        if !matches!(self.phase, Phase::Scheduled | Phase::Open) {
            self.wrong(found, "phase", format!("paused while {}", self.phase.name()));
        }
        self.pause = Some((now, self.phase));
        self.phase = Phase::Paused;
    }

    /// A pause took as long as it is said to at most: record times are never early.
    pub(super) fn unpaused(&mut self, at: Timestamp, pause_ms: u64, found: &mut Found) {
        let Some((since, from)) = self.pause.take() else {
            self.wrong(found, "phase", format!("resumed while {}", self.phase.name()));
            return;
        };
        if pause_ms > at.as_ms().saturating_sub(since.as_ms()) {
            let what = format!("paused for {pause_ms} ms, from {since} to {at}");
            self.wrong(found, "deadline", what);
        }
        self.phase = from;
        for hold in self.holds.iter_mut().filter(|hold| hold.state == HoldState::Held) {
            hold.due_at = hold.due_at.plus_ms(pause_ms);
        }
    }

    pub(super) fn closed(&mut self, at: Timestamp, pause_ms: u64, found: &mut Found) {
        if self.pause.is_some() {
            self.unpaused(at, pause_ms, found);
        }
        if self.phase >= Phase::Closed {
            self.wrong(found, "phase", "closed twice".to_owned());
        }
        self.phase = Phase::Closed;
    }

    /// L1: a settlement says what the orders come to, after the last of them.
    pub(super) fn settled(&mut self, rules: &[u16], said: &Sums, found: &mut Found) {
        if self.phase < Phase::Closed {
            self.wrong(found, "L1", format!("settled while {}", self.phase.name()));
        }
        let live = self.holds.iter().filter(|hold| hold.state == HoldState::Held).count();
        if live > 0 {
            self.wrong(found, "L1", format!("settled with {live} live holds"));
        }
        let mut ledger = Ledger::new(&self.terms);
        let ordered = |state| matches!(state, HoldState::Confirmed | HoldState::Refunded);
        for hold in self.holds.iter().filter(|hold| ordered(hold.state)) {
            ledger.order(&hold.taken);
        }
        for what in ledger.differences(said) {
            self.wrong(found, "L1", what);
        }
        if rules.len() == self.terms.ledger.len() {
            self.phase = Phase::Settled;
        }
    }

    pub(super) fn stocked(&mut self, good: usize, total: u32, found: &mut Found) {
        if self.phase >= Phase::Closed {
            self.wrong(found, "phase", format!("stock set while {}", self.phase.name()));
        }
        match self.goods.get_mut(good).filter(|tally| tally.total.is_some()) {
            None => self.wrong(found, "S1", format!("stock of good {good}, which has none")),
            Some(tally) => {
                tally.total = Some(total);
                let (over, sku) = (tally.units().oversold(), tally.sku.clone());
                if over > 0 {
                    self.wrong(found, "S1", format!("{sku}: stock set {over} units too low"));
                }
            }
        }
    }

    /// An expired hold is sold after all: as a grant is, but for its number and its key.
    pub(super) fn paid_late(&mut self, slot: Slot, gifts: u32, paid: bool, found: &mut Found) {
        let place = self.place_in(slot, HoldState::Expired, "paid late", found);
        let Some(hold) = place.and_then(|place| self.holds.get_mut(place)) else { return };
        hold.state = HoldState::Confirmed;
        let line = |taken: &Taken| Line {
            item: u16::try_from(taken.item).unwrap_or(u16::MAX),
            quantity: u16::try_from(taken.units).unwrap_or(u16::MAX),
        };
        let lines: Vec<Line> = hold.taken.iter().map(line).collect();
        hold.taken = self.terms.taken(&lines, gifts);
        let (number, customer, price, moves) =
            (hold.number, hold.customer, hold.price, hold.moves());
        if self.phase >= Phase::Closed {
            self.wrong(found, "T1", format!("hold {number}: paid after the drop was closed"));
        }
        if !paid && price > 0 {
            self.wrong(found, "state", format!("hold {number}: confirmed without a payment"));
        }
        let mut faults = Vec::new();
        self.terms.gift_faults(&lines, gifts, &mut faults);
        for (rule, what) in faults {
            self.wrong(found, rule, format!("hold {number}: {what}"));
        }
        self.passes_by(number, &lines, found);
        self.take(&moves, true, number, found);
        self.limits(customer, &moves, number, found);
    }

    pub(super) fn refunded(&mut self, refund: &Refund<'_>, found: &mut Found) {
        let place = self.place_in(refund.slot, HoldState::Confirmed, "refunded", found);
        let Some(place) = place else { return };
        if !refund.name.is_empty() && !self.refunds.insert((place, refund.name.into())) {
            self.wrong(found, "state", "one refund done twice".to_owned());
        }
        let mut moves = Vec::new();
        let Some(hold) = self.holds.get_mut(place) else { return };
        let (number, customer) = (hold.number, hold.customer);
        let mut too_many = refund.lines.is_empty();
        for back in &refund.lines {
            let (item, units) = (usize::from(back.item), u64::from(back.quantity));
            let line = hold.taken.iter_mut().find(|taken| taken.item == item);
            let Some(line) = line.filter(|taken| units > 0 && taken.back + units <= taken.units)
            else {
                too_many = true;
                continue;
            };
            line.back += units;
            moves.push((item, units));
            moves.extend(line.gift.filter(|_| line.back == line.units));
        }
        let all = hold.taken.iter().all(|taken| taken.back == taken.units);
        if all {
            hold.state = HoldState::Refunded;
        }
        if too_many {
            self.wrong(found, "S1", format!("hold {number}: more came back than was bought"));
        }
        if refund.all && !all {
            self.wrong(found, "state", format!("hold {number}: all came back, and did not"));
        }
        self.come_back(customer, &moves, refund.restock);
    }

    /// Units that were sold are on sale again, or leave the total.
    fn come_back(&mut self, customer: u32, moves: &[(usize, u64)], restock: bool) {
        for &(good, units) in moves {
            let Some(tally) = self.goods.get_mut(good) else { continue };
            tally.sold -= units;
            if !restock {
                let less = u32::try_from(units).unwrap_or(u32::MAX);
                tally.total = tally.total.map(|total| total.saturating_sub(less));
            }
            if good < self.terms.items.len() {
                *self.units.entry(customer).or_default() -= units;
                *self.units_of.entry((customer, good)).or_default() -= units;
            }
        }
    }
}
