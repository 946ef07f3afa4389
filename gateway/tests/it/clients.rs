//! Raw clients of both wires: bytes in, bytes out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use jangteo_gateway::resp::encode_command;

/// Longer than anything takes: a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to either wire.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Everything until the server closes.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A RESP connection.
pub(crate) struct Resp(pub(crate) TcpStream);

impl Resp {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self(connect(address))
    }

    /// The bytes of these commands, words separated by spaces.
    pub(crate) fn encoded(commands: &[impl AsRef<str>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for command in commands {
            let words: Vec<&[u8]> = command.as_ref().split(' ').map(str::as_bytes).collect();
            encode_command(&words, &mut bytes);
        }
        bytes
    }

    /// Sends all commands in one write and returns all replies, line ends as spaces.
    pub(crate) fn all(&mut self, commands: &[impl AsRef<str>]) -> String {
        let mut bytes = Self::encoded(commands);
        bytes.extend_from_slice(&Self::encoded(&["ECHO that-was-all"]));
        self.0.write_all(&bytes).unwrap();
        let end = b"$12\r\nthat-was-all\r\n";
        let mut replies = Vec::new();
        while !replies.ends_with(end) {
            let mut buffer = [0; 4096];
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "closed after {}", String::from_utf8_lossy(&replies));
            replies.extend_from_slice(&buffer[..count]);
        }
        replies.truncate(replies.len() - end.len());
        String::from_utf8(replies).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    /// Sends these commands, the last of which closes the connection, and returns all replies, line
    /// ends as spaces.
    pub(crate) fn until_close(&mut self, commands: &[Option<&str>]) -> String {
        let commands: Vec<&str> = commands.iter().copied().flatten().collect();
        self.0.write_all(&Self::encoded(&commands)).unwrap();
        read_to_end(&mut self.0).replace("\r\n", " ").trim_end().to_owned()
    }

    /// Sends one command and returns its reply.
    pub(crate) fn one(&mut self, command: &str) -> String {
        self.all(&[command])
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(one, _)| one.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// Names of all headers, in order.
    pub(crate) fn header_names(&self) -> Vec<String> {
        self.head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_owned()).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `code` of a problem, after checking that it is one.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        let code = json["code"].as_str().unwrap().to_owned();
        assert_eq!(json["type"], format!("/problems/{code}"));
        assert!(json["title"].is_string() && json["detail"].is_string());
        assert!(json["retryable"].is_boolean());
        code
    }
}

/// Sends bytes on a connection of their own and reads the one answer.
pub(crate) fn http_raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    let text = read_to_end(&mut stream);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head[9..12].parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A request with further header lines and, unless it is empty, a JSON body.
pub(crate) fn http(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        request.push_str("Host: localhost\r\n");
    }
    let typed = headers.iter().any(|header| header.starts_with("Content-Type:"));
    if !body.is_empty() && !typed {
        request.push_str("Content-Type: application/json\r\n");
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
    http_raw(address, format!("{request}\r\n{body}").as_bytes())
}
