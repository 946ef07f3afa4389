//! One RESP connection: everything due goes out in one write, replies come back in order.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pool::{Link, Target};
use super::reply;
use crate::call::{Ask, Call, Outcome};
use crate::names;

/// Between two attempts to connect again.
const RECONNECT: Duration = Duration::from_millis(100);
/// Most calls taken over at once.
const BATCH: usize = 1_024;

/// Carries calls until their channel closes; connects again when the connection breaks.
pub(super) async fn run(mut link: Link, stream: TcpStream) {
    let mut stream = Some(stream);
    loop {
        let Some(open) = stream.take() else {
            match reconnect(&mut link).await {
                Some(open) => stream = Some(open),
                None => return,
            }
            continue;
        };
        let mut connection = Connection {
            stream: open,
            outbox: BytesMut::with_capacity(16 << 10),
            inbox: BytesMut::with_capacity(16 << 10),
            in_flight: VecDeque::new(),
        };
        if connection.carry(&mut link).await.is_ok() {
            return;
        }
        let now_us = link.timeline.now_us();
        for (call, sent_us) in connection.in_flight {
            link.answer(call, sent_us, now_us, Outcome::Lost);
        }
    }
}

/// Tries until a connection is there; calls that come meanwhile are lost. `None`: the run is over.
async fn reconnect(link: &mut Link) -> Option<TcpStream> {
    loop {
        let pause = tokio::time::sleep(RECONNECT);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                call = link.calls.recv() => {
                    let now_us = link.timeline.now_us();
                    link.answer(call?, now_us, now_us, Outcome::Lost);
                }
                () = &mut pause => break,
            }
        }
        if let Ok(stream) = link.connect().await {
            return Some(stream);
        }
    }
}

struct Connection {
    stream: TcpStream,
    outbox: BytesMut,
    inbox: BytesMut,
    /// Calls on the wire, in order, each with the instant it was handed over.
    in_flight: VecDeque<(Call, i64)>,
}

