//! What is there after the engine was opened again.

use std::path::Path;
use std::sync::Arc;

use crate::common::{campaign, clock, hold, one_item};
use jangteo::{Engine, Error, HoldRequest, HoldState, ManualClock, Refusal};

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Result<Engine, Error> {
    let options = Engine::options().data(directory).clock(clock.clone());
    options.segment_bytes(1 << 20).background(false).open()
}

#[test]
fn everything_acknowledged_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let (held, confirmed, released) = {
        let engine = open(directory.path(), &clock).unwrap();
        engine.put(campaign("limit_per_customer = 1", &one_item(3))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let holds = ["c-1", "c-2", "c-3"].map(|customer| hold(&sale, customer, "k").unwrap());
        sale.confirm(&holds[1].id, "p-2").unwrap().wait().unwrap();
        sale.release(&holds[2].id).unwrap().wait().unwrap();
        holds.map(|hold| hold.id).into()
    };
    for _ in 0..3 {
        let engine = open(directory.path(), &clock).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let state = |id| sale.get(id).unwrap().wait().unwrap().state;
        assert_eq!(state(&held), HoldState::Held);
        assert_eq!(state(&confirmed), HoldState::Confirmed);
        assert_eq!(state(&released), HoldState::Released);
        let again = hold(&sale, "c-1", "k").unwrap();
        assert_eq!((again.id, again.number, again.replayed), (held, 1, true));
        assert!(matches!(hold(&sale, "c-1", "k2"), Err(Refusal::LimitReached(_))));
        let item = &sale.view().0.items.unwrap()[0];
        assert_eq!((item.available, item.held, item.sold), (Some(1), 1, 1));
    }
    let engine = open(directory.path(), &clock).unwrap();
    let sale = engine.sale("t-1").unwrap();
    assert_eq!(hold(&sale, "c-4", "k").unwrap().number, 4);
    assert!(matches!(hold(&sale, "c-5", "k"), Err(Refusal::SoldOut { available: 0 })));
}

#[test]
fn a_start_prepares_as_much_for_what_can_be_sold_as_the_put_did() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let prepared = || {
        let engine = open(directory.path(), &clock).unwrap();
        engine.put(campaign("", &one_item(15_000))).unwrap();
        for _ in 0..10 {
            engine.tick();
        }
        let files = std::fs::read_dir(directory.path().join("journal")).unwrap();
        let lengths = files.map(|file| file.unwrap().metadata().unwrap().len());
        lengths.filter(|length| *length == 1 << 20).count()
    };
    let put = prepared();
    assert!(put >= 4, "{put}");
    assert_eq!(prepared(), put, "after another start, which finds the campaign");
}

#[test]
fn a_second_engine_on_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let first = open(directory.path(), &clock).unwrap();
    assert!(matches!(open(directory.path(), &clock), Err(Error::InUse)));
    drop(first);
    assert!(open(directory.path(), &clock).is_ok());
}

#[test]
fn segments_follow_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let customers: Vec<String> = (0..30_000).map(|n| format!("c-{n}")).collect();
    {
        let engine = open(directory.path(), &clock).unwrap();
        engine.put(campaign("", &one_item(30_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for (place, customer) in customers.iter().enumerate() {
            let pending = sale.hold(&HoldRequest::new(customer).line("a", 1)).unwrap();
            if place % 100 == 0 {
                pending.wait().unwrap();
            }
        }
    }
    let segments = std::fs::read_dir(directory.path().join("journal")).unwrap().count();
    assert!(segments > 3, "{segments} files");
    let engine = open(directory.path(), &clock).unwrap();
    let sale = engine.sale("t-1").unwrap();
    for customer in &customers {
        assert_eq!(sale.find(customer).wait().unwrap().len(), 1, "{customer}");
    }
}

#[test]
fn a_flipped_bit_in_the_middle_refuses_to_start() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    {
        let engine = open(directory.path(), &clock).unwrap();
        engine.put(campaign("", &one_item(10))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for customer in ["c-1", "c-2", "c-3"] {
            hold(&sale, customer, "k").unwrap();
        }
    }
    let path = directory.path().join("journal/000000000001.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(3).position(|window| window == b"c-2").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    match open(directory.path(), &clock) {
        Err(Error::Corrupt(corruption)) => {
            assert!(corruption.file.ends_with("000000000001.segment"), "{corruption:?}");
            assert_eq!(corruption.offset, place as u64 / 512 * 512, "{corruption:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Of a killed engine the last batch has no marker behind it, and vouches only for what lies before
/// the marker in front of it: it must not pass for a torn tail when that marker is damaged.
#[test]
fn a_flipped_bit_in_a_marker_hides_no_batch() {
    const SECTOR: usize = 512;
    let (directory, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = clock();
    let engine = open(directory.path(), &clock).unwrap();
    engine.put(campaign("", &one_item(10))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "c-1", "k").unwrap();
    engine.tick();
    hold(&sale, "c-2", "k").unwrap();
    let [from, to] = [&directory, &killed].map(|at| at.path().join("journal"));
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(&from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    let path = to.join("000000000001.segment");
    let bytes = std::fs::read(&path).unwrap();
    let batch = bytes.windows(3).position(|window| window == b"c-2").unwrap() / SECTOR * SECTOR;
    let marker = batch - SECTOR;
    assert_eq!(bytes[marker + 32..marker + 36], [0; 4], "no records");
    for bit in 0..8 * SECTOR {
        let mut flipped = bytes.clone();
        flipped[marker + bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        match open(killed.path(), &clock) {
            Err(Error::Corrupt(corruption)) => {
                assert!(corruption.file.ends_with("000000000001.segment"), "{corruption:?}");
                assert_eq!(corruption.offset, marker as u64, "{corruption:?}");
            }
            other => panic!("bit {bit}: {other:?}"),
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let again = open(killed.path(), &clock).unwrap().sale("t-1").unwrap();
    assert_eq!(again.find("c-2").wait().unwrap().len(), 1);
}

#[test]
fn a_batch_larger_than_a_segment_is_read_back_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = || {
        let options = Engine::options().data(directory.path()).clock(clock.clone());
        options.segment_bytes(4096).background(false).open().unwrap()
    };
    {
        let engine = open();
        engine.put(campaign("", &one_item(1_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for round in 0..4 {
            // One batch of many records, then enough small ones to fill a segment.
            let customers: Vec<String> = (0..100).map(|n| format!("c-{round}-{n}")).collect();
            for customer in &customers {
                drop(sale.hold(&HoldRequest::new(customer).line("a", 1)).unwrap());
            }
            engine.flush().unwrap();
            for number in 0..20 {
                hold(&sale, &format!("d-{round}-{number}"), "k").unwrap();
            }
        }
    }
    let view = open().sale("t-1").unwrap().view().0;
    assert_eq!(view.items.unwrap()[0].held, 480);
}

#[test]
fn the_longest_campaign_that_is_taken_can_be_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let text = |length: usize| -> String {
        let title = "\"".repeat(length); // each is escaped twice over in the record
        let item = |n: usize| {
            format!("[[items]]\nsku='s-{n}'\ntitle='{title}'\nseller='{title}'\nprice=1\nstock=1\n")
        };
        (0..1_000).map(item).collect()
    };
    let engine = open(directory.path(), &clock).unwrap();
    engine.put(campaign("", &text(200))).unwrap();
    drop(engine);
    let engine = open(directory.path(), &clock).unwrap();
    assert_eq!(engine.sale("t-1").unwrap().view().0.items.unwrap().len(), 1_000);
}
