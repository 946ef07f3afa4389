//! Inline commands: one line typed by a person, split into words by Redis's quoting rules.
//!
//! Words are separated by white space. In double quotes `\n \r \t \b \a \xHH` stand for bytes and
//! a backslash before anything else for that character; in single quotes only `\'` is special.
//! Behind a closing quote the word has to end.

use super::frame::{ProtocolError, Spans};
use crate::limits::ARGUMENTS_MAX;

/// Splits `line` (without its line end): the words' text goes to `text`, where they are to `spans`.
pub(super) fn split(
    line: &[u8],
    text: &mut Vec<u8>,
    spans: &mut Spans,
) -> Result<(), ProtocolError> {
    text.clear();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        if spans.len() == ARGUMENTS_MAX {
            return Err(ProtocolError::InlineTooBig);
        }
        let start = text.len();
        rest = word(rest, text)?.trim_ascii_start();
        spans.push(start..text.len());
    }
    refuse_http(spans.first().and_then(|first| text.get(first.clone())).unwrap_or_default())
}

/// A web page can make a browser post to this port, with commands as the body. The request's head
/// comes before its body, and every head has one of these two lines: nothing behind it is read.
fn refuse_http(name: &[u8]) -> Result<(), ProtocolError> {
    let http = name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:");
    if http { Err(ProtocolError::Http) } else { Ok(()) }
}

/// Takes one word off the front of `rest` and returns what is left.
fn word<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Ok(rest),
            [b'"', quoted @ ..] => return double_quoted(quoted, text),
            [b'\'', quoted @ ..] => return single_quoted(quoted, text),
            [byte, ..] if byte.is_ascii_whitespace() => return Ok(rest),
            [byte, tail @ ..] => put(*byte, tail, text),
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', tail @ ..] => return word_end(tail),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                put((nibble(*high) << 4) | nibble(*low), tail, text)
            }
            [b'\\', escaped, tail @ ..] => put(unescaped(*escaped), tail, text),
            [byte, tail @ ..] => put(*byte, tail, text),
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', tail @ ..] => return word_end(tail),
            [b'\\', b'\'', tail @ ..] => put(b'\'', tail, text),
            [byte, tail @ ..] => put(*byte, tail, text),
        }
    }
}

fn put<'a>(byte: u8, tail: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    text.push(byte);
    tail
}

fn word_end(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    if ends { Ok(rest) } else { Err(ProtocolError::UnbalancedQuotes) }
}

const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// The value of a hexadecimal digit.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, ProtocolError> {
        let (mut text, mut spans) = (b"left over".to_vec(), Spans::new());
        split(line.as_bytes(), &mut text, &mut spans)?;
        assert_eq!(spans.first().map_or(0, |first| first.start), 0, "the last line's text is gone");
        let shown = |span: &std::ops::Range<usize>| text[span.clone()].escape_ascii().to_string();
        Ok(spans.iter().map(shown).collect())
    }

    #[test]
    fn words_are_split_and_unquoted_as_redis_does() {
        let table: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("  \t ", &[]),
            ("PING", &["PING"]),
            ("  drop.get \t h-1  ", &["drop.get", "h-1"]),
            (r#"ECHO "a b""#, &["ECHO", "a b"]),
            (r#"ECHO "" ''"#, &["ECHO", "", ""]),
            (r#"ECHO "\x41\x0a\n\r\t\b\a\q\"\\""#, &["ECHO", r#"A\n\n\r\t\x08\x07q\"\\"#]),
            (r#"ECHO "\xg1\x4""#, &["ECHO", "xg1x4"]),
            (r"ECHO 'it\'s \n'", &["ECHO", r"it\'s \\n"]),
            (r#"ECHO pre"fix ed""#, &["ECHO", "prefix ed"]),
            (r"ECHO a\nb", &["ECHO", r"a\\nb"]),
            ("ECHO \u{c7a5}", &["ECHO", r"\xec\x9e\xa5"]),
        ];
        for (line, expected) in table {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        let table =
            [r#"ECHO "a"#, "ECHO 'a", r#"ECHO "a"b"#, "ECHO 'a'b", r#"ECHO "a\""#, r"ECHO 'a\'"];
        for line in table {
            assert_eq!(words(line), Err(ProtocolError::UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn a_line_has_a_bounded_number_of_words() {
        let line = "a ".repeat(ARGUMENTS_MAX);
        assert_eq!(words(&line).unwrap().len(), ARGUMENTS_MAX);
        assert_eq!(words(&(line + "a")), Err(ProtocolError::InlineTooBig));
    }

    #[test]
    fn a_browser_is_refused_before_its_body_is_read() {
        for line in ["POST / HTTP/1.1", "post", "Host: 127.0.0.1:7481", "HOST: x"] {
            assert_eq!(words(line), Err(ProtocolError::Http), "{line}");
        }
        assert!(words("ECHO POST").is_ok());
    }
}
