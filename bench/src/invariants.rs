//! What must hold once everything is quiet: no client has a request under way.

use std::collections::HashMap;

use jangteo::{HoldId, HoldState, SaleView};

use crate::command::{Customer, Key};
use crate::known::Known;
use crate::plan::Plan;
use crate::shadow::{Granted, Shadow};
use crate::violation::{Violation, require};

/// Units of one good as the service reports them. Gifts show no `held` and `sold`, unlimited goods
/// no `total` and `available`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Units in all.
    pub total: Option<u32>,
    /// Free ones.
    pub available: Option<u32>,
    /// Set aside.
    pub held: Option<u64>,
    /// Confirmed.
    pub sold: Option<u64>,
}

/// The counts of a drop in the order of the plan's goods: items, then gifts.
#[must_use]
pub fn counts(view: &SaleView) -> Vec<Count> {
    let items = view.items.iter().flatten().map(|item| Count {
        total: item.total,
        available: item.available,
        held: Some(item.held),
        sold: Some(item.sold),
    });
    let gifts = view.gifts.iter().flatten().map(|gift| Count {
        total: gift.total,
        available: gift.available,
        held: None,
        sold: None,
    });
    items.chain(gifts).collect()
}

/// What all clients together know.
#[derive(Debug)]
pub struct World<'a> {
    plan: &'a Plan,
    shadows: &'a [Shadow],
    holds: HashMap<HoldId, Known>,
    /// Whether some answers are missing.
    uncertain: bool,
}

impl<'a> World<'a> {
    /// Puts the clients' knowledge together.
    ///
    /// # Errors
    /// A contradiction between two clients: K1.
    ///
    /// # Panics
    /// If there is no shadow.
    pub fn of(shadows: &'a [Shadow]) -> Result<Self, Violation> {
        let plan = shadows.first().expect("a round has a client").plan();
        let mut holds: HashMap<HoldId, Known> = HashMap::new();
        let mut keys: HashMap<(Customer, Key), HoldId> = HashMap::new();
        let mut uncertain = false;
        for shadow in shadows {
            uncertain |= shadow.unanswered().next().is_some();
            for known in shadow.holds() {
                uncertain |= !known.is_certain();
                let id = *keys.entry((known.customer, known.key)).or_insert(known.id);
                require(id == known.id, "K1", || {
                    format!("{} {} got {id} and {}", known.customer, known.key, known.id)
                })?;
                match holds.get_mut(&known.id) {
                    Some(other) => join(other, known)?,
                    None => {
                        holds.insert(known.id, known.clone());
                    }
                }
            }
        }
        Ok(Self { plan, shadows, holds, uncertain })
    }

    /// The plan they played.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// Every hold that somebody knows.
    pub fn holds(&self) -> impl Iterator<Item = &Known> {
        self.holds.values()
    }

