//! Very many watchers of one drop that sells, over either wire: what each costs, and what the
//! buyers notice of them.
//!
//! `JANGTEO_WATCHERS` says how many (500). The service is a process of its own, so that its memory
//! is nobody else's and each side has its own limit of open files. Times are printed and not
//! judged; what is counted is.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::clients::{Resp, connect};
use crate::process::Served;
use crate::shop::campaign_at;
use crate::torture::{Wire, count, now_ms};

const BUYERS: u32 = 50;
const HOLDS_PER_S: u32 = 5_000;
/// From so many on the bounds on memory are checked: below, what is not a watcher's weighs more.
const MANY: u64 = 5_000;
const BYTES_MAX: u64 = 12 << 10;

/// Every update has one of these, over both wires; it goes on to the time.
const STOCK: &str = "{\"items\":[";
const TIME: &str = "\"server_time\":\"";

/// Watchers of one drop, and all they were told of its stock.
struct Crowd {
    epoll: OwnedFd,
    watchers: Vec<Watcher>,
    /// Different updates.
    updates: HashSet<String>,
}

struct Watcher {
    socket: TcpStream,
    text: String,
    told: u64,
}

impl Crowd {
    fn connect(served: &Served, wire: Wire, size: u64) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut crowd = Self { epoll, watchers: Vec::new(), updates: HashSet::new() };
        for place in 0..size {
            let mut socket = match wire {
                Wire::Http => connect(served.http),
                Wire::Resp => connect(served.resp),
            };
            socket.write_all(&request(wire)).unwrap();
            let mut watcher = Watcher { socket, text: String::new(), told: 0 };
            while watcher.told == 0 {
                assert!(watcher.read(&mut crowd.updates), "watcher {place} was turned away");
            }
            watcher.socket.set_nonblocking(true).unwrap();
            let data = epoll::EventData::new_u64(place);
            epoll::add(&crowd.epoll, &watcher.socket, data, epoll::EventFlags::IN).unwrap();
            crowd.watchers.push(watcher);
        }
        crowd
    }

    /// Reads what comes until `done`, and then until nothing comes for a while.
    fn listen(&mut self, done: &AtomicBool) {
        let mut ready = Vec::with_capacity(1_024);
        let patience = Timespec::try_from(Duration::from_secs(1)).unwrap();
        loop {
            epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&patience)).unwrap();
            if ready.is_empty() && done.load(Ordering::Relaxed) {
                return;
            }
            for event in ready.drain(..) {
                let place = usize::try_from(event.data.u64()).unwrap();
                assert!(self.watchers[place].read(&mut self.updates), "watcher {place} was cut");
            }
        }
    }
}

impl Watcher {
    /// Reads once; false at the end of the connection.
    fn read(&mut self, updates: &mut HashSet<String>) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) => panic!("{error}"),
        }
        while let Some(start) = self.text.find(STOCK)
            && let Some(time) = self.text[start..].find(TIME)
            && let Some(length) = self.text[start + time + TIME.len()..].find('"')
        {
            let end = start + time + TIME.len() + length;
            if !updates.contains(&self.text[start..end]) {
                updates.insert(self.text[start..end].to_owned());
            }
            self.told += 1;
            self.text = self.text.split_off(end);
        }
        if !self.text.contains(STOCK) {
            self.text = String::new();
        }
        true
    }
}

fn request(wire: Wire) -> Vec<u8> {
    match wire {
        Wire::Http => b"GET /v1/drops/t-1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        Wire::Resp => Resp::encoded(&["SUBSCRIBE drop:t-1"]),
    }
}

