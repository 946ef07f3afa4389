//! What an operator does: sets the stock of a good, and closes the drop.

use std::collections::BTreeSet;

use jangteo::{Phase, Refusal};

use super::ledger::is_served;
use super::stage::{Life, Stage};
use crate::invariants::Count;
use crate::violation::{Violation, require};

type Checked = Result<(), Violation>;

/// Whether the drop was closed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// It was asked for, and no answer told.
    Asked,
    Told,
}

impl Stage {
    /// Sets the total of a good: what comes goes to the line first.
    pub(super) fn set_stock(&mut self, life: &Life, good: u16, total: u32, waits: bool) -> Checked {
        let before = self.counts(life);
        let place = usize::from(good);
        let Some(Count { total: Some(old), available: Some(left), .. }) = before.get(place) else {
            return Ok(()); // sealed, or unlimited
        };
        let (gone, left) = (old - left, i64::from(*left) + i64::from(total) - i64::from(*old));
        let line = self.line(life)?;
        let sku = self.plan.good(good).sku;
        if let Some(totals) = self.totals.get_mut(place) {
            totals.insert(total);
        }
        let answer = life.sale.set_stock(sku, total, None);
        self.counted += 1;
        self.shadow.gave_back_ns = self.counted;
        let told = answer.map(|mut pending| {
            if waits { Some(pending.wait()) } else { pending.try_get() }
                .is_some_and(|told| told.is_ok())
        });
        if self.storage.has_died() {
            return Ok(());
        }
        let after = self.counts(life);
        let low = total < gone || life.sale.phase() >= Phase::Closed;
        let fair = match &told {
            Ok(_) => !low,
            Err(Refusal::WrongState) => low,
            Err(Refusal::Overloaded | Refusal::Unavailable) => {
                let health = life.engine.health();
                health.disk_short || health.latched.is_some()
            }
            Err(_) => false,
        };
        require(fair, "answer", || format!("{sku}: {total} units: {told:?}, with {before:?}"))?;
        let Ok(told) = told else {
            // The line is served before anything else.
            return require(before == after || self.is_unserved, "S1", || {
                format!("{before:?} became {after:?}")
            });
        };
        let mut expected = before.clone();
        if let Some(count) = expected.get_mut(place) {
            (count.total, count.available) = (Some(total), u32::try_from(left).ok());
        }
        let short = life.engine.health().disk_short;
        let served = is_served(&self.plan, expected, &line, &after, short);
        require(served || self.is_unserved, "S3", || {
            format!("{sku}: {total} units: {before:?} became {after:?}, and {line:?} waited")
        })?;
        self.happened.stocked += 1;
        if let Some(set) = self.shadow.totals.get_mut(place) {
            *set = Some(total);
        }
        if let (true, Some(totals)) = (told, self.totals.get_mut(place)) {
            *totals = BTreeSet::from([total]);
        }
        Ok(())
    }

    /// After a start: the totals are some that were set.
    pub(super) fn totals_are(&mut self, life: &Life) -> Checked {
        for (place, count) in self.counts(life).iter().enumerate() {
            let (Some(total), Some(totals)) = (count.total, self.totals.get_mut(place)) else {
                continue;
            };
            require(totals.contains(&total), "J1", || format!("{total} units, not {totals:?}"))?;
            *totals = BTreeSet::from([total]);
            self.shadow.totals.get_mut(place).into_iter().for_each(|set| *set = Some(total));
        }
        Ok(())
    }

    /// Closes the drop for good.
    pub(super) fn close(&mut self, life: &Life) -> Checked {
        if life.sale.phase() != Phase::Open {
            return Ok(());
        }
        self.closing = Closing::Asked;
        let closed = life.sale.close();
        if matches!(closed, Err(Refusal::Overloaded | Refusal::Unavailable)) {
            self.closing = Closing::No; // nothing was done
        }
        if self.turned(life, closed, Phase::Closed)? {
            self.closing = Closing::Told;
            self.happened.closed += 1;
        }
        self.reached_ms = self.reached_ms.max(self.turned_ms(life));
        Ok(())
    }

    /// After a start: a drop that was said to be closed is.
    pub(super) fn closing_is(&mut self, phase: Phase) -> Checked {
        let closed = phase >= Phase::Closed;
        require(closed || self.closing != Closing::Told, "J1", || {
            format!("{phase:?}, not closed")
        })?;
        self.closing = match self.closing {
            Closing::Asked | Closing::Told if closed => Closing::Told,
            _ => Closing::No,
        };
        Ok(())
    }
}
