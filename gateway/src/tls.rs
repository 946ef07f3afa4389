//! Encryption of both wires: TLS 1.2 and 1.3 by rustls.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::guarded::Guarded;
use crate::secret_file;
use crate::stream::Stream;

/// Which of the two a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http,
    Resp,
}

/// A certificate and its key, by which a service proves its name. Clones share them, so whoever
/// keeps one can replace them while the service runs; connections that are open go on.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<Both>>>);

/// What each wire agrees on.
struct Both {
    http: Arc<ServerConfig>,
    resp: Arc<ServerConfig>,
}

/// Why there is no certificate: what a person is told, naming the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTls {
    /// Which of the two files it is about: `cert` or `key`.
    pub of: &'static str,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls.{}: {}", self.of, self.detail)
    }
}

impl std::error::Error for BadTls {}

impl Tls {
    /// Reads a chain of certificates, the service's own first, and the private key, both PEM.
    ///
    /// # Errors
    /// A file cannot be read, has no such thing in it, everybody may read the key's, or the key is
    /// another certificate's.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, BadTls> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(Both::open(cert, key)?)))))
    }

    /// Reads both anew, for the connections that come from now on.
    ///
    /// # Errors
    /// As [`Tls::open`]; then nothing changes.
    pub fn replace(&self, cert: &Path, key: &Path) -> Result<(), BadTls> {
        let both = Arc::new(Both::open(cert, key)?);
        *self.0.write() = both;
        Ok(())
    }

    /// Shakes hands with a client.
    pub(crate) async fn agree(&self, wire: Wire, stream: Guarded) -> io::Result<Stream> {
        let config = {
            let both = self.0.read();
            match wire {
                Wire::Http => Arc::clone(&both.http),
                Wire::Resp => Arc::clone(&both.resp),
            }
        };
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Stream::Encrypted(Box::new(stream)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

impl Both {
    fn open(cert: &Path, key: &Path) -> Result<Self, BadTls> {
        let chain = std::fs::read(cert).map_err(|error| BadTls {
            of: "cert",
            detail: format!("{}: {error}", cert.display()),
        })?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let none = |of, path: &Path, what| {
            let detail = format!("{}: has no {what} in PEM form", path.display());
            BadTls { of, detail }
        };
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| none("cert", cert, "certificate"))?;
        let secret = secret_file::read(key).map_err(|detail| BadTls { of: "key", detail })?;
        let secret = PrivateKeyDer::from_pem_slice(&secret);
        let secret = secret.map_err(|_| none("key", key, "private key"))?;
        // NOTE: the provider is named here and not taken from the process: another program that
        // mounts this library may have chosen another for itself.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions();
        let config = config.expect("the provider has what TLS 1.2 and 1.3 need");
        let config = config.with_no_client_auth().with_single_cert(chain, secret);
        let resp = config.map_err(|error| {
            let detail = format!("{}: does not serve {}: {error}", key.display(), cert.display());
            BadTls { of: "key", detail }
        })?;
        let mut http = resp.clone();
        http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { http: Arc::new(http), resp: Arc::new(resp) })
    }
}
