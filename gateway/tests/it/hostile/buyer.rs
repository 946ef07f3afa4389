//! The good client: buys at a fixed rate, whatever the answers take.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::clients::Resp;

/// Connections of the good client.
const CONNECTIONS: u64 = 8;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Bought {
    /// From the instant at which each was to be sent, sorted.
    pub(super) times_us: Vec<u64>,
    pub(super) refused: usize,
}

impl Bought {
    pub(super) fn percentile_us(&self, percent: usize) -> u64 {
        self.times_us[(self.times_us.len() - 1) * percent / 100]
    }
}

/// Buys a unit for a new customer each time; `name` tells customers of two runs apart.
pub(super) async fn buy(at: SocketAddr, per_s: u64, time: Duration, name: &str) -> Bought {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let each = Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap()
            / u32::try_from(per_s).unwrap();
        let first = begun + each * u32::try_from(connection).unwrap() / 8;
        let customers = format!("{name}{connection}");
        tasks.spawn(async move { buy_alone(at, first, each, begun + time, &customers).await });
    }
    let mut all = Bought::default();
    while let Some(one) = tasks.join_next().await {
        let one = one.unwrap();
        all.times_us.extend(one.times_us);
        all.refused += one.refused;
    }
    all.times_us.sort_unstable();
    all
}

async fn buy_alone(
    at: SocketAddr,
    first: Instant,
    each: Duration,
    end: Instant,
    customers: &str,
) -> Bought {
    let stream = TcpStream::connect(at).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (reader, mut writer) = stream.into_split();
    let (due, mut asked) = mpsc::unbounded_channel::<Instant>();
    let sending = async move {
        let mut next = first;
        let mut number = 0;
        while next < end {
            sleep_until(next).await;
            let ask = format!("DROP.HOLD t-1 {customers}-{number} 1 a 1 BRIEF");
            due.send(next).unwrap();
            writer.write_all(&Resp::encoded(&[ask])).await.unwrap();
            (next, number) = (next + each, number + 1);
        }
        writer
    };
    let reading = async move {
        let mut bought = Bought::default();
        let mut lines = BufReader::new(reader).lines();
        while let Some(due) = asked.recv().await {
            let line = lines.next_line().await.unwrap().expect("the service hung up");
            if line.starts_with('$') && lines.next_line().await.unwrap().unwrap().len() == 26 {
                bought.times_us.push(u64::try_from(due.elapsed().as_micros()).unwrap());
            } else {
                bought.refused += 1;
            }
        }
        bought
    };
    // The writer lives until everything is answered: its end would be the connection's.
    let (_writer, bought) = tokio::join!(sending, reading);
    bought
}
