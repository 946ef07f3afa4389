//! What a client does next: drawn from its stream, and from what it knows so far.

use std::sync::Arc;

use jangteo::HoldState;
use smallvec::SmallVec;

use crate::command::{Command, Customer, Key, Payment, Units};
use crate::known::Known;
use crate::plan::{Plan, Profile, WINDOW_STEP_MS};
use crate::rng::Rng;
use crate::shadow::Shadow;

/// How often each client asks for the same shared customer before it goes on to the next.
const STORM_REPEATS: u32 = 8;
/// So many holds are looked at for an order.
const ORDER_DRAWS: usize = 6;
/// Time passes once in so many commands of the first client, where it does.
const PASS_EVERY: u32 = 64;

/// One client's commands.
#[derive(Debug)]
pub struct Workload {
    plan: Arc<Plan>,
    client: u32,
    rng: Rng,
    step: u32,
    customers: u32,
    keys: u32,
}

impl Workload {
    /// The commands of client `client` in the round of `seed`.
    #[must_use]
    pub fn new(plan: &Arc<Plan>, seed: u64, client: u32) -> Self {
        let rng = Rng::stream(seed, client.into());
        Self { plan: Arc::clone(plan), client, rng, step: 0, customers: 0, keys: 0 }
    }

    /// Draws from stream `number` of `seed` from now on, so that what is drawn here does not depend
    /// on how much was drawn before.
    pub fn reseed(&mut self, seed: u64, number: u64) {
        self.rng = Rng::stream(seed, number);
    }

    /// The next command. Endless; how many to draw is [`Plan::commands`].
    pub fn next(&mut self, shadow: &Shadow) -> Command {
        self.step += 1;
        if let Some(pass) = self.pass() {
            return pass;
        }
        match self.plan.profile {
            Profile::DoomedBaskets => self.doomed(shadow),
            Profile::RetryStorm => self.storm(shadow),
            _ => self.mixed(shadow),
        }
    }

    /// A request for units, of somebody new or not.
    pub(crate) fn request(&mut self, shadow: &Shadow) -> Command {
        let customer = if self.rng.chance(40) { self.known(shadow) } else { None };
        match customer.map(|known| known.customer) {
            Some(customer) => self.hold(customer),
            None => self.hold_fresh(),
        }
    }

    /// Units of one line of an order come back: mostly as many as there are, at most.
    pub(crate) fn refund_line(&mut self, shadow: &Shadow) -> Option<Command> {
        let order = self.mostly_order(shadow).filter(|known| known.is_certain())?;
        let left = order.left();
        let (item, units) = *left.get(self.rng.place(left.len().max(1)))?;
        let units = if self.rng.chance(10) { units + 1 } else { 1 + self.rng.below(units) };
        Some(Command::RefundLine { hold: order.id, line: (item, units), name: self.key() })
    }

    /// The first client keeps the time.
    fn pass(&mut self) -> Option<Command> {
        if self.client != 0 {
            return None;
        }
        match self.plan.profile {
            Profile::Window if self.step.is_multiple_of((self.plan.commands / 100).max(1)) => {
                Some(Command::Pass { ms: WINDOW_STEP_MS, tick: self.rng.chance(50) })
            }
            Profile::ExpiryWave if self.step.is_multiple_of(PASS_EVERY) => {
                let ms = u64::from(self.rng.below(4_000));
                Some(Command::Pass { ms, tick: true })
            }
            _ => None,
        }
    }

    fn mixed(&mut self, shadow: &Shadow) -> Command {
        let mut mix = self.plan.mix;
        if self.plan.orders_last && self.step < self.plan.commands / 20 * 19 {
            (mix.release, mix.confirm) = (mix.release + mix.confirm, 0);
        }
        let draw = self.rng.below(100);
        let mut upto = 0;
        let mut chosen = |percent: u32| {
            upto += percent;
            draw < upto
        };
        if chosen(mix.hold) {
            self.hold_fresh()
        } else if chosen(mix.again) {
            self.known(shadow).map_or_else(|| self.hold_fresh(), again)
        } else if chosen(mix.reuse) {
            self.reuse(shadow)
        } else if chosen(mix.more) {
            let customer = self.known(shadow).map(|known| known.customer);
            match customer {
                Some(customer) => self.hold(customer),
                None => self.hold_fresh(),
            }
        } else if chosen(mix.confirm) {
            let hold = self.mostly_live(shadow).map(|known| known.id);
            let payment = Payment(self.rng.below(2));
            hold.map_or_else(|| self.hold_fresh(), |hold| Command::Confirm { hold, payment })
        } else if chosen(mix.release) {
            let hold = self.mostly_live(shadow).map(|known| known.id);
            hold.map_or_else(|| self.hold_fresh(), |hold| Command::Release { hold })
        } else if chosen(mix.extend) {
            let hold = self.mostly_live(shadow).map(|known| known.id);
            hold.map_or_else(|| self.hold_fresh(), |hold| Command::Extend { hold })
        } else if chosen(mix.refund) {
            let hold = self.mostly_order(shadow).map(|known| known.id);
            hold.map_or_else(|| self.hold_fresh(), |hold| Command::Refund { hold })
        } else if chosen(mix.get) {
            let hold = self.known(shadow).map(|known| known.id);
            hold.map_or_else(|| self.hold_fresh(), |hold| Command::Get { hold })
        } else {
            let customer = self.known(shadow).map(|known| known.customer);
            customer.map_or_else(|| self.hold_fresh(), |customer| Command::Find { customer })
        }
    }

