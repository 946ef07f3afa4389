//! One connection of a client on either wire, with as many requests under way as it likes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chrono::DateTime;
use jangteo_gateway::resp::encode_command;

use crate::process::Served;

/// Which wire a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http,
    Resp,
}

/// What a client asks for, of drop `t-1`.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Hold { customer: String, key: String, lines: Vec<(&'static str, u32)> },
    Confirm { hold: String, payment: String },
    Release { hold: String },
    Extend { hold: String },
    Get { hold: String },
}

/// A hold as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) state: String,
    pub(crate) payment: Option<String>,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) replayed: bool,
    /// Over HTTP only.
    pub(crate) created_at_ms: Option<i64>,
}

/// An answer: a hold, or the code of an error, by its name over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Hold(Shown),
    No(String),
}

impl Reply {
    #[track_caller]
    pub(crate) fn hold(self) -> Shown {
        match self {
            Self::Hold(shown) => shown,
            Self::No(code) => panic!("{code}"),
        }
    }

    #[track_caller]
    pub(crate) fn code(self) -> String {
        match self {
            Self::Hold(shown) => panic!("{shown:?}"),
            Self::No(code) => code,
        }
    }
}

/// RESP's words, by the codes they stand for.
const CODES: [(&str, &str); 11] = [
    ("SOLDOUT", "sold_out"),
    ("LIMIT", "limit_reached"),
    ("NOTOPEN", "not_open"),
    ("CLOSED", "closed"),
    ("NOHOLD", "unknown_hold"),
    ("EXPIRED", "expired"),
    ("WRONGSTATE", "wrong_state"),
    ("CONFLICT", "conflict"),
    ("OVERLOADED", "overloaded"),
    ("UNAVAILABLE", "unavailable"),
    ("UNKNOWN", "outcome_unknown"),
];

/// See the module.
pub(crate) struct Client {
    wire: Wire,
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(served: &Served, wire: Wire) -> Self {
        // Longer than anything takes: a test that hangs fails instead.
        Self::patient(served, wire, Duration::from_secs(30))
    }

    /// A client that gives a call up after `patience`.
    pub(crate) fn patient(served: &Served, wire: Wire, patience: Duration) -> Self {
        let address = if wire == Wire::Http { served.http } else { served.resp };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire, stream, unread: Vec::new() }
    }

    /// Sends requests, all in one write.
    pub(crate) fn send<'a>(&mut self, asks: impl IntoIterator<Item = &'a Ask>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for ask in asks {
            match self.wire {
                Wire::Http => http_request(ask, &mut bytes),
                Wire::Resp => resp_command(ask, &mut bytes),
            }
        }
        self.stream.write_all(&bytes)
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> io::Result<Reply> {
        loop {
            let parsed = match self.wire {
                Wire::Http => http_answer(&self.unread),
                Wire::Resp => resp_answer(&self.unread),
            };
            if let Some((reply, length)) = parsed {
                self.unread.drain(..length);
                return Ok(reply);
            }
            let mut buffer = [0; 1 << 14];
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&buffer[..count]);
        }
    }

    /// One request and its answer.
    pub(crate) fn ask(&mut self, ask: &Ask) -> io::Result<Reply> {
        self.send([ask])?;
        self.receive()
    }
}

fn resp_command(ask: &Ask, bytes: &mut Vec<u8>) {
    let text = match ask {
        Ask::Hold { customer, key, lines } => {
            let all: String = lines.iter().map(|(sku, units)| format!(" {sku} {units}")).collect();
            format!("DROP.HOLD t-1 {customer} {}{all} KEY {key}", lines.len())
        }
        Ask::Confirm { hold, payment } => format!("DROP.CONFIRM {hold} {payment}"),
        Ask::Release { hold } => format!("DROP.RELEASE {hold}"),
        Ask::Extend { hold } => format!("DROP.EXTEND {hold}"),
        Ask::Get { hold } => format!("DROP.GET {hold}"),
    };
    encode_command(&text.split(' ').map(str::as_bytes).collect::<Vec<_>>(), bytes);
}

