//! What the contract says of one drop and one caller after another: plain lists, no sharing, and
//! every count added up anew from the holds.

use std::collections::BTreeMap;
use std::rc::Rc;

use jangteo::{HoldId, HoldState, Phase, WaitId};

use super::afterwards::Back;
use super::line::Place;
use super::operation::Ask;
use super::terms::{ITEMS, OPENS_MS, Terms};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum No {
    /// A word of the contract that comes alone.
    Plain(&'static str),
    /// Units that are there of the first line that is short.
    SoldOut(u32),
    /// The numbers of the customer's holds that count, newest first.
    LimitReached(Vec<u32>),
    /// When it opens.
    NotOpen(u64),
    /// The key was used to join the line, for this place.
    Waiting(usize),
}

/// Gifts by item: which, and how many.
pub(crate) type Gifts = BTreeMap<usize, (usize, u32)>;

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Known once the engine has told it.
    pub(crate) id: Option<HoldId>,
    pub(crate) number: u32,
    pub(crate) ask: Rc<Ask>,
    /// Units by item.
    pub(crate) lines: BTreeMap<usize, u32>,
    pub(crate) gifts: Gifts,
    pub(crate) state: HoldState,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: u64,
    /// Not before the first, not after the second: a record's time never runs backwards, so it may
    /// be later than a clock that was put back.
    pub(crate) confirmed_ms: (u64, u64),
    pub(crate) payment: Option<String>,
    /// What came back of it, and when the last of it did.
    pub(crate) backs: Vec<Back>,
    pub(crate) refunded_ms: (u64, u64),
}

/// Units of an item or gift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) available: Option<u32>,
    pub(crate) held: u64,
    pub(crate) sold: u64,
}

/// A pause that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// No time passes for holds since then.
    pub(crate) at_ms: u64,
    /// What the drop was before.
    pub(crate) from: Phase,
}

/// The drop.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) terms: Rc<Terms>,
    /// Units in all of each item, then of each gift; `None`: unlimited.
    pub(crate) totals: Vec<Option<u32>>,
    pub(crate) phase: Phase,
    pub(crate) pause: Option<Pause>,
    /// In the order of granting; shared with earlier states of the drop.
    pub(crate) holds: Vec<Rc<Held>>,
    /// All who ever waited, in the order of joining.
    pub(crate) line: Vec<Rc<Place>>,
    pub(crate) now_ms: u64,
    /// Its contents could be seen since the engine was started.
    revealed: bool,
    /// The latest time that any clock ever showed.
    pub(crate) latest_ms: u64,
    /// A step of the wall clock that was not noticed yet.
    pub(crate) step_ms: i64,
}

/// Lines summed by item, in the order of the file.
pub(crate) fn summed(lines: &[(usize, u32)]) -> BTreeMap<usize, u32> {
    let mut summed = BTreeMap::new();
    for &(item, units) in lines {
        *summed.entry(item).or_default() += units;
    }
    summed
}

impl Held {
    /// Whether it keeps its units.
    pub(super) fn counts(&self) -> bool {
        matches!(self.state, HoldState::Held | HoldState::Confirmed)
    }
}

impl Reference {
    pub(crate) fn new(terms: Terms, now_ms: u64) -> Self {
        let mut new = Self {
            totals: terms.stocks(),
            terms: Rc::new(terms),
            pause: None,
            phase: Phase::Scheduled,
            holds: Vec::new(),
            line: Vec::new(),
            now_ms,
            revealed: false,
            latest_ms: now_ms,
            step_ms: 0,
        };
        new.turn();
        new
    }

    /// Somebody looks at it: a clock that is put back hides nothing of what was seen.
    pub(crate) fn look(&mut self) {
        self.revealed |= OPENS_MS <= self.now_ms;
    }

    pub(crate) fn is_sealed(&self) -> bool {
        let revealed = self.terms.always_revealed || self.revealed || OPENS_MS <= self.now_ms;
        // One that is closed with nothing granted may never have opened.
        let closed = self.phase == Phase::Closed && self.holds.is_empty();
        (self.awaits_opening() || closed) && !revealed
    }

    /// Whether totals or deadlines are not shown: what a crash left of their changes shows later.
    pub(crate) fn hides(&self) -> bool {
        self.phase == Phase::Paused || self.is_sealed()
    }

