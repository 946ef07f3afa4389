//! Places in the line: plain data beside the holds of the customer who waits. Which of them comes
//! first is the line's to know (`line.rs`).

use super::row::NONE;
use super::shard::{BuyerRef, Shard};
use crate::Timestamp;
use crate::fault::{Fault, planted};
use crate::journal::Stamp;
use crate::journal::record::{Join, Lines};

/// What became of a wait; that it ended with its drop is the drop's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitRowState {
    Waiting,
    /// It became the hold in that row.
    Granted(u32),
    Left,
}

/// One place in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitRow {
    pub(crate) random: u64,
    pub(crate) created_at: Timestamp,
    /// Sequence of the record that made it: the order of the line.
    pub(crate) joined: u64,
    pub(crate) last_sequence: u64,
    pub(crate) buyer: u32,
    pub(crate) state: WaitRowState,
    pub(crate) key: Box<str>,
    pub(crate) area: Box<str>,
    pub(crate) lines: Lines,
}

impl Shard {
    pub(crate) fn wait(&self, index: u32) -> Option<&WaitRow> {
        self.waits.get(index as usize)
    }

    /// All places of the shard, in the order of joining.
    pub(crate) fn all_waits(&self) -> &[WaitRow] {
        &self.waits
    }

    /// Whose place it is.
    pub(crate) fn waiter(&self, wait: &WaitRow) -> &str {
        self.buyer_name(wait.buyer)
    }

    /// The wait that `buyer` joined under `key`.
    pub(crate) fn wait_by_key(&self, buyer: u32, key: &str) -> Option<u32> {
        if self.waits_by_buyer.is_empty() {
            return None;
        }
        let mut waits = self.waits_of(Some(buyer));
        waits.find(|&index| self.wait(index).is_some_and(|wait| &*wait.key == key))
    }

    /// A buyer's waits, newest first.
    pub(crate) fn waits_of(&self, buyer: Option<u32>) -> impl Iterator<Item = u32> {
        let waits = buyer.and_then(|buyer| self.waits_by_buyer.get(&buyer));
        waits.into_iter().flatten().rev().copied()
    }

    /// The row that the next wait gets.
    pub(crate) fn next_wait(&self) -> u32 {
        u32::try_from(self.waits.len()).expect("limits.rs bounds the rows of a shard")
    }

    /// Somebody joined the line: units waited for count for the limits.
    pub(crate) fn waited(
        &mut self,
        buyer: &BuyerRef<'_>,
        join: &Join<'_>,
        created_at: Timestamp,
        sequence: u64,
        limited: impl Fn(u16) -> bool,
    ) {
        assert_eq!(self.next_wait(), join.slot.row, "waits lie in the order of joining");
        let buyer = buyer.row.unwrap_or_else(|| self.add_buyer(buyer));
        if !planted(Fault::WaitNotCounted) {
            self.count(buyer, &join.lines, limited);
        }
        self.waits_by_buyer.entry(buyer).or_default().push(join.slot.row);
        self.waits.push(WaitRow {
            random: join.random,
            created_at,
            joined: sequence,
            last_sequence: sequence,
            buyer,
            state: WaitRowState::Waiting,
            key: join.key.into(),
            area: join.area.into(),
            lines: join.lines.clone(),
        });
    }

    /// Somebody left the line.
    pub(crate) fn left(&mut self, index: u32, stamp: Stamp, limited: impl Fn(u16) -> bool) {
        self.wait_over(index, WaitRowState::Left, stamp.sequence, limited);
    }

    /// A wait is over: its units are not waited for any more.
    pub(super) fn wait_over(
        &mut self,
        index: u32,
        state: WaitRowState,
        sequence: u64,
        limited: impl Fn(u16) -> bool,
    ) {
        let wait = self.waits.get_mut(index as usize).expect("a wait once found stays");
        (wait.state, wait.last_sequence) = (state, sequence);
        let (buyer, lines) = (wait.buyer, wait.lines.clone());
        if !planted(Fault::WaitNotCounted) {
            self.uncount(buyer, &lines, limited);
        }
    }

    /// A place read back. Units waited for of items with a limit of their own count again.
    pub(crate) fn restore_wait(
        &mut self,
        wait: WaitRow,
        limited: impl Fn(u16) -> bool,
    ) -> Result<(), &'static str> {
        let hold = match wait.state {
            WaitRowState::Granted(row) => self.rows.get(row as usize).map(|row| row.buyer),
            _ => Some(wait.buyer),
        };
        if wait.buyer as usize >= self.buyers.len() || hold != Some(wait.buyer) {
            return Err("a wait of nobody");
        }
        if wait.state == WaitRowState::Waiting {
            for line in wait.lines.iter().filter(|line| limited(line.item)) {
                *self.units.entry((wait.buyer, line.item)).or_default() += u64::from(line.quantity);
            }
        }
        let index = self.next_wait();
        self.waits_by_buyer.entry(wait.buyer).or_default().push(index);
        self.waits.push(wait);
        Ok(())
    }
}

/// Where a state keeps the row of a hold, or none.
impl WaitRowState {
    /// As a number and a row.
    pub(crate) const fn to_numbers(self) -> [u32; 2] {
        match self {
            Self::Waiting => [0, NONE],
            Self::Granted(row) => [1, row],
            Self::Left => [2, NONE],
        }
    }

    pub(crate) const fn from_numbers(numbers: [u32; 2]) -> Option<Self> {
        match numbers {
            [0, NONE] => Some(Self::Waiting),
            [1, row] => Some(Self::Granted(row)),
            [2, NONE] => Some(Self::Left),
            _ => None,
        }
    }
}
