//! Deadlines of one shard. Rows lie in the order of granting and a drop has one TTL, so first
//! deadlines come due in row order: a cursor is enough. Those that were moved later are a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::row::{HoldRow, HoldState};
use crate::Timestamp;

/// A deadline that does not come in the order of rows. Twelve bytes: time in two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Later {
    high: u32,
    low: u32,
    row: u32,
}

impl Later {
    fn new(at: Timestamp, row: u32) -> Reverse<Self> {
        let [a, b, c, d, e, f, g, h] = at.as_ms().to_be_bytes();
        let (high, low) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Reverse(Self { high, low, row })
    }

    fn at(self) -> Timestamp {
        Timestamp::from_ms((u64::from(self.high) << 32) | u64::from(self.low))
    }
}

const _: () = assert!(size_of::<Later>() == 12);

#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Rows before this one are over, or in the heap.
    cursor: u32,
    later: BinaryHeap<Reverse<Later>>,
    /// The latest deadline of any row so far that was not moved on its own.
    latest: Timestamp,
}

impl Expiry {
    /// The next row whose hold is due at `now`, if any.
    pub(crate) fn due(&mut self, rows: &[HoldRow], now: Timestamp) -> Option<u32> {
        while let Some(row) = rows.get(self.cursor as usize) {
            if row.state() == HoldState::Held {
                if row.ends_at <= now {
                    self.cursor += 1;
                    return Some(self.cursor - 1);
                }
                if !row.is_extended() {
                    break; // whoever came later is due later
                }
                self.later.push(Later::new(row.ends_at, self.cursor));
            }
            self.cursor += 1;
        }
        while let Some(&Reverse(next)) = self.later.peek() {
            if now < next.at() {
                return None;
            }
            self.later.pop();
            let Some(row) = rows.get(next.row as usize) else { continue };
            if row.state() == HoldState::Held {
                if row.ends_at <= now {
                    return Some(next.row);
                }
                self.later.push(Later::new(row.ends_at, next.row));
            }
        }
        None
    }

    /// The deadline that is met next, if there is one.
    pub(crate) fn first(&self, rows: &[HoldRow]) -> Option<Timestamp> {
        let held = |row: &&HoldRow| row.state() == HoldState::Held;
        // Whoever came after the first that was not moved on its own is due after it.
        let mut passed = false;
        let ahead = rows.iter().skip(self.cursor as usize).filter(held);
        let ahead = ahead.take_while(|row| !std::mem::replace(&mut passed, !row.is_extended()));
        let later = self.later.iter().filter_map(|Reverse(later)| rows.get(later.row as usize));
        ahead.chain(later.filter(held)).map(|row| row.ends_at).min()
    }

    /// A row was added. One that is due before an older row, because the clock was put back
    /// between them, must not wait behind it.
    pub(crate) fn granted(&mut self, expires_at: Timestamp, row: u32) {
        if expires_at < self.latest {
            self.later.push(Later::new(expires_at, row));
        } else {
            self.latest = expires_at;
        }
    }

    /// A row that was due is due again.
    pub(crate) fn put_off(&mut self, ends_at: Timestamp, row: u32) {
        self.later.push(Later::new(ends_at, row));
    }

    /// Looks at every deadline anew: they were moved together, or read back.
    pub(crate) fn restart(&mut self, rows: &[HoldRow]) {
        *self = Self::default();
        for (row, index) in rows.iter().zip(0..) {
            if row.state() != HoldState::Held {
                continue;
            }
            // Those that were moved on their own measure nobody who follows. The cursor meets them
            // in time, unless it is held up by an elder that is due later.
            if !row.is_extended() {
                self.granted(row.ends_at, index);
            } else if row.ends_at < self.latest {
                self.later.push(Later::new(row.ends_at, index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn row(created_ms: u64, expires_ms: u64) -> HoldRow {
        HoldRow { created_at: at(created_ms), ends_at: at(expires_ms), ..HoldRow::NOTHING }
    }

    #[test]
    fn holds_come_due_at_their_deadline_and_once() {
        let mut rows = vec![row(0, 10), row(1, 19), row(2, 12)];
        rows[1].set_extended();
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(&rows, at(9)), None);
        assert_eq!(expiry.due(&rows, at(10)), Some(0));
        rows[0].set_state(HoldState::Expired);
        assert_eq!(expiry.due(&rows, at(11)), None, "row 1 was extended to 19");
        assert_eq!(expiry.due(&rows, at(12)), Some(2));
        rows[2].set_state(HoldState::Expired);
        rows[1].ends_at = at(21);
        assert_eq!(expiry.due(&rows, at(19)), None, "and once more to 21");
        assert_eq!(expiry.due(&rows, at(21)), Some(1));
        rows[1].set_state(HoldState::Expired);
        assert_eq!(expiry.due(&rows, at(99)), None);
    }

    #[test]
    fn a_confirmed_hold_never_comes_due() {
        let mut rows = vec![row(0, 10), row(0, 30)];
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(&rows, at(10)), Some(0));
        rows[0].set_state(HoldState::Expired);
        assert_eq!(expiry.due(&rows, at(20)), None);
        rows[1].set_state(HoldState::Confirmed);
        assert_eq!(expiry.due(&rows, at(40)), None);
    }

    #[test]
    fn after_a_restart_one_that_was_extended_waits_for_no_elder_that_is_due_later() {
        let mut rows = vec![row(0, 90), row(1, 11)]; // the clock was put back between them
        rows[1].set_extended();
        let mut expiry = Expiry::default();
        expiry.restart(&rows);
        for (now, due) in [(10, None), (11, Some(1)), (89, None), (90, Some(0)), (99, None)] {
            let found = expiry.due(&rows, at(now));
            assert_eq!(found, due, "at {now}");
            found.into_iter().for_each(|row| rows[row as usize].set_state(HoldState::Expired));
        }
    }

    #[test]
    fn after_a_restart_one_that_was_extended_holds_nobody_up() {
        let mut rows = vec![row(0, 90), row(1, 11), row(2, 12), row(3, 5)];
        rows[0].set_extended();
        let mut expiry = Expiry::default();
        expiry.restart(&rows);
        assert_eq!(expiry.later.len(), 1, "only the one that is due before its elder");
        for (now, due) in [(4, None), (5, Some(3)), (11, Some(1)), (12, Some(2)), (90, Some(0))] {
            let found = expiry.due(&rows, at(now));
            assert_eq!(found, due, "at {now}");
            found.into_iter().for_each(|row| rows[row as usize].set_state(HoldState::Expired));
        }
        assert_eq!(expiry.due(&rows, at(99)), None);
    }
}
