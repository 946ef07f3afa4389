//! The real process, killed in the middle of a drop, again and again.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::clients::{Resp, connect};
use crate::process::Served;
use crate::shop::{campaign_file, items};

const STOCK: usize = 200_000;
const CLIENTS: usize = 3;
const ROUNDS: usize = 10;
/// Requests that each client sends before it looks at its replies.
const DEPTH: usize = 64;
/// Grants acknowledged to all clients together, after which the process is killed.
const KILL_AFTER: usize = 3_000;

/// What the clients know after a round: acknowledged holds by customer, and how many requests were
/// under way.
#[derive(Default)]
struct Known {
    acknowledged: HashMap<String, (String, u64)>,
    asked: Vec<String>,
    unanswered: usize,
}

fn command(customer: &str) -> String {
    format!("DROP.HOLD t-1 {customer} 1 a 1 KEY key-{customer}")
}

/// Id and number in the reply to a hold.
fn granted(reply: &str) -> (String, u64) {
    let words: Vec<&str> = reply.split(' ').collect();
    assert_eq!((words[0], words[2], words[10]), ("*18", "id", "number"), "{reply}");
    (words[4].to_owned(), words[11][1..].parse().unwrap())
}

/// The replies that are whole, and the bytes that are left.
fn split(bytes: &[u8]) -> (Vec<String>, usize) {
    let text = std::str::from_utf8(bytes).unwrap();
    let end = "$5\r\ngifts\r\n*0\r\n";
    let (mut replies, mut at) = (Vec::new(), 0);
    while let Some(length) = text[at..].find(end) {
        let next = at + length + end.len();
        replies.push(text[at..next].replace("\r\n", " "));
        at = next;
    }
    (replies, at)
}

/// Asks for holds of ever new customers until the connection breaks.
fn crowd(address: SocketAddr, name: &str, acknowledged: &AtomicUsize) -> Known {
    let mut stream = connect(address);
    let mut known = Known::default();
    let mut unread = Vec::new();
    let mut answered = 0;
    loop {
        let from = known.asked.len();
        known.asked.extend((from..from + DEPTH).map(|n| format!("{name}-{n}")));
        let commands: Vec<String> = known.asked[from..].iter().map(|c| command(c)).collect();
        if stream.write_all(&Resp::encoded(&commands)).is_err() {
            break;
        }
        // Half of them stay under way, so that the kill finds some.
        while known.asked.len() - answered > DEPTH / 2 {
            let mut buffer = [0; 1 << 14];
            let Ok(count @ 1..) = stream.read(&mut buffer) else {
                known.unanswered = known.asked.len() - answered;
                return known;
            };
            unread.extend_from_slice(&buffer[..count]);
            let (replies, taken) = split(&unread);
            unread.drain(..taken);
            for reply in &replies {
                known.acknowledged.insert(known.asked[answered].clone(), granted(reply));
                answered += 1;
            }
            acknowledged.fetch_add(replies.len(), Ordering::SeqCst);
        }
    }
    known.unanswered = known.asked.len() - answered;
    known
}

/// Asks again for everything with the same keys; all of it is there or granted now.
fn ask_again(address: SocketAddr, known: &Known) -> HashMap<String, (String, u64)> {
    let mut client = Resp::connect(address);
    let mut holds = HashMap::new();
    for customers in known.asked.chunks(1_000) {
        let commands: Vec<String> = customers.iter().map(|c| command(c)).collect();
        let replies = client.all(&commands);
        let replies = replies.split("*18 ").skip(1).map(|reply| granted(&format!("*18 {reply}")));
        holds.extend(customers.iter().cloned().zip(replies));
    }
    holds
}

#[test]
fn no_acknowledged_hold_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    std::fs::write(&file, campaign_file("limit_per_customer = 1", &items(&[("a", 200_000)])))
        .unwrap();
    let data = directory.path().join("data");
    let mut all: HashMap<String, (String, u64)> = HashMap::new();
    for round in 0..ROUNDS {
        let mut served = Served::start(&data, &["--campaign", file.to_str().unwrap()]);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (address, acknowledged) = (served.resp, Arc::clone(&acknowledged));
                let name = format!("c-{round}-{client}");
                thread::spawn(move || crowd(address, &name, &acknowledged))
            })
            .collect();
        while acknowledged.load(Ordering::SeqCst) < KILL_AFTER {
            assert!(clients.iter().any(|client| !client.is_finished()), "round {round}");
            thread::yield_now();
        }
        served.child.kill().unwrap(); // SIGKILL
        served.child.wait().unwrap();
        let known: Vec<Known> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let unanswered: usize = known.iter().map(|known| known.unanswered).sum();
        assert!(unanswered > 0, "round {round}: the kill hit nobody, so it showed nothing");

        drop(served);
        let served = Served::start(&data, &[]);
        for known in &known {
            let holds = ask_again(served.resp, known);
            assert_eq!(holds.len(), known.asked.len());
            for (customer, hold) in &known.acknowledged {
                assert_eq!(holds.get(customer), Some(hold), "round {round}: {customer}");
            }
            all.extend(holds);
        }
        let mut numbers: Vec<u64> = all.values().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = (1..=all.len() as u64).collect();
        assert_eq!(numbers, expected, "round {round}: numbers are gapless");
        let stock = Resp::connect(served.resp).one("DROP.STOCK t-1 a");
        let (held, free) = (all.len(), STOCK - all.len());
        let units = format!("$5 total :{STOCK} $9 available :{free} $4 held :{held} $4 sold :0");
        assert!(stock.ends_with(&units), "round {round}: {stock}");
    }
}
