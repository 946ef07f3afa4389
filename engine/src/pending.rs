//! An answer that must not be given before it is durable.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::book::Book;
use crate::error::OutcomeUnknown;
use crate::journal::{Interest, Journal, Look};

/// An answer that waits for its last record to be on disk.
///
/// Block on it with [`Pending::wait`], `.await` it on any runtime, or ask now and then with
/// [`Pending::try_get`]. Dropping it undoes nothing: the change stands and will be durable.
#[must_use = "the change is not durable yet"]
#[derive(Debug)]
pub struct Pending<T> {
    value: Option<T>,
    ticket: Ticket,
}

/// A place in the journal's order, and whether it has been reached.
pub struct Ticket {
    /// None if it was durable when the answer was made.
    journal: Option<Arc<Journal<Book>>>,
    sequence: u64,
    /// Where its waker was left, if it was.
    place: Option<u64>,
}

impl<T> Pending<T> {
    pub(crate) fn new(journal: &Arc<Journal<Book>>, sequence: u64, value: T) -> Self {
        Self { value: Some(value), ticket: Ticket::new(journal, sequence) }
    }

    /// Blocks until the answer is durable. The calling thread flushes the journal itself if no
    /// other thread is doing so, for everybody whose change was appended by then.
    ///
    /// # Errors
    /// [`OutcomeUnknown`] if the flush failed or the engine stopped.
    pub fn wait(mut self) -> Result<T, OutcomeUnknown> {
        self.ticket.wait()?;
        Ok(self.take())
    }

    /// The answer, if it is decided. After it was given, `None`.
    pub fn try_get(&mut self) -> Option<Result<T, OutcomeUnknown>> {
        self.value.as_ref()?;
        let outcome = self.ticket.outcome()?;
        Some(outcome.map(|()| self.take()))
    }

    /// A look at the answer, for counting and deciding, while it was not given yet.
    ///
    /// IMPORTANT: nothing of it may be shown to anybody before it is durable.
    #[must_use]
    pub const fn peek(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The same answer put differently, as durable as it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Pending<U> {
        Pending { value: self.value.map(change), ticket: self.ticket }
    }

    /// Splits the answer from the ticket it waits for, so that it can be encoded meanwhile.
    ///
    /// IMPORTANT: nothing of the value may be shown to anybody before the ticket is durable.
    #[must_use]
    pub fn into_parts(mut self) -> (T, Ticket) {
        (self.take(), self.ticket)
    }

    fn take(&mut self) -> T {
        self.value.take().expect("an answer is given once")
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, OutcomeUnknown>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.ticket.poll(context, Interest::Demand).map(|reached| reached.map(|()| self.take()))
    }
}

impl Ticket {
    fn new(journal: &Arc<Journal<Book>>, sequence: u64) -> Self {
        // Owners are counted in a line of the cache that every thread writes to: none is added
        // where nothing is left to be waited for.
        let waits = journal.look(sequence) != Look::Durable;
        Self { journal: waits.then(|| Arc::clone(journal)), sequence, place: None }
    }

    /// Place in the journal's order; 0 comes before everything.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether everything up to here is durable.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.look() == Look::Durable
    }

    fn look(&self) -> Look {
        self.journal.as_ref().map_or(Look::Durable, |journal| journal.look(self.sequence))
    }

    /// What became of it, if that is decided; asks nobody for a flush.
    ///
    /// # Errors
    /// [`OutcomeUnknown`] if the flush failed or the engine stopped.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), OutcomeUnknown>> {
        match self.look() {
            Look::NotYet => None,
            look => Some(decided(look)),
        }
    }

    /// Blocks until it is, flushing on this thread if no other does.
    ///
    /// # Errors
    /// [`OutcomeUnknown`] if the flush failed or the engine stopped.
    pub fn wait(&self) -> Result<(), OutcomeUnknown> {
        self.journal.as_ref().map_or(Ok(()), |journal| decided(journal.wait(self.sequence)))
    }

    /// Is ready once it is durable, and asks for a flush.
    pub fn poll_durable(&mut self, context: &Context<'_>) -> Poll<Result<(), OutcomeUnknown>> {
        self.poll(context, Interest::Demand)
    }

    /// Is ready once it is durable, but asks nobody for a flush: for a thread that calls
    /// [`Engine::flush`](crate::Engine::flush) itself when it has nothing else to do.
    pub fn poll_watching(&mut self, context: &Context<'_>) -> Poll<Result<(), OutcomeUnknown>> {
        self.poll(context, Interest::Watch)
    }

    fn poll(
        &mut self,
        context: &Context<'_>,
        interest: Interest,
    ) -> Poll<Result<(), OutcomeUnknown>> {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.is_served()) else {
            return Poll::Ready(self.wait());
        };
        match journal.register(self.sequence, &mut self.place, context.waker(), interest) {
            // The engine is gone, and with it the threads that would flush.
            Look::NotYet if journal.is_stopping() => Poll::Ready(self.wait()),
            Look::NotYet => Poll::Pending,
            look => {
                self.place = None;
                Poll::Ready(decided(look))
            }
        }
    }
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self { journal: self.journal.clone(), sequence: self.sequence, place: None }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((journal, place)) = self.journal.as_ref().zip(self.place) {
            journal.forget(self.sequence, place);
        }
    }
}

impl fmt::Debug for Ticket {
    /// Without the journal: what it holds appears in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.sequence).finish()
    }
}

fn decided(look: Look) -> Result<(), OutcomeUnknown> {
    if look == Look::Durable { Ok(()) } else { Err(OutcomeUnknown) }
}

impl<T> Pending<T> {
    pub(crate) fn value_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("an answer that was not given yet")
    }

    /// A planted fault: the answer without its wait.
    pub(crate) fn unwaited(mut self) -> Self {
        self.ticket.sequence = 0;
        self
    }
}
