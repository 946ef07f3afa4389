//! Which HTTP a connection speaks, and its bytes from the first on.
//!
//! Under TLS the two sides have agreed on it. Otherwise a client that speaks HTTP/2 begins with
//! words that no HTTP/1 request begins with; what was read to see them is read again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

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
}

impl Ahead {
    /// Finds out which version a client speaks, as soon as it has said enough.
    pub(super) async fn listen(mut stream: Stream) -> io::Result<(Version, Self)> {
        if stream.is_encrypted() {
            let version = if stream.agreed_on(b"h2") { Version::Two } else { Version::One };
            return Ok((version, Self { first: Bytes::new(), stream }));
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
        Ok((version, Self { first, stream }))
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
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
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
