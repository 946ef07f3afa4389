//! Whether the machine's clock is kept right, as its kernel knows it.

use rtime_clock::adjtime::{Timex, adjtimex};

use crate::limits::CLOCK_ERROR_MAX_US;

/// How the machine's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSync {
    /// Something keeps it right: NTP, PTP, a clock on the wire.
    Synchronised,
    /// Nothing does, or what did has stopped for hours: by how much it is wrong nobody knows.
    Adrift,
    /// It cannot be told: the system does not answer, or not this process.
    Unknown,
}

impl ClockSync {
    /// Asks the kernel; changes nothing.
    #[must_use]
    pub fn ask() -> Self {
        Self::max_error_us().map_or(Self::Unknown, Self::within)
    }

    /// By how much the clock is off at most, in microseconds, as its kernel has it. It means
    /// nothing of a clock that is adrift.
    #[must_use]
    pub fn max_error_us() -> Option<u64> {
        let mut told = Timex::new(); // modes is 0: a question
        let told = adjtimex(&mut told).map(|_state| told.0.maxerror);
        told.ok().and_then(|error| u64::try_from(error).ok())
    }

    /// The kernel's bound on the error grows while nobody corrects the clock, up to a ceiling.
    ///
    /// NOTE: its flag for an unsynchronised clock is not looked at: some programs set it although
    /// they keep the clock right, so that the kernel leaves the hardware's clock alone.
    const fn within(max_error_us: u64) -> Self {
        if max_error_us < CLOCK_ERROR_MAX_US { Self::Synchronised } else { Self::Adrift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_whose_error_has_no_bound_is_adrift() {
        let table = [
            (0, ClockSync::Synchronised),
            (15_999_999, ClockSync::Synchronised),
            (16_000_000, ClockSync::Adrift),
            (u64::MAX, ClockSync::Adrift),
        ];
        for (max_error_us, stands) in table {
            assert_eq!(ClockSync::within(max_error_us), stands, "{max_error_us}");
        }
    }
}
