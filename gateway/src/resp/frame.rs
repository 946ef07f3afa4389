//! Bytes to frames: where one command ends and what its arguments are.
//!
//! A frame is an array of bulk strings, or one inline line. Arguments are ranges of the caller's
//! buffer; nothing is copied except the words of an inline command, whose quotes have to go.
//! A frame that has not wholly arrived is a normal state: the parser remembers how far it got, so
//! that a large command that trickles in byte by byte costs no more than one that comes at once.

use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

use super::inline;
use super::word::integer;
use crate::limits::{ARGUMENTS_MAX, COMMAND_BYTES_MAX, INLINE_BYTES_MAX, LENGTH_LINE_MAX};

/// Where the arguments of a frame stand in its text. 64 are found without allocating; a command
/// with more allocates once per connection.
pub(super) type Spans = SmallVec<[Range<usize>; 64]>;

/// Cuts one connection's byte stream into frames.
#[derive(Debug, Default)]
pub struct Parser {
    stage: Stage,
    /// How far the current frame has been looked at, from its first byte.
    at: usize,
    /// Arguments of an array that are still to come.
    missing: usize,
    spans: Spans,
    /// The words of an inline command without their quotes; `spans` refer to it then.
    unquoted: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing of the next frame is known but, perhaps, its first byte.
    #[default]
    Start,
    /// In an array whose number of arguments is known.
    Array,
    /// In a line whose end has not been seen.
    Line,
}

/// One command as it stands on the wire.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The command's name and arguments; none for an empty line or array, which gets no answer.
    pub args: Args<'a>,
    /// Bytes of the input that the frame took up.
    pub length: usize,
}

/// The bytes cannot be a command. [`fmt::Display`] gives the error to send, in Redis's words; then
/// the connection is closed, because nothing says where the next command would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number of arguments is not a number, or above [`ARGUMENTS_MAX`].
    MultibulkLength,
    /// The line with the number of arguments does not end.
    MultibulkLine,
    /// An argument's length is not a number, makes the command longer than [`COMMAND_BYTES_MAX`],
    /// or does not lead to the argument's end.
    BulkLength,
    /// The line with an argument's length does not end.
    BulkLine,
    /// An argument begins with this byte instead of `$`.
    ExpectedBulk(u8),
    /// An inline command's quote is not closed, or something follows the closing quote.
    UnbalancedQuotes,
    /// An inline command is longer than [`INLINE_BYTES_MAX`] or has too many arguments.
    InlineTooBig,
    /// A web browser is talking to this port.
    Http,
}

impl Parser {
    /// Looks for the next frame at the start of `input`; `None` if it has not wholly arrived.
    ///
    /// IMPORTANT: after `None` the next call's input has to begin with the same bytes again,
    /// followed by what has arrived since. After a frame it begins right behind that frame.
    ///
    /// # Errors
    ///
    /// The stream is not RESP: send the error and close the connection.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<Frame<'a>>, ProtocolError> {
        if self.stage == Stage::Start && !self.begin(input)? {
            return Ok(None);
        }
        let inline = self.stage == Stage::Line;
        let complete = if inline { self.line(input)? } else { self.array(input)? };
        if !complete {
            return Ok(None);
        }
        self.stage = Stage::Start;
        let text = if inline { &self.unquoted } else { input };
        Ok(Some(Frame { args: Args { text, spans: &self.spans }, length: self.at }))
    }

    /// Learns from its first bytes what kind of frame comes; false if they are not there yet.
    fn begin(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        self.spans.clear();
        self.at = 0;
        match input.first() {
            None => return Ok(false),
            Some(b'*') => match length_line(input, 0) {
                Line::Incomplete => return Ok(false),
                Line::TooLong => return Err(ProtocolError::MultibulkLine),
                Line::Length(count, next) => {
                    self.stage = Stage::Array;
                    self.missing = argument_count(count)?;
                    self.at = next;
                }
                Line::Malformed => return Err(ProtocolError::MultibulkLength),
            },
            Some(_) => self.stage = Stage::Line,
        }
        Ok(true)
    }

    /// Goes over the arguments that are there; true once none is missing.
    fn array(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        while 0 < self.missing {
            match input.get(self.at) {
                None => return Ok(false),
                Some(b'$') => {}
                Some(other) => return Err(ProtocolError::ExpectedBulk(*other)),
            }
            let (length, start) = match length_line(input, self.at) {
                Line::Incomplete => return Ok(false),
                Line::TooLong => return Err(ProtocolError::BulkLine),
                Line::Length(length, start) => (length, start),
                Line::Malformed => return Err(ProtocolError::BulkLength),
            };
            let end = usize::try_from(length)
                .ok()
                .and_then(|length| start.checked_add(length))
                .filter(|end| *end <= COMMAND_BYTES_MAX - CRLF.len())
                .ok_or(ProtocolError::BulkLength)?;
            match input.get(end..end + CRLF.len()) {
                None => return Ok(false),
                Some(line_end) if line_end == CRLF => {}
                Some(_) => return Err(ProtocolError::BulkLength),
            }
            self.spans.push(start..end);
            self.at = end + CRLF.len();
            self.missing -= 1;
        }
        Ok(true)
    }

    /// Looks for the line's end, from where the last look ended; true once it is there.
    fn line(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        let fresh = input.get(self.at..input.len().min(INLINE_BYTES_MAX)).unwrap_or_default();
        let Some(offset) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.at += fresh.len();
            let too_big = self.at == INLINE_BYTES_MAX;
            return if too_big { Err(ProtocolError::InlineTooBig) } else { Ok(false) };
        };
        let end = self.at + offset;
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        inline::split(line, &mut self.unquoted, &mut self.spans)?;
        self.at = end + 1;
        Ok(true)
    }
}

