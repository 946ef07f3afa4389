//! Clients that watch a drop: what each wire tells them, as one stream of events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::clients::{Resp, connect};

/// One event: its name, and its data without the time.
pub(crate) type Said = (String, Value);

fn said(event: &str, mut data: Value) -> Said {
    let time = data.as_object_mut().unwrap().remove("server_time");
    assert_eq!(time.is_some_and(|time| time.is_string()), event != "drop", "{event}");
    (event.to_owned(), data)
}

/// A client of either wire.
pub(crate) trait Follower {
    /// The next event; `None` once there are no more, in good order.
    fn next(&mut self) -> Option<Said>;

    fn take(&mut self, count: usize) -> Vec<Said> {
        (0..count).map(|_| self.next().expect("more events")).collect()
    }
}

/// A stream of server-sent events, in chunks.
pub(crate) struct Sse {
    socket: BufReader<TcpStream>,
    pub(crate) head: String,
    text: String,
}

impl Sse {
    pub(crate) fn open(address: SocketAddr, drop: &str) -> Self {
        Self::on(connect(address), drop)
    }

    /// On a connection that may have been used before.
    pub(crate) fn on(mut socket: TcpStream, drop: &str) -> Self {
        let line = format!("GET /v1/drops/{drop}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        socket.write_all(line.as_bytes()).unwrap();
        let mut socket = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(socket.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { socket, head: head.to_ascii_lowercase(), text: String::new() }
    }

    /// Reads one chunk of the body; false at its end.
    fn chunk(&mut self) -> bool {
        let mut length = String::new();
        assert!(self.socket.read_line(&mut length).unwrap() > 0, "cut, not ended");
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        let mut bytes = vec![0; length + 2];
        self.socket.read_exact(&mut bytes).unwrap();
        assert!(bytes.ends_with(b"\r\n"));
        self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        length > 0
    }
}

impl Follower for Sse {
    fn next(&mut self) -> Option<Said> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block == ":" {
                    continue; // a heartbeat
                }
                let (event, data) = block.split_once('\n').unwrap();
                let event = event.strip_prefix("event: ").unwrap();
                let data = data.strip_prefix("data: ").unwrap();
                return Some(said(event, serde_json::from_str(data).unwrap()));
            }
            if !self.chunk() {
                assert_eq!(self.text, "", "ends between two events");
                return None;
            }
        }
    }
}

/// A RESP connection that is subscribed to something.
pub(crate) struct Subscriber(pub(crate) BufReader<TcpStream>);

impl Subscriber {
    /// Subscribes to a drop in that version of the protocol.
    pub(crate) fn open(address: SocketAddr, protocol: u8, drop: &str) -> Self {
        let mut client = Self::connect(address, protocol);
        client.send(&format!("SUBSCRIBE drop:{drop}"));
        assert_eq!(client.frame(), ["subscribe", &format!("drop:{drop}"), ":1"]);
        client
    }

    pub(crate) fn connect(address: SocketAddr, protocol: u8) -> Self {
        let mut resp = Resp::connect(address);
        assert!(resp.one(&format!("HELLO {protocol}")).contains(&format!("proto :{protocol}")));
        Self(BufReader::new(resp.0))
    }

    pub(crate) fn send(&mut self, command: &str) {
        self.0.get_mut().write_all(&Resp::encoded(&[command])).unwrap();
    }

    /// Sends one command and returns what comes next.
    pub(crate) fn ask(&mut self, command: &str) -> Vec<String> {
        self.send(command);
        self.frame()
    }

    /// The next reply or message, as the texts it consists of; none at the end of the connection.
    /// What is no text keeps its sign.
    pub(crate) fn frame(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let Some(kind) = line.chars().next() else { return Vec::new() };
        let count = || line[1..].parse::<usize>().unwrap();
        match kind {
            _ if line == "$-1" || line == "_" => vec![line.to_owned()],
            '*' | '>' => (0..count()).flat_map(|_| self.frame()).collect(),
            '%' => (0..2 * count()).flat_map(|_| self.frame()).collect(),
            '$' => {
                let mut bytes = vec![0; count() + 2];
                self.0.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                vec![String::from_utf8(bytes).unwrap()]
            }
            _ => vec![line.to_owned()],
        }
    }
}

impl Follower for Subscriber {
    fn next(&mut self) -> Option<Said> {
        let frame = self.frame();
        match &frame.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => None,
            ["message", channel, message] => {
                assert!(channel.starts_with("drop:"), "{channel}");
                let message: Value = serde_json::from_str(message).unwrap();
                Some(said(message["event"].as_str().unwrap(), message["data"].clone()))
            }
            ["unsubscribe", _, _] => self.next(), // the service stops
            other => panic!("{other:?}"),
        }
    }
}
