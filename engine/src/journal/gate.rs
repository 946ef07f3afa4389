//! The gate: may new work enter the journal? One atomic byte, read at the start of every command.
//!
//! # Word
//!
//! | bit | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | `FULL` | an append that fills the open batch beyond what new holds may use | the commit that takes the batch |
//! | 1 | `FULL_FIRST` | likewise, beyond what confirms and releases may use | likewise |
//! | 2 | `SHORT` | the disk watch, or the append that used the last unreserved room | the disk watch |
//! | 3 | `LATCHED` | the first failed write or flush, or a broken invariant | nobody |
//! | 4 | `STOPPED` | the end of the engine | nobody |
//!
//! # Rules
//!
//! 1. `FULL` and `FULL_FIRST` change only under the append lock, so they agree with the batch.
//! 2. `LATCHED` is never cleared (J4).
//! 3. A command looks once, before it takes anything; what slips past between look and append is at
//!    most one record a thread. INVARIANT(F1): so what waits for the disk is bounded, and confirms
//!    and releases still enter where new holds no longer do.
//!
//! # Orderings
//!
//! Relaxed throughout: the gate publishes nothing. Whether a record is durable is the watermark's
//! to say; a look that is a moment old only lets one more record in.

use crate::refusal::Refusal;
use crate::sync::{AtomicU8, Ordering};

const FULL: u8 = 1;
const FULL_FIRST: u8 = 1 << 1;
const SHORT: u8 = 1 << 2;
const LATCHED: u8 = 1 << 3;
const STOPPED: u8 = 1 << 4;

/// Who asks to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Something new: a hold, a place in the line, a campaign, a settlement.
    New,
    /// The end of a hold, by confirm, release or expiry: these come first, and room is kept back
    /// for them.
    End,
    /// A change of what there is: more time, a refund, a pause. Comes first too, but no room is
    /// kept back for it.
    Change,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU8);

impl Gate {
    pub(crate) fn open() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Lets a command pass or says why not.
    #[inline]
    pub(crate) fn pass(&self, class: Class) -> Result<(), Refusal> {
        let bits = self.0.load(Ordering::Relaxed);
        if bits == 0 { Ok(()) } else { pass_slow(bits, class) }
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.0.load(Ordering::Relaxed) & LATCHED != 0
    }

    pub(crate) fn is_short(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SHORT != 0
    }

    pub(crate) fn latch(&self) {
        self.0.fetch_or(LATCHED, Ordering::Relaxed);
    }

    /// Nothing enters any more: the engine's threads are about to end.
    pub(crate) fn stop(&self) {
        self.0.fetch_or(STOPPED, Ordering::Relaxed);
    }

    /// Latches if the current step ends in a panic: a broken invariant stops all granting.
    #[inline]
    pub(crate) fn watch(&self) -> PanicWatch<'_> {
        PanicWatch(self)
    }

    /// Says whether the disk has room for more holds.
    pub(crate) fn set_short(&self, short: bool) {
        self.set(SHORT, short);
    }

    /// Says how full the open batch is. Under the append lock only.
    pub(crate) fn set_full(&self, for_holds: bool, for_all: bool) {
        self.set(FULL, for_holds);
        self.set(FULL_FIRST, for_all);
    }

    fn set(&self, bit: u8, on: bool) {
        if on {
            self.0.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// See [`Gate::watch`].
#[must_use]
pub(crate) struct PanicWatch<'a>(&'a Gate);

impl Drop for PanicWatch<'_> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.latch();
        }
    }
}

#[cold]
fn pass_slow(bits: u8, class: Class) -> Result<(), Refusal> {
    let (full, short) = match class {
        Class::New => (FULL, SHORT),
        Class::End => (FULL_FIRST, 0),
        Class::Change => (FULL_FIRST, SHORT),
    };
    if bits & (LATCHED | STOPPED | short) != 0 {
        Err(Refusal::Unavailable)
    } else if bits & full != 0 {
        Err(Refusal::Overloaded)
    } else {
        Ok(())
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn confirms_enter_where_holds_no_longer_do() {
        let gate = Gate::open();
        gate.set_short(true);
        assert!(matches!(gate.pass(Class::New), Err(Refusal::Unavailable)));
        assert!(gate.pass(Class::End).is_ok());
        gate.set_short(false);
        gate.set_full(true, false);
        assert!(matches!(gate.pass(Class::New), Err(Refusal::Overloaded)));
        assert!(gate.pass(Class::End).is_ok());
        gate.set_full(true, true);
        assert!(matches!(gate.pass(Class::End), Err(Refusal::Overloaded)));
    }

    #[test]
    fn a_latched_gate_stays_shut() {
        let gate = Gate::open();
        gate.latch();
        gate.set_full(false, false);
        gate.set_short(false);
        for class in [Class::New, Class::End] {
            assert!(matches!(gate.pass(class), Err(Refusal::Unavailable)));
        }
    }
}