    /// A single that must be granted, its release, or a basket that must be undone.
    fn doomed(&mut self, shadow: &Shadow) -> Command {
        if let Some(known) = shadow.live().next() {
            return Command::Release { hold: known.id };
        }
        let customer = Customer::own(self.client, self.rng.below(64));
        let single: Units = [(0, 1)].into_iter().collect();
        let basket: Units = [(0, 2), (1, 1), (2, 1)].into_iter().collect();
        let lines = if self.rng.chance(45) { single } else { basket };
        Command::Hold { customer, key: self.key(), lines }
    }

    /// All clients walk through the same customers. By number modulo 4: 0 and 2 under one key, of
    /// which 0 stay held and 2 are released; 1 are confirmed; 3 under keys that only one can win.
    fn storm(&mut self, shadow: &Shadow) -> Command {
        let number = self.step / STORM_REPEATS;
        let customer = Customer::shared(number);
        let key = Key(if number % 4 == 3 { self.client } else { 0 });
        let lines: Units = [(0, 1)].into_iter().collect();
        let hold = Command::Hold { customer, key, lines };
        let Some(known) = shadow.by_key(customer, key) else { return hold };
        match (self.rng.below(100), number % 4) {
            (0..10, _) => reused(known),
            (10..20, _) => Command::Get { hold: known.id },
            (20..40, 1) => Command::Confirm { hold: known.id, payment: Payment(number) },
            (20..40, 2) => Command::Release { hold: known.id },
            _ => hold,
        }
    }

    fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    fn hold_fresh(&mut self) -> Command {
        self.customers += 1;
        self.hold(Customer::own(self.client, self.customers))
    }

    fn hold(&mut self, customer: Customer) -> Command {
        Command::Hold { customer, key: self.key(), lines: self.lines() }
    }

    fn lines(&mut self) -> Units {
        let items = u32::try_from(self.plan.items).unwrap_or(1);
        let mut lines = Units::new();
        for _ in 0..=self.rng.below(self.plan.lines) {
            let item = u16::try_from(self.rng.below(items)).unwrap_or(0);
            let units = 1 + self.rng.below(self.plan.quantity);
            if lines.iter().all(|&(other, _)| other != item) {
                lines.push((item, units));
            }
        }
        lines.sort_unstable();
        lines
    }

    /// Any hold this client knows, recent ones rather than old ones.
    fn known<'s>(&mut self, shadow: &'s Shadow) -> Option<&'s Known> {
        let holds = shadow.holds();
        if holds.is_empty() {
            return None;
        }
        let recent = self.rng.chance(80);
        let back = self.rng.place(if recent { holds.len().min(32) } else { holds.len() });
        holds.get(holds.len() - 1 - back)
    }

    fn live<'s>(&mut self, shadow: &'s Shadow) -> Option<&'s Known> {
        let count = shadow.live_count();
        if count == 0 { None } else { shadow.live_at(self.rng.place(count)) }
    }

    /// A live hold, or now and then one that may be over.
    fn mostly_live<'s>(&mut self, shadow: &'s Shadow) -> Option<&'s Known> {
        if self.rng.chance(95) { self.live(shadow) } else { self.known(shadow) }
    }

    /// An order, or now and then a hold that is none. Not one of which a change was left open:
    /// after a second one it could be too much.
    fn mostly_order<'s>(&mut self, shadow: &'s Shadow) -> Option<&'s Known> {
        let drawn = (0..ORDER_DRAWS).filter_map(|_| self.known(shadow));
        let drawn: SmallVec<[&Known; ORDER_DRAWS]> =
            drawn.filter(|known| known.perhaps.is_none() && known.perhaps_back.is_none()).collect();
        let order = drawn.iter().find(|known| known.state == HoldState::Confirmed);
        order.or(drawn.first()).copied()
    }

    fn reuse(&mut self, shadow: &Shadow) -> Command {
        self.known(shadow).map_or_else(|| self.hold_fresh(), reused)
    }
}

/// The request that made a hold, once more.
fn again(known: &Known) -> Command {
    Command::Hold { customer: known.customer, key: known.key, lines: known.lines.clone() }
}

/// Another request under the key of a hold.
fn reused(known: &Known) -> Command {
    let lines = known.lines.iter().map(|&(item, units)| (item, units + 1)).collect();
    Command::Hold { customer: known.customer, key: known.key, lines }
}
