//! The RESP service at a listener.

use std::io;
use std::sync::Arc;

use jangteo::Engine;
use tokio::net::TcpListener;

use super::connection::Connection;
use crate::accept::accept;
use crate::access::Access;
use crate::app::App;
use crate::drain;
use crate::flushing::Flushing;
use crate::tls::Wire;

const TURNED_AWAY: &[u8] = b"-OVERLOADED max number of clients reached\r\n";

/// Serves RESP at `listener` on the present runtime, whichever that is. Ends only with an error;
/// dropping the future closes the connections.
///
/// # Errors
/// `access` does not allow listening there.
pub async fn serve(engine: Engine, listener: TcpListener, access: Access) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !access.allows_listening(address) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "a key is needed to listen here",
        ));
    }
    let (_never, drain) = drain::pair();
    let app = Arc::new(App::new(engine, access, Flushing::Demanded, drain));
    serve_app(&app, listener).await;
    Ok(())
}

/// Serves RESP until the service has drained.
pub(crate) async fn serve_app(app: &Arc<App>, listener: TcpListener) {
    let serve = |app, stream| Connection::new(app, stream).run();
    accept(app, listener, (Wire::Resp, |_: &App| TURNED_AWAY.to_vec()), serve).await;
}
