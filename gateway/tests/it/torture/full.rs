//! A small file system that fills up under the real process.

use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::client::{Ask, Client, Wire};
use super::drop::{Crowd, totals};
use super::journal::{Act, Journal};
use super::seed::{rng, seed};
use super::volume::{Volume, names, volumes};
use crate::clients::{Resp, http};
use crate::process::{Served, jangteo, run, serve};
use crate::shop::{campaign_file, items};

/// Few enough that one segment is prepared at a time.
const STOCK: [(&str, u64); 2] = [("a", 100_000), ("b", 100_000)];
/// Room for the segment in use, the next one, and little more.
const MEGABYTES: u64 = 220;
/// Longer than any change of mind takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn campaign(volume: &Volume) -> String {
    let file = volume.path("t.toml");
    let stock = STOCK.map(|(sku, units)| (sku, u32::try_from(units).unwrap()));
    std::fs::write(&file, campaign_file("limit_per_customer = 2", &items(&stock))).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Takes new holds until the answer is `code`, or a grant.
fn take_until(client: &mut Client, journal: &mut Journal, code: Option<&str>) {
    let begun = Instant::now();
    loop {
        let at = journal.open(vec![("a", 1)]);
        let ask = journal.ask(at, Act::Take);
        let reply = client.ask(&ask).unwrap();
        let refusal = match &reply {
            super::Reply::No(code) => Some(code.clone()),
            super::Reply::Hold(_) => None,
        };
        journal.heard(at, &reply);
        if refusal.as_deref() == code {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "still {refusal:?}, and not {code:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn ready(served: &Served) -> (u16, String) {
    let answer = http(served.http, "GET /readyz", &[], "");
    let code = if answer.status == 200 { String::new() } else { answer.code() };
    (answer.status, code)
}

fn until_not_ready(served: &Served) {
    let begun = Instant::now();
    while ready(served).0 == 200 {
        let stock = Resp::connect(served.resp).one("DROP.STOCK t-1 a");
        assert!(begun.elapsed() < 10 * PATIENCE, "the disk does not run short: {stock}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn no_new_holds(served: &Served, journals: &mut [Journal]) {
    for (wire, journal) in [Wire::Http, Wire::Resp].into_iter().zip(journals) {
        take_until(&mut Client::connect(served, wire), journal, Some("unavailable"));
    }
    assert_eq!(ready(served), (503, "unavailable".to_owned()));
    assert_eq!(http(served.http, "GET /livez", &[], "").status, 200);
}

/// Confirms or releases every live hold on a disk that has no room for more: some each in a batch
/// of its own, which takes the most room, the others in larger ones.
fn end_every_hold(served: &Served, journals: &mut [Journal], rng: &mut StdRng) -> usize {
    let mut ended = 0;
    for (n, journal) in journals.iter_mut().enumerate() {
        journal.tolerated = &[];
        let mut client = Client::connect(served, super::drop::wire(n));
        let mut idle = std::mem::take(&mut journal.idle);
        while !idle.is_empty() {
            let alone = ended < 200;
            let most = if alone { 1 } else { rng.random_range(1..=100) };
            let some = idle.split_off(idle.len().saturating_sub(most));
            let act = |at: usize| if at.is_multiple_of(3) { Act::Release } else { Act::Confirm };
            let asks: Vec<Ask> = some.iter().map(|at| journal.ask(*at, act(*at))).collect();
            client.send(&asks).unwrap();
            for at in some {
                journal.heard(at, &client.receive().unwrap());
                ended += 1;
            }
            if alone {
                thread::sleep(Duration::from_millis(15)); // and a marker behind it
            }
        }
    }
    ended
}

#[test]
fn a_full_disk_stops_new_holds_and_nothing_else() {
    let mut rng = rng(seed(), 0);
    for (name, volume) in volumes(MEGABYTES) {
        let campaign = campaign(&volume);
        let data = volume.path("data");
        let mut served = Served::start(&data, &["--campaign", &campaign]);
        let mut journals: Vec<Journal> = (0..8).map(|n| Journal::new(format!("c{n}"))).collect();
        journals.iter_mut().for_each(|one| one.tolerated = &["overloaded", "unavailable"]);
        // Refusals use up takes as well.
        let crowd = Crowd { takes: 1_000_000, settle: false };
        crowd.shop(&served, &mut journals, &mut rng, |_, _| {
            volume.fill();
            until_not_ready(&served);
            Instant::now()
        });
        no_new_holds(&served, &mut journals);

        // A start on the full disk changes nothing, though it finds not a byte that is free.
        volume.fill();
        served.kill();
        served = Served::run(serve(&data, &[]));
        no_new_holds(&served, &mut journals);
        let ended = end_every_hold(&served, &mut journals, &mut rng);
        assert!(ended > 100, "{ended}");
        all_can_be_read(&served, &mut journals);

        volume.clear();
        journals.iter_mut().for_each(|one| one.tolerated = &["unavailable"]);
        for (n, journal) in journals.iter_mut().enumerate() {
            let mut client = Client::connect(&served, super::drop::wire(n));
            take_until(&mut client, journal, None);
            journal.check_all(&mut client);
        }
        assert_eq!(ready(&served).0, 200);
        totals(&served, &journals, &STOCK);
        assert_eq!(served.terminate(), Some(0));
        let audit = jangteo().arg("audit").arg(&data).output().unwrap();
        assert_eq!(audit.status.code(), Some(0), "{}", String::from_utf8_lossy(&audit.stdout));
        eprintln!("{name}: {ended} holds ended on a full disk of {MEGABYTES} MiB");
    }
}

/// What is there can be read.
fn all_can_be_read(served: &Served, journals: &mut [Journal]) {
    for (n, journal) in journals.iter_mut().enumerate() {
        journal.check_all(&mut Client::connect(served, super::drop::wire(n)));
    }
    totals(served, journals, &STOCK);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named_and_nothing_is_left_half_made() {
    for (name, volume) in volumes(MEGABYTES) {
        let campaign = campaign(&volume);
        let data = volume.path("data");
        std::fs::create_dir_all(data.join("journal")).unwrap();
        std::fs::write(data.join("journal/lock"), "").unwrap();
        volume.fill();
        let (code, said) = run(&data, &["--campaign", &campaign]);
        assert_eq!(code, Some(74), "{name}: {said}");
        assert!(said.contains(data.to_str().unwrap()), "{name}: {said}");
        assert!(said.contains("No space left"), "{name}: {said}");
        assert_eq!(names(&data.join("journal")), ["lock"], "{name}");

        volume.clear();
        let served = Served::start(&data, &["--campaign", &campaign]);
        let mut journal = Journal::new("c".to_owned());
        take_until(&mut Client::connect(&served, Wire::Resp), &mut journal, None);
        assert_eq!(served.terminate(), Some(0));
    }
    // Room to start, but not for a segment.
    for (name, volume) in volumes(40) {
        let campaign = campaign(&volume);
        let data = volume.path("data");
        let (code, said) = run(&data, &["--campaign", &campaign]);
        assert_eq!(code, Some(74), "{name}: {said}");
        assert!(said.contains(data.to_str().unwrap()), "{name}: {said}");
    }
}
