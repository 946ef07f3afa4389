//! The RESP parser against raw bytes: what it reads, what it refuses, and that it does not matter
//! how the bytes arrive.

use jangteo_gateway::limits::{
    ARGUMENTS_MAX, COMMAND_BYTES_MAX, INLINE_BYTES_MAX, LENGTH_LINE_MAX, RESP_BUFFER_BYTES,
};
use jangteo_gateway::resp::{Protocol, Reply, Request, encode_command};
use proptest::prelude::*;

use crate::wire::{feed, feed_whole};

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn encoded<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_command(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>(), &mut wire);
    wire
}

#[test]
fn pipelined_commands_come_out_one_by_one() {
    let stream = b"*1\r\n$4\r\nPING\r\n\r\nECHO 'a b'\n*0\r\n*-1\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r";
    let (commands, end) = feed_whole(stream);
    let expected =
        [words(&["PING"]), vec![], words(&["ECHO", "a b"]), vec![], vec![], words(&["ECHO", ""])];
    assert_eq!(commands, expected);
    assert_eq!(end, Ok("*1\r\n$4\r".len()));
}

#[test]
fn an_argument_may_hold_any_bytes() {
    let argument = b"\r\n$3\r\n\0\xff*1\r\n".to_vec();
    let (commands, end) = feed_whole(&encoded(&[b"ECHO".to_vec(), argument.clone()]));
    assert_eq!((commands, end), (vec![vec![b"ECHO".to_vec(), argument]], Ok(0)));
}

