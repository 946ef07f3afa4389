//! Hostile clients beside good ones.
//!
//! `JANGTEO_IDLE` says how many connections say nothing (400), `JANGTEO_TRICKLE` how many send a
//! byte a second (100), `JANGTEO_DEAF` how many watch the drop and never read (100),
//! `JANGTEO_MALFORMED` how many malformed commands come a second (2,000), `JANGTEO_BUYS` how many
//! good ones (200), `JANGTEO_HOSTILE_S` for how many seconds (4; from 45 on those who never read
//! have to be gone by the end). With `JANGTEO_HOSTILE_RATIO` the good client's 99th percentile may
//! be so many times what it is beside as many PINGs; without it the ratio is only printed, since a
//! busy machine has its own.

mod buyer;
mod crowd;
mod watch;

use std::time::{Duration, Instant};

use buyer::{Bought, buy};
use crowd::{Frames, Sent, ask_without_end, deaf, idle, send_frames, trickle};
use watch::Watched;

use crate::clients::http;
use crate::process::Served;
use crate::shop::{campaign_file, items};
use crate::torture::count;
use crate::watch_crowd::stat;

/// What the service may take beyond what it had, in bytes: it grows with what was bought too.
const MEMORY_MAX: u64 = 256 << 20;
/// How long connections that are gone may be remembered: longer than the service reads on.
const PATIENCE: Duration = Duration::from_secs(30);

/// In so many seconds a watcher that never reads is full and then cut.
const DEAF_S: u64 = 45;
/// Connections of HTTP/2 that ask without end: they take the processor until they are full.
const ASKERS: usize = 8;
/// How often descriptors are counted in that time.
const LOOKS: u32 = 5;
/// Items of the drop: an update is long, so that who does not read it is full before long.
const ITEMS: u32 = 200;

struct Plan {
    idle: u64,
    trickle: u64,
    deaf: u64,
    frames_per_s: u64,
    buys_per_s: u64,
    time: Duration,
}

/// A good client beside nothing but frames of this kind.
async fn beside(served: &Served, plan: &Plan, frames: Frames, name: &str) -> (Bought, Sent) {
    let sending = send_frames(served.resp, frames, plan.frames_per_s, plan.time);
    let (bought, sent) = tokio::join!(buy(served.resp, plan.buys_per_s, plan.time, name), sending);
    eprintln!(
        "beside {frames:?}: {} bought, p50 {} us, p99 {} us; {} frames in {} s, {} connections",
        bought.times_us.len(),
        bought.percentile_us(50),
        bought.percentile_us(99),
        sent.frames,
        plan.time.as_secs(),
        sent.connections,
    );
    (bought, sent)
}

/// How many of those who never read are still there, once they had their time.
async fn watchers_left(served: &Served, plan: &Plan) -> u64 {
    let begun = Instant::now();
    loop {
        let left = stat(served, "watchers");
        if left == 0 || plan.time.as_secs() < DEAF_S || PATIENCE < begun.elapsed() {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_good_client_buys_beside_hostile_ones_and_nothing_of_them_is_left() {
    let plan = Plan {
        idle: count("JANGTEO_IDLE", 400),
        trickle: count("JANGTEO_TRICKLE", 100),
        deaf: count("JANGTEO_DEAF", 100),
        frames_per_s: count("JANGTEO_MALFORMED", 2_000),
        buys_per_s: count("JANGTEO_BUYS", 200),
        time: Duration::from_secs(count("JANGTEO_HOSTILE_S", 4)),
    };
    let directory = tempfile::tempdir().unwrap();
    let campaign = directory.path().join("t.toml");
    let more: Vec<String> = (1..ITEMS).map(|number| format!("b-{number}")).collect();
    let more = more.iter().map(|sku| (sku.as_str(), 1));
    let goods: Vec<_> = [("a", 100_000_000)].into_iter().chain(more).collect();
    std::fs::write(&campaign, campaign_file("", &items(&goods))).unwrap();
    let data = directory.path().join("data");
    let served = Served::start(&data, &["--campaign", campaign.to_str().unwrap()]);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (quiet, hostile, (cut, left), base, most) = runtime.block_on(async {
        let (quiet, _) = beside(&served, &plan, Frames::Ping, "q").await;
        let base = Watched::settled(&served, PATIENCE).await;
        let watching = base.most(&served, plan.time / LOOKS);
        let crowd = async {
            let still = idle(&served, plan.idle).await;
            let watching = deaf(&served, plan.deaf).await;
            let (hostile, cut, stuck) = tokio::join!(
                beside(&served, &plan, Frames::Malformed, "h"),
                trickle(&served, plan.trickle, plan.time),
                ask_without_end(&served, ASKERS, plan.time),
            );
            let left = (watchers_left(&served, &plan).await, ASKERS - stuck);
            drop((still, watching));
            (hostile.0, (cut, left))
        };
        let ((hostile, cut), most) = watching.during(crowd).await;
        (quiet, hostile, cut, base, most)
    });
    let after = runtime.block_on(base.until_gone(&served, PATIENCE));
    runtime.shutdown_timeout(PATIENCE);

    let ratio = hostile.percentile_us(99) as f64 / quiet.percentile_us(99).max(1) as f64;
    let grown = most.memory.saturating_sub(base.memory);
    eprintln!(
        "ratio {ratio:.2}; {} of {} slow senders were cut, {} of {} who never read are left, {} of {} \
         who ask without end; memory grew by {} KiB; descriptors {}, at most {}, then {}",
        cut,
        plan.trickle,
        left.0,
        plan.deaf,
        left.1,
        ASKERS,
        grown >> 10,
        base.descriptors,
        most.descriptors,
        after.descriptors,
    );
    assert!(plan.time.as_secs() < DEAF_S || left == (0, 0), "{left:?} who never read are kept");
    assert!(
        plan.idle + plan.trickle + plan.deaf <= most.descriptors - base.descriptors,
        "they were there"
    );
    assert_eq!(after.descriptors, base.descriptors, "a descriptor is left behind");
    assert!(grown <= MEMORY_MAX, "{grown} bytes more");
    let bought = quiet.times_us.len() + hostile.times_us.len();
    assert_eq!(quiet.refused + hostile.refused, 0, "a good client was refused");
    let held = http(served.http, "GET /v1/drops/t-1", &[], "").json()["items"][0]["held"].clone();
    assert_eq!(held, bought, "what was bought is what is held");
    if let Ok(limit) = std::env::var("JANGTEO_HOSTILE_RATIO") {
        assert!(ratio <= limit.parse().unwrap(), "{ratio}");
    }
    assert_eq!(served.terminate(), Some(0));
}
