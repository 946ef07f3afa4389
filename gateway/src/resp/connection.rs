//! One RESP connection: reads what is there, executes every complete command, and writes the
//! replies in order as soon as they may be seen.
//!
//! While replies wait for the disk the next commands are read and executed; how much may wait is
//! bounded by `limits`, for each and for all. A client that sends without reading is first no
//! longer executed, then no longer read, then cut.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use super::frame::Parser;
use super::info::ServerFacts;
use super::output::Output;
use super::patience::{Patience, Seen};
use super::reply::Reply;
use super::request::Request;
use super::sale_command::SaleCommand;
use super::sale_reply;
use super::session::{AUTHENTICATION_REQUIRED, After, Session};
use super::session_command::{Credentials, SessionCommand};
use super::subscribe::{self, Subscriptions};
use crate::access::{Identity, Keyring};
use crate::app::App;
use crate::limits::{LINGER_MS, RESP_BUFFER_BYTES, RESP_BUFFER_BYTES_FIRST, WATCHER_UNSENT_BYTES};
use crate::metrics::{CALLS, Call, Reason};
use crate::stream::Stream;
use crate::tls::Wire;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    app: Arc<App>,
    stream: Stream,
    session: Session<Identity>,
    /// What the session's identity was judged by.
    keyring: Arc<Keyring>,
    parser: Parser,
    input: Input,
    output: Output,
    subscriptions: Subscriptions,
    stage: Stage,
    patience: Patience,
    /// When something was read last.
    read_at: Instant,
    executed: u64,
    /// Replies of this connection that the service counts as waiting.
    counted: usize,
    /// Likewise, bytes of replies that its client has not taken.
    counted_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// The service stops: what has arrived is still read and executed.
    Draining,
    /// Nothing is read any more; what was read is answered.
    Ending,
    /// Likewise, and the client has said that it sends no more.
    Ended,
}

impl Connection {
    pub(super) fn new(app: Arc<App>, stream: Stream) -> Self {
        let keyring = app.access.keyring();
        let session = Session::new(app.number(), keyring.anonymous());
        let patience = Patience::new(app.limits.idle_ms);
        Self {
            app,
            stream,
            session,
            keyring,
            parser: Parser::default(),
            input: Input::default(),
            output: Output::default(),
            subscriptions: Subscriptions::default(),
            stage: Stage::Open,
            patience,
            read_at: Instant::now(),
            executed: 0,
            counted: 0,
            counted_bytes: 0,
        }
    }

    /// Serves the connection to its end, or until the service has drained.
    pub(super) async fn run(mut self) {
        let mut drain = self.app.drain.clone();
        let served = tokio::select! {
            biased;
            served = std::future::poll_fn(|context| self.poll(context)) => Some(served),
            () = drain.begun() => None,
        };
        let served = match served {
            Some(served) => served,
            None => {
                self.stage = Stage::Draining;
                std::future::poll_fn(|context| self.poll(context)).await
            }
        };
        if served.is_ok() {
            let limit = Duration::from_millis(LINGER_MS);
            let parting = std::future::poll_fn(|context| self.poll_parting(context));
            // A client that does not take its leave is left.
            _ = tokio::time::timeout(limit, parting).await;
        }
    }

