//! Answers to bytes, in RESP2 and RESP3. Appends to the connection's output; allocates nothing
//! else.

use std::fmt::{self, Write};

/// The protocol version a connection has agreed on with `HELLO`; version 2 until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Maps and pushes are arrays, booleans integers.
    #[default]
    Resp2,
    /// Maps, pushes, booleans and null have types of their own.
    Resp3,
}

impl Protocol {
    /// The number that `HELLO` and `CLIENT INFO` know it by.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// Writes answers to one connection. Whoever writes a header writes as many elements after it.
///
/// ```
/// use jangteo_gateway::resp::{Protocol, Reply};
///
/// let mut out = Vec::new();
/// let mut reply = Reply::new(Protocol::Resp3, &mut out);
/// reply.map(1);
/// reply.bulk("number");
/// reply.integer(7);
/// reply.error(format_args!("SOLDOUT available={}", 0));
/// assert_eq!(out, b"%1\r\n$6\r\nnumber\r\n:7\r\n-SOLDOUT available=0\r\n");
/// ```
#[derive(Debug)]
pub struct Reply<'o> {
    protocol: Protocol,
    out: &'o mut Vec<u8>,
}

impl<'o> Reply<'o> {
    /// A writer that appends to `out`.
    pub fn new(protocol: Protocol, out: &'o mut Vec<u8>) -> Self {
        Self { protocol, out }
    }

    /// A status the server chose, such as `OK`.
    pub fn simple(&mut self, status: &'static str) {
        self.line(b'+', status);
    }

    /// An error; its first word is the code clients look at. The text may echo a client's bytes:
    /// a control character in it becomes a space, so that it cannot end the line.
    pub fn error(&mut self, text: impl fmt::Display) {
        self.line(b'-', text);
    }

    /// A number.
    pub fn integer(&mut self, value: impl itoa::Integer) {
        header(b':', value, self.out);
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        bulk(bytes.as_ref(), self.out);
    }

    /// The absent value.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// True or false; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
        });
    }

    /// Begins an array of `elements`.
    pub fn array(&mut self, elements: usize) {
        header(b'*', elements, self.out);
    }

    /// Begins a map of `fields`, each a name and then a value; a flat array in RESP2.
    pub fn map(&mut self, fields: usize) {
        match self.protocol {
            Protocol::Resp2 => header(b'*', 2 * fields, self.out),
            Protocol::Resp3 => header(b'%', fields, self.out),
        }
    }

    /// Begins a message of `elements` that answers no command; an array in RESP2.
    pub fn push(&mut self, elements: usize) {
        match self.protocol {
            Protocol::Resp2 => header(b'*', elements, self.out),
            Protocol::Resp3 => header(b'>', elements, self.out),
        }
    }

    fn line(&mut self, kind: u8, text: impl fmt::Display) {
        self.out.push(kind);
        // Writing to a vector cannot fail; a `Display` that does leaves the line shorter.
        _ = write!(OneLine(self.out), "{text}");
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends `<kind><number>` and a line end.
pub(super) fn header(kind: u8, number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a bulk string.
pub(super) fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    header(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Text on its way into a line, with every control character made a space.
struct OneLine<'o>(&'o mut Vec<u8>);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let printable = |byte: u8| if byte.is_ascii_control() { b' ' } else { byte };
        self.0.extend(text.bytes().map(printable));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(protocol, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_type_has_its_form_in_both_protocols() {
        type Write = fn(&mut Reply<'_>);
        let table: [(Write, &str, &str); 14] = [
            (|r| r.simple("OK"), "+OK\r\n", "+OK\r\n"),
            (|r| r.error("ERR syntax error"), "-ERR syntax error\r\n", "-ERR syntax error\r\n"),
            (|r| r.integer(0), ":0\r\n", ":0\r\n"),
            (|r| r.integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            (|r| r.integer(u64::MAX), ":18446744073709551615\r\n", ":18446744073709551615\r\n"),
            (|r| r.bulk(""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.array(3), "*3\r\n", "*3\r\n"),
            (|r| r.map(3), "*6\r\n", "%3\r\n"),
            (|r| r.map(0), "*0\r\n", "%0\r\n"),
            (|r| r.push(3), "*3\r\n", ">3\r\n"),
            (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
            (|r| r.boolean(false), ":0\r\n", "#f\r\n"),
        ];
        for (write, resp2, resp3) in table {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn an_error_is_one_line_whatever_it_echoes() {
        let error = written(Protocol::Resp2, |reply| {
            reply.error(format_args!("ERR unknown '{}'", "a\r\n+OK\r\n\0\u{7f}\u{c7a5}"));
        });
        assert_eq!(error, "-ERR unknown 'a  +OK    \u{c7a5}'\r\n");
    }
}
