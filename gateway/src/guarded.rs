//! A client's stream that is cut when the client does not take what waits for it.
//!
//! While something waits, so much has to be taken in so long; a client that takes a byte now and
//! then does not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::limits::{STALL_BYTES_MIN, STALL_TIMEOUT_MS};
use crate::metrics::{Metrics, Reason};

/// See the module. The timer exists only while something waits.
#[derive(Debug)]
pub(crate) struct Guarded<S = TcpStream> {
    stream: S,
    stalled: Option<Stalled>,
    metrics: Arc<Metrics>,
}

/// Something waits for the client.
#[derive(Debug)]
struct Stalled {
    timer: Pin<Box<Sleep>>,
    /// Bytes that were taken since the timer was set.
    taken: usize,
}

impl Guarded {
    pub(crate) fn new(stream: TcpStream, metrics: Arc<Metrics>) -> Self {
        // Replies are written whole, so waiting for more to send only delays them.
        _ = stream.set_nodelay(true);
        Self::over(stream, metrics)
    }

    /// Bounds what the system keeps of what the client has not taken yet.
    pub(crate) fn bound_unsent(&self, bytes: usize) {
        // A system that does not want to keeps more, which is its affair.
        _ = rustix::net::sockopt::set_socket_send_buffer_size(&self.stream, bytes);
    }
}

impl<S> Guarded<S> {
    pub(crate) const fn over(stream: S, metrics: Arc<Metrics>) -> Self {
        Self { stream, stalled: None, metrics }
    }

    /// Looks at what came of a write of `offered` bytes.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(count)) if count < offered => {
                if let Some(stalled) = &mut self.stalled {
                    stalled.taken += count;
                }
                return written;
            }
            Poll::Ready(_) => {
                self.stalled = None;
                return written;
            }
            Poll::Pending => {}
        }
        let limit = Duration::from_millis(STALL_TIMEOUT_MS);
        let fresh = || Stalled { timer: Box::pin(tokio::time::sleep(limit)), taken: 0 };
        loop {
            let stalled = self.stalled.get_or_insert_with(fresh);
            ready!(stalled.timer.as_mut().poll(context));
            if stalled.taken < STALL_BYTES_MIN {
                self.metrics.turned_away.count(Reason::SlowReader);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.stalled = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.watch(context, written, offered)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // a TCP stream buffers nothing of its own
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