    /// Goes on until there is nothing to do but wait, or others are to have their turn; ready when
    /// everything is answered.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut has_read = false;
        loop {
            self.settle();
            let flushed = self.write(context)?;
            if self.execute() {
                continue;
            }
            let ending = matches!(self.stage, Stage::Ending | Stage::Ended);
            if ending && flushed && self.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.read(context)? {
                // Who sends without end must not keep the worker for itself.
                if std::mem::replace(&mut has_read, true) {
                    let _pending = pin!(yield_now()).poll(context);
                    return Poll::Pending;
                }
                continue;
            }
            let app = &self.app;
            let unwatched = self.output.unwatched();
            if unwatched.is_none_or(|ticket| app.flusher.poll(ticket, context).is_pending()) {
                return self.wait(context);
            }
        }
    }

    /// Waits, unless that has taken too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { patience, executed, input, output, session, app, subscriptions, .. } = self;
        let see = || Seen {
            executed: *executed,
            incomplete: !input.unread().is_empty(),
            known: session.identity().is_some(),
            // Who is subscribed has nothing to send.
            busy: !output.is_empty() || !subscriptions.is_empty(),
        };
        std::task::ready!(patience.poll(context, see));
        app.metrics.turned_away.count(Reason::SlowSender);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Lets go of replies that are decided, and counts those that are not.
    fn settle(&mut self) {
        let mut now = None;
        let times = &self.app.metrics.times;
        self.output.settle(|call, since| {
            let now = *now.get_or_insert_with(Instant::now);
            times.add(Wire::Resp, call, now.saturating_duration_since(since));
        });
        self.app.in_flight.recount(&mut self.counted, self.output.waiting());
    }

    /// Writes what may be written and the client takes; false if some of it is still in a buffer.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        loop {
            let pushes = self.pushes(context);
            let Self { stream, output, subscriptions, .. } = self;
            let bytes = if pushes { subscriptions.unsent() } else { output.writable() };
            if bytes.is_empty() {
                break;
            }
            match Pin::new(stream).poll_write(context, bytes)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) if pushes => subscriptions.sent(count),
                Poll::Ready(count) => output.wrote(count),
                Poll::Pending => break,
            }
        }
        self.app.in_flight.recount_unsent(&mut self.counted_bytes, self.output.kept());
        Ok(Pin::new(&mut self.stream).poll_flush(context)?.is_ready())
    }

    /// Whether its client has to read before more is executed.
    fn is_full(&self) -> bool {
        self.output.is_full(self.app.in_flight.unsent_bytes_each())
    }

    /// Whether a message is to be written next: one that was begun, or one between two replies.
    fn pushes(&mut self, context: &Context<'_>) -> bool {
        let Self { session, output, subscriptions, stage, .. } = self;
        !subscriptions.unsent().is_empty()
            || output.writable().is_empty()
                && *stage == Stage::Open
                && subscriptions.poll(session.protocol(), output.settled(), context)
    }

    /// Executes the complete commands that were read, as long as there is room for their replies;
    /// false if there was none.
    fn execute(&mut self) -> bool {
        let mut executed = 0;
        let mut answered = [0; CALLS];
        self.judge_again();
        while !self.is_full() && !self.input.unread().is_empty() {
            let Self { app, session, keyring, parser, input, output, stage, read_at, .. } = self;
            let Self { stream, subscriptions, .. } = self;
            let length = match parser.next(input.unread()) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    let request = subscriptions.admit(frame.args, session.protocol());
                    let call = call_of(&request);
                    let watched = !subscriptions.is_empty();
                    let (after, waits) = execute(
                        app,
                        session,
                        keyring,
                        request,
                        (output, subscriptions),
                        (call, *read_at),
                    );
                    if let Some(count) = answered.get_mut(call as usize).filter(|_| !waits) {
                        *count += 1;
                    }
                    if !watched && !subscriptions.is_empty() {
                        stream.bound_unsent(WATCHER_UNSENT_BYTES);
                    }
                    if after == After::Close {
                        *stage = Stage::Ending;
                        input.clear();
                        executed += 1;
                        break;
                    }
                    frame.length
                }
                Err(error) => {
                    app.metrics.turned_away.count(Reason::NoProtocol);
                    output.append(Call::Other, *read_at, |out| {
                        Reply::new(session.protocol(), out).error(error);
                        None
                    });
                    *stage = Stage::Ending;
                    input.clear();
                    executed += 1; // something was answered
                    break;
                }
            };
            input.take(length);
            executed += 1;
        }
        self.app.flusher.executed(executed);
        self.executed += u64::from(executed);
        self.measure(&answered);
        0 < executed
    }

    /// Commands that were read together and wait for nothing took the same time.
    fn measure(&self, answered: &[u32; CALLS]) {
        if answered.iter().all(|count| *count == 0) {
            return;
        }
        let took = self.read_at.elapsed();
        for (call, count) in Call::ALL.into_iter().zip(answered).filter(|(_, count)| **count > 0) {
            self.app.metrics.times.add_many(Wire::Resp, call, took, *count);
        }
    }

    /// Looks again at who the client is if the keys have changed since, or its token has expired.
    fn judge_again(&mut self) {
        let Self { app, session, keyring, .. } = self;
        let now = || app.dispatcher.now();
        if !app.access.is_current(keyring) {
            *keyring = app.access.keyring();
            let judge = |identity: &Identity| keyring.identify_again(identity, now);
            session.judge_again(keyring.anonymous(), judge);
        }
        if session.identity().is_some_and(|identity| identity.has_expired(now)) {
            session.judge_again(None, |_| None);
        }
    }

    /// Reads once, if there is room; false if nothing arrived.
    fn read(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let wanted = matches!(self.stage, Stage::Open | Stage::Draining);
        if !wanted || self.is_full() {
            return Ok(false);
        }
        let mut buffer = ReadBuf::new(self.input.room());
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer)? {
            Poll::Ready(()) if buffer.filled().is_empty() => {
                self.stage = Stage::Ended;
                Ok(true)
            }
            Poll::Ready(()) => {
                let count = buffer.filled().len();
                self.input.arrived(count);
                self.read_at = Instant::now();
                Ok(true)
            }
            Poll::Pending if self.stage == Stage::Draining => {
                self.stage = Stage::Ending;
                Ok(true)
            }
            Poll::Pending => {
                // A watcher says next to nothing, and there may be very many.
                if !self.subscriptions.is_empty() {
                    self.input.release();
                }
                Ok(false)
            }
        }
    }

    /// Says that nothing more comes, and reads on until the client says so too: a connection that
    /// is closed with unread bytes takes with it the replies that are still under way.
    fn poll_parting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if Pin::new(&mut self.stream).poll_shutdown(context)?.is_pending() {
            return Poll::Pending;
        }
        loop {
            self.input.clear();
            let mut buffer = ReadBuf::new(self.input.room());
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer)? {
                Poll::Ready(()) if buffer.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.app.in_flight.recount(&mut self.counted, 0);
        self.app.in_flight.recount_unsent(&mut self.counted_bytes, 0);
        let (connection, commands) = (self.session.id(), self.executed);
        tracing::debug!(target: "jangteo::requests", connection, commands, "resp");
    }
}

