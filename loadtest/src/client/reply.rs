//! RESP2 replies: the parser, and what a reply says about a hold.

use crate::call::{HoldSeen, HoldState, Outcome, Word};

/// Longest line or bulk string taken, in bytes; longer is not from this service.
const BYTES_MAX: usize = 64 << 10;
/// Most elements of one array, and how deep arrays may nest.
const ELEMENTS_MAX: usize = 1_024;
const DEPTH_MAX: u8 = 4;

/// One reply, borrowing from the bytes received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    Simple(&'a [u8]),
    Error(&'a [u8]),
    Integer(i64),
    Bulk(&'a [u8]),
    Null,
    Array(Vec<Reply<'a>>),
}

/// The bytes are no RESP2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotResp;

/// The first reply in `input` and its length in bytes; `None` while it is incomplete.
pub(crate) fn parse(input: &[u8]) -> Result<Option<(Reply<'_>, usize)>, NotResp> {
    let mut rest = input;
    let reply = value(&mut rest, 0)?;
    Ok(reply.map(|reply| (reply, input.len() - rest.len())))
}

fn value<'a>(rest: &mut &'a [u8], depth: u8) -> Result<Option<Reply<'a>>, NotResp> {
    let Some(line) = line(rest)? else { return Ok(None) };
    let (kind, text) = line.split_first().ok_or(NotResp)?;
    Ok(Some(match kind {
        b'+' => Reply::Simple(text),
        b'-' => Reply::Error(text),
        b':' => Reply::Integer(integer(text)?),
        b'$' => match length(text, BYTES_MAX)? {
            None => Reply::Null,
            Some(length) => match bulk(rest, length)? {
                None => return Ok(None),
                Some(bytes) => Reply::Bulk(bytes),
            },
        },
        b'*' => match length(text, ELEMENTS_MAX)? {
            None => Reply::Null,
            Some(_) if depth == DEPTH_MAX => return Err(NotResp),
            Some(length) => {
                let mut elements = Vec::with_capacity(length);
                for _ in 0..length {
                    let Some(element) = value(rest, depth + 1)? else { return Ok(None) };
                    elements.push(element);
                }
                Reply::Array(elements)
            }
        },
        _ => return Err(NotResp),
    }))
}

/// Takes one line off the front, without its CR LF.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, NotResp> {
    match rest.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => {
            let (line, after) = rest.split_at(end);
            *rest = after.get(2..).ok_or(NotResp)?;
            Ok(Some(line))
        }
        None if rest.len() > BYTES_MAX => Err(NotResp),
        None => Ok(None),
    }
}

/// Takes `length` bytes and their CR LF off the front.
fn bulk<'a>(rest: &mut &'a [u8], length: usize) -> Result<Option<&'a [u8]>, NotResp> {
    let (Some(bytes), Some(end), Some(after)) =
        (rest.get(..length), rest.get(length..length + 2), rest.get(length + 2..))
    else {
        return Ok(None);
    };
    if end != b"\r\n" {
        return Err(NotResp);
    }
    *rest = after;
    Ok(Some(bytes))
}

fn integer(text: &[u8]) -> Result<i64, NotResp> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NotResp)
}

fn length(text: &[u8], max: usize) -> Result<Option<usize>, NotResp> {
    match integer(text)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Some(length)),
            _ => Err(NotResp),
        },
    }
}

impl Reply<'_> {
    /// What this reply to `DROP.HOLD`, `DROP.CONFIRM` or `DROP.RELEASE` says.
    pub(crate) fn outcome(&self) -> Outcome {
        let known = match self {
            Self::Error(text) => {
                let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
                Word::from_resp(word).map(Outcome::Refused)
            }
            Self::Array(fields) => hold(fields).map(Outcome::Hold),
            _ => None,
        };
        known.unwrap_or_else(|| Outcome::Odd(format!("{self:?}").chars().take(200).collect()))
    }
}

