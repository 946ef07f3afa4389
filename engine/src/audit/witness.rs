//! The second implementation: campaigns and drops, as their records tell. Time never runs
//! backwards, campaigns come in their places, every record names a drop that exists.
//!
//! Where the first record kept is not the first one, drops before that of the first campaign put
//! since are not known: what is about them is passed over and counted.

use std::collections::{BTreeMap, BTreeSet};

use super::drop_book::{DropBook, End};
use super::history::HoldHistory;
use super::report::{DropAudit, Found, NotKept, Violation};
use crate::Timestamp;
use crate::catalogue::{CampaignRecord, DeletedRecord, PutDrop};
use crate::hold::HoldState;
use crate::ids::HoldId;
use crate::journal::record::Record;
use crate::journal::settlement::Settlement;

#[derive(Debug, Default)]
pub(super) struct Witness {
    drops: BTreeMap<u32, DropBook>,
    last_at: Timestamp,
    found: Found,
    /// What began before the first record that is kept, if anything may have.
    not_kept: Option<Earlier>,
}

#[derive(Debug)]
struct Earlier {
    first_sequence: u64,
    passed_over: u64,
    drops: BTreeSet<u32>,
    /// Drops from this one on are known; none are before a campaign is put.
    known_from: Option<u32>,
}

impl Earlier {
    fn knows(&self, drop: u32) -> bool {
        self.known_from.is_some_and(|from| drop >= from)
    }
}

