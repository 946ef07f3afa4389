//! Those who mean no good: some say nothing, some say a byte a second, some say nonsense, some
//! never listen.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep, timeout_at};

use crate::clients::Resp;
use crate::process::Served;

/// What a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// Good ones, for comparison.
    Ping,
    /// None that anything can be done with.
    Malformed,
}

/// How much was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) frames: u64,
    pub(super) connections: u64,
}

/// Commands that are wrong and leave the connection as it is.
const WRONG: [&[u8]; 8] = [
    b"*2\r\n$6\r\nNOSUCH\r\n$1\r\nx\r\n",
    b"*2\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n",
    b"*6\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n$1\r\nc\r\n$1\r\n1\r\n$1\r\na\r\n$3\r\none\r\n",
    b"*6\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n$1\r\n\xff\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n",
    b"*6\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n$1\r\nc\r\n$10\r\n4294967295\r\n$1\r\na\r\n$1\r\n1\r\n",
    b"*2\r\n$8\r\nDROP.GET\r\n$26\r\n~~~~~~~~~~~~~~~~~~~~~~~~~~\r\n",
    b"*1\r\n$12\r\nDROP.CONFIRM\r\n",
    b"DROP.HOLD t-1 c 1 a -1\r\n",
];

/// Bytes after which there is no telling where the next command begins.
const NO_PROTOCOL: [&[u8]; 6] = [
    b"*4294967295\r\n",
    b"*1\r\n$4294967295\r\n",
    b"*1\r\n$-4294967295\r\n",
    b"*1\r\n*1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"\"unbalanced\r\n",
];

/// Connections that send frames, and how often each sends.
const SENDERS: u64 = 16;
const EVERY: Duration = Duration::from_millis(10);
/// After so many sendings a connection ends and another begins.
const SENDINGS: u64 = 8;

/// Sends so many frames a second.
pub(super) async fn send_frames(at: SocketAddr, kind: Frames, per_s: u64, time: Duration) -> Sent {
    let each = per_s.div_ceil(SENDERS * 100);
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        tasks.spawn(send_alone(at, kind, each, Instant::now() + time, sender));
    }
    let mut all = Sent::default();
    while let Some(one) = tasks.join_next().await {
        let one = one.unwrap();
        all.frames += one.frames;
        all.connections += one.connections;
    }
    all
}

async fn send_alone(at: SocketAddr, kind: Frames, each: u64, end: Instant, sender: u64) -> Sent {
    let mut sent = Sent::default();
    let mut ticks = interval(EVERY);
    let ping = Resp::encoded(&["PING"]);
    let mut turn = usize::try_from(sender).unwrap();
    while Instant::now() < end {
        let (mut reader, mut writer) = TcpStream::connect(at).await.unwrap().into_split();
        sent.connections += 1;
        // It is read, or the service would stop reading too; what it says does not matter.
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(1..) = reader.read(&mut buffer).await {}
        });
        for sending in 1..=SENDINGS {
            ticks.tick().await;
            let mut bytes = Vec::new();
            for _ in 0..each {
                turn += 1;
                let wrong = WRONG[turn % WRONG.len()];
                bytes.extend_from_slice(if kind == Frames::Ping { &ping } else { wrong });
            }
            if sending == SENDINGS && kind == Frames::Malformed {
                bytes.extend_from_slice(NO_PROTOCOL[turn % NO_PROTOCOL.len()]);
            }
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
            sent.frames += each;
        }
        drop(writer);
        reading.await.unwrap();
    }
    sent
}

/// Connections to both wires that say nothing, until they are dropped.
pub(super) async fn idle(served: &Served, count: u64) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for number in 0..count {
        let at = if number % 2 == 0 { served.http } else { served.resp };
        all.push(TcpStream::connect(at).await.unwrap());
        if number % 100 == 99 {
            // So that they are taken on as they come.
            sleep(Duration::from_millis(5)).await;
        }
    }
    all
}

/// Connections to both wires that watch the drop and never read what they are told, until they are
/// dropped.
pub(super) async fn deaf(served: &Served, count: u64) -> Vec<TcpStream> {
    let to_http = b"GET /v1/drops/t-1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let asks = [(served.http, to_http), (served.resp, Resp::encoded(&["SUBSCRIBE drop:t-1"]))];
    let mut all = Vec::new();
    for ((at, ask), _) in asks.iter().cycle().zip(0..count) {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(ask).await.unwrap();
        all.push(stream);
    }
    all
}

/// Connections of HTTP/2 that ask for an answer over and over (PING) and take none, and how many of
/// them were cut.
pub(super) async fn ask_without_end(served: &Served, count: usize, time: Duration) -> usize {
    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(served.http).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        tasks.spawn(async move {
            let many = PING.repeat(1_000);
            let flood = async { while stream.write_all(&many).await.is_ok() {} };
            timeout_at(end, flood).await.is_ok()
        });
    }
    tasks.join_all().await.into_iter().filter(|cut| *cut).count()
}

/// Connections to both wires that send a byte a second, and how many of them were cut.
pub(super) async fn trickle(served: &Served, count: u64, time: Duration) -> u64 {
    const HEAD: &[u8] =
        b"POST /v1/drops/t-1/holds HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1234567890";
    const COMMAND: &[u8] =
        b"*6\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n$60\r\n1234567890123456789012345";
    const STROKES: u32 = 100;
    let mut all = idle(served, count).await;
    let end = Instant::now() + time;
    // Spread over the second: sent at one stroke they would stop the good client, which is in this
    // process too.
    let mut ticks = interval(Duration::from_secs(1) / STROKES);
    let (mut cut, mut sent) = (0, 0);
    while Instant::now() < end {
        ticks.tick().await;
        let mut nth = 0;
        all.retain(|stream| {
            nth += 1;
            if nth % STROKES != sent % STROKES {
                return true;
            }
            let place = (sent / STROKES) as usize;
            let to_http = stream.peer_addr().is_ok_and(|at| at == served.http);
            let text = if to_http { HEAD } else { COMMAND };
            let byte = [text[place % text.len()]];
            let closed = matches!(stream.try_read(&mut [0; 64]), Ok(0));
            let refused = |error: std::io::Error| error.kind() != ErrorKind::WouldBlock;
            let gone = closed || stream.try_write(&byte).is_err_and(refused);
            cut += u64::from(gone);
            !gone
        });
        sent += 1;
    }
    cut
}
