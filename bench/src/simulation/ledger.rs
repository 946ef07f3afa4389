//! What one step can tell: on one thread nothing happens between two looks at the counts, so every
//! reply can be foretold from the counts before it and must move them exactly.

use super::line::Waiter;
use crate::command::{Answer, Command, No, Reply, Units};
use crate::invariants::Count;
use crate::known::Known;
use crate::plan::Plan;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};

type Checked = Result<(), Violation>;

/// What admission must say about `lines` when `counts` is what there is: the gifts given, or how
/// many units are left where there are too few.
pub(super) fn admission(plan: &Plan, counts: &[Count], lines: &Units) -> Result<Units, u32> {
    let mut left: Vec<Option<u32>> = counts.iter().map(|count| count.available).collect();
    let mut take = |good: u16, units: u32| match left.get_mut(usize::from(good)) {
        Some(Some(there)) if *there < units => Err(*there),
        Some(Some(there)) => {
            *there -= units;
            Ok(())
        }
        _ => Ok(()),
    };
    let mut gifts = Units::new();
    // First what the lines cannot do without.
    for &(item, units) in lines {
        take(item, units)?;
        if let Some(gift) = plan.good(item).gift.filter(|gift| gift.required) {
            take(gift.good, gift.quantity).map_err(|_| 0_u32)?;
            add(&mut gifts, gift.good, gift.quantity);
        }
    }
    for gift in lines.iter().filter_map(|&(item, _)| plan.good(item).gift) {
        if !gift.required && take(gift.good, gift.quantity).is_ok() {
            add(&mut gifts, gift.good, gift.quantity);
        }
    }
    Ok(gifts)
}

fn add(units: &mut Units, good: u16, more: u32) {
    match units.iter_mut().find(|(other, _)| *other == good) {
        Some((_, units)) => *units += more,
        None => units.push((good, more)),
    }
}

/// How a hold's units move.
#[derive(Clone, Copy)]
enum Move {
    Taken,
    Sold,
    /// Of an expired hold that is paid for.
    Bought,
    Freed,
    /// Of an order that is refunded.
    Back,
}

fn moved(counts: &[Count], lines: &Units, gifts: &Units, way: Move) -> Vec<Count> {
    let mut counts = counts.to_vec();
    for &(good, units) in lines.iter().chain(gifts) {
        let Some(count) = counts.get_mut(usize::from(good)) else { continue };
        let wide = u64::from(units);
        let (held, sold) = (count.held.as_mut(), count.sold.as_mut());
        match way {
            Move::Taken => {
                count.available = count.available.map(|left| left.wrapping_sub(units));
                held.into_iter().for_each(|held| *held = held.wrapping_add(wide));
            }
            Move::Bought => {
                count.available = count.available.map(|left| left.wrapping_sub(units));
                sold.into_iter().for_each(|sold| *sold = sold.wrapping_add(wide));
            }
            Move::Sold => {
                held.into_iter().for_each(|held| *held = held.wrapping_sub(wide));
                sold.into_iter().for_each(|sold| *sold = sold.wrapping_add(wide));
            }
            Move::Back => {
                count.available = count.available.map(|left| left.wrapping_add(units));
                sold.into_iter().for_each(|sold| *sold = sold.wrapping_sub(wide));
            }
            Move::Freed => {
                count.available = count.available.map(|left| left.wrapping_add(units));
                held.into_iter().for_each(|held| *held = held.wrapping_sub(wide));
            }
        }
    }
    counts
}

/// Whether `after` is what is left of `counts` once everybody in line got what there is for him,
/// the first first; or only so many of them, where the disk has become too `short` for the next.
pub(super) fn is_served(
    plan: &Plan,
    mut counts: Vec<Count>,
    line: &[Waiter],
    after: &[Count],
    short: bool,
) -> bool {
    for waiter in line {
        if short && counts == after {
            return true;
        }
        if let Ok(gifts) = admission(plan, &counts, &waiter.lines) {
            counts = moved(&counts, &waiter.lines, &gifts, Move::Taken);
        }
    }
    counts == after
}

