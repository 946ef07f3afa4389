//! How much more this machine answers than the crowd asks for.
//!
//! Measured after the sale was judged, on the same drop: a few connections over RESP, each with as
//! many requests under way as a shop's servers have, ask for what the crowd asked for, as fast as
//! they are answered. Where everything is sold that measures refusals, as it will be then.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use jangteo_gateway::resp::encode_command;
use jangteo_loadtest::Basket;

use super::go_list::{Answer, Point};
use crate::cli::check::grouped;
use crate::cli::staged::Staged;
use crate::cli::{Exit, Failure};

/// How long it is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Connections, each with its own thread.
const CONNECTIONS: usize = 4;
/// Requests under way on each.
const PIPELINE: usize = 128;
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Compares what is answered in a second with the crowd's busiest one, in which half of it comes.
pub(super) fn point(staged: &Staged<'_>, people: u32) -> Result<Point, Failure> {
    let asker = Asker {
        address: staged.resp(),
        drop: staged.sale().id().to_owned(),
        baskets: staged.baskets(),
        area: staged.area(),
    };
    let answered = asker.answered_a_second();
    let answered =
        answered.map_err(|error| Failure::new(Exit::Io, format!("measuring headroom: {error}")))?;
    let expected = u64::from(people.div_ceil(2));
    let headroom = answered as f64 / expected as f64;
    let answer = if headroom < 1.0 { Answer::NoGo } else { Answer::Go };
    let detail = format!(
        "{} holds answered a second over RESP, {} asked for in the busiest: {headroom:.1} times",
        grouped(answered.into()),
        grouped(expected.into())
    );
    Ok(Point::new("headroom", answer, detail)
        .with("answered_a_second", answered)
        .with("expected_a_second", expected)
        .with("headroom", headroom))
}

/// What is asked, and of whom.
struct Asker {
    address: SocketAddr,
    drop: String,
    baskets: Vec<Basket>,
    area: Option<String>,
}

impl Asker {
    /// Answers a second, over all connections.
    fn answered_a_second(&self) -> io::Result<u64> {
        thread::scope(|scope| {
            let ask = |connection| scope.spawn(move || self.on_connection(connection));
            let threads: Vec<_> = (0..CONNECTIONS).map(ask).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, io::Result<u64>>| {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
            };
            threads.into_iter().map(join).sum()
        })
    }

    fn on_connection(&self, connection: usize) -> io::Result<u64> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut replies = BufReader::new(stream.try_clone()?);
        let mut baskets = self.baskets.iter().cycle();
        let (mut answered, mut customers) = (0u64, 0u64..);
        let begun = Instant::now();
        while begun.elapsed() < MEASURED {
            let mut bytes = Vec::new();
            for (customer, basket) in customers.by_ref().zip(baskets.by_ref()).take(PIPELINE) {
                self.hold(&format!("headroom-{connection}-{customer}"), basket, &mut bytes);
            }
            stream.write_all(&bytes)?;
            for _ in 0..PIPELINE {
                answered += u64::from(is_answer(&mut replies)?);
            }
        }
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(answered * 1_000 / ms.max(1))
    }

    fn hold(&self, customer: &str, basket: &Basket, bytes: &mut Vec<u8>) {
        let count = basket.lines.len().to_string();
        let units: Vec<String> = basket.lines.iter().map(|line| line.units.to_string()).collect();
        let mut words = vec!["DROP.HOLD", &self.drop, customer, &count];
        for (line, units) in basket.lines.iter().zip(&units) {
            words.extend([line.sku.as_str(), units]);
        }
        words.extend(self.area.iter().flat_map(|area| ["AREA", area]));
        words.push("BRIEF");
        let words: Vec<&[u8]> = words.into_iter().map(str::as_bytes).collect();
        encode_command(&words, bytes);
    }
}

/// Reads one reply: whether it answers, with a hold or a refusal, or is a fault.
fn is_answer(replies: &mut impl BufRead) -> io::Result<bool> {
    let mut line = String::new();
    replies.read_line(&mut line)?;
    let Some(length) = line.strip_prefix('$') else {
        return if line.starts_with('-') {
            Ok(false)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        };
    };
    let length: u64 = length.trim_end().parse().map_err(|_| io::ErrorKind::InvalidData)?;
    let whole = length + 2;
    let read = io::copy(&mut replies.take(whole), &mut io::sink())?;
    if read == whole { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_and_a_refusal_are_answers_and_a_fault_is_none() {
        let mut replies: &[u8] = b"$3\r\nabc\r\n$7\r\nSOLDOUT\r\n-OVERLOADED\r\n$2\r\nab";
        let found: Vec<_> = (0..3).map(|_| is_answer(&mut replies).unwrap()).collect();
        assert_eq!(found, [true, true, false]);
        assert!(is_answer(&mut replies).is_err(), "cut");
        assert!(is_answer(&mut &b""[..]).is_err(), "closed");
    }
}