    /// Checks everything that `counts` (of this very moment) and the clients' records can tell.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, counts: &[Count]) -> Result<(), Violation> {
        self.totals(counts)?;
        self.limits()?;
        self.numbers()?;
        self.order()?;
        self.nothing_undersold(counts)
    }

    /// INVARIANT(S1): `available + held + sold = total`, and they are what the clients believe.
    fn totals(&self, counts: &[Count]) -> Result<(), Violation> {
        let mut believed = vec![(0_u64, 0_u64); self.plan.goods.len()];
        for known in self.holds.values() {
            for &(good, units) in known.left().iter().chain(&known.gifts_left(self.plan)) {
                let Some((held, sold)) = believed.get_mut(usize::from(good)) else { continue };
                match known.state {
                    HoldState::Held => *held += u64::from(units),
                    HoldState::Confirmed => *sold += u64::from(units),
                    _ => {}
                }
            }
        }
        require(counts.len() == believed.len(), "S1", || format!("goods are missing: {counts:?}"))?;
        let totals = self.shadows.iter().flat_map(|shadow| shadow.totals.iter().copied());
        let goods = self.plan.goods.iter().zip(totals);
        for ((count, &(held, sold)), (good, total)) in counts.iter().zip(&believed).zip(goods) {
            let gone = count.held.zip(count.sold).map_or(held + sold, |(held, sold)| held + sold);
            let sums = match (count.total, count.available) {
                (Some(total), Some(available)) => {
                    u64::from(available) + gone == u64::from(total) || self.uncertain
                }
                (None, None) => total.is_none(),
                _ => false,
            };
            let agrees = self.uncertain
                || count.held.zip(count.sold).is_none_or(|both| both == (held, sold));
            require(count.total == total && sums && agrees, "S1", || {
                let sku = good.sku;
                format!("{sku}: {count:?}, while the clients have {held} held and {sold} sold")
            })?;
        }
        Ok(())
    }

    /// INVARIANT(C1): nobody has more than the limit.
    fn limits(&self) -> Result<(), Violation> {
        if self.plan.limit == 0 {
            return Ok(());
        }
        let mut units: HashMap<Customer, u32> = HashMap::new();
        for known in self.holds.values().filter(|known| known.keeps()) {
            let has = units.entry(known.customer).or_default();
            *has += known.units();
            require(*has <= self.plan.limit, "C1", || {
                format!("{} has {has} units of at most {}", known.customer, self.plan.limit)
            })?;
        }
        Ok(())
    }

    /// INVARIANT(O1): 1, 2, 3 ... each once; one that nobody knows only where an answer is missing.
    fn numbers(&self) -> Result<(), Violation> {
        let mut numbers: Vec<u32> = self.holds.values().map(|known| known.number).collect();
        numbers.sort_unstable();
        let twice = numbers.windows(2).find(|two| matches!(two, [a, b] if a == b));
        require(twice.is_none(), "O1", || format!("number {twice:?} twice"))?;
        let unheard = self.shadows.iter().flat_map(Shadow::unanswered).count();
        let last = numbers.last().copied().unwrap_or(0) as usize;
        require(numbers.first() != Some(&0) && last <= numbers.len() + unheard, "O1", || {
            format!("{} holds, but the last number is {last}", numbers.len())
        })
    }

    /// INVARIANT(O1): who was answered before another asked has the lower number.
    fn order(&self) -> Result<(), Violation> {
        let granted = self.shadows.iter().flat_map(|shadow| &shadow.granted);
        let mut granted: Vec<&Granted> = granted.collect();
        granted.sort_unstable_by_key(|granted| std::cmp::Reverse(granted.number));
        let mut earliest = u64::MAX;
        for one in granted {
            require(one.sent_ns <= earliest, "O1", || {
                format!("a grant that was answered earlier has a number above {}", one.number)
            })?;
            earliest = earliest.min(one.answered_ns);
        }
        Ok(())
    }

    /// INVARIANT(S2): no request found too few that was sent after the last give-back was answered,
    /// if as many are free now; nor did a grant go without a gift.
    fn nothing_undersold(&self, counts: &[Count]) -> Result<(), Violation> {
        let gave_back = self.shadows.iter().map(|shadow| shadow.gave_back_ns).max().unwrap_or(0);
        let free = |good: u16| {
            let count = counts.get(usize::from(good));
            count.map_or(0, |count| count.available.unwrap_or(u32::MAX))
        };
        for shadow in self.shadows {
            for (lines, &sent_ns) in &shadow.refused {
                let mut needed: HashMap<u16, u32> = HashMap::new();
                for &(item, units) in lines {
                    *needed.entry(item).or_default() += units;
                    if let Some(gift) = self.plan.good(item).gift.filter(|gift| gift.required) {
                        *needed.entry(gift.good).or_default() += gift.quantity;
                    }
                }
                let fits = needed.iter().all(|(&good, &units)| units <= free(good));
                require(!fits || sent_ns <= gave_back, "S2", || {
                    format!("undersold: {lines:?} was refused, and now there is {counts:?}")
                })?;
            }
            for (&(gift, quantity), &sent_ns) in &shadow.ungiven {
                require(free(gift) < quantity || sent_ns <= gave_back, "S2", || {
                    format!("a hold went without a gift, and now there is {counts:?}")
                })?;
            }
        }
        Ok(())
    }
}

/// Two clients know the same hold: the one who heard last knows better.
fn join(known: &mut Known, other: &Known) -> Result<(), Violation> {
    let same = known.number == other.number
        && known.customer == other.customer
        && known.key == other.key
        && known.lines == other.lines
        && known.gifts == other.gifts;
    require(same, "K1", || format!("one id, two holds: {known:?} and {other:?}"))?;
    if known.state == HoldState::Held {
        *known = other.clone();
    } else {
        let agree = other.state == HoldState::Held || other.state == known.state;
        require(agree, "answer", || format!("{known:?}, but another heard {:?}", other.state))?;
    }
    Ok(())
}
