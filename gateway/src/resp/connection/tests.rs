//! What clients that send without end can do to the service, and to others.

use std::net::{Ipv4Addr, SocketAddr};

use jangteo::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::*;
use crate::access::Access;
use crate::drain;
use crate::flushing::Flushing;
use crate::guarded::Guarded;
use crate::in_flight::InFlight;
use crate::limits::{REPLY_BYTES_FEW, REPLY_BYTES_MAX};
use crate::resp::encode_command;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a client that is read has to wait until it may send on.
const STUCK: Duration = Duration::from_millis(500);
const WORD: [u8; 1_000] = [b'x'; 1_000];

/// Serves connections for as long as the test lives.
async fn serve(app: &Arc<App>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, app) = (listener.local_addr().unwrap(), Arc::clone(app));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = Stream::Plain(Guarded::new(stream, Arc::clone(&app.metrics)));
            tokio::spawn(Connection::new(Arc::clone(&app), stream).run());
        }
    });
    address
}

fn echo() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(&[b"ECHO", &WORD], &mut bytes);
    bytes
}

/// A client that sends until nothing more is taken, and never reads.
async fn deaf(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let many = echo().repeat(50);
    while timeout(STUCK, client.write_all(&many)).await.is_ok_and(|sent| sent.is_ok()) {}
    client
}

#[tokio::test]
async fn clients_that_never_read_share_a_bound_and_who_reads_is_answered_beside_them() {
    const DEAF: usize = 6;
    let (_stopper, drain) = drain::pair();
    let mut app = App::new(Engine::in_memory(), Access::loopback(), Flushing::OnPark, drain);
    app.in_flight = Arc::new(InFlight::new(1_000, REPLY_BYTES_MAX));
    let app = Arc::new(app);
    let address = serve(&app).await;
    let mut all = Vec::new();
    for _ in 0..DEAF {
        all.push(deaf(address).await);
    }
    let unsent = app.in_flight.unsent_bytes();
    // The first one goes to its own bound; then each may have few, and a reply. As much again may
    // be written and not thrown away yet.
    let each = REPLY_BYTES_FEW + WORD.len() + 100;
    assert!(REPLY_BYTES_MAX < unsent, "{unsent}: they were not many enough to show anything");
    assert!(unsent <= 2 * (REPLY_BYTES_MAX + DEAF * each), "{unsent}");

    let mut good = TcpStream::connect(address).await.unwrap();
    let (reply, count) = ([b"$1000\r\n", &WORD[..], b"\r\n"].concat(), 500);
    good.write_all(&echo().repeat(count)).await.unwrap();
    let mut read = vec![0; count * reply.len()];
    timeout(PATIENCE, good.read_exact(&mut read)).await.unwrap().unwrap();
    assert!(read.chunks(reply.len()).all(|one| one == reply));

    drop((all, good));
    let gone = async {
        while app.in_flight.unsent_bytes() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn who_sends_without_end_leaves_others_their_turn() {
    const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
    const PONG: usize = b"+PONG\r\n".len();
    let (_stopper, drain) = drain::pair();
    let app = App::new(Engine::in_memory(), Access::loopback(), Flushing::OnPark, drain);
    let app = Arc::new(app);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    // As much as the system takes, before anybody reads.
    let mut sent = 0;
    let many = PING.repeat(1_000);
    while let Ok(count) = client.try_write(many.get(sent % many.len()..).unwrap()) {
        sent += count;
    }
    let stream = Stream::Plain(Guarded::new(stream, Arc::clone(&app.metrics)));
    tokio::spawn(Connection::new(Arc::clone(&app), stream).run());

    let (expected, mut answered, mut at_once) = (sent / PING.len() * PONG, 0, 0);
    let mut replies = vec![0; expected];
    let others = async {
        while answered < expected {
            yield_now().await;
            let count = client.try_read(&mut replies).unwrap_or(0);
            (answered, at_once) = (answered + count, at_once.max(count));
        }
    };
    timeout(PATIENCE, others).await.unwrap();
    let turn = 2 * RESP_BUFFER_BYTES_FIRST / PING.len() * PONG;
    assert!(turn * 4 < expected, "{expected}: too few to show anything");
    assert!(at_once <= 2 * turn, "{at_once} bytes of {expected} in one turn");
}
