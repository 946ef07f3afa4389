//! A stream of bytes through the RESP parser, whole or in pieces.

use jangteo_gateway::resp::{Args, Parser};

/// The words of each command in a stream.
pub(crate) type Commands = Vec<Vec<Vec<u8>>>;

/// What a connection would make of `stream` if it arrived in pieces that end at `cuts` and at its
/// end: the commands, and how it ends: an error's text, or how many bytes are left over.
pub(crate) fn feed(stream: &[u8], cuts: &[usize]) -> (Commands, Result<usize, String>) {
    let mut parser = Parser::default();
    let (mut commands, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([stream.len()]) {
        loop {
            match parser.next(&stream[start..end]) {
                Ok(Some(frame)) => {
                    assert!(0 < frame.length, "a frame takes bytes, or the loop would not end");
                    commands.push(frame.args.map(<[u8]>::to_vec).collect());
                    start += frame.length;
                }
                Ok(None) => break,
                Err(error) => return (commands, Err(error.to_string())),
            }
        }
    }
    (commands, Ok(stream.len() - start))
}

/// Likewise, the whole stream at once.
pub(crate) fn feed_whole(stream: &[u8]) -> (Commands, Result<usize, String>) {
    feed(stream, &[])
}

/// The words of one inline command. They outlive the test, so that they compare with constants.
pub(crate) fn args(line: &str) -> Args<'static> {
    let line = format!("{line}\r\n").leak();
    let parser = Box::leak(Box::<Parser>::default());
    let frame = parser.next(line.as_bytes()).unwrap().expect("one whole line");
    assert_eq!(frame.length, line.len());
    frame.args
}
