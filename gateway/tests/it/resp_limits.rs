//! RESP connections that misbehave, and that end.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::clients::{Resp, connect, read_to_end};
use crate::shop::Shop;

#[test]
fn what_is_no_command_has_no_effect() {
    let shop = Shop::open("", &[("a", 9)]);
    let hold = "*6\r\n$9\r\nDROP.HOLD\r\n$3\r\nt-1\r\n$1\r\nc\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n";
    let cut = &hold[..hold.len() - 3];
    let large = format!("{}{}", hold.replace("$1\r\nc\r\n", "$70000\r\n"), "c".repeat(70_000));
    let not_utf8 = hold.bytes().map(|byte| if byte == b'c' { 0xff } else { byte }).collect();
    let table: [(&str, Vec<u8>, &str); 9] = [
        ("cut", cut.into(), ""),
        ("oversized", large.into(), "-ERR Protocol error: invalid bulk length\r\n"),
        ("many", "*2000000000\r\n".into(), "-ERR Protocol error: invalid multibulk length\r\n"),
        ("nested", "*1\r\n*1\r\n".into(), "-ERR Protocol error: expected '$', got '*'\r\n"),
        ("web", "POST /v1 HTTP/1.1\r\nHost: a\r\n\r\n".into(), "-ERR "),
        ("not UTF-8", not_utf8, "-ERR malformed: customer\r\n"),
        (
            "control",
            hold.replace("\r\nc\r\n", "\r\n\u{1}\r\n").into(),
            "-ERR malformed: customer\r\n",
        ),
        ("option", b"DROP.HOLD t-1 c 1 a 1 NOW\r\n".to_vec(), "-ERR syntax error\r\n"),
        ("number", b"DROP.HOLD t-1 c 1 a one\r\n".to_vec(), "-ERR value is not an integer"),
    ];
    for (name, bytes, expected) in table {
        let mut stream = connect(shop.service.resp());
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let reply = read_to_end(&mut stream);
        assert!(
            reply.starts_with(expected) && reply.is_empty() == expected.is_empty(),
            "{name}: {reply}"
        );
    }
    assert_eq!(shop.units("a"), (9, 0, 0));
}

#[test]
fn a_client_that_does_not_read_is_no_longer_read_and_loses_nothing() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut client = Resp::connect(shop.service.resp());
    client.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let echo = Resp::encoded(&[format!("ECHO {}", "x".repeat(8_000))]);
    let (mut sent, most) = (0, 256 << 20);
    while sent < most {
        let at = sent % echo.len();
        match client.0.write(&echo[at..]) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < most, "the server read everything");
    let mut reader = client.0.try_clone().unwrap();
    let rest = echo.len() - sent % echo.len();
    let replies = (sent + rest) / echo.len();
    let writer = std::thread::spawn(move || {
        client.0.set_write_timeout(None).unwrap();
        client.0.write_all(&echo[echo.len() - rest..]).unwrap();
        client.0.shutdown(Shutdown::Write).unwrap();
    });
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            count => bytes += count,
        }
    }
    writer.join().unwrap();
    assert_eq!(bytes, replies * ("$8000\r\n".len() + 8_000 + "\r\n".len()));
}

#[test]
fn a_stopping_service_answers_what_it_took_on() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "", &[("a", 1_000)]);
    let mut idle = connect(shop.service.resp());
    let mut busy = connect(shop.service.resp());
    let holds: Vec<String> =
        (0..1_000).map(|n| format!("DROP.HOLD t-1 c-{n} 1 a 1 BRIEF")).collect();
    busy.write_all(&Resp::encoded(&holds)).unwrap();
    let mut first = [0; 33];
    busy.read_exact(&mut first).unwrap(); // so the connection is taken on
    let (engine, service) = (shop.engine, shop.service);
    let stopping = std::thread::spawn(move || service.stop());
    let answered = read_to_end(&mut busy).len() / first.len() + 1;
    assert_eq!(read_to_end(&mut idle), "");
    drop((busy, idle));
    stopping.join().unwrap();
    let item = &engine.sale("t-1").unwrap().view().0.items.unwrap()[0];
    assert_eq!(item.held, answered as u64, "each hold was answered");
    assert_eq!(engine.backlog(), 0);
}