/// What a request is measured as.
fn call_of(request: &Result<Request<'_>, super::BadRequest<'_>>) -> Call {
    match request {
        Ok(Request::Sale(command)) => match command {
            SaleCommand::Hold(_) => Call::Hold,
            SaleCommand::Confirm { .. } => Call::Confirm,
            SaleCommand::Release { .. } => Call::Release,
            SaleCommand::Extend { .. } => Call::Extend,
            SaleCommand::Refund(_) => Call::Refund,
            SaleCommand::Get { .. } => Call::Get,
            SaleCommand::Find { .. } => Call::Find,
            SaleCommand::Waiting { .. } => Call::Wait,
            SaleCommand::Leave { .. } => Call::Leave,
            SaleCommand::Stock { .. } => Call::Drop,
            SaleCommand::List(_) => Call::Drops,
        },
        _ => Call::Other,
    }
}

/// Executes one command and appends its reply; whether that has to wait.
fn execute<'a>(
    app: &Arc<App>,
    session: &'a mut Session<Identity>,
    keyring: &Keyring,
    request: Result<Request<'a>, super::BadRequest<'a>>,
    (output, subscriptions): (&mut Output, &mut Subscriptions),
    (call, since): (Call, Instant),
) -> (After, bool) {
    let mut after = After::GoOn;
    let behind = output.to_settle();
    let waits = output.append(call, since, |out| match request {
        Ok(Request::Nothing) => None,
        Ok(Request::Sale(command)) => match session.identity() {
            Some(identity) => {
                let mut reply = Reply::new(session.protocol(), out);
                sale_reply::answer(&app.dispatcher, identity.caller(), command, &mut reply)
            }
            None => {
                let mut reply = Reply::new(session.protocol(), out);
                sale_reply::refuse_stranger(command, &mut reply);
                None
            }
        },
        Ok(Request::Channel(command)) => {
            match session.identity() {
                Some(identity) => {
                    let caller = (app, identity.caller());
                    let mut reply = Reply::new(session.protocol(), out);
                    subscriptions.execute(caller, command, behind, &mut reply);
                }
                None => Reply::new(session.protocol(), out).error(AUTHENTICATION_REQUIRED),
            }
            None
        }
        Ok(Request::Session(SessionCommand::Ping(message)))
            if subscriptions.restrict(session.protocol()) =>
        {
            subscribe::pong(message, &mut Reply::new(session.protocol(), out));
            None
        }
        Ok(Request::Session(command)) => {
            if command == SessionCommand::Reset {
                subscriptions.clear();
            }
            let facts = ServerFacts {
                version: env!("CARGO_PKG_VERSION"),
                loading: app.dispatcher.is_recovering(),
                now_ms: app.dispatcher.now().as_ms(),
                started_ms: app.started_at.as_ms(),
                connections: app.connections(),
                watchers: app.hub.watchers(),
                updates_encoded: app.hub.encoded(),
            };
            let identify = |given: &Credentials<'_>| {
                keyring.identify(given.secret, given.user, || app.dispatcher.now())
            };
            after = session.answer(command, &facts, identify, out);
            None
        }
        Err(refused) => {
            Reply::new(session.protocol(), out).error(refused);
            None
        }
    });
    (after, waits)
}

/// What was read and not executed yet.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn take(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            self.clear();
        }
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives the memory back if nothing is in it.
    fn release(&mut self) {
        if self.unread().is_empty() {
            *self = Self::default();
        }
    }

    fn arrived(&mut self, count: usize) {
        self.end += count;
    }

    /// Where to read to: never empty, since no command is longer than the largest buffer.
    fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            let twice = (2 * self.bytes.len()).clamp(RESP_BUFFER_BYTES_FIRST, RESP_BUFFER_BYTES);
            self.bytes.resize(twice, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
