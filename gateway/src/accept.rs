//! Taking connections on, and letting go of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::app::App;
use crate::guarded::Guarded;
use crate::limits::HANDSHAKE_TIMEOUT_MS;
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
    (wire, turned_away): (Wire, &'static [u8]),
    serve: impl Fn(Arc<App>, Stream) -> F + Clone + Send + 'static,
) {
    let mut drain = app.drain.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = drain.begun() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    take_on(app, stream, peer, (wire, turned_away), &serve, &mut connections);
                }
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn take_on<F: Future<Output = ()> + Send + 'static>(
    app: &Arc<App>,
    stream: TcpStream,
    peer: SocketAddr,
    (wire, turned_away): (Wire, &'static [u8]),
    serve: &(impl Fn(Arc<App>, Stream) -> F + Clone + Send + 'static),
    connections: &mut JoinSet<()>,
) {
    let turn_away = |reason| app.metrics.turned_away.count(reason);
    if !app.access.admits_peer(peer) {
        return turn_away(Reason::NotLoopback);
    }
    let place = app.peers.admit(peer.ip()).ok_or(Reason::ConnectionsFromAddress);
    match place.and_then(|place| Ok((place, app.admit().ok_or(Reason::Connections)?))) {
        Ok(room) => {
            let (app, serve) = (Arc::clone(app), serve.clone());
            connections.spawn(async move {
                if let Some(stream) = welcome(&app, wire, stream).await {
                    serve(app, stream).await;
                }
                drop(room);
            });
        }
        Err(reason) => {
            turn_away(reason);
            if app.tls.is_none() {
                // As much as the socket takes: there is nothing to wait with.
                _ = stream.try_write(turned_away);
            }
        }
    }
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
        agreed = tokio::time::timeout(limit, tls.agree(wire, stream)) => {
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
