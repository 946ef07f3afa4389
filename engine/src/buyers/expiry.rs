//! Deadlines of one shard. Rows lie in the order of granting and a drop has one TTL, so first
//! deadlines come due in row order: a cursor is enough. Those that were moved later are a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::row::{HoldRow, HoldState};
use crate::Timestamp;

#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Rows before this one are over, or in the heap.
    cursor: u32,
    later: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// The latest deadline of any row so far.
    latest: Timestamp,
}

impl Expiry {
    /// The next row whose hold is due at `now`, if any.
    pub(crate) fn due(&mut self, rows: &[HoldRow], now: Timestamp) -> Option<u32> {
        while let Some(row) = rows.get(self.cursor as usize) {
            if row.state == HoldState::Held {
                if row.expires_at <= now {
                    self.cursor += 1;
                    return Some(self.cursor - 1);
                }
                if !row.extended {
                    break; // whoever came later is due later
                }
                self.later.push(Reverse((row.expires_at, self.cursor)));
            }
            self.cursor += 1;
        }
        while let Some(&Reverse((at, index))) = self.later.peek() {
            if now < at {
                return None;
            }
            self.later.pop();
            let Some(row) = rows.get(index as usize) else { continue };
            if row.state == HoldState::Held {
                if row.expires_at <= now {
                    return Some(index);
                }
                self.later.push(Reverse((row.expires_at, index)));
            }
        }
        None
    }

    /// A row was added. One that is due before an older row, because the clock was put back
    /// between them, must not wait behind it.
    pub(crate) fn granted(&mut self, expires_at: Timestamp, row: u32) {
        if expires_at < self.latest {
            self.later.push(Reverse((expires_at, row)));
        } else {
            self.latest = expires_at;
        }
    }

    /// Looks at every deadline anew: they were moved together.
    pub(crate) fn restart(&mut self, rows: &[HoldRow]) {
        *self = Self::default();
        for (row, index) in rows.iter().zip(0..) {
            self.granted(row.expires_at, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::NONE;
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn row(created_ms: u64, expires_ms: u64) -> HoldRow {
        HoldRow {
            random: 0,
            created_at: at(created_ms),
            expires_at: at(expires_ms),
            confirmed_at: at(0),
            last_sequence: 0,
            number: 0,
            buyer: 0,
            previous: NONE,
            lines: 0,
            gifts: 0,
            texts: 0,
            payment: 0,
            line_count: 1,
            key_length: 0,
            area_length: 0,
            payment_length: 0,
            extended: false,
            state: HoldState::Held,
        }
    }

    #[test]
    fn holds_come_due_at_their_deadline_and_once() {
        let mut rows = vec![row(0, 10), row(1, 19), row(2, 12)];
        rows[1].extended = true;
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(&rows, at(9)), None);
        assert_eq!(expiry.due(&rows, at(10)), Some(0));
        rows[0].state = HoldState::Expired;
        assert_eq!(expiry.due(&rows, at(11)), None, "row 1 was extended to 19");
        assert_eq!(expiry.due(&rows, at(12)), Some(2));
        rows[2].state = HoldState::Expired;
        rows[1].expires_at = at(21);
        assert_eq!(expiry.due(&rows, at(19)), None, "and once more to 21");
        assert_eq!(expiry.due(&rows, at(21)), Some(1));
        rows[1].state = HoldState::Expired;
        assert_eq!(expiry.due(&rows, at(99)), None);
    }

    #[test]
    fn a_confirmed_hold_never_comes_due() {
        let mut rows = vec![row(0, 10), row(0, 30)];
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(&rows, at(10)), Some(0));
        rows[0].state = HoldState::Expired;
        assert_eq!(expiry.due(&rows, at(20)), None);
        rows[1].state = HoldState::Confirmed;
        assert_eq!(expiry.due(&rows, at(40)), None);
    }
}
