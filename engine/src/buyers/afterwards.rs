//! What happened to a hold after it was over: refunds, and a payment that came late. Few holds have
//! any, so it lies beside the rows.

use smallvec::SmallVec;

use super::row::HoldState;
use super::shard::Shard;
use crate::Timestamp;
use crate::fault::{Fault, planted};
use crate::journal::Stamp;
use crate::journal::record::{Line, Lines, Refund};

/// One refund, as it was asked for and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refunded {
    pub(crate) name: Box<str>,
    pub(crate) lines: Lines,
    pub(crate) all: bool,
    pub(crate) restock: bool,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
}

/// An expired hold, before it was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) due_at: Timestamp,
    pub(crate) gifts: u32,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Afterwards {
    /// Sequence of the record that ended the hold's being held: what moved its deadline came
    /// before.
    pub(crate) ended: u64,
    /// What it was as it expired, if it was paid for late.
    pub(crate) late: Option<Late>,
    pub(crate) refunds: SmallVec<[Refunded; 1]>,
}

impl Shard {
    /// What happened to a hold after it was over.
    pub(crate) fn afterwards(&self, index: u32) -> Option<&Afterwards> {
        if self.afterwards.is_empty() { None } else { self.afterwards.get(&index) }
    }

    /// A hold's refunds up to that record, the oldest first.
    pub(crate) fn refunds(&self, index: u32, until: u64) -> impl Iterator<Item = &Refunded> {
        let all = self.afterwards(index).map_or(&[][..], |after| after.refunds.as_slice());
        all.iter().take_while(move |refund| refund.sequence <= until)
    }

    /// A hold's lines with what its customer still has of them; 0 where all came back.
    pub(crate) fn kept(&self, index: u32) -> Lines {
        let mut lines = self.lines(self.row(index));
        for refund in self.refunds(index, u64::MAX) {
            take_off(&mut lines, &refund.lines);
        }
        lines
    }

    /// Sequence of the record that ended a hold's being held, if one did.
    pub(crate) fn ended(&self, index: u32) -> Option<u64> {
        let row = self.row(index);
        let last = row.last_sequence;
        let ended = self.afterwards(index).map_or(last, |after| after.ended);
        (row.state() != HoldState::Held).then_some(ended)
    }

    /// Some or all of an order's units came back.
    pub(crate) fn refunded(
        &mut self,
        refund: &Refund<'_>,
        stamp: Stamp,
        limited: impl Fn(u16) -> bool,
    ) {
        let index = refund.slot.row;
        let ended = self.row(index).last_sequence;
        let fresh = Afterwards { ended, ..Afterwards::default() };
        self.afterwards.entry(index).or_insert(fresh).refunds.push(Refunded {
            name: refund.name.into(),
            lines: refund.lines.clone(),
            all: refund.all,
            restock: refund.restock,
            sequence: stamp.sequence,
            at: stamp.at,
        });
        let nothing_left = self.kept(index).iter().all(|line| line.quantity == 0);
        let row = self.row_mut(index);
        row.last_sequence = stamp.sequence;
        if nothing_left {
            row.set_state(HoldState::Refunded);
        }
        let buyer = row.buyer;
        if !planted(Fault::RefundNotFreed) {
            self.uncount(buyer, &refund.lines, limited);
        }
    }

    /// An expired hold was paid for after all.
    pub(crate) fn paid_late(
        &mut self,
        index: u32,
        gifts: u32,
        payment: &str,
        stamp: Stamp,
        limited: impl Fn(u16) -> bool,
    ) {
        let row = *self.row(index);
        let late = Some(Late { due_at: row.ends_at, gifts: row.gifts });
        let after = Afterwards { ended: row.last_sequence, late, ..Afterwards::default() };
        self.afterwards.insert(index, after);
        self.row_mut(index).gifts = gifts;
        self.confirmed(index, payment, stamp);
        let lines = self.lines(&row);
        self.count(row.buyer, &lines, limited);
    }
}

/// Takes units off lines that have them.
pub(crate) fn take_off(lines: &mut [Line], less: &[Line]) {
    for less in less {
        let line = lines.iter_mut().find(|line| line.item == less.item);
        let line = line.expect("a refund names lines of its hold");
        // INVARIANT(S1): no more comes back than was bought.
        let left = line.quantity.checked_sub(less.quantity);
        line.quantity = left.expect("no more comes back than was bought");
    }
}