fn http_request(ask: &Ask, bytes: &mut Vec<u8>) {
    let mut body = String::new();
    let mut more = String::new();
    let line = match ask {
        Ask::Hold { customer, key, lines } => {
            let line =
                |(sku, units): &(&str, u32)| format!(r#"{{"sku":"{sku}","quantity":{units}}}"#);
            let lines = lines.iter().map(line).collect::<Vec<_>>().join(",");
            body = format!(r#"{{"customer":"{customer}","lines":[{lines}]}}"#);
            more = format!("Idempotency-Key: {key}\r\n");
            "POST /v1/drops/t-1/holds".to_owned()
        }
        Ask::Confirm { hold, payment } => {
            body = format!(r#"{{"payment":"{payment}"}}"#);
            format!("POST /v1/holds/{hold}/confirm")
        }
        Ask::Release { hold } => format!("POST /v1/holds/{hold}/release"),
        Ask::Extend { hold } => format!("POST /v1/holds/{hold}/extend"),
        Ask::Get { hold } => format!("GET /v1/holds/{hold}"),
    };
    if !body.is_empty() {
        more.push_str("Content-Type: application/json\r\n");
    }
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    );
    bytes.extend_from_slice(request.as_bytes());
}

/// The first whole answer in the bytes, and its length.
fn http_answer(bytes: &[u8]) -> Option<(Reply, usize)> {
    let head_length = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_length]).unwrap().to_ascii_lowercase();
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length = head_length + header("content-length").unwrap().parse::<usize>().unwrap();
    let body = serde_json::from_slice::<serde_json::Value>(bytes.get(head_length..length)?);
    let body = body.unwrap();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    if let Some(code) = text("code") {
        return Some((Reply::No(code), length));
    }
    let instant = |name: &str| {
        text(name).map(|at| DateTime::parse_from_rfc3339(&at).unwrap().timestamp_millis())
    };
    let shown = Shown {
        id: text("id").unwrap(),
        number: body["number"].as_u64().unwrap(),
        state: text("state").unwrap(),
        payment: text("payment"),
        expires_at_ms: instant("expires_at"),
        replayed: header("idempotent-replayed") == Some("true"),
        created_at_ms: instant("created_at"),
    };
    Some((Reply::Hold(shown), length))
}

/// A value of RESP2.
#[derive(Debug)]
enum Value {
    Text(Option<String>),
    Error(String),
    Number(i64),
    Array(Vec<Value>),
}

/// The value at the front of the bytes, and its length.
fn value(bytes: &[u8]) -> Option<(Value, usize)> {
    let line_length = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[1..line_length]).unwrap();
    let mut at = line_length + 2;
    let read = match bytes[0] {
        b'+' => Value::Text(Some(line.to_owned())),
        b'-' => Value::Error(line.to_owned()),
        b':' => Value::Number(line.parse().unwrap()),
        b'$' if line == "-1" => Value::Text(None),
        b'$' => {
            let text = bytes.get(at..at + line.parse::<usize>().unwrap())?;
            at += text.len() + 2;
            bytes.get(at - 1)?;
            Value::Text(Some(String::from_utf8(text.to_vec()).unwrap()))
        }
        b'*' => {
            let mut all = Vec::new();
            for _ in 0..line.parse::<usize>().unwrap() {
                let (one, length) = value(&bytes[at..])?;
                all.push(one);
                at += length;
            }
            Value::Array(all)
        }
        other => panic!("{other} begins no value: {line}"),
    };
    Some((read, at))
}

fn resp_answer(bytes: &[u8]) -> Option<(Reply, usize)> {
    let (read, length) = value(bytes)?;
    let fields = match read {
        Value::Array(fields) => fields,
        Value::Error(text) => {
            let word = text.split(' ').next().unwrap();
            let code = CODES.iter().find(|(one, _)| *one == word);
            let code = code.map_or(text.as_str(), |(_, code)| code);
            return Some((Reply::No(code.to_owned()), length));
        }
        other => panic!("{other:?} is no hold"),
    };
    let field = |name: &str| {
        let named = |pair: &&[Value]| matches!(&pair[0], Value::Text(Some(one)) if one == name);
        &fields.chunks(2).find(named).unwrap_or_else(|| panic!("no {name}"))[1]
    };
    let text = |name: &str| match field(name) {
        Value::Text(text) => text.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let number = |name: &str| match field(name) {
        Value::Number(number) => *number,
        other => panic!("{name}: {other:?}"),
    };
    let shown = Shown {
        id: text("id").unwrap(),
        number: number("number").cast_unsigned(),
        state: text("state").unwrap(),
        payment: text("payment"),
        expires_at_ms: Some(number("expires_at_ms")).filter(|at| *at >= 0),
        replayed: number("replayed") == 1,
        created_at_ms: None,
    };
    Some((Reply::Hold(shown), length))
}
