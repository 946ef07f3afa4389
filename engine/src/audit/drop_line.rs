//! The waiting line of one drop by its records: who waits, and whether each unit went to the first
//! whom it fits (S3).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::drop_book::DropBook;
use super::report::Found;
use crate::ids::Slot;
use crate::journal::record::{Grant, Join, Line};
use crate::phase::Phase;

/// The places in a drop's line, in the order of joining.
#[derive(Debug, Default)]
pub(super) struct WaitingLine {
    places: Vec<Place>,
    by_slot: HashMap<Slot, usize>,
    waiting: u32,
    /// Who waits, by what they cannot do without: of those who need the same, the first is served
    /// first.
    by_needs: BTreeMap<Needs, BTreeSet<usize>>,
}

/// Which goods somebody cannot do without, and how many of each.
type Needs = Vec<(usize, u64)>;

#[derive(Debug)]
struct Place {
    customer: u32,
    key: Box<str>,
    area: Box<str>,
    lines: Vec<Line>,
    needs: Needs,
    waits: bool,
}

impl DropBook {
    /// A place in the line is for what is not there.
    pub(super) fn joined(&mut self, join: &Join<'_>, found: &mut Found) {
        if self.phase != Phase::Open {
            self.wrong(found, "T1", format!("joined the line while {}", self.phase.name()));
        }
        if self.fits(&join.lines) {
            self.wrong(found, "S2", "joined the line though units were there".to_owned());
        }
        let expected = self.line.waiting + 1;
        if join.place != expected {
            self.wrong(found, "S3", format!("place {}, not {expected}", join.place));
        }
        let customer = self.customer(join.customer);
        if !join.key.is_empty() && !self.keys.insert((customer, join.key.into())) {
            self.wrong(found, "K1", "joined the line under a key that was used".to_owned());
        }
        let moves: Vec<_> = self
            .terms
            .taken(&join.lines, 0)
            .iter()
            .map(|taken| (taken.item, taken.units))
            .collect();
        self.limits(customer, &moves, 0, found);
        if self.line.by_slot.insert(join.slot, self.line.places.len()).is_some() {
            self.wrong(found, "id", "two places in the line of one name".to_owned());
        }
        self.line.waiting = expected;
        let (needs, place) = (self.needs(&join.lines), self.line.places.len());
        self.line.by_needs.entry(needs.clone()).or_default().insert(place);
        self.line.places.push(Place {
            customer,
            key: join.key.into(),
            area: join.area.into(),
            lines: join.lines.to_vec(),
            needs,
            waits: true,
        });
    }

    pub(super) fn left_line(&mut self, slot: Slot, found: &mut Found) {
        if self.phase >= Phase::Closed {
            self.wrong(found, "phase", "left the line of a closed drop".to_owned());
        }
        match self.line.by_slot.get(&slot).copied().filter(|place| self.waits(*place)) {
            Some(place) => self.over(place),
            None => self.wrong(found, "state", "left the line without a place in it".to_owned()),
        }
    }

    /// A grant that ends a wait: it is the first whom the units fit, and gets what it waited for.
    pub(super) fn handed_over(&mut self, row: u32, grant: &Grant<'_>, found: &mut Found) {
        let slot = Slot { row, ..grant.slot };
        let place = self.line.by_slot.get(&slot).copied().filter(|place| self.waits(*place));
        let Some(place) = place else {
            let what = format!("hold {}: from the line, of somebody not in it", grant.number);
            self.wrong(found, "state", what);
            return;
        };
        if self.first_served(&grant.lines) != Some(place) {
            let what = format!("hold {}: somebody before it fits too", grant.number);
            self.wrong(found, "S3", what);
        }
        let customer = self.customer(grant.customer);
        let same = self.line.places.get(place).is_some_and(|at| {
            at.customer == customer
                && *at.key == *grant.key
                && *at.area == *grant.area
                && at.lines[..] == grant.lines[..]
        });
        if !same {
            let what = format!("hold {}: is not what was waited for", grant.number);
            self.wrong(found, "K1", what);
        }
        self.over(place);
    }

    /// Units of these lines go to somebody who is not in the line: nobody in it fits.
    pub(super) fn passes_by(&self, number: u32, lines: &[Line], found: &mut Found) {
        if self.first_served(lines).is_some() {
            self.wrong(found, "S3", format!("hold {number}: passes by somebody who fits"));
        }
    }

    fn waits(&self, place: usize) -> bool {
        self.line.places.get(place).is_some_and(|place| place.waits)
    }

    /// A wait is over; its units are not waited for.
    fn over(&mut self, place: usize) {
        let Some(at) = self.line.places.get_mut(place) else { return };
        at.waits = false;
        self.line.waiting -= 1;
        let customer = at.customer;
        if let Some(same) = self.line.by_needs.get_mut(&at.needs) {
            same.remove(&place);
            if same.is_empty() {
                self.line.by_needs.remove(&at.needs);
            }
        }
        for line in at.lines.clone() {
            let units = u64::from(line.quantity);
            *self.units.entry(customer).or_default() -= units;
            *self.units_of.entry((customer, line.item.into())).or_default() -= units;
        }
    }

    /// The first in the line whom what is there fits, among those who wait for a good of `lines`.
    fn first_served(&self, lines: &[Line]) -> Option<usize> {
        if self.line.waiting == 0 {
            return None;
        }
        let wanted: Vec<usize> = self.needs(lines).into_iter().map(|(good, _)| good).collect();
        let meets = |needs: &Needs| needs.iter().any(|(good, _)| wanted.contains(good));
        let alike = self.line.by_needs.iter().filter(|(needs, _)| meets(needs));
        let served = alike.filter(|(needs, _)| self.has(needs));
        served.filter_map(|(_, same)| same.first().copied()).min()
    }

    /// Whether there are enough units for all lines, and for their gifts that are required.
    fn fits(&self, lines: &[Line]) -> bool {
        self.has(&self.needs(lines))
    }

    fn has(&self, needs: &[(usize, u64)]) -> bool {
        let enough = |&(good, units): &(usize, u64)| {
            let left = self.goods.get(good).and_then(|tally| tally.units().available);
            left.is_none_or(|left| left >= i64::try_from(units).unwrap_or(i64::MAX))
        };
        needs.iter().all(enough)
    }

    /// Which goods lines cannot do without, and how many of each.
    fn needs(&self, lines: &[Line]) -> Needs {
        let mut needs = Needs::new();
        let gifts = lines.iter().enumerate().filter_map(|(place, line)| {
            let gift = self.terms.gift_of(line.item.into());
            gift.is_some_and(|(_, _, required)| required).then_some(1_u32 << place)
        });
        let gifts = gifts.fold(0, |all, bit| all | bit);
        for taken in self.terms.taken(lines, gifts) {
            for (good, units) in taken.moves() {
                match needs.iter_mut().find(|(other, _)| *other == good) {
                    Some((_, all)) => *all += units,
                    None => needs.push((good, units)),
                }
            }
        }
        needs
    }
}
