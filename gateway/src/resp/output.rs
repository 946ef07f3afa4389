//! The replies of one connection that are not sent yet, in order.
//!
//! INVARIANT(J1): a reply that waits for a ticket is not written before the ticket is durable, and
//! nothing behind it is written before it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use jangteo::Ticket;

use super::reply::{Protocol, Reply};
use crate::codes::Code;
use crate::limits::{REPLIES_WAITING_MAX, REPLY_BYTES_FEW};
use crate::metrics::Call;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    written: usize,
    /// The replies that may not be written yet.
    waits: VecDeque<Wait>,
    /// How many replies that had to wait need not any more.
    settled: u64,
    /// Up to which sequence the journal has been told to wake this connection.
    watched: u64,
}

/// A reply that waits.
#[derive(Debug)]
struct Wait {
    reply: Range<usize>,
    ticket: Ticket,
    call: Call,
    /// When the command was read.
    since: Instant,
}

impl Output {
    /// Appends the reply to a call that was read at `since`; `write` returns what it has to wait
    /// for. Whether it has to wait.
    pub(super) fn append(
        &mut self,
        call: Call,
        since: Instant,
        write: impl FnOnce(&mut Vec<u8>) -> Option<Ticket>,
    ) -> bool {
        let start = self.bytes.len();
        match write(&mut self.bytes) {
            Some(ticket) if !ticket.is_durable() => {
                let reply = start..self.bytes.len();
                self.waits.push_back(Wait { reply, ticket, call, since });
                true
            }
            _ => false,
        }
    }

    /// Lets go of what is decided, and tells which calls were answered.
    pub(super) fn settle(&mut self, mut answered: impl FnMut(Call, Instant)) {
        while let Some(first) = self.waits.front() {
            match first.ticket.outcome() {
                None => return,
                Some(Ok(())) => {
                    answered(first.call, first.since);
                    self.waits.pop_front();
                    self.settled += 1;
                }
                Some(Err(_)) => return self.give_up_slow(),
            }
        }
    }

    /// Replies that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waits.len()
    }

    /// Puts the error in place of every reply whose outcome will never be known. The journal has
    /// latched, so that of the others is known by now.
    #[cold]
    fn give_up_slow(&mut self) {
        let mut rewritten = Vec::with_capacity(self.bytes.len());
        let mut done = 0;
        let part = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        self.settled += self.waits.len() as u64;
        for Wait { reply, ticket, .. } in self.waits.drain(..) {
            if !matches!(ticket.outcome(), Some(Ok(()))) {
                rewritten.extend_from_slice(part(done..reply.start));
                Reply::new(Protocol::Resp2, &mut rewritten).error(Code::OutcomeUnknown.row().word);
                done = reply.end;
            }
        }
        rewritten.extend_from_slice(part(done..self.bytes.len()));
        self.bytes = rewritten;
    }

    /// How many replies that had to wait need not any more.
    pub(super) const fn settled(&self) -> u64 {
        self.settled
    }

    /// Likewise, once nothing waits that does now.
    pub(super) fn to_settle(&self) -> u64 {
        self.settled + self.waits.len() as u64
    }

    /// What may be written now.
    pub(super) fn writable(&self) -> &[u8] {
        let end = self.waits.front().map_or(self.bytes.len(), |first| first.reply.start);
        self.bytes.get(self.written..end).unwrap_or_default()
    }

    /// Says that so many bytes were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
            self.bytes.shrink_to(KEPT_BYTES);
        } else if REPLY_BYTES_FEW < self.written && self.bytes.len() < 2 * self.written {
            // What is moved is less than what was written since the last time.
            self.bytes.drain(..self.written);
            self.bytes.shrink_to(KEPT_BYTES);
            for wait in &mut self.waits {
                wait.reply = wait.reply.start - self.written..wait.reply.end - self.written;
            }
            self.written = 0;
        }
    }

    /// Whether no more commands may be executed until something was written, where so many bytes
    /// may be left.
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        bytes_max < self.bytes.len() - self.written || REPLIES_WAITING_MAX < self.waits.len()
    }

    /// Bytes that are kept.
    pub(super) const fn kept(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The ticket whose wake is still to be asked for: the last of what waits, so that a batch is
    /// written in one go; or the first, if that is later in the journal.
    pub(super) fn unwatched(&mut self) -> Option<&mut Ticket> {
        let sequence = |wait: Option<&Wait>| wait.map(|wait| wait.ticket.sequence());
        let (first, last) = (sequence(self.waits.front()), sequence(self.waits.back()));
        if first.max(last) <= Some(self.watched) {
            return None;
        }
        let latest = if first < last { self.waits.back_mut() } else { self.waits.front_mut() }?;
        self.watched = latest.ticket.sequence();
        Some(&mut latest.ticket)
    }
}

/// Room that a connection keeps between two batches of replies, in bytes.
const KEPT_BYTES: usize = 64 << 10;
