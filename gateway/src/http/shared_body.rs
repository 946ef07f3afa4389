//! The body of a request of HTTP/2, read to its end although the answer did not need it.
//!
//! An answer that comes before its request is at its end has to be followed by a reset, and some
//! clients then lose the answer, curl up to 7.88 among them. So what the call left unread is read
//! and thrown away first, within bounds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::limits::{BODY_TIMEOUT_MS, UNREAD_BYTES_MAX};

/// See the module. Clones are the same body: one is the call's, one whoever reads the rest has.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left, unless that is too much or takes too long.
    pub(super) async fn read_rest(mut self) {
        let limit = Duration::from_millis(BODY_TIMEOUT_MS);
        let rest = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = self.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > UNREAD_BYTES_MAX {
                    return;
                }
            }
        };
        _ = timeout(limit, rest).await; // then the answer is all there is
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