    /// Whether it has not opened yet, paused or not.
    fn awaits_opening(&self) -> bool {
        self.pause.map_or(self.phase, |pause| pause.from) == Phase::Scheduled
    }

    pub(crate) fn find(&self, id: &HoldId) -> Option<usize> {
        self.holds.iter().position(|held| held.id.as_ref() == Some(id))
    }

    pub(crate) fn find_place(&self, id: &WaitId) -> Option<usize> {
        self.line.iter().position(|place| place.id.as_ref() == Some(id))
    }

    pub(crate) fn total(&self, lines: &BTreeMap<usize, u32>) -> u64 {
        lines.iter().map(|(&item, &units)| self.terms.items[item].price * u64::from(units)).sum()
    }

    /// Units of an item, added up.
    pub(crate) fn item(&self, item: usize) -> Units {
        self.units(self.totals[item], |held| held.kept(item))
    }

    /// Units of a gift, added up.
    pub(crate) fn gift(&self, gift: usize) -> Units {
        self.units(self.totals[ITEMS + gift], |held| held.gives(gift))
    }

    fn units(&self, stock: Option<u32>, of: impl Fn(&Held) -> u32) -> Units {
        let sum = |state| {
            let holds = self.holds.iter().filter(|held| held.state == state);
            holds.map(|held| u64::from(of(held))).sum::<u64>()
        };
        let (held, sold) = (sum(HoldState::Held), sum(HoldState::Confirmed));
        let left = |total: u32| {
            u32::try_from(u64::from(total) - held - sold).expect("no more than the total")
        };
        Units { available: stock.map(left), held, sold }
    }

    /// A hold's index and whether it is an old one, or why there is none.
    pub(crate) fn hold(&mut self, ask: &Rc<Ask>) -> Result<(usize, bool), No> {
        let lines = summed(&ask.lines);
        let of_key = |other: &Ask| {
            ask.key.is_some() && other.key == ask.key && other.customer == ask.customer
        };
        let same = |other: &Ask| summed(&other.lines) == lines && other.area == ask.area;
        if let Some(old) = self.holds.iter().position(|held| of_key(&held.ask)) {
            let same = same(&self.holds[old].ask);
            return if same { Ok((old, true)) } else { Err(No::Plain("key_reused")) };
        }
        if let Some(old) = self.line.iter().position(|place| of_key(&place.ask)) {
            let same = same(&self.line[old].ask);
            return Err(if same { No::Waiting(old) } else { No::Plain("key_reused") });
        }
        self.turn(); // it opens to the first who comes
        match self.phase {
            Phase::Open => {}
            Phase::Scheduled => return Err(No::NotOpen(OPENS_MS)),
            // Until its instant a pause shows nothing of itself.
            Phase::Paused if self.awaits_opening() && self.now_ms < OPENS_MS => {
                return Err(No::NotOpen(OPENS_MS));
            }
            Phase::Paused => return Err(No::Plain("paused")),
            _ => return Err(No::Plain("closed")),
        }
        if lines.keys().any(|&item| item >= self.terms.items.len()) {
            return Err(No::Plain("unknown_sku"));
        }
        if self.terms.only_area && ask.area != Some(true) {
            return Err(No::Plain("area_not_served"));
        }
        self.within_limits(ask.customer, &lines)?;
        let gifts = self.take(&lines)?;
        Ok((self.grant(ask, lines, gifts), false))
    }

    /// Its place in the list.
    pub(super) fn grant(
        &mut self,
        ask: &Rc<Ask>,
        lines: BTreeMap<usize, u32>,
        gifts: Gifts,
    ) -> usize {
        let confirmed = self.terms.auto_confirm && self.total(&lines) == 0;
        self.holds.push(Rc::new(Held {
            id: None,
            number: u32::try_from(self.holds.len()).expect("few") + 1,
            ask: Rc::clone(ask),
            lines,
            gifts,
            state: if confirmed { HoldState::Confirmed } else { HoldState::Held },
            created_ms: self.now_ms,
            expires_ms: self.now_ms + self.terms.hold_ttl_ms,
            confirmed_ms: (self.now_ms, self.now_ms),
            payment: None,
            backs: Vec::new(),
            refunded_ms: (0, 0),
        }));
        self.holds.len() - 1
    }