impl Connection {
    /// Returns when the run is over, or with the reason the connection is of no more use.
    ///
    /// Reads and writes in one loop: a client that only wrote until the socket is full, while the
    /// service waits for its replies to be read, would stand still for ever.
    async fn carry(&mut self, link: &mut Link) -> io::Result<()> {
        let mut due = Vec::new();
        loop {
            let interest = if self.outbox.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            tokio::select! {
                count = link.calls.recv_many(&mut due, BATCH) => {
                    if count == 0 {
                        return Ok(());
                    }
                    let sent_us = link.timeline.now_us();
                    for call in due.drain(..) {
                        encode(&mut self.outbox, &call, &link.target);
                        self.in_flight.push_back((call, sent_us));
                    }
                }
                ready = self.stream.ready(interest) => {
                    if ready?.is_readable() {
                        self.read(link)?;
                    }
                }
            }
            self.write()?;
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.try_write(&self.outbox) {
                Ok(written) => self.outbox.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, link: &Link) -> io::Result<()> {
        loop {
            self.inbox.reserve(4 << 10);
            match self.stream.try_read_buf(&mut self.inbox) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.answer_complete(link)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn answer_complete(&mut self, link: &Link) -> io::Result<()> {
        let received_us = link.timeline.now_us();
        loop {
            let (outcome, used) = match reply::parse(&self.inbox) {
                Ok(Some((reply, used))) => (reply.outcome(), used),
                Ok(None) => return Ok(()),
                Err(reply::NotResp) => return Err(io::ErrorKind::InvalidData.into()),
            };
            self.inbox.advance(used);
            let Some((call, sent_us)) = self.in_flight.pop_front() else {
                return Err(io::ErrorKind::InvalidData.into()); // a reply nobody asked for
            };
            link.answer(call, sent_us, received_us, outcome);
        }
    }
}

fn encode(outbox: &mut BytesMut, call: &Call, target: &Target) {
    match &call.ask {
        Ask::Hold { attempt } => {
            let lines = target.lines(call.customer);
            array(outbox, 6 + 2 * lines.len() + if target.area.is_some() { 2 } else { 0 });
            bulk(outbox, "DROP.HOLD");
            bulk(outbox, &target.drop);
            bulk(outbox, &names::customer(call.customer));
            bulk(outbox, &lines.len().to_string());
            for line in lines {
                bulk(outbox, &line.sku);
                bulk(outbox, &line.units.to_string());
            }
            bulk(outbox, "KEY");
            bulk(outbox, &names::key(call.customer, *attempt));
            if let Some(area) = &target.area {
                bulk(outbox, "AREA");
                bulk(outbox, area);
            }
        }
        Ask::Confirm { hold } => {
            array(outbox, 3);
            bulk(outbox, "DROP.CONFIRM");
            bulk(outbox, hold);
            bulk(outbox, &names::payment(call.customer));
        }
        Ask::Release { hold } => {
            array(outbox, 2);
            bulk(outbox, "DROP.RELEASE");
            bulk(outbox, hold);
        }
    }
}

fn array(outbox: &mut BytesMut, elements: usize) {
    head(outbox, b'*', elements);
}

fn bulk(outbox: &mut BytesMut, text: &str) {
    head(outbox, b'$', text.len());
    outbox.put_slice(text.as_bytes());
    outbox.put_slice(b"\r\n");
}

fn head(outbox: &mut BytesMut, kind: u8, count: usize) {
    outbox.put_u8(kind);
    outbox.put_slice(count.to_string().as_bytes());
    outbox.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::Wire;
    use crate::crowd::{Basket, Line};

    fn encoded(ask: Ask, area: Option<&str>) -> String {
        encoded_for(vec![Basket::one("onion-3kg")], ask, area)
    }

    fn encoded_for(baskets: Vec<Basket>, ask: Ask, area: Option<&str>) -> String {
        let target =
            Target { drop: "uroad-2020-1".to_owned(), baskets, area: area.map(str::to_owned) };
        let call = Call { customer: 42, ask, wire: Wire::Resp, scheduled_us: 0, waited: false };
        let mut outbox = BytesMut::new();
        encode(&mut outbox, &call, &target);
        String::from_utf8(outbox.to_vec()).unwrap()
    }

    #[test]
    fn commands_are_spelled_as_the_contract_says() {
        assert_eq!(
            encoded(Ask::Hold { attempt: 2 }, None),
            "*8\r\n$9\r\nDROP.HOLD\r\n$12\r\nuroad-2020-1\r\n$10\r\nc-00000042\r\n$1\r\n1\r\n\
             $9\r\nonion-3kg\r\n$1\r\n1\r\n$3\r\nKEY\r\n$12\r\nk-00000042-2\r\n",
        );
        assert!(
            encoded(Ask::Hold { attempt: 1 }, Some("seoul")).ends_with("AREA\r\n$5\r\nseoul\r\n")
        );
        assert!(encoded(Ask::Hold { attempt: 1 }, Some("seoul")).starts_with("*10\r\n"));
        let lines =
            [("leek", 1), ("garlic", 3)].map(|(sku, units)| Line { sku: sku.to_owned(), units });
        let two = Basket { lines: Arc::new(lines), may_lack_a_gift: false };
        // The first of two is for every other customer, and for number 42.
        let baskets = vec![two, Basket::one("leek")];
        let asked = encoded_for(baskets, Ask::Hold { attempt: 1 }, None);
        let lines = "$1\r\n2\r\n$4\r\nleek\r\n$1\r\n1\r\n$6\r\ngarlic\r\n$1\r\n3\r\n";
        assert!(asked.starts_with("*10\r\n") && asked.contains(lines), "{asked}");
        assert_eq!(
            encoded(Ask::Confirm { hold: "abc".into() }, None),
            "*3\r\n$12\r\nDROP.CONFIRM\r\n$3\r\nabc\r\n$12\r\npay-00000042\r\n",
        );
        assert_eq!(
            encoded(Ask::Release { hold: "abc".into() }, None),
            "*2\r\n$12\r\nDROP.RELEASE\r\n$3\r\nabc\r\n",
        );
    }
}
