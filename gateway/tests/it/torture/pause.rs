//! The real process, stopped (SIGSTOP) and continued in the middle of a drop.

use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rustix::process::Signal;

use super::client::{Ask, Client, Wire};
use super::drop::{Crowd, totals, wire};
use super::journal::Journal;
use super::seed::{count, now_ms, rng, seed};
use crate::clients::{Resp, http};
use crate::process::Served;
use crate::shop::campaign_at;

const STOCK: [(&str, u64); 2] = [("a", 100_000), ("b", 100_000)];

fn sleep_until(at_ms: i64) {
    thread::sleep(Duration::from_millis(u64::try_from(at_ms - now_ms()).unwrap_or(0)));
}

/// A service with one campaign, and the clients of its drop.
fn shop(schedule: &str, opens_s: i64, rules: &str) -> (tempfile::TempDir, Served, Vec<Journal>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, campaign_at("t", opens_s, schedule, rules)).unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data, &["--campaign", file.to_str().unwrap()]);
    let journals = (0..8).map(|n| Journal::new(format!("c{n}"))).collect();
    (folder, served, journals)
}

fn hold(customer: &str) -> Ask {
    Ask::Hold { customer: customer.to_owned(), key: "k".to_owned(), lines: vec![("a", 1)] }
}

#[test]
fn a_service_that_stands_still_keeps_what_it_promised_while_holds_run_out() {
    let mut rng = rng(seed(), 0);
    for _ in 0..count("JANGTEO_PAUSES", 2) {
        let opened_s = now_ms() / 1_000 - 3_600;
        let (_folder, served, mut journals) =
            shop("", opened_s, "limit_per_customer = 2\nhold_ttl = \"2s\"");
        journals.iter_mut().for_each(|one| one.mortal = true);
        let crowd = Crowd { takes: 1_000, settle: true };
        let mut under_way = 0;
        crowd.shop(&served, &mut journals, &mut rng, |rng, progress| {
            thread::sleep(Duration::from_millis(rng.random_range(0..500)));
            served.signal(Signal::STOP);
            let stopped = Instant::now();
            let mut given_up = Vec::new();
            for wire in [Wire::Http, Wire::Resp] {
                let mut client = Client::patient(&served, wire, Duration::from_millis(300));
                let customer = format!("impatient-{wire:?}");
                assert!(client.ask(&hold(&customer)).is_err(), "nobody can have answered");
                given_up.push((wire, customer));
            }
            under_way = progress.under_way();
            thread::sleep(Duration::from_millis(rng.random_range(2_000..3_000)));
            served.signal(Signal::CONT);
            for (wire, customer) in given_up {
                let mut client = Client::connect(&served, wire);
                let first = client.ask(&hold(&customer)).unwrap().hold();
                let again = client.ask(&hold(&customer)).unwrap().hold();
                assert_eq!((&first.id, first.number), (&again.id, again.number));
                let found = Resp::connect(served.resp).one(&format!("DROP.FIND t-1 {customer}"));
                assert!(found.starts_with("*1 "), "{found}");
                client.ask(&Ask::Release { hold: first.id }).unwrap().hold();
            }
            stopped
        });
        assert!(under_way > 0, "nobody waited while the service stood still");
        let begun = Instant::now();
        for sku in ["a", "b"] {
            while !Resp::connect(served.resp)
                .one(&format!("DROP.STOCK t-1 {sku}"))
                .contains("$4 held :0 ")
            {
                assert!(begun.elapsed() < Duration::from_secs(30), "holds do not run out");
                thread::sleep(Duration::from_millis(20));
            }
        }
        for (n, journal) in journals.iter_mut().enumerate() {
            journal.check_all(&mut Client::connect(&served, wire(n)));
        }
        let mut numbers: Vec<u64> = journals.iter().flat_map(Journal::numbers).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let given: usize = journals.iter().map(|one| one.numbers().count()).sum();
        assert_eq!(numbers.len(), given, "no number was given twice");
        let audit = http(served.http, "GET /v1/drops/t-1/audit", &[], "").json();
        assert_eq!(audit["ok"], true, "{audit}");
    }
}

#[test]
fn no_hold_expires_early_because_its_service_stood_still() {
    const TTL: Duration = Duration::from_secs(3);
    let (_folder, served, _) = shop("", now_ms() / 1_000 - 3_600, "hold_ttl = \"3s\"");
    let mut client = Client::connect(&served, Wire::Resp);
    // A look counts if it was back before the deadline; a busy machine gets another try.
    let conclusive = (0..10).any(|n| {
        let asked = Instant::now();
        let taken = client.ask(&hold(&format!("c-{n}"))).unwrap().hold();
        served.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(1_500));
        served.signal(Signal::CONT);
        let shown = client.ask(&Ask::Get { hold: taken.id.clone() }).unwrap().hold();
        let in_time = asked.elapsed() < TTL;
        assert!(!in_time || shown.state == "held", "{shown:?}");
        assert!(shown.expires_at_ms == taken.expires_at_ms || !in_time, "{shown:?}");
        let begun = Instant::now();
        while client.ask(&Ask::Get { hold: taken.id.clone() }).unwrap().hold().state == "held" {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not run out");
            thread::sleep(Duration::from_millis(20));
        }
        in_time
    });
    assert!(conclusive, "the machine was too busy to look in time");
}

#[test]
fn nothing_is_granted_outside_the_drop_although_its_service_stands_still_at_both_instants() {
    const OPEN_MS: i64 = 3_000;
    let mut rng = rng(seed(), 0);
    let opens_ms = (now_ms() / 1_000 + 4) * 1_000;
    let closes_ms = opens_ms + OPEN_MS;
    let (folder, served, mut journals) =
        shop("closes_after = \"3s\"", opens_ms / 1_000, "limit_per_customer = 2");
    let tolerated = &["overloaded", "not_open", "closed", "sold_out"];
    journals.iter_mut().for_each(|one| one.tolerated = tolerated);
    sleep_until(opens_ms - 900);
    let crowd = Crowd { takes: 1_000_000, settle: false };
    let stand_still = |instant_ms: i64| {
        sleep_until(instant_ms - 300);
        served.signal(Signal::STOP);
        sleep_until(instant_ms + 500);
        served.signal(Signal::CONT);
    };
    crowd.shop(&served, &mut journals, &mut rng, |_, _| {
        stand_still(opens_ms);
        stand_still(closes_ms);
        thread::sleep(Duration::from_millis(100));
        Instant::now()
    });
    let (mut granted, mut refused) = (0, 0);
    for journal in &journals {
        let mut client = Client::connect(&served, Wire::Http);
        refused += journal.refused;
        for entry in journal.entries.iter().filter(|entry| entry.told.is_some()) {
            let at_ms = client.ask(&entry.get()).unwrap().hold().created_at_ms.unwrap();
            assert!((opens_ms..closes_ms).contains(&at_ms), "{opens_ms}, {closes_ms}: {at_ms}");
            granted += 1;
        }
    }
    assert!(granted > 0 && refused > 0, "{granted} granted, {refused} refused");
    for wire in [Wire::Http, Wire::Resp] {
        let reply = Client::connect(&served, wire).ask(&hold("late")).unwrap();
        assert_eq!(reply.code(), "closed");
    }
    totals(&served, &journals, &STOCK);
    assert_eq!(served.terminate(), Some(0));
    let data = folder.path().join("data");
    let audit = crate::process::jangteo().arg("audit").arg(&data).output().unwrap();
    assert_eq!(audit.status.code(), Some(0), "{}", String::from_utf8_lossy(&audit.stdout));
}
