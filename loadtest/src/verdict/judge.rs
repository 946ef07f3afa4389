//! Compares the clients' record with the service's audit and the journal's.

use serde::Serialize;

use super::finding::Finding;
use super::witness::Witness;
use super::{holds, stock};
use crate::record::Record;

/// What three witnesses of one sale say together. A fault that two witnesses show counts twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Units out beyond the total: in a witness's counters, in its list of holds, or certainly out
    /// at one instant by the clients' acknowledgements.
    pub oversold: Finding,
    /// Baskets that were certainly free while a request for one was refused as sold out: the most
    /// at any one refusal. What is free at the end while a later request was refused is among them.
    pub undersold: Finding,
    /// Acknowledged grants, confirmations and releases that a witness lacks, or shows with another
    /// number, owner or state.
    pub lost: Finding,
    /// Two holds under one key, one id or number twice, one request answered as new twice, or a
    /// customer above the limit.
    pub duplicates: Finding,
    /// Granted before the opening.
    pub early: Finding,
    /// Everything else that does not fit: sums, gaps in the numbers, holds nobody can have asked
    /// for, witnesses that differ, violations they report, answers against the contract.
    pub mismatches: Finding,
    /// Nothing of all this was found.
    pub ok: bool,
    /// The generator could not keep its schedule, so its latencies are its own: see
    /// [`Slip::is_too_much`](crate::Slip::is_too_much). The counts above stand all the same.
    pub generator_slipped: bool,
}

/// Judges a sale. `service` and `journal` speak of the same drop as `record`, after its crowd.
///
/// Expects totals that did not change during the run, and no orders but the crowd's.
#[must_use]
pub fn verdict(record: &Record, service: &Witness, journal: &Witness) -> Verdict {
    let mut verdict = Verdict {
        oversold: stock::oversold(record, service, journal),
        undersold: stock::undersold(record, service, journal),
        generator_slipped: record.slip.is_too_much(),
        mismatches: record.surprises.clone(),
        ..Verdict::default()
    };
    holds::duplicates_of_record(record, &mut verdict.duplicates);
    holds::early(record, &mut verdict.early);
    holds::only_replayed(record, &mut verdict.mismatches);
    for (name, witness) in [("service", service), ("journal", journal)] {
        holds::lost(record, name, witness, &mut verdict.lost);
        holds::duplicates(record, name, witness, &mut verdict.duplicates);
        holds::early_in(record, name, witness, &mut verdict.early);
        holds::gaps(name, witness, &mut verdict.mismatches);
        holds::phantoms(record, name, witness, &mut verdict.mismatches);
        stock::sums(record, name, witness, &mut verdict.mismatches);
        for violation in &witness.violations {
            verdict.mismatches.add(|| format!("{name}: {violation}"));
        }
    }
    holds::differences(service, journal, &mut verdict.mismatches);
    stock::differences(service, journal, &mut verdict.mismatches);
    verdict.ok = {
        let Verdict { oversold, undersold, lost, duplicates, early, mismatches, .. } = &verdict;
        let findings = [oversold, undersold, lost, duplicates, early, mismatches];
        findings.iter().all(|finding| finding.is_none())
    };
    verdict
}
