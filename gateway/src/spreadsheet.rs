//! Tables that an operator opens in a spreadsheet: CSV as RFC 4180 has it, and other people's texts
//! in it that are no formulas.

use std::borrow::Cow;
use std::io::Write;

/// Bytes that a writer collects before it writes: a usual line.
const LINE_BYTES: usize = 512;

/// A writer of lines.
pub fn lines<W: Write>(out: W) -> csv::Writer<W> {
    let mut lines = csv::WriterBuilder::new();
    lines.terminator(csv::Terminator::CRLF).buffer_capacity(LINE_BYTES).from_writer(out)
}

/// Somebody else's text: what a spreadsheet takes for a formula gets a `'` in front. So does what
/// begins with one, so that taking one off gives the text back.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) {
        Cow::Owned(["'", text].concat())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_needed_and_never_a_formula() {
        let table = [
            ("c-1", "c-1"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("+82", "'+82"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
            ("=A1,\"x\"", "\"'=A1,\"\"x\"\"\""),
            ("a=1", "a=1"),
            ("", ""),
        ];
        for (given, cell) in table {
            let mut out = Vec::new();
            lines(&mut out).write_record([&*text(given), "b"]).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{cell},b\r\n"));
        }
    }
}
