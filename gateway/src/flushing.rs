//! When a worker flushes: by itself once it has nothing else to do, or the committer thread for it.
//!
//! A current-thread runtime calls [`Flusher::park`] when no task is ready, and looks for woken
//! tasks again before it sleeps. So a flush made there covers everything that was executed since
//! the last one, and wakes whom it concerns at the cost of no change of thread.
//!
//! Owns one atomic counter, of one thread: relaxed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use jangteo::{OutcomeUnknown, Ticket};

use crate::engine_slot::EngineSlot;
use crate::in_flight::InFlight;
use crate::limits::{COMMANDS_PER_FLUSH_MAX, INLINE_FLUSH_RECORDS_MAX};

/// Who sees to it that a flush comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushing {
    /// The worker's own runtime, which calls [`Flusher::park`].
    OnPark,
    /// Nobody in particular, as in a runtime of somebody else: each waiting task asks for one.
    Demanded,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Flusher {
    engine: EngineSlot,
    how: Flushing,
    /// Commands executed since the worker last ran out of work.
    executed: AtomicU32,
    in_flight: Arc<InFlight>,
}

impl Flusher {
    pub(crate) const fn new(engine: EngineSlot, how: Flushing, in_flight: Arc<InFlight>) -> Self {
        Self { engine, how, executed: AtomicU32::new(0), in_flight }
    }

    /// The worker has nothing else to do.
    pub(crate) fn park(&self) {
        self.executed.store(0, Ordering::Relaxed);
        let Some(engine) = self.engine.get() else { return };
        match engine.backlog() {
            0 => {}
            // A failure latches the journal, and everybody who waits is told by that. Where a disk
            // is full a flush may wait for long, and refusals must not.
            backlog if backlog < INLINE_FLUSH_RECORDS_MAX && !engine.flush_waits() => {
                _ = engine.flush();
            }
            _ => engine.flush_soon(),
        }
    }

    /// Says how many commands were executed in one go.
    pub(crate) fn executed(&self, commands: u32) {
        let before = self.executed.fetch_add(commands, Ordering::Relaxed);
        if self.how == Flushing::OnPark && before.saturating_add(commands) > COMMANDS_PER_FLUSH_MAX
        {
            self.executed.store(0, Ordering::Relaxed);
            if let Some(engine) = self.engine.get() {
                engine.flush_soon();
            }
        }
    }

    /// Is ready once `ticket` is durable or never will be.
    pub(crate) fn poll(
        &self,
        ticket: &mut Ticket,
        context: &Context<'_>,
    ) -> Poll<Result<(), OutcomeUnknown>> {
        match self.how {
            Flushing::OnPark => ticket.poll_watching(context),
            Flushing::Demanded => ticket.poll_durable(context),
        }
    }

    /// Waits until `ticket` is durable.
    pub(crate) async fn durable(&self, ticket: &mut Ticket) -> Result<(), OutcomeUnknown> {
        if let Some(outcome) = ticket.outcome() {
            return outcome;
        }
        let _waiting = self.in_flight.one();
        std::future::poll_fn(|context| self.poll(ticket, context)).await
    }
}