#[test]
fn what_is_not_resp_is_refused_in_rediss_words() {
    let table: [(&[u8], &str); 22] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*1\rx", "invalid multibulk length"),
        (b"*129\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-0\r\n", "invalid bulk length"),
        (b"*1\r\n$65537\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (b"*1\r\n$4\r\nPINGx\r\n", "invalid bulk length"),
        (b"*1\r\n:4\r\n", "expected '$', got ':'"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*2\r\n$4\r\nPING\r\n\r\n", "expected '$', got '\r'"),
        (b"ECHO \"a\r\n", "unbalanced quotes in request"),
        (b"ECHO 'a'b\r\n", "unbalanced quotes in request"),
        (b"POST / HTTP/1.1\r\n", "this port speaks RESP, not HTTP"),
        (&[b'*'; LENGTH_LINE_MAX], "too big mbulk count string"),
        (b"*1\r\n$11111111111111111111111111111111", "too big bulk count string"),
        (&[b'a'; INLINE_BYTES_MAX], "too big inline request"),
    ];
    for (stream, expected) in table {
        let refused = Err(format!("ERR Protocol error: {expected}"));
        assert_eq!(feed_whole(stream), (vec![], refused.clone()), "{}", stream.escape_ascii());
        let every_byte: Vec<usize> = (0..stream.len()).collect();
        assert_eq!(feed(stream, &every_byte), (vec![], refused), "{}", stream.escape_ascii());
    }
}

#[test]
fn an_error_reply_is_one_line_even_about_a_line_end() {
    let mut parser = jangteo_gateway::resp::Parser::default();
    let error = parser.next(b"*1\r\n\r").unwrap_err();
    let mut out = Vec::new();
    Reply::new(Protocol::Resp2, &mut out).error(error);
    assert_eq!(out, b"-ERR Protocol error: expected '$', got ' '\r\n");
}

#[test]
fn commands_before_a_broken_one_still_count() {
    let (commands, end) = feed_whole(b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n?");
    assert_eq!(commands, [words(&["PING"]), words(&["PING"])]);
    assert_eq!(end, Err("ERR Protocol error: expected '$', got '?'".to_owned()));
}

#[test]
fn each_limit_is_met_exactly() {
    let most = vec!["a"; ARGUMENTS_MAX];
    assert_eq!(feed_whole(&encoded(&most)), (vec![words(&most)], Ok(0)));

    let overhead = encoded(&["a", ""]).len() + "12345".len() - "0".len();
    let longest = "x".repeat(COMMAND_BYTES_MAX - overhead);
    let wire = encoded(&["a", longest.as_str()]);
    assert_eq!(wire.len(), COMMAND_BYTES_MAX);
    assert_eq!(feed_whole(&wire), (vec![words(&["a", &longest])], Ok(0)));
    let wire = encoded(&["a", &(longest + "x")]);
    assert_eq!(feed_whole(&wire).1, Err("ERR Protocol error: invalid bulk length".to_owned()));

    let line = "x".repeat(INLINE_BYTES_MAX - 1);
    assert_eq!(feed_whole(format!("{line}\n").as_bytes()), (vec![words(&[&line])], Ok(0)));
    assert_eq!(
        feed_whole(format!("{line}x\n").as_bytes()).1,
        Err("ERR Protocol error: too big inline request".to_owned())
    );
}

#[test]
fn what_is_incomplete_always_fits_the_buffer() {
    // The worst case: a command as long as one may be, but for an argument that is still missing.
    let overhead = encoded(&["", ""]).len() + "12345".len() - "0".len();
    let longest = encoded(&["", &"x".repeat(COMMAND_BYTES_MAX - overhead)]);
    let mut stream = [b"*3", &longest[2..], b"$"].concat();
    assert_eq!(stream.len(), COMMAND_BYTES_MAX + 1);
    while let (_, Ok(left)) = feed_whole(&stream) {
        assert_eq!(left, stream.len());
        assert!(left < RESP_BUFFER_BYTES, "a full buffer would wait for ever");
        stream.push(b'1');
    }
    assert_eq!(stream.len(), RESP_BUFFER_BYTES);
}

/// Parts of a stream, most of them right or nearly so: what a client, a person or a fault sends.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let word = || prop::collection::vec(any::<u8>(), 0..12);
    let known = prop::sample::select(vec![
        "DROP.HOLD",
        "drop.list",
        "HELLO",
        "AUTH",
        "client",
        "SETNAME",
        "command",
        "INFO",
        "GETKEYS",
        "2",
        "3",
        "1",
        "KEY",
        "LIMIT",
        "PHASE",
        "CONFIG",
        "GET",
        "RESET",
        "QUIT",
        "PING",
    ]);
    let words = prop::collection::vec(
        prop_oneof![known.clone().prop_map(|word| word.as_bytes().to_vec()), word()],
        0..7,
    );
    prop_oneof![
        4 => words.prop_map(|words| encoded(&words)),
        2 => prop::collection::vec(known, 0..6).prop_map(|words| (words.join(" ") + "\n").into()),
        2 => "[ -~]{0,30}\r?\n".prop_map(String::into_bytes),
        1 => (-2i64..200).prop_map(|count| format!("*{count}\r\n").into_bytes()),
        1 => (-2i64..70_000).prop_map(|length| format!("*1\r\n${length}\r\n").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_does_not_matter(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let whole = feed_whole(&stream);
        let every_byte: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(&feed(&stream, &every_byte), &whole);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(&feed(&stream, &cuts), &whole);
    }

    #[test]
    fn an_encoded_command_parses_back_wherever_it_is_cut(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
    ) {
        let wire = encoded(&words);
        for cut in 0..=wire.len() {
            prop_assert_eq!(&feed(&wire, &[cut]), &(vec![words.clone()], Ok(0)));
        }
    }

    #[test]
    fn any_bytes_are_read_as_requests_or_refused_without_a_panic(stream in stream()) {
        let mut out = Vec::new();
        for command in feed_whole(&stream).0 {
            let wire = encoded(&command);
            let mut parser = jangteo_gateway::resp::Parser::default();
            let frame = parser.next(&wire).unwrap().unwrap();
            if let Err(refused) = Request::parse(frame.args) {
                out.clear();
                Reply::new(Protocol::Resp2, &mut out).error(refused);
                prop_assert!(out.starts_with(b"-") && out.ends_with(b"\r\n"));
                let text = &out[..out.len() - 2];
                prop_assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
            }
        }
    }
}
