//! Holds: lost, doubled, early, or nobody's.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::finding::Finding;
use super::witness::{Witness, WitnessHold};
use crate::call::HoldState;
use crate::record::{Grant, Record};

/// Acknowledged holds that a witness lacks or shows otherwise.
pub(super) fn lost(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    let by_id = by_id(witness);
    for grant in &record.grants {
        let Some(hold) = by_id.get(grant.id.as_ref()) else {
            finding.add(|| format!("{name}: lacks {}, {:?}", told(grant), grant.state));
            continue;
        };
        let same = hold.number == grant.number
            && hold.customer == grant.customer
            && hold.key.as_ref() == Some(&grant.key)
            && hold.units == grant.basket.units();
        if !same {
            finding.add(|| format!("{name}: shows {} as {}", told(grant), shown(hold)));
        } else if !may_be(grant, hold.state) {
            finding.add(|| {
                format!("{name}: shows {} {:?}, not {:?}", told(grant), hold.state, grant.state)
            });
        }
    }
}

/// Whether a hold its client last saw as `grant.state` may be in `state`.
fn may_be(grant: &Grant, state: HoldState) -> bool {
    match (grant.state, state) {
        (HoldState::Held, HoldState::Expired) => true,
        (HoldState::Held, HoldState::Confirmed) => grant.confirm_asked_us.is_some(),
        (HoldState::Held, HoldState::Released) => grant.release_asked_us.is_some(),
        (believed, state) => believed == state,
    }
}

/// What the clients themselves saw doubled.
pub(super) fn duplicates_of_record(record: &Record, finding: &mut Finding) {
    let grants = &record.grants;
    twice(grants.iter().map(|grant| grant.id.as_ref()), "clients: id", finding);
    twice(grants.iter().map(|grant| grant.number), "clients: number", finding);
    twice(grants.iter().map(|grant| (&grant.customer, &grant.key)), "clients: key", finding);
    for grant in grants.iter().filter(|grant| grant.fresh_answers > 1) {
        finding.add(|| format!("clients: {} was answered as new twice", told(grant)));
    }
    let alive = grants.iter().filter(|grant| grant.state.is_alive());
    let units = alive.map(|grant| (grant.customer.as_str(), grant.basket.units()));
    above_limit(record.limit_per_customer, units, "clients", finding);
}

/// What a witness shows doubled.
pub(super) fn duplicates(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    let holds = &witness.holds;
    twice(holds.iter().map(|hold| hold.id.as_str()), &format!("{name}: id"), finding);
    twice(holds.iter().map(|hold| hold.number), &format!("{name}: number"), finding);
    let keys = holds.iter().filter_map(|hold| Some((&hold.customer, hold.key.as_ref()?)));
    twice(keys, &format!("{name}: key"), finding);
    let alive = holds.iter().filter(|hold| hold.state.is_alive());
    let units = alive.map(|hold| (hold.customer.as_str(), hold.units));
    above_limit(record.limit_per_customer, units, name, finding);
}

fn twice<T: Hash + Eq + std::fmt::Debug>(
    all: impl Iterator<Item = T>,
    what: &str,
    finding: &mut Finding,
) {
    let mut seen = HashSet::new();
    for one in all {
        if let Some(again) = seen.replace(one) {
            finding.add(|| format!("{what} {again:?} twice"));
        }
    }
}

fn above_limit<'a>(
    limit: u32,
    alive: impl Iterator<Item = (&'a str, u64)>,
    name: &str,
    finding: &mut Finding,
) {
    let mut units_of: HashMap<&str, u64> = HashMap::new();
    for (customer, units) in alive {
        *units_of.entry(customer).or_default() += units;
    }
    for (customer, units) in units_of {
        if limit > 0 && units > u64::from(limit) {
            finding.add(|| format!("{name}: {customer} has {units} units, limit {limit}"));
        }
    }
}

/// Grants whose acknowledgement arrived before the opening.
pub(super) fn early(record: &Record, finding: &mut Finding) {
    for grant in record.grants.iter().filter(|grant| grant.granted_us < 0) {
        finding.add(|| {
            format!("clients: {} granted {} us before the opening", told(grant), -grant.granted_us)
        });
    }
}

/// Holds a witness dates before the opening.
pub(super) fn early_in(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    let opens_at_ms = record.opens_at_ms;
    for hold in &witness.holds {
        if let Some(at_ms) = hold.granted_at_ms.filter(|at_ms| *at_ms < opens_at_ms) {
            finding.add(|| {
                format!("{name}: {} granted {} ms early", shown(hold), opens_at_ms - at_ms)
            });
        }
    }
}

/// Numbers are 1, 2, 3 ... without gaps.
pub(super) fn gaps(name: &str, witness: &Witness, finding: &mut Finding) {
    let numbers: HashSet<u64> = witness.holds.iter().map(|hold| hold.number).collect();
    for number in (1..=witness.holds.len() as u64).filter(|number| !numbers.contains(number)) {
        finding.add(|| format!("{name}: no hold has number {number}"));
    }
}

/// Holds that no client was told of, nor can have asked for unheard.
pub(super) fn phantoms(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    let told_of: HashSet<&str> = record.grants.iter().map(|grant| grant.id.as_ref()).collect();
    let doubts: HashSet<(&str, &str)> =
        record.doubts.iter().map(|doubt| (doubt.customer.as_str(), doubt.key.as_str())).collect();
    for hold in witness.holds.iter().filter(|hold| !told_of.contains(hold.id.as_str())) {
        let key = hold.key.as_deref().unwrap_or_default();
        if !doubts.contains(&(hold.customer.as_str(), key)) {
            finding.add(|| format!("{name}: {} was never acknowledged", shown(hold)));
        }
    }
}

/// Replays of a grant that nobody was told of when it was made, although every answer arrived.
pub(super) fn only_replayed(record: &Record, finding: &mut Finding) {
    for grant in &record.grants {
        if grant.fresh_answers == 0 && !grant.doubted {
            finding.add(|| format!("clients: {} was only ever replayed", told(grant)));
        }
    }
}

/// Holds on which the two witnesses differ.
pub(super) fn differences(service: &Witness, journal: &Witness, finding: &mut Finding) {
    let theirs_by_id = by_id(journal);
    for ours in &service.holds {
        let same = theirs_by_id.get(ours.id.as_str()).is_some_and(|theirs| {
            theirs.state == ours.state
                && theirs.number == ours.number
                && theirs.customer == ours.customer
                && theirs.key == ours.key
                && theirs.units == ours.units
        });
        if !same {
            finding.add(|| format!("journal does not show {} as the service does", shown(ours)));
        }
    }
    let ours_by_id = by_id(service);
    for theirs in journal.holds.iter().filter(|hold| !ours_by_id.contains_key(hold.id.as_str())) {
        finding.add(|| format!("service lacks {} of the journal", shown(theirs)));
    }
}

fn by_id(witness: &Witness) -> HashMap<&str, &WitnessHold> {
    witness.holds.iter().map(|hold| (hold.id.as_str(), hold)).collect()
}

fn told(grant: &Grant) -> String {
    format!("hold {} (number {})", grant.id, grant.number)
}

fn shown(hold: &WitnessHold) -> String {
    format!("hold {} (number {}, {:?})", hold.id, hold.number, hold.state)
}
