//! Snapshots, backups and restores beside an engine that is being used.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::{campaign, one_item};
use jangteo::SnapshotProgress::{Checking, Read, Written};
use jangteo::audit::audit_directory;
use jangteo::{Campaign, Durability, Engine, HoldId, HoldRequest, HoldState, Sale};
use jangteo::{
    backup_directory, restore_directory, snapshot_directory, snapshot_directory_with_progress,
};

/// What a client was told: the hold, and what became of it.
type Told = Mutex<Vec<(HoldId, HoldState)>>;

/// Buys as much as is allowed so far, until it is over; every second hold is confirmed.
fn buy(sale: &Sale, buyer: usize, (over, allowed): (&AtomicBool, &AtomicUsize), told: &Told) {
    for turn in 0_usize.. {
        while turn >= allowed.load(Ordering::Relaxed) {
            if over.load(Ordering::Relaxed) {
                return;
            }
            std::thread::yield_now();
        }
        let customer = format!("c-{buyer}-{turn}");
        let pending = sale.hold(&HoldRequest::new(&customer).line("a", 1).key("k")).unwrap();
        let mut hold = pending.wait().unwrap();
        if turn % 2 == 0 {
            hold = sale.confirm(&hold.id, "p").unwrap().wait().unwrap();
        }
        told.lock().unwrap().push((hold.id, hold.state));
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn assert_has(directory: &Path, told: &[(HoldId, HoldState)], incarnation: u32) {
    let found = audit_directory(directory).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    assert_eq!((found.incarnation, found.torn_tail), (incarnation, None));
    let engine = Engine::options().data(directory).snapshot_after(u64::MAX).open().unwrap();
    assert!(engine.snapshots_passed_over().is_empty());
    let sale = engine.sale("t-1").unwrap();
    for (id, state) in told {
        assert_eq!(sale.get(id).unwrap().wait().unwrap().state, *state);
    }
}

#[test]
fn copies_beside_a_busy_engine_have_everything_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let data = at("data");
    let options = Engine::options().data(&data).durability(Durability::Buffered);
    let engine = options.segment_bytes(1 << 16).open().unwrap();
    engine.put(campaign("hold_ttl = \"1h\"", &one_item(20_000))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let (over, allowed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let told = Told::default();
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for buyer in 0..2 {
            let (sale, until, told) = (&sale, (&over, &allowed), &told);
            scope.spawn(move || buy(sale, buyer, until, told));
        }
        let mut last = 0;
        for round in 0..4 {
            // Something new to copy each time, and more while it is copied.
            let before = told.lock().unwrap().len();
            allowed.store(1_000 * (round + 1), Ordering::Relaxed);
            while told.lock().unwrap().len() < before + 200 {
                std::thread::yield_now();
            }
            let made = snapshot_directory(&data).unwrap().unwrap();
            assert!(made.sequence > last && made.passed_over.is_empty(), "{made:?}");
            last = made.sequence;
            let known = told.lock().unwrap().clone();
            let (copy, again) = (at(&format!("copy-{round}")), at(&format!("again-{round}")));
            assert!(backup_directory(&data, &copy).unwrap().last_sequence >= last);
            restore_directory(&copy, &again).unwrap();
            assert_has(&again, &known, 2);
            assert_has(&copy, &known, 1);
        }
    });
    drop((sale, engine));
    let found = audit_directory(&data).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    assert!(found.snapshots_unreadable.is_empty());
    assert_has(&data, &told.lock().unwrap(), 1);
}

#[test]
fn whoever_makes_a_snapshot_is_told_how_far_it_has_come() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let options = Engine::options().data(&data).durability(Durability::Buffered);
    let engine = options.snapshot_after(u64::MAX).open().unwrap();
    engine.put(campaign("hold_ttl = \"1h\"", &one_item(1_000))).unwrap();
    let nothing_is_granted = include_str!("../../../docs/campaigns/uroad-2020.toml");
    engine.put(Campaign::parse(nothing_is_granted).unwrap()).unwrap();
    let sale = engine.sale("t-1").unwrap();
    for buyer in 0..1_000 {
        sale.hold(&HoldRequest::new(&format!("c-{buyer}")).line("a", 1)).unwrap().wait().unwrap();
    }
    drop((sale, engine));
    let told = RefCell::new(Vec::new());
    let made = snapshot_directory_with_progress(&data, |progress| told.borrow_mut().push(progress));
    let (made, told) = (made.unwrap().unwrap(), told.into_inner());
    let all = made.sequence;
    let read: Vec<_> = (1..=all / 64).map(|part| Read { records: 64 * part, all }).collect();
    assert_eq!(told[..read.len()], read);
    let written = told[read.len()..].strip_suffix(&[Checking]).unwrap();
    let holds: Vec<u64> = written
        .iter()
        .map(|progress| match progress {
            Written { holds, all: 1_000 } => *holds,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(holds.len() > 32 && holds.is_sorted() && holds.last() == Some(&1_000), "{holds:?}");
}

#[test]
fn a_restore_of_a_restore_is_the_next_incarnation_and_a_backup_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    drop(Engine::open(at("0")).unwrap());
    for (from, to, incarnation) in [("0", "1", 2), ("1", "2", 3)] {
        assert_eq!(restore_directory(at(from), at(to)).unwrap().incarnation, incarnation);
    }
    assert_eq!(backup_directory(at("2"), at("copy")).unwrap().incarnation, 3);
    drop(Engine::open(at("copy")).unwrap());
    let found = audit_directory(at("copy")).unwrap();
    assert_eq!((found.incarnation, found.ok), (3, true));
    assert_eq!(backup_directory(at("copy"), at("last")).unwrap().incarnation, 3);
}

/// Everything there is below a directory, and the directory.
fn all_in(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.extend(if path.is_dir() { all_in(&path) } else { vec![path] });
    }
    found
}

#[test]
fn what_is_made_is_its_owners_only_and_what_exists_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    std::fs::create_dir(at("made-before")).unwrap();
    std::fs::set_permissions(at("made-before"), PermissionsExt::from_mode(0o750)).unwrap();
    let data = at("made-before").join("data");
    let engine = Engine::options().data(&data).snapshot_after(0).open().unwrap();
    engine.put(campaign("", &one_item(1))).unwrap();
    drop(engine);
    assert!(backup_directory(&data, at("copy")).unwrap().ok);
    assert!(restore_directory(at("copy"), at("restored")).unwrap().ok);

    assert_eq!(mode(&at("made-before")), 0o750);
    let made: Vec<_> =
        [data, at("copy"), at("restored")].iter().flat_map(|one| all_in(one)).collect();
    let named =
        |end: &str| made.iter().filter(|path| path.to_string_lossy().ends_with(end)).count();
    assert!(named(".segment") >= 3 && named(".snapshot") >= 3 && named("lock") >= 3, "{made:?}");
    for path in made {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}