    pub(super) fn within_limits(
        &self,
        customer: u8,
        lines: &BTreeMap<usize, u32>,
    ) -> Result<(), No> {
        let own =
            || self.holds.iter().filter(move |held| held.ask.customer == customer && held.counts());
        let fits = |limit: u32, has: u32, more: u32| limit == 0 || has + more <= limit;
        // What is held and sold, and what is waited for.
        let waits = || self.waiting().filter(|(_, place)| place.ask.customer == customer);
        let waited = |item| waits().filter_map(|(_, place)| place.lines.get(&item)).sum::<u32>();
        let of = |item| own().map(|held| held.kept(item)).sum::<u32>() + waited(item);
        let has = (0..self.terms.items.len()).map(of).sum();
        let each =
            |(&item, &units): (&usize, &u32)| fits(self.terms.items[item].limit, of(item), units);
        if fits(self.terms.limit, has, lines.values().sum()) && lines.iter().all(each) {
            Ok(())
        } else {
            Err(No::LimitReached(own().map(|held| held.number).rev().collect()))
        }
    }

    /// Which gifts come with the lines, if all lines can be had. First those that are required:
    /// they are gone only if they are. Then line by line, so that of two that share the last gift
    /// the first gets it.
    pub(super) fn take(&self, lines: &BTreeMap<usize, u32>) -> Result<Gifts, No> {
        let mut gifts = Gifts::new();
        let gift = |gifts: &mut Gifts, item: usize, required: bool| {
            let Some(rule) = &self.terms.items[item].gift else { return true };
            if rule.required != required {
                return true;
            }
            let mine = gifts.values().filter(|(which, _)| *which == rule.gift);
            let gone: u32 = mine.map(|(_, units)| units).sum();
            let left = self.gift(rule.gift).available.map(|left| left - gone);
            let there = left.is_none_or(|left| left >= rule.quantity);
            if there {
                gifts.insert(item, (rule.gift, rule.quantity));
            }
            there
        };
        for (&item, &units) in lines {
            if let Some(available) = self.item(item).available.filter(|left| *left < units) {
                return Err(No::SoldOut(available));
            }
            if !gift(&mut gifts, item, true) {
                return Err(No::SoldOut(0));
            }
        }
        for &item in lines.keys() {
            gift(&mut gifts, item, false);
        }
        Ok(gifts)
    }

    /// Whether anything changed, or why not.
    pub(crate) fn confirm(&mut self, hold: usize, payment: Option<&str>) -> Result<bool, No> {
        if self.holds[hold].state == HoldState::Expired {
            return self.pay_late(hold, payment);
        }
        let free = self.total(&self.holds[hold].lines) == 0;
        let (now_ms, latest_ms) = (self.now_ms, self.latest_ms);
        let held = Rc::make_mut(&mut self.holds[hold]);
        match held.state {
            HoldState::Held if payment.is_none() && !free => Err(No::Plain("malformed")),
            HoldState::Held => {
                held.state = HoldState::Confirmed;
                held.confirmed_ms = (now_ms, latest_ms);
                held.payment = payment.map(str::to_owned);
                Ok(true)
            }
            HoldState::Confirmed if held.payment.as_deref() == payment => Ok(false),
            HoldState::Confirmed => Err(No::Plain("conflict")),
            _ => Err(No::Plain("wrong_state")),
        }
    }

    /// Likewise.
    pub(crate) fn release(&mut self, hold: usize) -> Result<bool, No> {
        let held = Rc::make_mut(&mut self.holds[hold]);
        match held.state {
            HoldState::Held => {
                held.state = HoldState::Released;
                Ok(true)
            }
            HoldState::Released | HoldState::Expired => Ok(false),
            _ => Err(No::Plain("wrong_state")),
        }
    }

