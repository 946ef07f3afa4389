//! The holds that are kept while orders are summed up: those that are live, and those that the
//! records of a part name later. Of these there may be very many, so they lie close together.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::parts::{Later, Which};
use crate::buyers::{HoldRow, HoldState, Shard, take_off};
use crate::journal::record::{Grant, Line, Refund};

/// A hold that something may yet happen to.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) state: HoldState,
    pub(super) gifts: u32,
    /// What was bought, and then what of it its customer still has.
    lines: SmallVec<[Line; 4]>,
}
const _: () = assert!(size_of::<Option<Kept>>() <= 40, "as REPORT_LATER_MAX says");

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Holds {
    later: Later,
    /// Those that are named, each in the place of its name.
    named: Vec<Option<Kept>>,
    /// The others that are live.
    live: HashMap<Which, Kept>,
    /// For how many there ever was room at a time.
    #[cfg(test)]
    pub(super) room: usize,
}

impl Kept {
    pub(super) fn granted(grant: &Grant<'_>) -> Self {
        let state = if grant.confirmed { HoldState::Confirmed } else { HoldState::Held };
        Self::new(state, grant.gifts, &grant.lines, &grant.lines)
    }

    pub(super) fn in_row(shard: &Shard, hold: &HoldRow, row: u32) -> Self {
        Self::new(hold.state(), hold.gifts, &shard.lines(hold), &shard.kept(row))
    }

    fn new(state: HoldState, gifts: u32, bought: &[Line], left: &[Line]) -> Self {
        Self { state, gifts, lines: bought.iter().chain(left).copied().collect() }
    }

    pub(super) fn bought(&self) -> &[Line] {
        self.lines.split_at(self.lines.len() / 2).0
    }

    pub(super) fn left(&self) -> &[Line] {
        self.lines.split_at(self.lines.len() / 2).1
    }

    pub(super) fn refund(&mut self, refund: &Refund<'_>) {
        let half = self.lines.len() / 2;
        let (_, left) = self.lines.split_at_mut(half);
        take_off(left, &refund.lines);
        if left.iter().all(|line| line.quantity == 0) {
            self.state = HoldState::Refunded;
        }
    }

    pub(super) fn pay_late(&mut self, gifts: u32) {
        (self.state, self.gifts) = (HoldState::Confirmed, gifts);
    }
}

impl Holds {
    /// None yet; `later`: what the records of the first part name.
    pub(super) fn before(later: Later) -> Self {
        let mut holds = Self::default();
        holds.go_on(later);
        holds
    }

    /// Goes on with the next part: what this one names is still to be found, be it live already.
    pub(super) fn go_on(&mut self, later: Later) {
        #[cfg(test)]
        {
            self.room = self.room.max(self.live.capacity() + self.named.len());
        }
        let named = std::mem::take(&mut self.named).into_iter();
        let live = |hold: &Kept| hold.state == HoldState::Held;
        let named = self.later.iter().zip(named);
        let held = named.filter_map(|(which, hold)| Some((which, hold.filter(live)?)));
        self.live.extend(held);
        self.live.retain(|which, _| !later.names(*which));
        self.named.resize_with(later.len(), || None);
        self.later = later;
    }

    /// Whether a record of this part names it once it is over.
    pub(super) fn names(&self, which: Which) -> bool {
        self.later.names(which)
    }

    /// A hold that is named.
    pub(super) fn named_mut(&mut self, which: Which) -> Option<&mut Option<Kept>> {
        self.named.get_mut(self.later.place(which)?)
    }

    /// Keeps a hold as it is now, if something may yet happen to it.
    pub(super) fn keep(&mut self, which: Which, hold: Kept) {
        if let Some(place) = self.named_mut(which) {
            *place = Some(hold);
        } else if hold.state == HoldState::Held {
            self.live.insert(which, hold);
        }
    }

    pub(super) fn take(&mut self, which: Which) -> Option<Kept> {
        match self.named_mut(which) {
            Some(place) => place.take(),
            None => self.live.remove(&which),
        }
    }

    /// Lets go of holds of some drops.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.live.retain(|which, _| !is_gone(which.sale()));
        let named = self.later.iter().zip(&mut self.named);
        named.filter(|(which, _)| is_gone(which.sale())).for_each(|(_, hold)| *hold = None);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.live.len() + self.named.iter().flatten().count()
    }

    /// How many are named.
    #[cfg(test)]
    pub(super) const fn named(&self) -> usize {
        self.later.len()
    }
}
