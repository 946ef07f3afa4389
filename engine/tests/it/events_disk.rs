//! The event feed on a disk that is slow, fails, or loses what was never synced.

use std::sync::Arc;

use crate::common::{campaign, clock, hold, one_item};
use crate::events::{all, id, text};
use jangteo::{Engine, Error, EventsError, HoldRequest, ManualClock};
use jangteo_bench::faulty::{Call, FaultyStorage as Disk};
use jangteo_bench::rng::Rng;

fn open(disk: &Disk, clock: &Arc<ManualClock>) -> Engine {
    let options = Engine::options().storage(Arc::new(disk.process())).clock(clock.clone());
    options.segment_bytes(1 << 16).background(false).open().unwrap()
}

#[test]
fn what_is_written_and_not_yet_synced_is_not_shown() {
    let (disk, clock) = (Disk::default(), clock());
    let engine = open(&disk, &clock);
    engine.put(campaign("", &one_item(9))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "c-1", "k").unwrap();
    let before: Vec<_> = all(&engine, None, 100).iter().map(text).collect();
    let through = engine.events(None, 100).unwrap().through;
    disk.faults(|faults| faults.block = Some(Call::Sync));
    let writes = disk.count(Call::Write);
    let pending = sale.hold(&HoldRequest::new("c-2").line("a", 1)).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pending.wait());
        // Until its batch is in the file.
        while disk.count(Call::Write) == writes {
            std::thread::yield_now();
        }
        let now = engine.events(None, 100);
        let after = engine.events(Some(through), 100);
        // First of all: a test that fails while the disk is blocked would hang.
        disk.faults(|faults| faults.block = None);
        waiting.join().unwrap().unwrap();
        assert_eq!(now.unwrap().list.iter().map(text).collect::<Vec<_>>(), before);
        let after = after.unwrap();
        assert!(after.list.is_empty() && !after.more && after.through == through);
    });
    let page = engine.events(Some(through), 100).unwrap();
    assert_eq!(page.list.len(), 1);
    assert!(text(&page.list[0]).contains("c-2"));
}

#[test]
fn what_a_failed_flush_left_is_told_after_the_restart_and_once() {
    for lost in [false, true] {
        let (disk, clock) = (Disk::default(), clock());
        let engine = open(&disk, &clock);
        engine.put(campaign("", &one_item(9))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        hold(&sale, "c-1", "k").unwrap();
        disk.faults(|faults| faults.fail_sync = true);
        let through = engine.events(None, 100).unwrap().through;
        let ready = engine.events_ready(through);
        assert!(sale.hold(&HoldRequest::new("c-2").line("a", 1)).unwrap().wait().is_err());
        // It is in the file, and nobody is ever told of it by this engine.
        assert!(engine.events(Some(through), 100).unwrap().list.is_empty());
        assert!(ready.wait().is_err());
        let before: Vec<_> = all(&engine, None, 100).iter().map(text).collect();
        drop((sale, engine));

        disk.kill();
        if lost {
            disk.lose_power(&mut Rng::new(1), 0);
        }
        disk.faults(|faults| faults.fail_sync = false);
        let engine = open(&disk, &clock);
        let sale = engine.sale("t-1").unwrap();
        hold(&sale, "c-3", "k").unwrap();
        let events = all(&engine, None, 100);
        assert!(events.is_sorted_by(|a, b| a.id < b.id), "no sequence twice");
        let now: Vec<_> = events.iter().map(text).collect();
        assert_eq!(now[..before.len()], before);
        let named = |name: &str| now.iter().filter(|event| event.contains(name)).count();
        assert_eq!((named("c-2"), named("c-3")), (usize::from(!lost), 1), "lost: {lost}");
        // Going on where the first engine's follower stood finds the same.
        let rest: Vec<_> = all(&engine, Some(through), 100).iter().map(text).collect();
        assert_eq!(rest, now[before.len()..]);
    }
}

#[test]
fn a_tail_that_was_written_again_over_segments_is_told_once() {
    let clock = clock();
    let disk = Disk::default();
    let mut sequences = Vec::new();
    for round in 0..4 {
        let options = Engine::options().storage(Arc::new(disk.process())).clock(clock.clone());
        // Segments of eight sectors: the tail that is written again lies in several.
        let engine = options.segment_bytes(4096).background(false).open().unwrap();
        engine.put(campaign("", &one_item(10_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for number in 0..40 {
            hold(&sale, &format!("c-{round}-{number}"), "k").unwrap();
        }
        let events = all(&engine, None, 17);
        sequences = events.iter().map(|event| event.id.sequence).collect();
        assert!(sequences.is_sorted_by(|a, b| a < b));
        let grants = events.iter().filter(|event| event.kind.name() == "jangteo.hold.granted");
        assert_eq!(grants.count(), (round + 1) * 40);
        disk.kill();
    }
    let last = *sequences.last().unwrap();
    // One for each start is missing, and no other.
    assert_eq!(sequences.len() as u64, last - 4);
}

#[test]
fn damage_is_named_and_never_told_as_an_event() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).clock(clock());
    let engine = options.segment_bytes(1 << 16).background(false).open().unwrap();
    engine.put(campaign("", &one_item(9))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    for name in ["c-one", "c-two", "c-three"] {
        hold(&sale, name, "k").unwrap();
    }
    let through = engine.events(None, 100).unwrap().through;
    let path = directory.path().join("journal/000000000001.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(5).position(|window| window == b"c-two").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(engine.events_damage(), None);
    match engine.events(None, 100) {
        Err(EventsError::Failed(Error::Corrupt(corruption))) => {
            assert!(corruption.file.ends_with("000000000001.segment"), "{corruption:?}");
            assert_eq!(corruption.offset, place as u64 / 512 * 512);
            let damage = engine.events_damage().unwrap();
            assert!(damage.contains(&format!("segment: byte {}", corruption.offset)), "{damage}");
        }
        other => panic!("{other:?}"),
    }
    let last = engine.events(Some(id(through.sequence - 1)), 100).unwrap();
    assert!(text(&last.list[0]).contains("c-three"), "what follows is still there");
    // A head that lies: what it leads to is not believed.
    bytes[place / 512 * 512 + 36..][..4].copy_from_slice(&[0xff; 4]);
    std::fs::write(&path, &bytes).unwrap();
    let fresh = engine.events(None, 100);
    assert!(matches!(fresh, Err(EventsError::Failed(_))), "{fresh:?}");
}

#[test]
fn damage_at_the_front_of_a_segment_hides_no_events() {
    for (damaged, first_readable) in [(1, false), (2, true)] {
        let directory = tempfile::tempdir().unwrap();
        let options = Engine::options().data(directory.path()).clock(clock());
        let engine = options.segment_bytes(4_096).background(false).open().unwrap();
        engine.put(campaign("", &one_item(90))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for buyer in 0..40 {
            hold(&sale, &format!("c-{buyer}"), "k").unwrap();
        }
        let name = format!("{damaged:012}.segment");
        let path = directory.path().join("journal").join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let first = engine.events(None, 1);
        assert_eq!(first.is_ok(), first_readable, "{first:?}");
        let mut after = first.map(|page| page.through).ok();
        let error = loop {
            match engine.events(after, 1) {
                Ok(page) => after = Some(page.through),
                Err(error) => break error.to_string(),
            }
        };
        let place = format!("{name}: byte 0");
        assert!(error.contains(&place), "{error}");
        assert!(engine.events_damage().unwrap().contains(&place));
    }
}
