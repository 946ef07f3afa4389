//! Replies that wait for the disk, those of all connections together.
//!
//! The engine bounds the records that wait, and lets confirms and releases in where new holds no
//! longer are. But a read or a replay waits too and makes no record, so a slow disk and many
//! readers could fill the memory with replies. INVARIANT(F1): new holds are turned away first, and
//! at once.
//!
//! Owns one atomic counter, relaxed: nothing else is read by it.

use std::sync::atomic::{AtomicUsize, Ordering};

use jangteo::Refusal;

use crate::command::Command;

/// See the module.
#[derive(Debug)]
pub(crate) struct InFlight {
    waiting: AtomicUsize,
    /// From so many on, no new hold is taken.
    holds_max: usize,
    /// From so many on, nothing is taken.
    all_max: usize,
}

/// One reply that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a InFlight);

impl InFlight {
    /// With room for so many replies of new holds, and half as many more of all else.
    pub(crate) const fn new(holds_max: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), holds_max, all_max: holds_max + holds_max / 2 + 1 }
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
        if *before < now {
            self.waiting.fetch_add(now - *before, Ordering::Relaxed);
        } else if now < *before {
            self.waiting.fetch_sub(*before - now, Ordering::Relaxed);
        }
        *before = now;
    }
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
        let in_flight = InFlight::new(2);
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
}
