//! A courier, a real engine, an endpoint that answers as it is told, and a clock that stands still
//! until everybody waits for it.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use jangteo::{Campaign, HoldRequest};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::place::Places;
use super::*;
use crate::drain::{self, Stopper};
use crate::metrics::WebhookCounts;

/// What is done with one request.
#[derive(Clone, Debug)]
enum Does {
    Answer(Answer),
    Hang,
}

/// What an endpoint does with the next requests; it takes all that come after them.
#[derive(Clone)]
struct Endpoint {
    does: Arc<Mutex<VecDeque<Does>>>,
    /// Ids of all requests, and when they came.
    came: Arc<watch::Sender<Vec<(String, Instant)>>>,
}

impl Post for Endpoint {
    async fn post(&self, request: Request<Full<Bytes>>) -> Answer {
        let id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
        self.came.send_modify(|came| came.push((id, Instant::now())));
        let next = self.does.lock().pop_front();
        match next {
            None => Answer::Taken,
            Some(Does::Answer(answer)) => answer,
            Some(Does::Hang) => std::future::pending().await,
        }
    }
}

impl Endpoint {
    fn that(does: impl IntoIterator<Item = Does>) -> Self {
        let does = Arc::new(Mutex::new(does.into_iter().collect()));
        Self { does, came: Arc::new(watch::channel(Vec::new()).0) }
    }

    /// Ids of the first so many requests, once they have come.
    async fn ids(&self, count: usize) -> Vec<String> {
        let mut came = self.came.subscribe();
        let came = came.wait_for(|came| count <= came.len()).await.unwrap();
        came.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Milliseconds between one request and the next.
    fn waits_ms(&self) -> Vec<u128> {
        let came = self.came.borrow();
        let times = came.iter().zip(came.iter().skip(1));
        times.map(|((_, one), (_, next))| (*next - *one).as_millis()).collect()
    }
}

/// An engine with a drop that is open.
struct Feed {
    engine: Engine,
    directory: tempfile::TempDir,
    customers: u32,
}

impl Feed {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::open(directory.path()).unwrap();
        let file = include_str!("../../../../docs/campaigns/try-it.toml");
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        engine.tick();
        engine.flush().unwrap();
        Self { engine, directory, customers: 0 }
    }

    fn data(&self) -> &Path {
        self.directory.path()
    }

    fn sell(&mut self, count: u32) {
        let sale = self.engine.sale("try-it-1").unwrap();
        for _ in 0..count {
            self.customers += 1;
            let customer = format!("c-{}", self.customers);
            let request = HoldRequest::new(&customer).line("sample", 1);
            drop(sale.hold(&request).unwrap().wait().unwrap());
        }
    }

    /// Ids of all events that fit.
    fn ids(&self, wanted: &str) -> Vec<String> {
        let wanted: super::super::Wanted = wanted.parse().unwrap();
        let page = self.engine.events(None, 1_000).unwrap();
        assert!(!page.more);
        let list = page.list.iter().filter(|event| wanted.wants(event.kind.name()));
        list.map(|event| event.id.to_string()).collect()
    }

    /// The last place of the feed.
    fn end(&self) -> String {
        self.engine.events(None, 1_000).unwrap().through.to_string()
    }

    /// Sends a courier on its way.
    fn send(&self, wanted: &str, endpoint: &Endpoint) -> Running {
        let webhook = Webhook {
            address: "https://shop.example/hooks".parse().unwrap(),
            secrets: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap(),
            wanted: wanted.parse().unwrap(),
        };
        let places = Places::of(self.data());
        if !places.has(&webhook.address).unwrap() {
            places.begin(&webhook.address, "1-0".parse().unwrap()).unwrap();
        }
        let (stopper, drain) = drain::pair();
        let courier = Courier {
            engine: self.engine.clone(),
            place: places.open(&webhook.address).unwrap(),
            webhook: Arc::new(webhook),
            post: endpoint.clone(),
            counts: WebhookCounts::default().of("1", "shop.example"),
            drain,
        };
        Running { stopper, task: tokio::spawn(courier.run()) }
    }

    /// The place as it lies on the disk.
    fn place(&self) -> String {
        let address = "https://shop.example/hooks".parse().unwrap();
        Places::of(self.data()).open(&address).unwrap().after().unwrap().to_string()
    }

    fn put_place(&self, id: &str) {
        let address = "https://shop.example/hooks".parse().unwrap();
        Places::of(self.data()).begin(&address, id.parse().unwrap()).unwrap();
    }
}

struct Running {
    stopper: Stopper,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap();
    }
}

fn refused(status: u16, retry_after_ms: u64) -> Does {
    let status = StatusCode::from_u16(status).unwrap();
    Does::Answer(Answer::Refused { status, retry_after_ms })
}

