//! The keys as they are now.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Uri};
use jangteo::Timestamp;
use parking_lot::RwLock;

use super::caller::Caller;
use super::host;
use super::keyring::Keyring;

/// Who may call the service. Clones share the keys, so whoever keeps one can replace them while
/// the service runs; connections that are open are judged by the new ones.
#[derive(Clone, Debug)]
pub struct Access(Arc<RwLock<Arc<Keyring>>>);

/// The last key cannot be taken from a running service: it would be open to everybody who reaches
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastKey;

impl fmt::Display for LastKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the last key cannot be taken from a running service")
    }
}

impl std::error::Error for LastKey {}

impl Access {
    /// Everybody on this machine: over HTTP only requests for a loopback name that no proxy passed
    /// on (so that no web page can make a browser call it), over RESP only loopback peers.
    #[must_use]
    pub fn loopback() -> Self {
        Self::by(Keyring::default())
    }

    /// Whoever has one of these keys, or a token that one of them verifies. Like
    /// [`Access::loopback`] if there is none.
    #[must_use]
    pub fn by(keyring: Keyring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keyring))))
    }

    /// Puts other keys in place of those there are, from the next request on.
    ///
    /// # Errors
    /// There were keys, and now there would be none. Nothing changes.
    pub fn replace(&self, keyring: Keyring) -> Result<(), LastKey> {
        let mut current = self.0.write();
        if keyring.is_empty() && !current.is_empty() {
            return Err(LastKey);
        }
        *current = Arc::new(keyring);
        Ok(())
    }

    /// Whether a service with this access may listen there.
    #[must_use]
    pub fn allows_listening(&self, address: SocketAddr) -> bool {
        !self.is_open() || is_loopback(address.ip())
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.read().is_empty()
    }

    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.0.read())
    }

    /// Whether this is still the keyring.
    pub(crate) fn is_current(&self, keyring: &Arc<Keyring>) -> bool {
        Arc::ptr_eq(&self.0.read(), keyring)
    }

    pub(crate) fn admits_peer(&self, peer: SocketAddr) -> bool {
        !self.is_open() || is_loopback(peer.ip())
    }

    /// Why an HTTP request is not admitted, whoever sends it, if it is not.
    pub(crate) fn refuses(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<&'static str> {
        if self.is_open() { host::refuses(method, uri, headers) } else { None }
    }

    /// Who an HTTP request comes from.
    ///
    /// # Errors
    /// There is more than one credential.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Caller, &'static str> {
        let keyring = self.0.read();
        if keyring.is_empty() {
            return Ok(Caller::Anyone);
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(Caller::Stranger),
            (Some(value), None) => value.as_bytes(),
            (Some(_), Some(_)) => return Err("authorization: given twice"),
        };
        let identity = bearer(value).and_then(|credential| keyring.identify(credential, None, now));
        Ok(identity.map_or(Caller::Unknown, |identity| identity.caller().clone()))
    }
}

pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The credential of `Bearer <credential>`, if the header has that form: one word behind it, of the
/// letters that such a word may have (RFC 9110's `token68`).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"Bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    let start = rest.iter().position(|byte| *byte != b' ')?;
    let word = rest.get(start..)?;
    let letter = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
    word.iter().all(letter).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Key, Scope};

    #[test]
    fn a_credential_is_one_word_after_bearer() {
        for value in ["Bearer jt_1", "bearer jt_1", "BEARER   jt_1"] {
            assert_eq!(bearer(value.as_bytes()), Some(&b"jt_1"[..]), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearerjt_1",
            "Basic jt_1",
            "jt_1",
            "Bearer\tjt_1",
            "Bearer jt_1 ",
            "Bearer jt 1",
            "Bearer jt_1,jt_2",
            "Bearer \"jt_1\"",
            " Bearer jt_1",
        ] {
            assert_eq!(bearer(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn the_last_key_stays() {
        let access = Access::loopback();
        assert!(access.is_open());
        assert!(!access.allows_listening(([0, 0, 0, 0], 0).into()));
        access.replace(Keyring::default()).unwrap();
        let (key, _) = Key::generate("shop", Scope::Sell).unwrap();
        access.clone().replace(Keyring::new(vec![key], Vec::new()).unwrap()).unwrap();
        assert!(!access.is_open() && access.allows_listening(([0, 0, 0, 0], 0).into()));
        assert_eq!(access.replace(Keyring::default()), Err(LastKey));
        assert!(!access.is_open());
    }
}
