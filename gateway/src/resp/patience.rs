//! How long a connection may take.
//!
//! Nothing is measured while commands come: the connection is looked at now and then, and what it
//! has done since the last look decides. So a busy connection pays nothing, and an idle one a
//! timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::limits::{FIRST_COMMAND_TIMEOUT_MS, LOOK_MS};

/// See the module.
#[derive(Debug)]
pub(super) struct Patience {
    look: Pin<Box<Sleep>>,
    /// How long nothing may come, in milliseconds; 0 is for ever.
    idle_max_ms: u64,
    /// Commands that were executed up to the last look.
    executed: u64,
    /// Whether there was an incomplete command at the last look.
    incomplete: bool,
    /// How long nothing was executed, as far as the looks show.
    quiet_ms: u64,
    /// How long it was nobody, or had nothing to say.
    stranger_ms: u64,
}

/// What a look sees of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Commands executed since it was opened.
    pub(super) executed: u64,
    /// Whether part of a command has arrived, and there is room for its reply.
    pub(super) incomplete: bool,
    /// Whether it is somebody, as far as that is needed.
    pub(super) known: bool,
    /// Whether something of it waits for us, or for the client to read.
    pub(super) busy: bool,
}

impl Patience {
    pub(super) fn new(idle_max_ms: u64) -> Self {
        let look = Box::pin(sleep(Duration::from_millis(LOOK_MS)));
        Self { look, idle_max_ms, executed: 0, incomplete: false, quiet_ms: 0, stranger_ms: 0 }
    }

    /// Is ready once the connection has taken too long; `see` looks at it.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, see: impl Fn() -> Seen) -> Poll<()> {
        while self.look.as_mut().poll(context).is_ready() {
            if self.is_over(see()) {
                return Poll::Ready(());
            }
            self.look.as_mut().reset(Instant::now() + Duration::from_millis(LOOK_MS));
        }
        Poll::Pending
    }

    /// Looks once.
    fn is_over(&mut self, seen: Seen) -> bool {
        let resting = seen.executed == self.executed && !seen.busy;
        self.quiet_ms = if resting { self.quiet_ms + LOOK_MS } else { 0 };
        let too_slow = resting && self.incomplete && seen.incomplete;
        let stranger = !seen.known || seen.executed == 0;
        self.stranger_ms = if stranger { self.stranger_ms + LOOK_MS } else { 0 };
        let too_late = FIRST_COMMAND_TIMEOUT_MS <= self.stranger_ms;
        let idle = self.idle_max_ms > 0 && self.idle_max_ms <= self.quiet_ms;
        (self.executed, self.incomplete) = (seen.executed, seen.incomplete);
        too_slow || too_late || idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESTING: Seen = Seen { executed: 1, incomplete: false, known: true, busy: false };

    /// At which look it is over, if it is within a hundred.
    fn over_at(idle_max_ms: u64, see: impl Fn(u64) -> Seen) -> Option<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let mut patience = Patience::new(idle_max_ms);
        (1..=100).find(|look| patience.is_over(see(*look)))
    }

    #[test]
    fn who_gets_on_is_waited_for_and_who_does_not_is_not() {
        let first = FIRST_COMMAND_TIMEOUT_MS / LOOK_MS;
        assert_eq!(over_at(0, |_| RESTING), None, "an idle connection stays");
        assert_eq!(over_at(2 * LOOK_MS, |_| RESTING), Some(3), "unless told otherwise");
        let incomplete = |_| Seen { incomplete: true, ..RESTING };
        assert_eq!(over_at(0, incomplete), Some(2), "a byte a second holds nothing for ever");
        let busy = |look| Seen { executed: look, incomplete: true, ..RESTING };
        assert_eq!(over_at(LOOK_MS, busy), None);
        let waiting = |_| Seen { busy: true, incomplete: true, ..RESTING };
        assert_eq!(over_at(LOOK_MS, waiting), None, "who waits for us is not idle");
        let silent = |_| Seen { executed: 0, ..RESTING };
        assert_eq!(over_at(0, silent), Some(first), "the first command is waited for");
        let stranger = |_| Seen { known: false, ..RESTING };
        assert_eq!(over_at(0, stranger), Some(first), "so is a credential");
        let talking = |look| Seen { executed: look, known: false, ..RESTING };
        assert_eq!(over_at(0, talking), Some(first), "and talking is none");
    }
}
