//! A drop's phase, and the atomic byte that mirrors it.
//!
//! The book (under the append lock) has the phase that counts: a grant after `Closed` is refused
//! there. The mirror lets a request that comes too early or too late be refused with one load.
//!
//! **Word**: the phase as a number; bit 7: its opening has shown nothing, as it was paused before
//! it, or is over and nothing was ever granted. **Rule**: written only inside an append that turns
//! the drop's own phase, so its order of changes is the journal's; or under the append lock, once
//! a drop that was put anew is not listed any more. Until then, and for good where another of its
//! name took its place, the drop shows itself as it was.
//! **Orderings**: release and acquire, so that who sees a drop open and then reads the clock reads
//! no time before the one that opened it; who reads a phase that is a moment old is put right by
//! the append.

use serde::Serialize;

use crate::book::Page;
use crate::sync::{AtomicU8, Ordering};

/// Where a drop stands. Only new holds depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// Before its opening instant.
    Scheduled,
    /// Holds are granted.
    Open,
    /// Nothing is granted and no hold expires.
    Paused,
    /// Over; live holds may still be confirmed.
    Closed,
    /// Over, and its ledger is settled.
    Settled,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 5] =
        [Self::Scheduled, Self::Open, Self::Paused, Self::Closed, Self::Settled];

    /// The word for it on the wires.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Settled => "settled",
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|phase| phase.name() == name).ok_or(())
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PhaseMirror(AtomicU8);

/// Its opening has shown nothing, though it is not scheduled.
const EARLY: u8 = 1 << 7;

impl PhaseMirror {
    pub(crate) fn new(page: &Page) -> Self {
        Self(AtomicU8::new(bits(page)))
    }

    #[inline]
    pub(crate) fn get(&self) -> Phase {
        // Acquire: pairs with the store in `set`.
        let number = self.0.load(Ordering::Acquire) & !EARLY;
        Phase::ALL.get(usize::from(number)).copied().expect("only phases are stored")
    }

    /// Whether its goods may be a secret still: it has not opened yet, paused or not, or is over
    /// and nothing was ever granted.
    pub(crate) fn shows_nothing(&self) -> bool {
        let bits = self.0.load(Ordering::Relaxed);
        bits == Phase::Scheduled as u8 || bits & EARLY != 0
    }

    /// IMPORTANT: only under the append lock.
    pub(crate) fn set(&self, page: &Page) {
        // Release: pairs with the load in `get`.
        self.0.store(bits(page), Ordering::Release);
    }
}

fn bits(page: &Page) -> u8 {
    let early = match page.phase {
        Phase::Scheduled | Phase::Open => false,
        Phase::Paused => page.awaits_opening(),
        Phase::Closed | Phase::Settled => page.last_number == 0,
    };
    page.phase as u8 | if early { EARLY } else { 0 }
}
