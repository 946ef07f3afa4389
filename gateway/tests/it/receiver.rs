//! An endpoint of webhooks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// What came, and what was answered: a status, or nothing at all.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Option<u16>,
}

impl Got {
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An endpoint that hands over what comes to it.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: mpsc::Receiver<Got>,
}

impl Receiver {
    /// Answers each request as `answer` says; by nothing at all where it says nothing.
    pub(crate) fn that(answer: impl Fn() -> Option<u16> + Send + Sync + 'static) -> Self {
        Self::start(answer, None)
    }

    /// Takes everything.
    pub(crate) fn willing() -> Self {
        Self::that(|| Some(204))
    }

    /// Takes everything, encrypted.
    pub(crate) fn encrypted(config: ServerConfig) -> Self {
        Self::start(|| Some(200), Some(Arc::new(config)))
    }

    fn start(
        answer: impl Fn() -> Option<u16> + Send + Sync + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = mpsc::channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, sender) = (stream.unwrap(), sender.clone());
                let (answer, tls) = (Arc::clone(&answer), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &*answer, &sender),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(connection, stream), &*answer, &sender);
                    }
                });
            }
        });
        Self { address, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?a-secret-path", self.address)
    }

    /// The next request.
    pub(crate) fn next(&self) -> Got {
        self.got.recv_timeout(Duration::from_secs(30)).expect("a webhook comes")
    }

    /// The next so many.
    pub(crate) fn take(&self, count: usize) -> Vec<Got> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Everything that has come by now and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

/// Answers one connection until it ends.
fn serve<S: Read + Write>(stream: S, answer: &dyn Fn() -> Option<u16>, to: &mpsc::Sender<Got>) {
    let mut stream = BufReader::new(stream);
    while let Some((line, headers, body)) = request(&mut stream) {
        let answer = answer();
        if to.send(Got { line, headers, body, answer }).is_err() {
            return;
        }
        let Some(status) = answer else {
            // It hangs until the other side has had enough.
            _ = stream.read(&mut [0]);
            return;
        };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        let stream = stream.get_mut();
        if stream.write_all(head.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// One request, if there is one more.
fn request(stream: &mut impl BufRead) -> Option<(String, HeaderMap, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut headers = HeaderMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((line.trim_end().to_owned(), headers, body))
}

/// A place where nobody listens.
pub(crate) fn nobody_listens() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(TcpStream::connect(address).is_err());
    address
}
