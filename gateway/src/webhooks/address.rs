//! Where an endpoint is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Scheme;
use ring::digest::{SHA256, digest};

use crate::limits::WEBHOOK_URL_BYTES_MAX;

/// Bytes of an address's hash that name its file.
const HASH_BYTES: usize = 16;

/// The address of an endpoint: `https`, or `http` to this machine. Shown without its path, which
/// may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    /// Names the file with the endpoint's place.
    hash: String,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "expected an address such as https://shop.example/hooks";
        if WEBHOOK_URL_BYTES_MAX < text.len() {
            return Err("must be at most 2048 bytes long");
        }
        let uri: Uri = text.parse().map_err(|_| WHAT)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(WHAT);
        };
        if authority.as_str().contains('@') {
            return Err("must have no user and no password");
        }
        if *scheme == Scheme::HTTP && !is_loopback(authority.host()) {
            return Err("http is for this machine only: use https");
        }
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(WHAT);
        }
        let hash = digest(&SHA256, text.as_bytes());
        let hash = hash.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}"));
        Ok(Self { hash: hash.collect(), uri })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address: Result<IpAddr, _> = bare.parse();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

impl Address {
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Host and port, as logs and metrics show it.
    pub(super) fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.host()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_encrypted_or_of_this_machine() {
        for text in [
            "https://shop.example/hooks?a=b",
            "https://shop.example:8443",
            "https://10.0.0.1/x",
            "http://127.0.0.1:8000/x",
            "http://127.9.9.9/",
            "http://localhost/x",
            "http://[::1]:80/x",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
        for text in [
            "",
            "/hooks",
            "shop.example",
            "shop.example/hooks",
            "ftp://shop.example/",
            "http://shop.example/",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "https://user:word@shop.example/",
            "https:///hooks",
            "https://shop example/",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let long = format!("https://shop.example/{}", "x".repeat(WEBHOOK_URL_BYTES_MAX));
        assert_eq!(long.parse::<Address>().unwrap_err(), "must be at most 2048 bytes long");
    }

    #[test]
    fn its_path_is_not_shown_and_tells_one_from_another() {
        let [one, other] =
            ["one", "other"].map(|path| format!("https://shop.example:8443/{path}-secret"));
        let [one, other]: [Address; 2] = [one, other].map(|text| text.parse().unwrap());
        assert_eq!(format!("{one:?}"), "Address(\"shop.example:8443\")");
        assert_eq!((one.host(), one.hash().len()), (other.host(), 32));
        assert_ne!(one.hash(), other.hash());
    }
}