/// Reads the flat array of fields and values; fields not needed here are passed over.
fn hold(fields: &[Reply<'_>]) -> Option<HoldSeen> {
    let (mut id, mut state, mut number, mut replayed) = (None, None, None, None);
    for pair in fields.chunks_exact(2) {
        let [Reply::Bulk(name), value] = pair else { return None };
        match (*name, value) {
            (b"id", Reply::Bulk(text)) => id = std::str::from_utf8(text).ok(),
            (b"state", Reply::Bulk(text)) => {
                state = std::str::from_utf8(text).ok().and_then(HoldState::parse);
            }
            (b"number", Reply::Integer(value)) => number = u64::try_from(*value).ok(),
            (b"replayed", Reply::Integer(value)) => replayed = Some(*value == 1),
            _ => {}
        }
    }
    Some(HoldSeen { id: id?.into(), state: state?, number: number?, replayed: replayed? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &[u8] = b"*18\r\n$2\r\nid\r\n$4\r\nabcd\r\n$5\r\nstate\r\n$4\r\nheld\r\n\
        $6\r\nnumber\r\n:17\r\n$5\r\ntotal\r\n:5000\r\n$13\r\nexpires_at_ms\r\n:1588122600000\r\n\
        $7\r\npayment\r\n$-1\r\n$8\r\nreplayed\r\n:1\r\n$5\r\nlines\r\n*2\r\n$5\r\nonion\r\n:1\r\n\
        $5\r\ngifts\r\n*0\r\n";

    fn whole(input: &[u8]) -> Reply<'_> {
        let (reply, used) = parse(input).unwrap().unwrap();
        assert_eq!(used, input.len());
        reply
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        assert_eq!(whole(b"+PONG\r\n"), Reply::Simple(b"PONG"));
        assert_eq!(whole(b"-ERR no\r\n"), Reply::Error(b"ERR no"));
        assert_eq!(whole(b":-1\r\n"), Reply::Integer(-1));
        assert_eq!(whole(b"$4\r\n\r\n\r\n\r\n"), Reply::Bulk(b"\r\n\r\n"));
        assert_eq!(whole(b"$-1\r\n"), Reply::Null);
        assert_eq!(whole(b"*-1\r\n"), Reply::Null);
        assert_eq!(
            whole(b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n"),
            Reply::Array(vec![Reply::Array(vec![Reply::Integer(1)]), Reply::Bulk(b"")]),
        );
    }

    #[test]
    fn a_reply_cut_at_any_byte_waits_for_the_rest() {
        let replies: [&[u8]; 5] =
            [HELD, b"-SOLDOUT available=0\r\n", b"$5\r\nhello\r\n", b":12\r\n", b"*0\r\n"];
        for reply in replies {
            for cut in 0..reply.len() {
                assert_eq!(parse(&reply[..cut]), Ok(None), "cut at {cut}");
            }
            let two = [reply, reply].concat();
            let (_, used) = parse(&two).unwrap().unwrap();
            assert_eq!(used, reply.len());
        }
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        let long = vec![b'+'; BYTES_MAX + 1];
        let inputs: [&[u8]; 8] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n",
            b":x\r\n",
            b"$-2\r\n",
            b"$1\r\nab\r\n",
            b"*99999999\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            &long,
        ];
        for input in inputs {
            assert_eq!(parse(input), Err(NotResp), "{input:?}");
        }
    }

    #[test]
    fn a_hold_and_a_refusal_are_understood() {
        let hold =
            HoldSeen { id: "abcd".into(), number: 17, state: HoldState::Held, replayed: true };
        assert_eq!(whole(HELD).outcome(), Outcome::Hold(hold));
        let table: [(&[u8], Word); 4] = [
            (b"-SOLDOUT available=0\r\n", Word::SoldOut),
            (b"-NOTOPEN opens_at_ms=1588122000000\r\n", Word::NotOpen),
            (b"-UNKNOWN\r\n", Word::OutcomeUnknown),
            (b"-LIMIT hold=abcd\r\n", Word::LimitReached),
        ];
        for (reply, word) in table {
            assert_eq!(whole(reply).outcome(), Outcome::Refused(word));
        }
    }

    #[test]
    fn a_reply_that_says_neither_is_odd() {
        let replies: [&[u8]; 4] =
            [b"+OK\r\n", b"-WHAT now\r\n", b"*2\r\n$2\r\nid\r\n$1\r\nx\r\n", b"*2\r\n:1\r\n:2\r\n"];
        for reply in replies {
            assert!(matches!(whole(reply).outcome(), Outcome::Odd(_)), "{reply:?}");
        }
    }
}
