//! Units: too many out, too few sold, sums that do not add up.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::finding::Finding;
use super::witness::{Witness, WitnessItem};
use crate::call::HoldState;
use crate::crowd::{Basket, Line};
use crate::record::{Record, SoldOut};

/// Units out beyond the total, by each witness's counters, its holds, and the clients' record.
pub(super) fn oversold(record: &Record, service: &Witness, journal: &Witness) -> Finding {
    let mut finding = Finding::default();
    for (name, witness) in [("service", service), ("journal", journal)] {
        for WitnessItem { sku, total, held, sold, .. } in &witness.items {
            let Some(total) = total else { continue };
            finding.add_many((held + sold).saturating_sub(*total), || {
                format!("{name}: {held} held and {sold} sold of {total} {sku}")
            });
        }
        let Some(total) = witness.items.iter().map(|item| item.total).sum::<Option<u64>>() else {
            continue;
        };
        let out = witness.units_in(HoldState::Held) + witness.units_in(HoldState::Confirmed);
        finding.add_many(out.saturating_sub(total), || {
            format!("{name}: its live holds have {out} of {total} units")
        });
    }
    let aside = ended_unheard(service, journal);
    for (sku, flow) in flows(record, service, journal) {
        let Some(total) = flow.total else { continue };
        let (out, at_us) = most_out(record, sku, &aside);
        finding.add_many(out.saturating_sub(total), || {
            format!("clients: {out} of {total} units of {sku} out at {at_us} us after the opening")
        });
    }
    finding
}

/// Holds that ended nobody knows when.
fn ended_unheard<'a>(service: &'a Witness, journal: &'a Witness) -> HashSet<&'a str> {
    let ended = |state: HoldState| matches!(state, HoldState::Expired | HoldState::Refunded);
    let all = service.holds.iter().chain(&journal.holds);
    all.filter(|hold| ended(hold.state)).map(|hold| hold.id.as_str()).collect()
}

/// The most units of an item certainly out at one instant, and that instant.
///
/// A unit is certainly out from the acknowledgement of its grant until its release is asked for; a
/// hold that ended otherwise, when nobody knows, is left `aside`.
fn most_out(record: &Record, sku: &str, aside: &HashSet<&str>) -> (u64, i64) {
    let mut steps: Vec<(i64, i64)> = Vec::new();
    for grant in &record.grants {
        let units = i64::from(units_of(&grant.basket, sku));
        let is_known = grant.state != HoldState::Expired && !aside.contains(grant.id.as_ref());
        if units > 0 && is_known {
            steps.push((grant.granted_us, units));
            steps.extend(grant.release_asked_us.map(|at_us| (at_us, -units)));
        }
    }
    steps.sort_unstable(); // at one instant what goes comes first
    let (mut out, mut most, mut most_at_us) = (0, 0, 0);
    for (at_us, units) in steps {
        out += units;
        if out > most {
            (most, most_at_us) = (out, at_us);
        }
    }
    (u64::try_from(most).unwrap_or(0), most_at_us)
}

fn units_of(basket: &Basket, sku: &str) -> u32 {
    basket.lines.iter().find(|line| line.sku == sku).map_or(0, |line| line.units)
}

/// When units of one item went and came back, as the clients know it: an instant for each unit.
#[derive(Default)]
struct Flow {
    /// Units there are, if there is an end to them; the smaller if the witnesses differ, which is a
    /// mismatch anyway.
    total: Option<u64>,
    /// No earlier.
    asked_us: Vec<i64>,
    /// No later.
    returned_us: Vec<i64>,
}

impl Flow {
    /// Units certainly free all the while from `sent_us` to `received_us`.
    fn free(&self, sent_us: i64, received_us: i64, unheard: u64) -> u64 {
        let Some(total) = self.total else { return u64::MAX };
        // Instants are rounded down: what was asked for in the microsecond of an answer may precede
        // it.
        let out = self.asked_us.partition_point(|&us| us <= received_us) as u64;
        let back = self.returned_us.partition_point(|&us| us < sent_us) as u64;
        (total + back).saturating_sub(out + unheard)
    }
}

