//! Taking connections on, and letting go of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::guarded::Guarded;
use crate::limits::{HANDSHAKE_TIMEOUT_MS, LINGER_MS, TURNED_AWAY_BYTES_MAX, TURNED_AWAY_MAX};
use crate::metrics::Reason;
use crate::stream::Stream;
use crate::tls::Wire;

/// How long to wait when no connection can be taken on, in milliseconds: descriptors are used up,
/// and trying again at once would only use up the processor as well.
const PAUSE_MS: u64 = 50;

/// Serves what arrives at `listener` until the service drains, then until every connection is
/// done. `turned_away` is sent, unless it would have to be encrypted, to a connection for which
/// there is no room.
///
/// Dropping the future drops the connections.
pub(crate) async fn accept<F: Future<Output = ()> + Send + 'static>(
    app: &Arc<App>,
    listener: TcpListener,
    (wire, turned_away): (Wire, fn(&App) -> Vec<u8>),
    serve: impl Fn(Arc<App>, Stream) -> F + Clone + Send + 'static,
) {
    let mut drain = app.drain.clone();
    let (mut connections, mut leaving) = (JoinSet::new(), JoinSet::new());
    loop {
        tokio::select! {
            biased;
            () = drain.begun() => break,
            Some(_) = connections.join_next() => {}
            Some(_) = leaving.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match room(app, peer) {
                    Ok(Some(room)) => {
                        let (app, serve) = (Arc::clone(app), serve.clone());
                        connections.spawn(async move {
                            if let Some(stream) = welcome(&app, wire, stream).await {
                                serve(app, stream).await;
                            }
                            drop(room);
                        });
                    }
                    Ok(None) if app.tls.is_none() => {
                        turn_away(stream, turned_away(app), &mut leaving);
                    }
                    Ok(None) | Err(NotAdmitted) => {}
                },
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The peer may not call at all.
struct NotAdmitted;

/// Room for a connection of that peer, while what is returned lives; none if all is taken.
fn room(app: &App, peer: SocketAddr) -> Result<Option<impl Send + use<>>, NotAdmitted> {
    if !app.access.admits_peer(peer) {
        app.metrics.turned_away.count(Reason::NotLoopback);
        return Err(NotAdmitted);
    }
    let place = app.peers.admit(peer.ip()).ok_or(Reason::ConnectionsFromAddress);
    let room = place.and_then(|place| Ok((place, app.admit().ok_or(Reason::Connections)?)));
    Ok(room.map_err(|reason| app.metrics.turned_away.count(reason)).ok())
}

/// Tells a connection that there is no room for it.
fn turn_away(stream: TcpStream, said: Vec<u8>, leaving: &mut JoinSet<()>) {
    if leaving.len() >= TURNED_AWAY_MAX {
        // As much as the socket takes: there is nothing to wait with.
        _ = stream.try_write(&said);
        return;
    }
    leaving.spawn(async move {
        let limit = Duration::from_millis(LINGER_MS);
        // What becomes of it is its client's affair.
        _ = timeout(limit, say_and_leave(stream, &said)).await;
    });
}

/// Reads on until the client has what it is told: bytes that nobody reads would make the system
/// destroy what is on its way.
async fn say_and_leave(mut stream: TcpStream, said: &[u8]) -> io::Result<()> {
    stream.write_all(said).await?;
    stream.shutdown().await?;
    let mut unread = stream.take(TURNED_AWAY_BYTES_MAX);
    tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The stream to serve; none if the client and we do not agree on encryption in time.
async fn welcome(app: &App, wire: Wire, stream: TcpStream) -> Option<Stream> {
    let stream = Guarded::new(stream, Arc::clone(&app.metrics));
    let Some(tls) = &app.tls else { return Some(Stream::Plain(stream)) };
    let mut drain = app.drain.clone();
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    tokio::select! {
        biased;
        () = drain.begun() => None,
        // Why it failed is the client's affair.
        agreed = timeout(limit, tls.agree(wire, stream)) => {
            let agreed = agreed.ok().and_then(Result::ok);
            if agreed.is_none() {
                app.metrics.turned_away.count(Reason::Handshake);
            }
            agreed
        }
    }
}

async fn pause(error: &io::Error) {
    // The peer was gone before it was taken on: its affair, not ours.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "cannot take on a connection");
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}
