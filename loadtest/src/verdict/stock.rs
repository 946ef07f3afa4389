//! Units: too many out, too few sold, sums that do not add up.

use std::collections::HashSet;

use super::finding::Finding;
use super::witness::{Witness, WitnessItem};
use crate::call::HoldState;
use crate::record::Record;

/// Units out beyond the total, by each witness's counters, its holds, and the clients' record.
pub(super) fn oversold(record: &Record, service: &Witness, journal: &Witness) -> Finding {
    let mut finding = Finding::default();
    for (name, witness) in [("service", service), ("journal", journal)] {
        for WitnessItem { sku, total, held, sold, .. } in &witness.items {
            finding.add_many((held + sold).saturating_sub(*total), || {
                format!("{name}: {held} held and {sold} sold of {total} {sku}")
            });
        }
        let Some(item) = witness.item(&record.sku) else { continue };
        let out = witness.units_in(HoldState::Held) + witness.units_in(HoldState::Confirmed);
        finding.add_many(out.saturating_sub(item.total), || {
            format!("{name}: its live holds have {out} of {} units", item.total)
        });
    }
    if let Some(total) = total(record, service, journal) {
        let (out, at_us) = most_out(record, service, journal);
        finding.add_many(out.saturating_sub(total), || {
            format!("clients: {out} of {total} units out at {at_us} us after the opening")
        });
    }
    finding
}

/// The most units certainly out at one instant, and that instant.
///
/// A unit is certainly out from the acknowledgement of its grant until its release is asked for; a
/// hold that ended otherwise, when nobody knows, is left aside.
fn most_out(record: &Record, service: &Witness, journal: &Witness) -> (u64, i64) {
    let ended = |state: HoldState| matches!(state, HoldState::Expired | HoldState::Refunded);
    let aside: HashSet<&str> = service
        .holds
        .iter()
        .chain(&journal.holds)
        .filter(|hold| ended(hold.state))
        .map(|hold| hold.id.as_str())
        .collect();
    let mut steps: Vec<(i64, i64)> = Vec::new();
    for grant in &record.grants {
        if grant.state != HoldState::Expired && !aside.contains(grant.id.as_ref()) {
            let units = i64::from(grant.units);
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

/// Units certainly free during some refusal, the most at any one of them.
///
/// A refusal spans the time from `sent` to `received`. At any instant in it, at most the units
/// asked for before `received` can be out, less those whose return was acknowledged before `sent`.
/// Holds no client knows of count as out all the time. If that leaves a unit of the total, one was
/// free throughout, and `sold_out` was wrong. Every hold of a crowd is one unit.
///
/// So units that are free at the end are found if any request for one, sent after the last
/// acknowledged return, was refused; and so is a unit that lay idle for a while and was sold later.
pub(super) fn undersold(record: &Record, service: &Witness, journal: &Witness) -> Finding {
    let mut finding = Finding::default();
    let Some(total) = total(record, service, journal) else { return finding };
    let mut asked_us: Vec<i64> = record.grants.iter().map(|grant| grant.asked_us).collect();
    let mut returned_us: Vec<i64> =
        record.grants.iter().filter_map(|grant| grant.returned_us()).collect();
    asked_us.sort_unstable();
    returned_us.sort_unstable();
    // Instants are rounded down: what was asked for in the microsecond of an answer may precede it.
    let until = |at_us: i64| asked_us.partition_point(|&us| us <= at_us) as u64;
    let before = |at_us: i64| returned_us.partition_point(|&us| us < at_us) as u64;
    let unheard = unheard(record, service).max(unheard(record, journal));

    let (mut refusals, mut most, mut example) = (0u64, 0, None);
    for refusal in &record.sold_out {
        let out = until(refusal.received_us) + unheard;
        let free = (total + before(refusal.sent_us)).saturating_sub(out);
        refusals += u64::from(free > 0);
        if free > most {
            (most, example) = (free, Some(refusal));
        }
    }
    if let Some(refusal) = example {
        finding.add_many(most, || {
            format!(
                "{refusals} refusals with units free; at {} us after the opening {most} were",
                refusal.sent_us,
            )
        });
    }
    finding
}

/// Holds of a witness that no client was told of.
fn unheard(record: &Record, witness: &Witness) -> u64 {
    let heard: HashSet<&str> = record.grants.iter().map(|grant| grant.id.as_ref()).collect();
    witness.holds.iter().filter(|hold| !heard.contains(hold.id.as_str())).count() as u64
}

/// Units of the crowd's item; the smaller if the witnesses differ, which is a mismatch anyway.
fn total(record: &Record, service: &Witness, journal: &Witness) -> Option<u64> {
    [service, journal].iter().filter_map(|witness| Some(witness.item(&record.sku)?.total)).min()
}

/// The counters of one witness against each other and against its own list of holds.
pub(super) fn sums(record: &Record, name: &str, witness: &Witness, finding: &mut Finding) {
    for WitnessItem { sku, total, available, held, sold } in &witness.items {
        if available + held + sold != *total {
            finding.add(|| format!("{name}: {sku}: {available} + {held} + {sold} is not {total}"));
        }
    }
    let Some(item) = witness.item(&record.sku) else {
        return finding.add(|| format!("{name}: does not know {}", record.sku));
    };
    for (state, counted) in [(HoldState::Held, item.held), (HoldState::Confirmed, item.sold)] {
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