/// The counts of a drop of which nothing was sold.
pub(super) fn whole(plan: &Plan, totals: &[Option<u32>]) -> Vec<Count> {
    let whole = totals.iter().enumerate().map(|(place, &total)| {
        let none = (place < plan.items).then_some(0);
        Count { total, available: total, held: none, sold: none }
    });
    whole.collect()
}

/// INVARIANT(S1): the sums of this very moment.
pub(super) fn sums(plan: &Plan, totals: &[Option<u32>], counts: &[Count]) -> Checked {
    for ((count, good), total) in counts.iter().zip(&plan.goods).zip(totals) {
        let gone = count.held.unwrap_or(0) + count.sold.unwrap_or(0);
        let adds_up = match (count.total, count.available) {
            (Some(total), Some(available)) if count.held.is_some() => {
                u64::from(available) + gone == u64::from(total)
            }
            (Some(total), Some(available)) => available <= total,
            _ => total.is_none(),
        };
        require(adds_up && count.total == *total, "S1", || format!("{}: {count:?}", good.sku))?;
    }
    Ok(())
}

/// A command, its reply, and the counts around it.
pub(super) struct Around<'a> {
    pub(super) plan: &'a Plan,
    /// As it was before the command.
    pub(super) shadow: &'a Shadow,
    pub(super) before: &'a [Count],
    pub(super) after: &'a [Count],
    /// Who waited before the command, the head first.
    pub(super) line: &'a [Waiter],
    /// The last number given.
    pub(super) last_number: u32,
    /// The engine's clock.
    pub(super) now_ms: u64,
    /// Whether nothing is sold any more.
    pub(super) closed: bool,
    /// Whether the disk has no room for a grant now.
    pub(super) short: bool,
}

