//! A whole service in this process: both wires on a thread and a runtime of their own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jangteo::Engine;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::access::Access;
use crate::app::App;
use crate::drain::{self, Stopper};
use crate::engine_slot::EngineSlot;
use crate::flushing::Flushing;
use crate::limits::{DRAIN_TIMEOUT_MS, Limits};
use crate::metrics::Metrics;
use crate::tls::Tls;
use crate::webhooks::Webhooks;
use crate::{http, resp};

/// A running service. Dropped, it stops like [`Service::stop`].
#[derive(Debug)]
pub struct Service {
    http: SocketAddr,
    resp: SocketAddr,
    engine: EngineSlot,
    metrics: Arc<Metrics>,
    stopper: Stopper,
    worker: Option<JoinHandle<()>>,
}

impl Service {
    /// Listens at both addresses (port 0 picks one) and serves on a thread of its own.
    ///
    /// # Errors
    /// An address cannot be listened at, which begins with `http: ` or `resp: `;
    /// [`io::ErrorKind::PermissionDenied`] if `access` does not allow it; no thread can be made.
    pub fn start(
        engine: Engine,
        http: SocketAddr,
        resp: SocketAddr,
        access: Access,
    ) -> io::Result<Self> {
        Self::start_encrypted(engine, http, resp, access, None)
    }

    /// Likewise, with both wires encrypted if `tls` is something.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn start_encrypted(
        engine: Engine,
        http: SocketAddr,
        resp: SocketAddr,
        access: Access,
        tls: Option<Tls>,
    ) -> io::Result<Self> {
        Self::start_limited(engine, (http, resp), access, tls, Limits::default())
    }

    /// Likewise, at these addresses for HTTP and RESP, within these limits.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn start_limited(
        engine: Engine,
        at: (SocketAddr, SocketAddr),
        access: Access,
        tls: Option<Tls>,
        limits: Limits,
    ) -> io::Result<Self> {
        Self::launch(engine.into(), at, access, tls, limits)
    }

    /// Likewise, before there is an engine: until [`Service::recovered`] every command is answered
    /// `recovering`, or `LOADING`, and `/livez` says that the process lives.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn start_recovering(
        at: (SocketAddr, SocketAddr),
        access: Access,
        tls: Option<Tls>,
        limits: Limits,
    ) -> io::Result<Self> {
        Self::launch(EngineSlot::default(), at, access, tls, limits)
    }

    /// This is the engine: from now on it answers, also on connections that are open. Does nothing
    /// to a service that has one.
    pub fn recovered(&self, engine: Engine) {
        self.engine.fill(engine);
    }

    /// Shows in its metrics how these webhooks do. Does nothing to a service that shows others.
    pub fn measure(&self, webhooks: &Webhooks) {
        _ = self.metrics.webhooks.set(webhooks.counts());
    }

    fn launch(
        engine: EngineSlot,
        (http, resp): (SocketAddr, SocketAddr),
        access: Access,
        tls: Option<Tls>,
        limits: Limits,
    ) -> io::Result<Self> {
        let (stopper, drain) = drain::pair();
        let app = App::limited(engine.clone(), access, Flushing::OnPark, drain, limits);
        let app = app.encrypted(tls);
        let app = Arc::new(app);
        let on_park = Arc::clone(&app);
        let metrics = Arc::clone(&app.metrics);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || on_park.flusher.park())
            .build()?;
        let http = runtime.block_on(listen("http", http, &app.access))?;
        let resp = runtime.block_on(listen("resp", resp, &app.access))?;
        let (http_address, resp_address) = (http.local_addr()?, resp.local_addr()?);
        let worker =
            std::thread::Builder::new().name("jangteo-worker".to_owned()).spawn(move || {
                runtime.block_on(run(&app, http, resp));
                app.flusher.park();
            })?;
        let worker = Some(worker);
        Ok(Self { http: http_address, resp: resp_address, engine, metrics, stopper, worker })
    }

    /// Where HTTP is served.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where RESP is served.
    #[must_use]
    pub const fn resp(&self) -> SocketAddr {
        self.resp
    }

    /// Takes nothing new on, answers what was accepted (for at most
    /// [`DRAIN_TIMEOUT_MS`](crate::limits::DRAIN_TIMEOUT_MS)), and returns when all is flushed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stopper.stop();
        // A worker that panicked has said so on stderr.
        _ = self.worker.take().map(JoinHandle::join);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

async fn listen(wire: &str, address: SocketAddr, access: &Access) -> io::Result<TcpListener> {
    let named = |kind, why: &str| Err(io::Error::new(kind, format!("{wire}: {address}: {why}")));
    if !access.allows_listening(address) {
        let why = "only loopback addresses are served without a key";
        return named(io::ErrorKind::PermissionDenied, why);
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) => match error.kind() {
            kind @ io::ErrorKind::AddrInUse => named(kind, "address already in use"),
            kind => named(kind, &error.to_string()),
        },
    }
}

async fn run(app: &Arc<App>, http: TcpListener, resp: TcpListener) {
    let serve = async { tokio::join!(http::serve_app(app, http), resp::serve_app(app, resp)) };
    let mut drain = app.drain.clone();
    let limit = async {
        drain.begun().await;
        tokio::time::sleep(Duration::from_millis(DRAIN_TIMEOUT_MS)).await;
    };
    tokio::select! {
        _ = serve => {}
        () = limit => tracing::warn!("connections were cut: they did not end in time"),
    }
}
