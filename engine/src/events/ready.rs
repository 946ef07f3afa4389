//! Waiting for more events: woken by the watermark, never by a timer.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use super::event::EventId;
use crate::book::Book;
use crate::engine::Engine;
use crate::error::OutcomeUnknown;
use crate::journal::{Interest, Journal, Look};

/// Is ready once something after an event is durable. Block on it with [`EventsReady::wait`], or
/// `.await` it on any runtime.
#[must_use = "it does nothing unless it is waited for"]
pub struct EventsReady {
    journal: Arc<Journal<Book>>,
    sequence: u64,
    /// Where its waker was left, if it was.
    place: Option<u64>,
}

impl Engine {
    /// Is ready once a record after `after` is durable; that record may be no event. It asks nobody
    /// to flush: whatever is appended is flushed before long.
    ///
    /// # Errors
    /// The future's: [`OutcomeUnknown`] if there will be none from this engine, since a write or
    /// flush failed or it stopped.
    pub fn events_ready(&self, after: EventId) -> EventsReady {
        let journal = Arc::clone(&self.shared().journal);
        EventsReady { journal, sequence: after.sequence.saturating_add(1), place: None }
    }
}

impl EventsReady {
    /// Blocks until it is ready.
    ///
    /// # Errors
    /// As [`Engine::events_ready`].
    pub fn wait(self) -> Result<(), OutcomeUnknown> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut this = pin!(self);
        loop {
            if let Poll::Ready(ready) = this.as_mut().poll(&mut context) {
                return ready;
            }
            std::thread::park();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for EventsReady {
    type Output = Result<(), OutcomeUnknown>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let waker = context.waker();
        match this.journal.register(this.sequence, &mut this.place, waker, Interest::Watch) {
            Look::Durable => Poll::Ready(Ok(())),
            Look::NotYet if !this.journal.is_stopping() => Poll::Pending,
            Look::NotYet | Look::Unknown => Poll::Ready(Err(OutcomeUnknown)),
        }
    }
}

impl Drop for EventsReady {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.journal.forget(self.sequence, place);
        }
    }
}

impl fmt::Debug for EventsReady {
    /// Without the journal: what it holds appears in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventsReady").field(&self.sequence).finish()
    }
}
