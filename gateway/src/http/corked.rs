//! The bytes of an HTTP/1 connection between hyper and the client.
//!
//! hyper writes each answer by itself; here they wait until whoever polls hyper sends them, when
//! there is nothing left to answer at once. So answers to pipelined requests go out together.
//!
//! NOTE: hyper can do that too (`pipeline_flush`), but then loses answers: what it has not sent
//! when something unread is left and the connection ends, it never sends.
//!
//! What is no request hyper answers with a bare status line. That can be taken back as long as it
//! waits here, so that a problem is sent in its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::ahead::Ahead;
use super::head::REQUEST_ID;
use crate::limits::CORKED_BYTES_MAX;

/// See the module. Clones are the same connection: one is hyper's, one its owner's, who are the
/// same task.
#[derive(Clone, Debug)]
pub(super) struct Corked(Arc<Mutex<Io>>);

#[derive(Debug)]
struct Io {
    stream: Ahead,
    /// Written by hyper and not sent.
    waiting: BytesMut,
    /// hyper waits for room.
    blocked: bool,
    /// Something was read since the last answer.
    unanswered: bool,
}

impl Io {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(sent);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

impl Corked {
    pub(super) fn new(stream: Ahead) -> Self {
        let (waiting, blocked, unanswered) = (BytesMut::new(), false, false);
        Self(Arc::new(Mutex::new(Io { stream, waiting, blocked, unanswered })))
    }

    /// The connection itself, if this is the last clone. What waits is lost.
    pub(super) fn into_stream(self) -> Option<Ahead> {
        Arc::into_inner(self.0).map(|io| io.into_inner().stream)
    }

    /// Sends what waits. Ready once all is sent, with whether hyper waited for that.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut io = self.0.lock();
        ready!(io.poll_send(context))?;
        Poll::Ready(Ok(std::mem::take(&mut io.blocked)))
    }

    /// Whether the client has begun something that was not answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.0.lock().unanswered
    }

    /// Takes back the answer that hyper gave by itself, if the last one is such: its status.
    pub(super) fn take_back(&self) -> Option<StatusCode> {
        const LINE: &[u8] = b"HTTP/1.1 ";
        let mut io = self.0.lock();
        let start = io.waiting.windows(LINE.len()).rposition(|bytes| bytes == LINE)?;
        let answer = io.waiting.get(start..)?;
        let ours = answer.windows(REQUEST_ID.len()).any(|name| name == REQUEST_ID.as_bytes());
        let status = StatusCode::from_bytes(answer.get(LINE.len()..LINE.len() + 3)?).ok()?;
        if ours {
            return None;
        }
        io.waiting.truncate(start);
        Some(status)
    }

    /// Lets bytes of our own wait behind the others.
    pub(super) fn append(&self, bytes: &[u8]) {
        self.0.lock().waiting.extend_from_slice(bytes);
    }

    /// Sends the rest, says that it was the last, and reads on until the client has it: bytes that
    /// nobody reads would make the system destroy what is on its way.
    pub(super) async fn end(mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_send(context)).await?;
        let shutdown = |context: &mut Context<'_>| {
            let mut io = self.0.lock();
            Pin::new(&mut io.stream).poll_shutdown(context)
        };
        std::future::poll_fn(shutdown).await?;
        let mut unread = [0; 1024];
        while self.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut io = self.0.lock();
        let before = buffer.filled().len();
        let read = Pin::new(&mut io.stream).poll_read(context, buffer);
        io.unanswered |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Corked {
    /// Takes all or nothing, so that an answer that hyper writes at once waits whole.
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut io = self.0.lock();
        if io.waiting.len() >= CORKED_BYTES_MAX && io.poll_send(context)?.is_pending() {
            io.blocked = true;
            return Poll::Pending;
        }
        io.waiting.extend_from_slice(bytes);
        io.unanswered = false;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // the owner's affair
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // likewise
    }
}