impl Witness {
    /// Looks at the next record.
    ///
    /// # Errors
    /// The record carries a campaign that cannot be read, so that nothing after it could be judged.
    pub(super) fn see(
        &mut self,
        sequence: u64,
        at: Timestamp,
        record: &Record<'_>,
    ) -> Result<(), &'static str> {
        if self.found.sequence == 0 && sequence > 1 {
            let (drops, known_from) = (BTreeSet::new(), None);
            let earlier = Earlier { first_sequence: sequence, passed_over: 0, drops, known_from };
            self.not_kept = Some(earlier);
        }
        self.found.sequence = sequence;
        if at < self.last_at {
            let what = format!("at {at}, after a record of {}", self.last_at);
            self.found.add(None, "time", what);
        }
        self.last_at = self.last_at.max(at);
        match record {
            Record::Resumed { now } => {
                self.drops.values_mut().for_each(|drop| drop.resumed(*now));
            }
            Record::Stepped { step_ms } => {
                self.drops.values_mut().for_each(|drop| drop.stepped(*step_ms));
            }
            Record::Campaign { first_sale, json } => {
                let put =
                    CampaignRecord::from_json(json).ok_or("a campaign that cannot be read")?;
                self.put(*first_sale, &put);
            }
            Record::Deleted { first_sale, .. } if self.is_earlier([*first_sale]) => {}
            Record::Deleted { json, .. } => {
                let record =
                    DeletedRecord::from_json(json).ok_or("a deletion that cannot be read")?;
                self.delete(&record.campaign);
            }
            Record::Settled { first_sale, settlement } => self.settled(*first_sale, settlement),
            about_a_drop => self.see_drop(at, about_a_drop),
        }
        Ok(())
    }

    /// A record about one drop, or a hold of it.
    fn see_drop(&mut self, at: Timestamp, record: &Record<'_>) {
        match record {
            Record::Resumed { .. }
            | Record::Stepped { .. }
            | Record::Campaign { .. }
            | Record::Deleted { .. }
            | Record::Settled { .. } => {}
            Record::Opened { sale, shown } => self.of(*sale, |drop, found| {
                drop.opened(at, found);
                drop.shows(shown, found);
            }),
            Record::Closed { sale, pause_ms, shown } => self.of(*sale, |drop, found| {
                drop.closed(at, *pause_ms, found);
                drop.shows(shown, found);
            }),
            Record::Paused { sale, now, shown } => self.of(*sale, |drop, found| {
                drop.paused(*now, found);
                drop.shows(shown, found);
            }),
            Record::Unpaused { sale, pause_ms, shown } => self.of(*sale, |drop, found| {
                drop.unpaused(at, *pause_ms, found);
                drop.shows(shown, found);
            }),
            Record::Stocked { sale, good, total, shown } => self.of(*sale, |drop, found| {
                drop.stocked((*good).into(), *total, found);
                drop.shows(shown, found);
            }),
            Record::Granted { sale, grant } => {
                self.of(*sale, |drop, found| drop.granted(at, grant, found));
            }
            Record::Confirmed { sale, slot, payment } => self.of(*sale, |drop, found| {
                drop.ended(*slot, End::Confirmed { paid: !payment.is_empty() }, found);
            }),
            Record::Released { sale, slot } => {
                self.of(*sale, |drop, found| drop.ended(*slot, End::Released, found));
            }
            Record::Expired { sale, slot } => {
                self.of(*sale, |drop, found| drop.ended(*slot, End::Expired { at }, found));
            }
            Record::PaidLate { sale, slot, gifts, payment } => self.of(*sale, |drop, found| {
                drop.paid_late(*slot, *gifts, !payment.is_empty(), found);
            }),
            Record::Refunded { sale, refund } => {
                self.of(*sale, |drop, found| drop.refunded(refund, found));
            }
            Record::Waited { sale, join } => {
                self.of(*sale, |drop, found| drop.joined(join, found));
            }
            Record::Left { sale, slot } => {
                self.of(*sale, |drop, found| drop.left_line(*slot, found));
            }
            Record::Extended { sale, slot, expires_at } => {
                self.of(*sale, |drop, found| drop.extended(*slot, at, *expires_at, found));
            }
        }
    }

    /// Whether a record about these drops is about none that is known; then it is passed over.
    fn is_earlier(&mut self, drops: impl IntoIterator<Item = u32>) -> bool {
        let Some(earlier) = &mut self.not_kept else { return false };
        let (known, unknown): (Vec<u32>, Vec<u32>) =
            drops.into_iter().partition(|drop| earlier.knows(*drop));
        let passed = known.is_empty() && !unknown.is_empty();
        earlier.passed_over += u64::from(passed);
        earlier.drops.extend(unknown);
        passed
    }

    /// The first record that is kept, if the drop was put before it.
    pub(super) fn kept_after(&self, drop: u32) -> Option<u64> {
        let earlier = self.not_kept.as_ref().filter(|earlier| !earlier.knows(drop))?;
        Some(earlier.first_sequence)
    }

    /// Hands a record to its drop.
    fn of(&mut self, sale: u32, judge: impl FnOnce(&mut DropBook, &mut Found)) {
        if self.is_earlier([sale]) {
            return;
        }
        match self.drops.get_mut(&sale) {
            Some(drop) => judge(drop, &mut self.found),
            None => self.found.add(None, "drop", format!("names drop {sale}, which was never put")),
        }
    }

    /// A settlement settles all drops of one campaign, each once.
    fn settled(&mut self, first_sale: u32, settlement: &Settlement) {
        let drops = &settlement.drops;
        if self.is_earlier(drops.iter().map(|(sale, _)| *sale)) {
            return;
        }
        let known: Vec<_> =
            drops.iter().filter(|(sale, _)| self.kept_after(*sale).is_none()).collect();
        for (sale, sums) in &known {
            self.of(*sale, |drop, found| drop.settled(&settlement.rules, sums, found));
        }
        let named: BTreeSet<u32> = known.iter().map(|(sale, _)| *sale).collect();
        let first = named.first().copied().unwrap_or(first_sale);
        let campaign = self.drops.get(&first).map(DropBook::campaign).unwrap_or_default();
        let current = self.drops.iter().filter(|(_, drop)| drop.is_current_of(campaign));
        if !current.map(|(sale, _)| sale).eq(&named) || named.len() != known.len() {
            let what = "a settlement of other drops than a campaign has".to_owned();
            self.found.add(None, "L1", what);
        }
    }

    /// A campaign takes the place of an earlier one of its id. Drops of that one that have opened
    /// go on, and perhaps others.
    fn put(&mut self, first_sale: u32, put: &CampaignRecord) {
        if let Some(earlier) = &mut self.not_kept {
            earlier.known_from.get_or_insert(first_sale);
        }
        let from = self.not_kept.as_ref().and_then(|earlier| earlier.known_from).unwrap_or(0);
        let next = self.drops.last_key_value().map_or(from, |(last, _)| last + 1);
        self.is_earlier(put.drops(first_sale).map(|drop| drop.index));
        if first_sale != next {
            let what = format!("a campaign's drops begin at {first_sale}, not at {next}");
            self.found.add(None, "drop", what);
        }
        let mut over = Vec::new();
        for (index, drop) in &self.drops {
            if drop.is_current_of(&put.campaign.id) && !put.keeps(*index) {
                over.push(*index);
            }
        }
        for PutDrop { index, occurrence, kept } in put.drops(first_sale) {
            let found = &mut self.found;
            match self.drops.get_mut(&index) {
                Some(drop) if kept => drop.goes_on(&put.campaign, &occurrence, found),
                None if kept && self.not_kept.as_ref().is_some_and(|it| !it.knows(index)) => {}
                None if kept => found.add(None, "drop", format!("drop {index} was never put")),
                _ => {
                    let mut drop = DropBook::new(index, &put.campaign, &occurrence);
                    let mut others = over.iter().filter_map(|other| self.drops.get(other));
                    if let Some(other) = others.find(|other| other.is_as(&drop)) {
                        drop.pause_like(other);
                    }
                    self.drops.insert(index, drop);
                }
            }
        }
        for index in over {
            self.drops.entry(index).and_modify(|drop| drop.replaced(&mut self.found));
        }
    }

    /// A campaign is deleted before anything was granted, or once it is settled.
    fn delete(&mut self, campaign: &str) {
        let its: Vec<&mut DropBook> =
            self.drops.values_mut().filter(|drop| drop.is_current_of(campaign)).collect();
        if let (true, Some(earlier)) = (its.is_empty(), &mut self.not_kept) {
            // Put anew since, without a drop of its own that could be known.
            earlier.passed_over += 1;
            return;
        }
        let all = |holds: fn(&DropBook) -> bool| its.iter().all(|drop| holds(drop));
        if its.is_empty() || !(all(DropBook::is_settled) || all(DropBook::is_untouched)) {
            self.found.add(None, "drop", "a campaign is deleted that goes on".to_owned());
        }
        its.into_iter().for_each(DropBook::forget);
    }

    /// State and deadline of a hold, if it was granted.
    pub(super) fn hold(&self, id: HoldId) -> Option<(HoldState, Timestamp)> {
        self.drops.get(&id.sale())?.hold(id)
    }

    /// What a hold is, without what happened to it.
    pub(super) fn history(&self, id: HoldId) -> Option<HoldHistory> {
        self.drops.get(&id.sale())?.history(id)
    }

    /// What was not judged, the drops that are current, and everything that was wrong.
    pub(super) fn verdict(self) -> (Option<NotKept>, Vec<DropAudit>, Vec<Violation>) {
        let not_kept = self.not_kept.map(|earlier| NotKept {
            first_sequence: earlier.first_sequence,
            passed_over: earlier.passed_over,
            drops: earlier.drops.into_iter().collect(),
            known_from: earlier.known_from,
        });
        let drops = self.drops.into_values().filter_map(DropBook::into_audit).collect();
        (not_kept, drops, self.found.into_list())
    }
}