const CRLF: &[u8] = b"\r\n";

/// What a `*<count>` or `$<length>` line says.
enum Line {
    Incomplete,
    TooLong,
    Malformed,
    /// The number, and where the line after it begins.
    Length(i64, usize),
}

/// Reads the number of the line that starts at `at`, behind its first byte.
fn length_line(input: &[u8], at: usize) -> Line {
    let line = input.get(at..input.len().min(at + LENGTH_LINE_MAX)).unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b'\r') else {
        return if line.len() < LENGTH_LINE_MAX { Line::Incomplete } else { Line::TooLong };
    };
    match input.get(at + end + 1) {
        None => return Line::Incomplete,
        Some(b'\n') => {}
        Some(_) => return Line::Malformed,
    }
    match line.get(1..end).and_then(integer) {
        Some(number) => Line::Length(number, at + end + CRLF.len()),
        None => Line::Malformed,
    }
}

/// Bounds the number of arguments. Zero and below is an empty command, as in Redis.
fn argument_count(count: i64) -> Result<usize, ProtocolError> {
    let count = usize::try_from(count.max(0)).map_err(|_| ProtocolError::MultibulkLength)?;
    if ARGUMENTS_MAX < count { Err(ProtocolError::MultibulkLength) } else { Ok(count) }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ERR Protocol error: ")?;
        match self {
            Self::MultibulkLength => f.write_str("invalid multibulk length"),
            Self::MultibulkLine => f.write_str("too big mbulk count string"),
            Self::BulkLength => f.write_str("invalid bulk length"),
            Self::BulkLine => f.write_str("too big bulk count string"),
            Self::ExpectedBulk(byte) => write!(f, "expected '$', got '{}'", char::from(*byte)),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::InlineTooBig => f.write_str("too big inline request"),
            Self::Http => f.write_str("this port speaks RESP, not HTTP"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The words of one command, from the first that has not been taken: an iterator that can also be
/// looked into. Copies nothing; a clone goes on independently.
#[derive(Clone)]
pub struct Args<'a> {
    text: &'a [u8],
    spans: &'a [Range<usize>],
}

impl<'a> Args<'a> {
    /// The word `index` places ahead.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).and_then(|span| self.text.get(span.clone()))
    }

    /// Whether no word is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (span, rest) = self.spans.split_first()?;
        self.spans = rest;
        self.text.get(span.clone())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.spans.len(), Some(self.spans.len()))
    }
}

impl ExactSizeIterator for Args<'_> {}

impl PartialEq for Args<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Args<'_> {}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.clone().map(<[u8]>::escape_ascii);
        f.debug_list().entries(words.map(|word| word.to_string())).finish()
    }
}

/// Appends one command as clients send it: what [`Parser`] reads back as the same arguments.
///
/// ```
/// let mut wire = Vec::new();
/// jangteo_gateway::resp::encode_command(&[b"PING", b"hi"], &mut wire);
/// assert_eq!(wire, b"*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n");
/// ```
pub fn encode_command(words: &[&[u8]], out: &mut Vec<u8>) {
    super::reply::header(b'*', words.len(), out);
    for word in words {
        super::reply::bulk(word, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_looked_at_is_not_looked_at_again() {
        let mut parser = Parser::default();
        let array = b"*3\r\n$1\r\na\r\n$60000\r\nbbb";
        assert!(parser.next(array).unwrap().is_none());
        let length_line = array.len() - "$60000\r\nbbb".len();
        assert_eq!(parser.at, length_line, "the next look starts at the length of what is missing");
        assert_eq!((parser.missing, parser.spans.len()), (2, 1));

        let mut parser = Parser::default();
        let line = b"DROP.GET 0000";
        assert!(parser.next(line).unwrap().is_none());
        assert_eq!(parser.at, line.len());
    }

    #[test]
    fn sixty_four_words_are_found_without_allocating() {
        for (words, spilled) in [(64, false), (65, true)] {
            let mut wire = Vec::new();
            encode_command(&vec![b"word".as_slice(); words], &mut wire);
            let mut parser = Parser::default();
            assert_eq!(parser.next(&wire).unwrap().unwrap().args.len(), words);
            assert_eq!((parser.spans.spilled(), parser.unquoted.capacity()), (spilled, 0));
        }
    }

    #[test]
    fn words_can_be_looked_at_ahead_of_taking_them() {
        let mut parser = Parser::default();
        let mut args = parser.next(b"a b c\n").unwrap().unwrap().args;
        assert_eq!((args.len(), args.get(0), args.get(3)), (3, Some(b"a".as_slice()), None));
        assert_eq!(args.next(), Some(b"a".as_slice()));
        assert_eq!((args.len(), args.get(1)), (2, Some(b"c".as_slice())));
        assert_eq!(format!("{args:?}"), r#"["b", "c"]"#);
    }
}
