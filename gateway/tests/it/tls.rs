//! Encrypted connections on both wires.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jangteo_gateway::Tls;
use jangteo_gateway::resp::encode_command;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::clients::connect;
use crate::shop::items;
use crate::tokens::Guarded;

/// A file of the tests: `one` and `two` are certificates for this machine. A checkout lets
/// everybody read it, which nobody may a key, so of keys it is a copy.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name);
    if !name.ends_with("-key.pem") {
        return original;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = tempfile::NamedTempFile::new_in(folder).unwrap();
    std::fs::write(copy.path(), std::fs::read(original).unwrap()).unwrap();
    copy.persist(folder.join(name)).unwrap();
    folder.join(name)
}

pub(crate) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts one certificate only.
pub(crate) fn client(address: SocketAddr, trusted: &str, alpn: &[&str]) -> Encrypted {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture(trusted)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, connect(address))
}

fn service() -> (Guarded, Tls) {
    let tls = Tls::open(&fixture("one-cert.pem"), &fixture("one-key.pem")).unwrap();
    (Guarded::open("", &items(&[("a", 100_000)]), Some(tls.clone())), tls)
}

/// Everything until the server says that it is done: without that word it would be an error.
fn read_to_end(stream: &mut Encrypted) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn drops(stream: &mut Encrypted) -> std::io::Result<String> {
    stream.write_all(b"GET /v1/drops HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn both_wires_speak_tls_and_nothing_else() {
    let (guarded, _) = service();
    let service = &guarded.shop.service;
    let answer = drops(&mut client(service.http(), "one-cert.pem", &["http/1.1"])).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let mut resp = client(service.resp(), "one-cert.pem", &[]);
    let mut bytes = Vec::new();
    encode_command(&[b"AUTH", b"shop", guarded.sell.as_bytes()], &mut bytes);
    encode_command(&[b"DROP.HOLD", b"t-1", b"c-1", b"1", b"a", b"1", b"BRIEF"], &mut bytes);
    encode_command(&[b"QUIT"], &mut bytes);
    resp.write_all(&bytes).unwrap();
    let reply = read_to_end(&mut resp);
    assert!(reply.starts_with("+OK\r\n$26\r\n") && reply.ends_with("\r\n+OK\r\n"), "{reply}");

    for (address, bytes) in [
        (service.resp(), &b"PING\r\n"[..]),
        (service.http(), b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let mut plain = connect(address);
        plain.write_all(bytes).unwrap();
        let mut said = Vec::new();
        // However it ends, nothing that the wire would say is said: at most a TLS alert.
        _ = plain.read_to_end(&mut said);
        assert!(said.first().is_none_or(|first| *first == 21), "{said:?}");
    }
    assert!(drops(&mut client(service.http(), "two-cert.pem", &[])).is_err());
}

/// More replies than any buffer holds: what encryption keeps back must come out as the client
/// reads, and be whole.
#[test]
fn a_deep_pipeline_comes_through_encrypted() {
    let (guarded, _) = service();
    let mut resp = client(guarded.shop.service.resp(), "one-cert.pem", &[]);
    let mut bytes = Vec::new();
    encode_command(&[b"AUTH", guarded.sell.as_bytes()], &mut bytes);
    resp.write_all(&bytes).unwrap();
    let word = "x".repeat(2_000);
    let mut bytes = Vec::new();
    encode_command(&[b"ECHO", word.as_bytes()], &mut bytes);
    let rounds = 40;
    for _ in 0..rounds {
        resp.write_all(&bytes.repeat(20)).unwrap();
    }
    resp.write_all(b"QUIT\r\n").unwrap();
    let replies = read_to_end(&mut resp);
    assert_eq!(replies.matches(&word).count(), rounds * 20);
    assert!(replies.ends_with("+OK\r\n"));
}

#[test]
fn a_new_certificate_serves_new_connections_and_leaves_the_old_alone() {
    let (guarded, tls) = service();
    let address = guarded.shop.service.http();
    let mut old = client(address, "one-cert.pem", &[]);
    old.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 15];
    old.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    tls.replace(&fixture("two-cert.pem"), &fixture("two-key.pem")).unwrap();
    assert!(drops(&mut client(address, "one-cert.pem", &[])).is_err());
    assert!(drops(&mut client(address, "two-cert.pem", &[])).is_ok());
    old.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_to_end(&mut old).contains("HTTP/1.1 200 OK"));
}

#[test]
fn a_pair_that_does_not_fit_is_refused_and_changes_nothing() {
    let (guarded, tls) = service();
    let empty = tempfile::NamedTempFile::new().unwrap();
    let (cert, key) = (fixture("one-cert.pem"), fixture("one-key.pem"));
    let table = [
        (cert.clone(), fixture("two-key.pem"), "key"),
        (cert.clone(), cert.clone(), "key"),
        (key.clone(), key.clone(), "cert"),
        (empty.path().to_owned(), key.clone(), "cert"),
        (fixture("none.pem"), key.clone(), "cert"),
        (cert.clone(), fixture("none.pem"), "key"),
    ];
    for (cert, key, of) in table {
        let bad = tls.replace(&cert, &key).unwrap_err();
        assert_eq!(bad.of, of, "{bad}");
        assert!(bad.to_string().starts_with(&format!("tls.{of}: ")), "{bad}");
    }
    assert!(drops(&mut client(guarded.shop.service.http(), "one-cert.pem", &[])).is_ok());
}

#[test]
fn a_client_that_offers_nothing_we_speak_is_let_go() {
    let (guarded, _) = service();
    assert!(drops(&mut client(guarded.shop.service.http(), "one-cert.pem", &["spdy/3"])).is_err());
}