impl Around<'_> {
    /// Checks one exchange. Returns whether a hold was granted, seen or unseen.
    pub(super) fn check(&self, command: &Command, reply: &Reply) -> Result<bool, Violation> {
        match (command, reply) {
            (_, Reply::No(No::SoldOut { available })) => {
                self.sold_out(command, *available)?;
                self.unmoved(command, reply)
            }
            (Command::Confirm { hold, .. }, Reply::No(No::Expired)) => {
                self.expired(*hold)?;
                self.unmoved(command, reply)
            }
            (_, Reply::No(_)) | (Command::Get { .. } | Command::Find { .. }, _) => {
                self.unmoved(command, reply)
            }
            (Command::Join { lines, .. }, Reply::Wait(place)) if !place.replayed => {
                // INVARIANT(S3): nobody waits for what is there.
                let there = admission(self.plan, self.before, lines).is_ok();
                require(!there, "S3", || format!("{lines:?} waits, with {:?}", self.before))?;
                self.unmoved(command, reply)
            }
            (Command::Hold { .. } | Command::Join { .. }, Reply::Wait(_)) => {
                self.unmoved(command, reply)
            }
            (
                Command::Hold { customer, key, lines } | Command::Join { customer, key, lines },
                _,
            ) => {
                let known = self.shadow.by_key(*customer, *key).is_some();
                let replayed = matches!(reply, Reply::Hold(answer) if answer.replayed);
                if known || replayed {
                    return self.unmoved(command, reply);
                }
                self.granted(lines, reply)
            }
            (Command::Confirm { hold, .. }, _) if self.is_bought(*hold) => Ok(false),
            (Command::Confirm { hold, .. }, _) => self.settled(*hold, Move::Sold, reply),
            (Command::RefundLine { hold, line, .. }, _) => self.refunded(*hold, *line, reply),
            (Command::Refund { hold }, _) => self.settled(*hold, Move::Back, reply),
            (Command::Release { hold }, _) => self.settled(*hold, Move::Freed, reply),
            _ => self.unmoved(command, reply),
        }
    }

    fn unmoved(&self, command: &Command, reply: &Reply) -> Result<bool, Violation> {
        require(self.before == self.after, "S1", || {
            format!("{command:?} got {reply:?} and moved {:?} to {:?}", self.before, self.after)
        })?;
        Ok(false)
    }

    /// INVARIANT(S2): exactly when there are too few.
    fn sold_out(&self, command: &Command, available: u32) -> Checked {
        let Command::Hold { lines, .. } = command else { return Ok(()) };
        let expected = admission(self.plan, self.before, lines);
        require(expected == Err(available), "S2", || {
            format!("{command:?}: sold out at {available}, where there is {:?}", self.before)
        })
    }

    /// A grant moves its lines and the gifts it must get, and has the next number.
    fn granted(&self, lines: &Units, reply: &Reply) -> Result<bool, Violation> {
        if *reply == Reply::Unknown && self.before == self.after {
            return Ok(false); // refused, or a replay of what is not durable
        }
        let expected = admission(self.plan, self.before, lines);
        let Ok(gifts) = expected else {
            let text = format!("{lines:?} was granted, where there is {:?}", self.before);
            return Err(Violation::of("S1", text));
        };
        let after = moved(self.before, lines, &gifts, Move::Taken);
        require(after == self.after, "S1", || {
            format!("{lines:?} with {gifts:?} moved {:?} to {:?}", self.before, self.after)
        })?;
        if let Reply::Hold(Answer { gifts: given, number, .. }) = reply {
            let sorted = |units: &Units| {
                let mut units = units.clone();
                units.sort_unstable();
                units
            };
            require(sorted(given) == sorted(&gifts), "S2", || {
                format!("{lines:?} got {given:?}, not {gifts:?}")
            })?;
            // INVARIANT(O1): on one thread the next grant has the next number.
            require(*number == self.last_number + 1, "O1", || {
                format!("number {number} after {}", self.last_number)
            })?;
        }
        Ok(true)
    }

    /// Whether the counts moved as if an expired hold had been paid for.
    fn is_bought(&self, hold: jangteo::HoldId) -> bool {
        let known = self.shadow.by_id(hold).filter(|known| known.may_be_over(self.now_ms));
        known.is_some_and(|known| {
            let gifts = admission(self.plan, self.before, &known.lines);
            let bought = |gifts| moved(self.before, &known.lines, &gifts, Move::Bought);
            gifts.is_ok_and(|gifts| bought(gifts) == self.after)
        })
    }

    /// INVARIANT(S2): a late payment is refused only without units, over the limit or once closed.
    fn expired(&self, hold: jangteo::HoldId) -> Checked {
        let Some(known) = self.shadow.by_id(hold) else { return Ok(()) };
        let (_, at_most) = self.shadow.units(known.customer, self.now_ms);
        let others = at_most - if known.may_keep() { known.units() } else { 0 };
        let over = self.plan.limit != 0 && others + known.units() > self.plan.limit;
        let short = admission(self.plan, self.before, &known.lines).is_err();
        require(over || short || self.closed, "S2", || {
            format!("{known:?} could not be paid for, where there is {:?}", self.before)
        })
    }

    /// A confirm, release or refund moves what the hold has, or nothing where it was over.
    fn settled(&self, hold: jangteo::HoldId, way: Move, reply: &Reply) -> Result<bool, Violation> {
        let Some(known) = self.shadow.by_id(hold) else { return Ok(false) };
        let after = moved(self.before, &known.left(), &known.gifts_left(self.plan), way);
        self.freed(known, after, reply)
    }

    /// A refund of some units of a line moves those, and with the last of them the line's gift.
    fn refunded(
        &self,
        hold: jangteo::HoldId,
        (item, units): (u16, u32),
        reply: &Reply,
    ) -> Result<bool, Violation> {
        let Some(known) = self.shadow.by_id(hold) else { return Ok(false) };
        let last = known.left().contains(&(item, units));
        let gift = known.gift_of(self.plan, item).filter(|_| last);
        let gifts = gift.into_iter().collect();
        let line = [(item, units)].into_iter().collect();
        self.freed(known, moved(self.before, &line, &gifts, Move::Back), reply)
    }

    fn freed(&self, known: &Known, after: Vec<Count>, reply: &Reply) -> Result<bool, Violation> {
        // INVARIANT(S3): what is freed goes to the first whom it fits.
        let served = is_served(self.plan, after, self.line, self.after, self.short);
        let fine = served || self.before == self.after;
        require(fine, "S1", || {
            format!("{known:?} got {reply:?} and moved {:?} to {:?}", self.before, self.after)
        })?;
        Ok(false)
    }
}