    /// Likewise.
    pub(crate) fn extend(&mut self, hold: usize) -> Result<bool, No> {
        // In a pause a hold's time stands still.
        let from_ms = self.pause.map_or(self.now_ms, |pause| pause.at_ms);
        let held = Rc::make_mut(&mut self.holds[hold]);
        match held.state {
            HoldState::Held if self.phase == Phase::Closed => Err(No::Plain("closed")),
            HoldState::Held => {
                let ttl_ms = self.terms.hold_ttl_ms;
                let until_ms = (from_ms + ttl_ms).min(held.created_ms + 2 * ttl_ms);
                let longer = until_ms > held.expires_ms;
                held.expires_ms = held.expires_ms.max(until_ms);
                Ok(longer)
            }
            HoldState::Expired => Err(No::Plain("expired")),
            _ => Err(No::Plain("wrong_state")),
        }
    }

    /// Holds that may yet end.
    pub(super) fn live(&mut self) -> impl Iterator<Item = &mut Held> {
        let live = self.holds.iter_mut().filter(|held| held.state == HoldState::Held);
        live.map(Rc::make_mut)
    }

    /// What is due is done; how many holds expired. `order`: numbers of holds, of which those that
    /// are due expire first, since each leaves its units to who waits then.
    pub(crate) fn tick(&mut self, order: &[u32]) -> u64 {
        let step_ms = std::mem::take(&mut self.step_ms);
        self.pass_to(self.now_ms.saturating_add_signed(step_ms));
        if self.live().next().is_some()
            && let Some(pause) = &mut self.pause
        {
            pause.at_ms = pause.at_ms.saturating_add_signed(step_ms);
        }
        for held in self.live() {
            // What was left of a hold's time is left of it still.
            held.created_ms = held.created_ms.saturating_add_signed(step_ms);
            held.expires_ms = held.expires_ms.saturating_add_signed(step_ms);
        }
        self.turn();
        if self.phase == Phase::Paused {
            if !self.is_over() {
                return 0;
            }
            self.close();
        }
        self.serve();
        let now_ms = self.now_ms;
        let due = |held: &Rc<Held>| held.state == HoldState::Held && held.expires_ms <= now_ms;
        let holds = self.holds.iter().enumerate();
        let mut due: Vec<usize> = holds.filter(|(_, held)| due(held)).map(|(at, _)| at).collect();
        let last = order.len();
        due.sort_by_key(|&at| {
            order.iter().position(|&number| number == self.holds[at].number).unwrap_or(last)
        });
        for &at in &due {
            Rc::make_mut(&mut self.holds[at]).state = HoldState::Expired;
            self.serve();
        }
        due.len() as u64
    }

    /// Opening and closing, which nothing undoes.
    pub(super) fn turn(&mut self) {
        if self.phase == Phase::Scheduled && OPENS_MS <= self.now_ms {
            self.phase = Phase::Open;
            self.revealed = true;
        }
        if self.phase == Phase::Open && self.is_over() {
            self.phase = Phase::Closed;
        }
    }

    /// Whether the closing instant has come.
    pub(super) fn is_over(&self) -> bool {
        self.terms.closes_ms().is_some_and(|at| at <= self.now_ms)
    }

    /// The clock shows another time.
    pub(crate) fn pass_to(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.latest_ms = self.latest_ms.max(now_ms);
    }

    /// The engine was opened again: live holds have a fair rest of their time.
    pub(crate) fn restart(&mut self) {
        self.revealed = self.phase != Phase::Closed && !self.awaits_opening();
        let from_ms = self.pause.map_or(self.now_ms, |pause| pause.at_ms);
        let least_ms = from_ms + self.terms.hold_ttl_ms.min(60_000);
        self.live().for_each(|held| held.expires_ms = held.expires_ms.max(least_ms));
        self.tick(&[]);
    }

    /// Another campaign of the same name, or the same.
    pub(crate) fn put(&mut self, terms: &Terms) -> Result<(), No> {
        if *self.terms == *terms {
            return Ok(());
        }
        // A pause goes on with the drop that takes the other's place.
        if !(self.awaits_opening() && self.is_sealed()) {
            return Err(No::Plain("conflict"));
        }
        self.terms = Rc::new(terms.clone());
        self.totals = terms.stocks();
        self.tick(&[]);
        Ok(())
    }

    /// The next deadline of a live hold.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let live = self.holds.iter().filter(|held| held.state == HoldState::Held);
        live.map(|held| held.expires_ms).min()
    }
}
