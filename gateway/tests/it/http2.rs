//! HTTP/2, encrypted and not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Builder;

use crate::clients::connect;
use crate::shop::{Shop, items};
use crate::tls;
use crate::tokens::Guarded;

const GOOD: &str = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;

/// Runs what a client does.
fn run<F: Future>(client: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(client)
}

async fn client(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().version(Version::HTTP_2).method(method);
    let request = request.uri(format!("http://localhost{path}"));
    let request = request.header("content-type", "application/json");
    request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

#[test]
fn holds_go_over_http2_with_prior_knowledge_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 99)]);
    let address = shop.service.http();
    let statuses = run(async {
        let sender = client(address).await;
        let asked = (0..50).map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let ask = request(Method::POST, "/v1/drops/t-1/holds", GOOD);
                let answer = sender.send_request(ask).await.unwrap();
                let has = |name: &str| answer.headers().contains_key(name);
                assert!(has("jangteo-time") && has("x-request-id") && has("location"));
                assert!(!has("connection"));
                let status = answer.status().as_u16();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert!(body.starts_with(b"{\"id\":"));
                status
            })
        });
        let mut statuses = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            statuses.push(asked.await.unwrap());
        }
        statuses
    });
    assert_eq!(statuses, [201; 50]);
    assert_eq!(shop.units("a"), (49, 50, 0));
}

#[test]
fn errors_over_http2_are_problems() {
    let shop = Shop::open("", &[("a", 9)]);
    let table = [
        (Method::GET, "/none", "", 404),
        (Method::DELETE, "/v1/drops", "", 405),
        (Method::POST, "/v1/drops/t-1/holds", "{", 400),
        (Method::GET, "/v1/holds/none", "", 404),
    ];
    run(async {
        let mut sender = client(shop.service.http()).await;
        for (method, path, body, status) in table {
            let answer = sender.send_request(request(method, path, body)).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
    });
}

#[test]
fn a_stopping_service_answers_over_http2_what_it_has_begun() {
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    run(async {
        let mut sender = client(address).await;
        let live = sender.send_request(request(Method::GET, "/livez", "")).await.unwrap();
        assert_eq!(live.status().as_u16(), 200);
        let service = shop.service;
        let stopping = tokio::task::spawn_blocking(move || service.stop());
        stopping.await.unwrap();
        // Told to go, not cut: the next request is not sent at all.
        let late = sender.send_request(request(Method::GET, "/livez", "")).await.unwrap_err();
        assert!(late.is_canceled() || late.is_closed(), "{late:?}");
    });
}

#[test]
fn under_tls_both_sides_agree_on_http2() {
    let tls =
        jangteo_gateway::Tls::open(&tls::fixture("one-cert.pem"), &tls::fixture("one-key.pem"));
    let guarded = Guarded::open("", &items(&[("a", 9)]), Some(tls.unwrap()));
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut stream = tls::client(guarded.shop.service.http(), "one-cert.pem", offered);
        let is_two = agreed == Some(b"h2");
        let first: &[u8] = if is_two {
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
        } else {
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        };
        stream.write_all(first).unwrap();
        let mut said = [0; 9];
        stream.read_exact(&mut said).unwrap();
        // A frame of settings, or a status line.
        assert_eq!(said[3] == 4, is_two, "{offered:?}: {said:?}");
        assert_eq!(stream.conn.alpn_protocol(), agreed, "{offered:?}");
    }
}

/// A frame: type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of `GET /livez` in HPACK, without a table: its own letters.
fn head() -> Vec<u8> {
    let mut bytes = vec![0x82, 0x86, 0x04, 6]; // GET, http, path
    bytes.extend(b"/livez");
    bytes.extend([0x01, 9]); // authority
    bytes.extend(b"localhost");
    bytes
}

/// The head of `PUT /v1/nothing` likewise.
fn put_head() -> Vec<u8> {
    let mut bytes = vec![0x02, 3]; // method
    bytes.extend(b"PUT");
    bytes.extend([0x86, 0x04, 11]); // http, path
    bytes.extend(b"/v1/nothing");
    bytes.extend([0x01, 9]); // authority
    bytes.extend(b"localhost");
    bytes
}

/// Sends a ping and reads until it is answered: the frames of streams that came before.
fn frames_until_pong(stream: &mut TcpStream, number: u8) -> Vec<(u8, u8, Vec<u8>)> {
    stream.write_all(&frame(6, 0, 0, &[number; 8])).unwrap();
    let (mut head, mut frames) = ([0; 9], Vec::new());
    loop {
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        if (head[3], head[4]) == (6, 1) && payload == [number; 8] {
            return frames;
        }
        if head[8] != 0 {
            frames.push((head[3], head[4], payload));
        }
    }
}

