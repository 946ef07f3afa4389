//! Replies that wait, those of all connections together: for the disk, and for their clients.
//!
//! The engine bounds the records that wait, and lets confirms and releases in where new holds no
//! longer are. But a read or a replay waits too and makes no record, so a slow disk and many
//! readers could fill the memory with replies. INVARIANT(F1): new holds are turned away first, and
//! at once.
//!
//! What RESP clients do not take is bounded in bytes. A client may leave a lot, but where all of
//! them together do, each is answered only a little ahead; so nobody's commands wait for somebody
//! else's reading.
//!
//! Owns two atomic counters, relaxed: nothing else is read by them.

use std::sync::atomic::{AtomicUsize, Ordering};

use jangteo::Refusal;

use crate::command::Command;
use crate::limits::{REPLY_BYTES_FEW, REPLY_BYTES_MAX};

/// See the module.
#[derive(Debug)]
pub(crate) struct InFlight {
    waiting: AtomicUsize,
    /// Bytes of replies that RESP clients have not taken.
    unsent_bytes: AtomicUsize,
    /// From so many on, each connection may have few.
    unsent_bytes_max: usize,
    /// From so many on, no new hold is taken.
    holds_max: usize,
    /// From so many on, nothing is taken.
    all_max: usize,
}

/// One reply that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a InFlight);

impl InFlight {
    /// With room for so many replies of new holds, and half as many more of all else; and for so
    /// many bytes that RESP clients do not take.
    pub(crate) const fn new(holds_max: usize, unsent_bytes_max: usize) -> Self {
        let all_max = holds_max + holds_max / 2 + 1;
        let (waiting, unsent_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { waiting, unsent_bytes, unsent_bytes_max, holds_max, all_max }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether there is room for what a command may leave waiting.
    #[inline]
    pub(crate) fn admits(&self, command: &Command<'_>) -> Result<(), Refusal> {
        let max = if matches!(command, Command::Hold(_)) { self.holds_max } else { self.all_max };
        if self.waiting() < max { Ok(()) } else { Err(Refusal::Overloaded) }
    }

    /// One more waits.
    pub(crate) fn one(&self) -> Waiting<'_> {
        self.recount(&mut 0, 1);
        Waiting(self)
    }

    /// Of some connection there were `before` and now there are `now`.
    pub(crate) fn recount(&self, before: &mut usize, now: usize) {
        recount(&self.waiting, before, now);
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes.load(Ordering::Relaxed)
    }

    /// Likewise, bytes that its client has not taken.
    pub(crate) fn recount_unsent(&self, before: &mut usize, now: usize) {
        recount(&self.unsent_bytes, before, now);
    }

    /// How many bytes one RESP connection may leave before its next command waits.
    #[inline]
    pub(crate) fn unsent_bytes_each(&self) -> usize {
        let crowded = self.unsent_bytes_max < self.unsent_bytes();
        if crowded { REPLY_BYTES_FEW } else { REPLY_BYTES_MAX }
    }
}

fn recount(all: &AtomicUsize, before: &mut usize, now: usize) {
    if *before < now {
        all.fetch_add(now - *before, Ordering::Relaxed);
    } else if now < *before {
        all.fetch_sub(*before - now, Ordering::Relaxed);
    }
    *before = now;
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.recount(&mut 1, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_are_taken_where_new_holds_no_longer_are() {
        let in_flight = InFlight::new(2, 0);
        let hold = Command::Drop { drop: "t-1" };
        let mut counted = 0;
        in_flight.recount(&mut counted, 3);
        assert!(in_flight.admits(&hold).is_ok());
        let one = in_flight.one();
        assert_eq!(in_flight.waiting(), 4);
        assert!(matches!(in_flight.admits(&hold), Err(Refusal::Overloaded)));
        drop(one);
        in_flight.recount(&mut counted, 0);
        assert_eq!((in_flight.waiting(), counted), (0, 0));
    }

    #[test]
    fn each_may_leave_little_once_all_have_left_much() {
        let in_flight = InFlight::new(0, 100);
        let (mut one, mut other) = (0, 0);
        in_flight.recount_unsent(&mut one, 70);
        in_flight.recount_unsent(&mut other, 30);
        assert_eq!(in_flight.unsent_bytes_each(), REPLY_BYTES_MAX);
        in_flight.recount_unsent(&mut other, 31);
        assert_eq!(in_flight.unsent_bytes_each(), REPLY_BYTES_FEW);
        in_flight.recount_unsent(&mut one, 0);
        assert_eq!(
            (in_flight.unsent_bytes_each(), in_flight.unsent_bytes()),
            (REPLY_BYTES_MAX, 31)
        );
    }
}
