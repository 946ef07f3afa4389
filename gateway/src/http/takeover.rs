//! A connection whose only request is for a drop's events, taken over from hyper.
//!
//! hyper keeps 16 KiB of buffers for each connection and frames each body by itself. Ten thousand
//! watchers need neither: nothing more is read from them, and what they are sent is framed once for
//! all of them.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, Version};
use axum::response::Response;
use bytes::{Buf, Bytes};
use hyper::body::Body as HttpBody;
use jangteo::Timestamp;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch;
use crate::watch::{Form, Watch};

/// How a connection leaves hyper before its end.
#[derive(Debug, Default)]
pub(super) struct Leaving(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    asked: bool,
    outgoing: Option<Outgoing>,
}

/// Goes with a request whose connection can be taken over; comes back with the watch.
#[derive(Clone, Debug, Default)]
pub(super) struct Takeover(Arc<Mutex<Option<Watch>>>);

impl Takeover {
    pub(super) fn give(&self, watch: Watch) {
        *self.0.lock() = Some(watch);
    }
}

impl Leaving {
    /// What a request is to come with if its connection can be taken over: nothing was answered on
    /// it before, so nothing is left to be sent of that.
    pub(super) fn offer<B: HttpBody>(&self, request: &Request<B>) -> Option<Takeover> {
        let asked = std::mem::replace(&mut self.0.lock().asked, true);
        let plain = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream();
        (!asked && plain && watch::is_path(request.uri().path())).then(Takeover::default)
    }

    /// Whether the offer was accepted: then the answer is not hyper's to send.
    pub(super) fn begins(&self, offer: &Takeover, answer: &Response, now: Timestamp) -> bool {
        let watch = offer.0.lock().take().filter(|_| answer.status() == StatusCode::OK);
        let unsent = || VecDeque::from([head(answer.headers(), now)]);
        let mut left = self.0.lock();
        left.outgoing = watch.map(|watch| Outgoing { watch, unsent: unsent() });
        left.outgoing.is_some()
    }

    /// What is to be sent, once an offer was accepted.
    pub(super) fn take(&self) -> Option<Outgoing> {
        self.0.lock().outgoing.take()
    }
}

/// What is said of the connection and the body here, whatever the answer says: its own body is
/// empty, and the router has told how long that is.
const FRAMING: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING];

/// The head of the answer: these headers, and those that hyper would have added.
fn head(headers: &HeaderMap, now: Timestamp) -> Bytes {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in headers.iter().filter(|(name, _)| !FRAMING.contains(name)) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    let now = i64::try_from(now.as_ms()).ok().and_then(chrono::DateTime::from_timestamp_millis);
    let mut rest = String::from("connection: close\r\ntransfer-encoding: chunked\r\n");
    if let Some(now) = now {
        // Writing to a string cannot fail.
        _ = write!(rest, "date: {}\r\n", now.format("%a, %d %b %Y %H:%M:%S GMT"));
    }
    head.extend_from_slice(rest.as_bytes());
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// Ends a chunked body.
const END: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// Bytes that a client sends although nothing is read any more are looked at in pieces of this
/// size, and thrown away.
const IGNORED_BYTES: usize = 64;

/// What a watcher is sent: one update at most, then the newest there is.
#[derive(Debug)]
pub(super) struct Outgoing {
    watch: Watch,
    unsent: VecDeque<Bytes>,
}

impl Outgoing {
    /// Sends until the client leaves or there will be nothing more, and then ends the body.
    ///
    /// # Errors
    /// The client is gone, or it has taken nothing for too long.
    pub(super) async fn send(
        mut self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll(&mut stream, context)).await?;
        self.unsent.push_back(END);
        std::future::poll_fn(|context| self.write(&mut stream, context)).await?;
        std::future::poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await
    }

    fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.write(stream, context))?;
            match self.watch.poll(context) {
                Poll::Ready(Some(news)) => self.unsent.extend(news.frames(Form::Chunk)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if has_left(stream, context)? => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes what there is.
    fn write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            for (slice, bytes) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(bytes);
            }
            let count = ready!(Pin::new(&mut *stream).poll_write_vectored(context, &slices))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent(count);
        }
        Pin::new(stream).poll_flush(context)
    }

    fn sent(&mut self, mut count: usize) {
        while let Some(first) = self.unsent.front_mut() {
            let part = count.min(first.len());
            first.advance(part);
            count -= part;
            if !first.is_empty() {
                return;
            }
            self.unsent.pop_front();
        }
    }
}

