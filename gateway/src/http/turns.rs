//! A connection that is read a little at a time, so that others get their turns.
//!
//! What reads frames goes on as long as there are any, and a client can send them faster than they
//! are looked at: a worker would serve nobody else until that client's answers filled up.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use super::ahead::Ahead;
use crate::limits::TURN_BYTES;

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    stream: Ahead,
    /// What was read in this turn.
    read: usize,
}

impl Turns {
    pub(super) const fn new(stream: Ahead) -> Self {
        Self { stream, read: 0 }
    }
}

impl AsyncRead for Turns {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= TURN_BYTES {
            self.read = 0;
            // Woken once the worker has looked at everybody else.
            let _pending = pin!(yield_now()).poll(context);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.read = if read.is_pending() { 0 } else { self.read + buffer.filled().len() - before };
        read
    }
}

impl AsyncWrite for Turns {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::ahead::Version;
    use super::*;
    use crate::guarded::Guarded;
    use crate::metrics::Metrics;
    use crate::stream::Stream;

    #[tokio::test]
    async fn who_sends_without_end_leaves_others_their_turn() {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(client.try_write(PREFACE).unwrap(), PREFACE.len());
        let mut sent = 0;
        while let Ok(count) = client.try_write(&[7; 4_096]) {
            sent += count;
        }
        let stream = Stream::Plain(Guarded::new(stream, Arc::new(Metrics::default())));
        let (version, stream) = Ahead::listen(stream).await.unwrap();
        assert_eq!(version, Version::Two);
        assert!(8 * TURN_BYTES < sent, "{sent} bytes show nothing");

        let read = Arc::new(AtomicUsize::new(0));
        let reading = Arc::clone(&read);
        tokio::spawn(async move {
            let (mut stream, mut buffer) = (Turns::new(stream), [0; 4_096]);
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                reading.fetch_add(count, Ordering::Relaxed);
            }
        });
        let (mut before, mut at_once) = (0, 0);
        while before < sent + PREFACE.len() {
            yield_now().await;
            let now = read.load(Ordering::Relaxed);
            (before, at_once) = (now, at_once.max(now - before));
        }
        assert!(at_once <= TURN_BYTES + 4_096, "{at_once} bytes of {sent} in one turn");
    }
}