/// The flow of every item that was asked for and that both witnesses know.
fn flows<'a>(record: &'a Record, service: &Witness, journal: &Witness) -> BTreeMap<&'a str, Flow> {
    let mut flows: BTreeMap<&str, Flow> = BTreeMap::new();
    for line in record.baskets.iter().flat_map(|basket| basket.lines.iter()) {
        let (ours, theirs) = (service.item(&line.sku), journal.item(&line.sku));
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let total = ours.total.into_iter().chain(theirs.total).min();
            flows.insert(&line.sku, Flow { total, ..Flow::default() });
        }
    }
    for grant in &record.grants {
        for line in grant.basket.lines.iter() {
            let Some(flow) = flows.get_mut(line.sku.as_str()) else { continue };
            for _ in 0..line.units {
                flow.asked_us.push(grant.asked_us);
                flow.returned_us.extend(grant.returned_us());
            }
        }
    }
    for flow in flows.values_mut() {
        flow.asked_us.sort_unstable();
        flow.returned_us.sort_unstable();
    }
    flows
}

/// Baskets certainly free during some refusal of one, the most at any one of them.
///
/// A refusal spans the time from `sent` to `received`. At any instant in it, at most the units
/// asked for before `received` can be out, less those whose return was acknowledged before `sent`.
/// Holds no client knows of count as out all the time. If that leaves enough of every line, the
/// basket was free throughout, and `sold_out` was wrong.
///
/// So units that are free at the end are found if any request for one, sent after the last
/// acknowledged return, was refused; and so is a unit that lay idle for a while and was sold later.
pub(super) fn undersold(record: &Record, service: &Witness, journal: &Witness) -> Finding {
    let mut finding = Finding::default();
    let flows = flows(record, service, journal);
    let unheard = unheard(record, service).max(unheard(record, journal));
    let free = |refusal: &SoldOut| {
        let fit = |line: &Line| {
            let flow = flows.get(line.sku.as_str())?;
            Some(flow.free(refusal.sent_us, refusal.received_us, unheard) / u64::from(line.units))
        };
        let lines = refusal.basket.lines.iter().map(fit);
        lines.collect::<Option<Vec<u64>>>()?.into_iter().min()
    };
    let judged = record.sold_out.iter().filter(|refusal| !refusal.basket.may_lack_a_gift);
    let (mut refusals, mut most, mut example) = (0u64, 0, None);
    for refusal in judged {
        let free = free(refusal).unwrap_or(0);
        refusals += u64::from(free > 0);
        if free > most {
            (most, example) = (free, Some(refusal));
        }
    }
    if let Some(refusal) = example {
        // What never runs out is refused once too often each time.
        let most = if most == u64::MAX { refusals } else { most };
        finding.add_many(most, || {
            format!(
                "{refusals} refusals with units free; at {} us after the opening {most} were",
                refusal.sent_us,
            )
        });
    }
    finding
}

/// Units in holds of a witness that no client was told of.
fn unheard(record: &Record, witness: &Witness) -> u64 {
    let heard: HashSet<&str> = record.grants.iter().map(|grant| grant.id.as_ref()).collect();
    let unheard = witness.holds.iter().filter(|hold| !heard.contains(hold.id.as_str()));
    unheard.map(|hold| hold.units).sum()
}

/// The counters of one witness against each other and against its own list of holds.
pub(super) fn sums(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    for WitnessItem { sku, total, available, held, sold } in &witness.items {
        if *total != available.map(|available| available + held + sold) {
            finding.add(|| format!("{name}: {sku}: {available:?}, {held}, {sold} of {total:?}"));
        }
    }
    let wanted = record.baskets.iter().flat_map(|basket| basket.lines.iter());
    let wanted: BTreeSet<&str> = wanted.map(|line| line.sku.as_str()).collect();
    let unknown: Vec<&str> = wanted.into_iter().filter(|sku| witness.item(sku).is_none()).collect();
    if !unknown.is_empty() {
        return finding.add(|| format!("{name}: does not know {}", unknown.join(", ")));
    }
    let counted = |of: fn(&WitnessItem) -> u64| witness.items.iter().map(of).sum::<u64>();
    let counted = [
        (HoldState::Held, counted(|item| item.held)),
        (HoldState::Confirmed, counted(|item| item.sold)),
    ];
    for (state, counted) in counted {
        let listed = witness.units_in(state);
        if listed != counted {
            finding.add(|| format!("{name}: counts {counted} units {state:?}, lists {listed}"));
        }
    }
}

/// Items on which the two witnesses differ.
pub(super) fn differences(service: &Witness, journal: &Witness, finding: &mut Finding) {
    for ours in &service.items {
        let theirs = journal.item(&ours.sku);
        if theirs != Some(ours) {
            finding.add(|| format!("service has {ours:?}, journal {theirs:?}"));
        }
    }
    for theirs in journal.items.iter().filter(|item| service.item(&item.sku).is_none()) {
        finding.add(|| format!("service lacks {theirs:?} of the journal"));
    }
}