#[tokio::test(start_paused = true)]
async fn an_event_is_sent_until_it_is_taken_and_only_then_the_next() {
    let mut feed = Feed::open();
    feed.sell(3);
    let unreachable = Does::Answer(Answer::Unreachable("refused".to_owned()));
    let endpoint = Endpoint::that([
        refused(500, 0),
        refused(429, 60_000),
        Does::Answer(Answer::Late),
        unreachable,
        refused(302, 0),
        Does::Answer(Answer::Taken),
        refused(404, 0),
    ]);
    let running = feed.send("hold.*", &endpoint);
    let [one, two, three]: [String; 3] = feed.ids("hold.*").try_into().unwrap();
    let mut expected = vec![one; 6];
    expected.extend([two.clone(), two, three.clone()]);
    assert_eq!(endpoint.ids(9).await, expected);
    // A timer is as fine as a millisecond.
    let waits = endpoint.waits_ms();
    let bounds = [
        (500, 1_001),
        (60_000, 60_001),
        (2_000, 4_001),
        (4_000, 8_001),
        (8_000, 16_001),
        (0, 0),
        (500, 1_001),
        (0, 0),
    ];
    for ((wait, (least, most)), number) in waits.iter().zip(bounds).zip(0..) {
        assert!((least..=most).contains(wait), "{number}: {waits:?}");
    }
    running.stop().await;
    assert_eq!(feed.place(), three);
}

#[tokio::test(start_paused = true)]
async fn what_happens_later_is_sent_too_and_the_place_is_stored_meanwhile() {
    let mut feed = Feed::open();
    let endpoint = Endpoint::that([]);
    let running = feed.send("*", &endpoint);
    for count in 2..6 {
        assert_eq!(endpoint.ids(count).await, feed.ids("*"));
        sleep(Duration::from_millis(2 * WEBHOOK_SAVE_MS)).await;
        assert_eq!(feed.place(), feed.end());
        feed.sell(1);
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_at_most_a_hundred_events_and_loses_none() {
    let mut feed = Feed::open();
    feed.sell(250);
    let taken = || Does::Answer(Answer::Taken);
    let endpoint = Endpoint::that((0..204).map(|_| taken()).chain([Does::Hang]));
    let ids = feed.ids("hold.*");
    let running = feed.send("hold.*", &endpoint);
    assert_eq!(endpoint.ids(205).await, ids[..205]);
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    assert_eq!(feed.place(), ids[199]);

    let again = Endpoint::that([]);
    let running = feed.send("hold.*", &again);
    assert_eq!(again.ids(50).await, ids[200..]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_told_to_end_repeats_nothing_that_was_taken() {
    let mut feed = Feed::open();
    feed.sell(5);
    let ids = feed.ids("hold.*");
    let taken = Does::Answer(Answer::Taken);
    // Told while it rests after a failure, and while an endpoint hangs.
    for last in [refused(500, 0), Does::Hang] {
        feed.put_place("1-0");
        let endpoint = Endpoint::that([taken.clone(), taken.clone(), last]);
        let running = feed.send("hold.*", &endpoint);
        assert_eq!(endpoint.ids(3).await, ids[..3]);
        let told = Instant::now();
        running.stop().await;
        assert!(told.elapsed() <= Duration::from_millis(WEBHOOK_STOP_MS + 1));
        assert_eq!(feed.place(), ids[1]);

        let again = Endpoint::that([]);
        let running = feed.send("hold.*", &again);
        assert_eq!(again.ids(3).await, ids[2..]);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_sent_and_the_rest_is_behind_it_too() {
    let mut feed = Feed::open();
    let endpoint = Endpoint::that([]);
    let running = feed.send("drop.*", &endpoint);
    feed.sell(250);
    assert_eq!(endpoint.ids(1).await, feed.ids("drop.*"));
    sleep(Duration::from_millis(3 * WEBHOOK_SAVE_MS)).await;
    running.stop().await;
    assert_eq!(endpoint.ids(1).await.len(), 1);
    assert_eq!(feed.place(), feed.end());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_kept_any_more_means_everything_that_is() {
    let mut feed = Feed::open();
    feed.sell(2);
    for place in ["7-3", "1-999999"] {
        feed.put_place(place);
        let endpoint = Endpoint::that([]);
        let running = feed.send("*", &endpoint);
        assert_eq!(endpoint.ids(4).await, feed.ids("*"), "{place}");
        running.stop().await;
        assert_eq!(feed.place(), feed.end());
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_left_alone_until_it_is_asked_for_again() {
    let mut feed = Feed::open();
    feed.sell(2);
    let ids = feed.ids("hold.*");
    let endpoint = Endpoint::that([Does::Answer(Answer::Taken), refused(410, 0)]);
    let running = feed.send("hold.*", &endpoint);
    assert_eq!(endpoint.ids(2).await, ids);
    sleep(Duration::from_secs(24 * 3_600)).await;
    assert_eq!(endpoint.ids(2).await.len(), 2);
    running.stop().await;
    let again = Endpoint::that([]);
    let running = feed.send("hold.*", &again);
    assert_eq!(again.ids(1).await, ids[1..]);
    running.stop().await;
}
