//! Who comes when: every first visit, drawn before anything is sent.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::crowd::Crowd;
use crate::persona::Persona;

/// The first early bird comes this long before the opening.
pub(crate) const EARLY_US: i64 = 1_500_000;
/// Half of all customers come within this time after the opening, evenly spread.
pub(crate) const RUSH_US: i64 = 1_000_000;
/// The rest come within this time after the rush, fewer and fewer.
pub(crate) const TAIL_US: i64 = 4_000_000;
/// The second of two clicks comes this long after the first at most.
pub(crate) const DOUBLE_CLICK_US: i64 = 30_000;

/// One click at its intended instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Visit {
    pub(crate) at_us: i64,
    pub(crate) customer: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// First visits, and second clicks, by instant.
    pub(crate) visits: Vec<Visit>,
    /// By customer.
    pub(crate) personas: Vec<Persona>,
}

impl Schedule {
    /// Draws the schedule of a crowd; the same crowd gets the same one.
    pub(crate) fn draw(crowd: &Crowd) -> Self {
        let mut rng = StdRng::seed_from_u64(crowd.seed);
        let personas: Vec<Persona> =
            (0..crowd.customers).map(|_| Persona::draw(crowd, &mut rng)).collect();
        let mut order: Vec<u32> = (0..crowd.customers).collect();
        order.shuffle(&mut rng);

        let early = u64::from(crowd.customers) * u64::from(crowd.mix.early) / 100;
        let rush = u64::from(crowd.customers.div_ceil(2));
        let mut visits = Vec::with_capacity(order.len() + order.len() / 8);
        for (place, customer) in (0..).zip(order) {
            let at_us = if place < early {
                rng.random_range(-EARLY_US..0)
            } else if place < early + rush {
                rng.random_range(0..RUSH_US)
            } else {
                RUSH_US + tail_us(&mut rng)
            };
            visits.push(Visit { at_us, customer });
            let persona = usize::try_from(customer).ok().and_then(|index| personas.get(index));
            if persona.is_some_and(|persona| persona.double_click) {
                let at_us = at_us + rng.random_range(0..=DOUBLE_CLICK_US);
                visits.push(Visit { at_us, customer });
            }
        }
        visits.sort_unstable();
        Self { visits, personas }
    }
}

/// The smaller of two even draws: density falls in a straight line to zero.
fn tail_us(rng: &mut StdRng) -> i64 {
    rng.random_range(0..TAIL_US).min(rng.random_range(0..TAIL_US))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn crowd(customers: u32, seed: u64) -> Crowd {
        let nowhere = ([127, 0, 0, 1], 1).into();
        Crowd { customers, seed, ..Crowd::new("d-1", "onion", 0, nowhere, nowhere) }
    }

    #[test]
    fn each_customer_comes_once_or_clicks_twice_at_once() {
        let schedule = Schedule::draw(&crowd(100_000, 7));
        let mut clicks: HashMap<u32, Vec<i64>> = HashMap::new();
        for visit in &schedule.visits {
            clicks.entry(visit.customer).or_default().push(visit.at_us);
        }
        assert_eq!(clicks.len(), 100_000);
        for (customer, instants) in clicks {
            if schedule.personas[usize::try_from(customer).unwrap()].double_click {
                assert_eq!(instants.len(), 2);
                assert!(instants[1] - instants[0] <= DOUBLE_CLICK_US);
            } else {
                assert_eq!(instants.len(), 1);
            }
        }
    }

    #[test]
    fn half_come_in_the_first_second_and_a_few_before_the_opening() {
        let crowd = crowd(100_000, 8);
        let mut mix = crowd.mix;
        mix.double_click = 0;
        let visits = Schedule::draw(&Crowd { mix, ..crowd }).visits;
        let between = |from: i64, to: i64| {
            visits.iter().filter(|visit| (from..to).contains(&visit.at_us)).count()
        };
        assert_eq!(between(-EARLY_US, 0), 3_000);
        assert_eq!(between(0, RUSH_US), 50_000);
        assert_eq!(between(RUSH_US, RUSH_US + TAIL_US), 47_000);
        assert!(between(0, 1_000) > 20, "somebody comes at the very instant");
        let (first_half, last_half) =
            (between(RUSH_US, RUSH_US + TAIL_US / 2), between(RUSH_US + TAIL_US / 2, i64::MAX));
        assert!(first_half > 2 * last_half, "the tail thins out");
        assert!(visits.is_sorted());
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(Schedule::draw(&crowd(5_000, 3)), Schedule::draw(&crowd(5_000, 3)));
        assert_ne!(Schedule::draw(&crowd(5_000, 3)), Schedule::draw(&crowd(5_000, 4)));
    }

    #[test]
    fn shares_of_the_mix_are_met() {
        let personas = Schedule::draw(&crowd(100_000, 9)).personas;
        let share =
            |is: fn(&Persona) -> bool| personas.iter().filter(|persona| is(persona)).count();
        assert!((19_000..21_000).contains(&share(|p| p.wire == crate::call::Wire::Http)));
        assert!((7_500..8_500).contains(&share(|p| p.double_click)));
        assert!((4_500..5_500).contains(&share(|p| p.hopeful)));
        assert!(
            (9_500..10_500).contains(&share(|p| p.after_win == crate::persona::AfterWin::Abandon))
        );
    }
}