/// Whether the client has said that it sends no more, which is how one leaves.
fn has_left(stream: &mut (impl AsyncRead + Unpin), context: &mut Context<'_>) -> io::Result<bool> {
    loop {
        let mut ignored = [0; IGNORED_BYTES];
        let mut buffer = ReadBuf::new(&mut ignored);
        match Pin::new(&mut *stream).poll_read(context, &mut buffer)? {
            Poll::Ready(()) if buffer.filled().is_empty() => return Ok(true),
            Poll::Ready(()) => {}
            Poll::Pending => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jangteo::{Campaign, Durability, Engine, HoldRequest, ManualClock};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::access::{Access, Caller};
    use crate::app::App;
    use crate::drain::{self, Stopper};
    use crate::flushing::Flushing;
    use crate::guarded::Guarded;
    use crate::limits::{HEARTBEAT_MS, STALL_TIMEOUT_MS, WATCH_PACE_MS};

    const OPENS_MS: u64 = 1_588_122_000_000;

    /// A service without a wire, whose drop `t-1` is open. Tokio's time stands still but while
    /// everybody waits, so what follows from time alone is exact.
    fn shop() -> (Engine, Arc<App>, Stopper) {
        let file = "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\n\
            time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
            [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1\nstock = 1000000\n";
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
        let options = Engine::options().durability(Durability::Memory).clock(clock);
        let engine = options.background(false).open().unwrap();
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        engine.tick();
        let (stopper, drain) = drain::pair();
        let app = App::new(engine.clone(), Access::loopback(), Flushing::OnPark, drain);
        (engine, Arc::new(app), stopper)
    }

    /// A watcher's connection that keeps so many bytes, and its client's end.
    fn watcher(app: &Arc<App>, bytes: usize) -> (JoinHandle<io::Result<()>>, DuplexStream) {
        let (client, server) = duplex(bytes);
        let watch = crate::watch::begin(app, &Caller::Anyone, "t-1").unwrap();
        let outgoing = Outgoing { watch, unsent: VecDeque::new() };
        (tokio::spawn(outgoing.send(Guarded::over(server, Arc::clone(&app.metrics)))), client)
    }

    /// Everything a client is sent in that time.
    async fn listen(client: &mut DuplexStream, ms: u64) -> String {
        let mut text = Vec::new();
        let end = Instant::now() + Duration::from_millis(ms);
        while let Ok(read) = tokio::time::timeout_at(end, client.read_buf(&mut text)).await {
            assert!(read.unwrap() > 0, "ended after {}", String::from_utf8_lossy(&text));
        }
        String::from_utf8(text).unwrap()
    }

    /// Holds one unit every 10 ms, so often.
    async fn sell(engine: Engine, count: usize) {
        for n in 0..count {
            let customer = format!("c-{n}");
            let request = HoldRequest::new(&customer).line("a", 1).key("k");
            let granted = engine.sale("t-1").unwrap().hold(&request);
            assert!(granted.is_ok());
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_comes_every_heartbeat_and_nothing_else_while_nothing_changes() {
        let (_engine, app, _stopper) = shop();
        let (_serving, mut client) = watcher(&app, 1 << 16);
        let first = listen(&mut client, 10).await;
        assert_eq!(first.matches("event: ").count(), 3, "{first}");
        for _ in 0..10 {
            let text = listen(&mut client, HEARTBEAT_MS).await;
            assert!(text == "3\r\n:\n\n\r\n" || text == "3\r\n:\n\n\r\n".repeat(2), "{text:?}");
        }
        assert_eq!(app.hub.encoded(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_update_is_encoded_once_and_comes_at_most_four_times_a_second() {
        let (engine, app, _stopper) = shop();
        let mut clients: Vec<_> = (0..100).map(|_| watcher(&app, 1 << 16).1).collect();
        assert_eq!(app.hub.watchers(), 100);
        let selling = tokio::spawn(sell(engine, 500));
        sleep(Duration::from_millis(6_000)).await;
        selling.await.unwrap();
        let most = 6_000 / WATCH_PACE_MS + 1;
        let mut texts = Vec::new();
        for client in &mut clients {
            texts.push(listen(client, 1).await);
        }
        let [first, rest @ ..] = &texts[..] else { unreachable!("there are 100") };
        let updates = first.matches("event: stock").count() as u64;
        assert!((most / 2..=most).contains(&updates), "{updates}");
        assert!(first.contains("\"held\":500,"), "{first}");
        assert!(rest.iter().all(|text| text == first), "all are told the same");
        assert_eq!(app.hub.encoded(), updates);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_watcher_is_told_the_newest_and_nothing_is_kept_for_it() {
        let (engine, app, _stopper) = shop();
        let (_serving, mut client) = watcher(&app, 1_000);
        sell(engine, 2_000).await;
        assert!(app.hub.encoded() > 50);
        let text = listen(&mut client, 1_000).await;
        // What the connection had room for, what was begun, and the newest.
        assert!(text.matches("event: stock").count() <= 6, "{text}");
        assert!(text.contains("\"held\":2000,"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_takes_nothing_is_cut_and_the_others_go_on() {
        let (engine, app, _stopper) = shop();
        let begun = Instant::now();
        let (stalled, _silent) = watcher(&app, 64);
        let (_serving, mut client) = watcher(&app, 1 << 16);
        assert_eq!(stalled.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        let late_ms = begun.elapsed().as_millis() - u128::from(STALL_TIMEOUT_MS);
        assert!(late_ms < 10, "{late_ms}");
        assert_eq!(app.hub.watchers(), 1);
        sell(engine, 1).await;
        assert!(listen(&mut client, 1_000).await.contains("\"held\":1,"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_whole_when_its_client_leaves_or_the_service_stops() {
        let (_engine, app, stopper) = shop();
        let (left, mut leaving) = watcher(&app, 1 << 16);
        let (stopped, mut staying) = watcher(&app, 1 << 16);
        tokio::io::AsyncWriteExt::shutdown(&mut leaving).await.unwrap();
        left.await.unwrap().unwrap();
        assert_eq!(app.hub.watchers(), 1);
        stopper.stop();
        timeout(Duration::from_secs(1), stopped).await.unwrap().unwrap().unwrap();
        for client in [&mut leaving, &mut staying] {
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            assert!(text.ends_with("\n\n\r\n0\r\n\r\n"), "{text:?}");
        }
        assert_eq!(app.hub.watchers(), 0);
    }
}
