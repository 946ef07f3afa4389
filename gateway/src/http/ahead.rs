//! Which HTTP a connection speaks, and its bytes from the first on.
//!
//! Under TLS the two sides have agreed on it. Otherwise a client that speaks HTTP/2 begins with
//! words that no HTTP/1 request begins with; what was read to see them is read again.
//!
//! A connection is read a little at a time, so that others get their turns: what reads frames goes
//! on as long as there are any, and a client can send them faster than they are looked at.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use crate::limits::TURN_BYTES;
use crate::stream::Stream;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The versions that are served. HTTP/1 is 1.0 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A connection of which some bytes were read already.
#[derive(Debug)]
pub(super) struct Ahead {
    first: Bytes,
    stream: Stream,
    /// Bytes that were read in this turn.
    read: usize,
}

impl Ahead {
    /// Finds out which version a client speaks, as soon as it has said enough.
    pub(super) async fn listen(mut stream: Stream) -> io::Result<(Version, Self)> {
        if stream.is_encrypted() {
            let version = if stream.agreed_on(b"h2") { Version::Two } else { Version::One };
            return Ok((version, Self { first: Bytes::new(), stream, read: 0 }));
        }
        let mut first = [0; PREFACE.len()];
        let mut length = 0;
        let version = loop {
            let rest = first.get_mut(length..).unwrap_or_default();
            let count = stream.read(rest).await?;
            length += count;
            let said = first.get(..length).unwrap_or_default();
            match PREFACE.strip_prefix(said) {
                Some([]) => break Version::Two,
                Some(_) if count > 0 => {}
                _ => break Version::One,
            }
        };
        let first = Bytes::copy_from_slice(first.get(..length).unwrap_or_default());
        Ok((version, Self { first, stream, read: 0 }))
    }
}

impl Ahead {
    /// Bounds what the system keeps of what the client has not taken yet.
    pub(super) fn bound_unsent(&self, bytes: usize) {
        self.stream.bound_unsent(bytes);
    }
}

impl AsyncRead for Ahead {
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
        if self.first.is_empty() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            let more = buffer.filled().len() - before;
            self.read = if read.is_pending() { 0 } else { self.read + more };
            return read;
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(self.first.get(..count).unwrap_or_default());
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ahead {
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
        let (version, mut stream) = Ahead::listen(stream).await.unwrap();
        assert_eq!(version, Version::Two);
        assert!(8 * TURN_BYTES < sent, "{sent} bytes show nothing");

        let read = Arc::new(AtomicUsize::new(0));
        let reading = Arc::clone(&read);
        tokio::spawn(async move {
            let mut buffer = [0; 4_096];
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