/// Buys at an even pace for so long; how long each hold took from the instant it was due, in
/// microseconds, in rising order.
fn buy(served: &Served, round: &str, seconds: u64) -> Vec<u64> {
    let each = Duration::from_secs(1) * BUYERS / HOLDS_PER_S;
    let holds = seconds * u64::from(HOLDS_PER_S / BUYERS);
    let mut took: Vec<u64> = thread::scope(|scope| {
        let buyers: Vec<_> = (0..BUYERS)
            .map(|buyer| {
                let mut client = connect(served.resp);
                scope.spawn(move || {
                    let begun = Instant::now() + each * buyer / BUYERS;
                    let mut reply = [0; 128];
                    let one = |n: u64| {
                        let due = begun + each * u32::try_from(n).unwrap();
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let hold = format!("DROP.HOLD t-1 {round}-{buyer}-{n} 1 a 1 BRIEF");
                        client.write_all(&Resp::encoded(&[hold])).unwrap();
                        let count = client.read(&mut reply).unwrap();
                        assert!(reply[..count].starts_with(b"$26\r\n"), "not granted");
                        u64::try_from(due.elapsed().as_micros()).unwrap()
                    };
                    (0..holds).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().unwrap()).collect()
    });
    took.sort_unstable();
    took
}

/// Prints how long holds took.
fn print_times(name: &str, took: &[u64]) {
    let at = |permille: usize| {
        let place = took.len() * permille / 1_000;
        took[place.min(took.len() - 1)] as f64 / 1_000.0
    };
    let ([half, most, nearly], holds) = ([500, 990, 999].map(at), took.len());
    eprintln!("  {holds} holds {name} them: p50 {half} p99 {most} p99.9 {nearly} ms");
}

fn resident_bytes(served: &Served) -> u64 {
    let path = format!("/proc/{}/statm", served.child.id());
    let statm = std::fs::read_to_string(path).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// A number that `INFO` tells.
pub(crate) fn stat(served: &Served, name: &str) -> u64 {
    let info = Resp::connect(served.resp).one("INFO stats");
    let line = info.split(' ').find_map(|word| word.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("{info}")).parse().unwrap()
}

fn a_crowd_watches(wire: Wire) {
    let size = count("JANGTEO_WATCHERS", 500);
    let seconds = if size < MANY { 2 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let campaign = campaign_at("t", now_ms() / 1_000 - 3_600, "", "");
    std::fs::write(&file, campaign.replace("stock = 100000", "stock = 1000000")).unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data, &["--campaign", file.to_str().unwrap()]);

    buy(&served, "warm", 1);
    let without = buy(&served, "without", seconds);
    let alone = resident_bytes(&served);
    let mut crowd = Crowd::connect(&served, wire, size);
    assert_eq!(stat(&served, "watchers"), size);
    let connected = resident_bytes(&served);
    let begun = Instant::now();
    let encoded = stat(&served, "updates_encoded");
    let done = AtomicBool::new(false);
    let with = thread::scope(|scope| {
        let listening = scope.spawn(|| crowd.listen(&done));
        let with = buy(&served, "with", seconds);
        done.store(true, Ordering::Relaxed);
        listening.join().unwrap();
        with
    });
    let encoded = stat(&served, "updates_encoded") - encoded;
    let watched_s = begun.elapsed().as_secs_f64();
    let watched = resident_bytes(&served);
    let told: Vec<u64> = crowd.watchers.iter().map(|watcher| watcher.told).collect();
    let updates = crowd.updates.len() as u64;
    let bytes = connected.saturating_sub(alone) / size;
    eprintln!(
        "{size} watchers over {wire:?}: {bytes} bytes each once connected, {} after {seconds} s of \
         holds; {encoded} updates encoded, {updates} different ones seen, {} messages, {} to {} a \
         watcher",
        watched.saturating_sub(alone) / size,
        told.iter().sum::<u64>(),
        told.iter().min().unwrap(),
        told.iter().max().unwrap(),
    );
    drop(crowd);
    let after = buy(&served, "after", seconds);
    print_times("before", &without);
    print_times("with", &with);
    print_times("after", &after);
    // The first was encoded before counting began, one more may have been as it did.
    assert!(updates <= encoded + 2, "{updates} updates, {encoded} encoded");
    assert!(encoded as f64 <= 4.0 * watched_s + 2.0, "{encoded} encoded in {watched_s} s");
    assert!(told.iter().all(|told| *told >= 2), "everybody is told");
    if size >= MANY {
        assert!(bytes <= BYTES_MAX, "{bytes} bytes for each watcher");
    }
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn a_crowd_that_watches_over_http_shares_every_update() {
    a_crowd_watches(Wire::Http);
}

#[test]
fn a_crowd_that_watches_over_resp_shares_every_update() {
    a_crowd_watches(Wire::Resp);
}
