//! The second implementation: campaigns and drops, as their records tell. Time never runs
//! backwards, campaigns come in their places, every record names a drop that exists.

use std::collections::{BTreeMap, BTreeSet};

use super::drop_book::{DropBook, End};
use super::history::HoldHistory;
use super::report::{DropAudit, Found, Violation};
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

    /// Hands a record to its drop.
    fn of(&mut self, sale: u32, judge: impl FnOnce(&mut DropBook, &mut Found)) {
        match self.drops.get_mut(&sale) {
            Some(drop) => judge(drop, &mut self.found),
            None => self.found.add(None, "drop", format!("names drop {sale}, which was never put")),
        }
    }

    /// A settlement settles all drops of one campaign, each once.
    fn settled(&mut self, first_sale: u32, settlement: &Settlement) {
        for (sale, sums) in &settlement.drops {
            self.of(*sale, |drop, found| drop.settled(&settlement.rules, sums, found));
        }
        let named: BTreeSet<u32> = settlement.drops.iter().map(|(sale, _)| *sale).collect();
        let campaign = self.drops.get(&first_sale).map(DropBook::campaign).unwrap_or_default();
        let current = self.drops.iter().filter(|(_, drop)| drop.is_current_of(campaign));
        if !current.map(|(sale, _)| sale).eq(&named) || named.len() != settlement.drops.len() {
            let what = "a settlement of other drops than a campaign has".to_owned();
            self.found.add(None, "L1", what);
        }
    }

    /// A campaign takes the place of an earlier one of its id. Drops of that one that have opened
    /// go on, and perhaps others.
    fn put(&mut self, first_sale: u32, put: &CampaignRecord) {
        let next = self.drops.last_key_value().map_or(0, |(last, _)| last + 1);
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

    /// The drops that are current, and everything that was wrong.
    pub(super) fn verdict(self) -> (Vec<DropAudit>, Vec<Violation>) {
        let drops = self.drops.into_values().filter_map(DropBook::into_audit).collect();
        (drops, self.found.into_list())
    }
}