/// A reset that follows an answer makes some clients lose it, curl among them.
#[test]
fn a_refusal_over_http2_waits_for_its_body_and_is_not_followed_by_a_reset() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const WINDOW: u8 = 8;
    const NOT_FOUND: u8 = 0x8d; // in HPACK
    let shop = Shop::open("", &[("a", 9)]);
    let mut stream = connect(shop.service.http());
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream.write_all(&frame(HEADERS, 4, 1, &put_head())).unwrap();
    for number in 1..10 {
        assert_eq!(frames_until_pong(&mut stream, number), [], "nothing before the body");
        stream.write_all(&frame(DATA, 0, 1, &[b'x'; 1_000])).unwrap();
    }
    stream.write_all(&frame(DATA, 1, 1, &[b'x'; 1_000])).unwrap();
    let mut frames = Vec::new();
    for number in 10..20 {
        frames.extend(frames_until_pong(&mut stream, number));
    }
    let answer: Vec<_> = frames.iter().filter(|(kind, ..)| *kind != WINDOW).collect();
    assert!(answer.iter().all(|(kind, ..)| *kind != RESET), "{answer:?}");
    let [(HEADERS, _, head), (DATA, 1, body)] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!(head[0], NOT_FOUND);
    assert!(body.starts_with(b"{\"type\":\"/problems/not_found\""));
}

/// What the service says of a client that sends its preface and then these frames over and over,
/// until it ends the connection: the code of the last GOAWAY.
fn ended_with(address: SocketAddr, frames: impl Fn(u32) -> Vec<u8> + Send + 'static) -> u8 {
    let mut stream = connect(address);
    let mut reader = stream.try_clone().unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    let flood = std::thread::spawn(move || {
        (0..1_000_000).take_while(|number| stream.write_all(&frames(*number)).is_ok()).count()
    });
    let (mut head, mut code) = ([0; 9], None);
    while reader.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if reader.read_exact(&mut payload).is_err() {
            break;
        }
        if head[3] == 7 {
            code = Some(payload[7]);
        }
    }
    assert!(flood.join().unwrap() < 1_000_000, "it took everything");
    code.expect("it said why it ends")
}

#[test]
fn floods_of_http2_end_their_connection_and_no_other() {
    const CALM: u8 = 11;
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let odd = |number: u32| 2 * number + 1;
    let reset = move |number| {
        [frame(1, 5, odd(number), &head()), frame(3, 0, odd(number), &[0, 0, 0, 8])].concat()
    };
    assert_eq!(ended_with(address, reset), CALM, "rapid reset");
    let endless = |number| match number {
        0 => frame(1, 1, 1, &head()),
        _ => frame(9, 0, 1, &[vec![0, 1, b'a', 0x7f, 0x81, 0x7c], vec![b'x'; 16_000]].concat()),
    };
    assert_eq!(ended_with(address, endless), CALM, "CONTINUATION without end");
    assert_eq!(livez(address), 200);
}

fn livez(address: SocketAddr) -> u16 {
    run(async {
        let mut sender = client(address).await;
        sender.send_request(request(Method::GET, "/livez", "")).await.unwrap().status().as_u16()
    })
}

/// Sends a frame over and over without reading a word, until the service reads no more: how often.
fn sent_until_stuck(stream: &mut TcpStream, frame: &[u8]) -> usize {
    const MOST: usize = 64 << 20;
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut sent = 0;
    while sent < MOST {
        match stream.write(&frame[sent % frame.len()..]) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return sent / frame.len();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the service took everything");
}

/// What is to be answered is answered one by one: who takes no answers is read no longer, and cut
/// like anybody who takes nothing. Who takes them costs what it costs to answer.
#[test]
fn pings_and_settings_without_end_are_read_no_faster_than_they_are_answered() {
    const ACK: u8 = 1;
    let shop = Shop::open("", &[("a", 9)]);
    let address = shop.service.http();
    let ping = frame(6, 0, 0, &[7; 8]);
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    for (name, kind, flood) in [("PING", 6, ping), ("SETTINGS", 4, settings)] {
        let mut stream = connect(address);
        let sent = sent_until_stuck(&mut stream, &flood);
        assert_eq!(livez(address), 200, "beside {name}");
        // Nothing was kept but what lies in the sockets' buffers: each is answered once it is read.
        let (mut head, mut answered) = ([0; 9], 0);
        while answered < sent {
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            stream.read_exact(&mut payload).unwrap();
            assert_ne!(head[3], 7, "{name}: it ends the connection, {payload:?}");
            // The first acknowledgement of settings is that of the preface.
            answered += usize::from(head[3] == kind && head[4] == ACK);
        }
    }
    assert_eq!(livez(address), 200);
}
