//! What is dropped of the past, and what of it can still be told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jangteo::audit::{audit_directory, audit_hold};
use jangteo::{
    Campaign, Engine, Error, EventData, EventsError, HoldId, HoldRequest, HoldState, ManualClock,
    Options, Phase, Refund, Report, Sale, backup_directory, report_directory, restore_directory,
    snapshot_directory,
};

use crate::common::clock;

const DAY_MS: u64 = 86_400_000;
const LOOK_MS: u64 = jangteo::limits::RETENTION_LOOK_MS;
/// Orders of one campaign: about three segments of them.
const ORDERS: usize = 24;

fn campaign(id: &str, title: &str) -> Campaign {
    campaign_of(id, title, "2020-04-29")
}

fn campaign_of(id: &str, title: &str, opens: &str) -> Campaign {
    let text = format!(
        r#"
[campaign]
id = "{id}"
title = "{title}"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "{opens}T10:00:00"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 100
"#
    );
    Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A shop whose settled campaigns are kept for thirty days.
struct Shop {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    engine: Option<Engine>,
}

impl Shop {
    fn new() -> Self {
        let mut shop =
            Self { directory: tempfile::tempdir().unwrap(), clock: clock(), engine: None };
        shop.start();
        shop
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn options(&self) -> Options {
        let options = Engine::options().data(self.path()).clock(self.clock.clone());
        let options = options.background(false).segment_bytes(4_096).snapshot_after(u64::MAX);
        options.retain_settled(Duration::from_secs(30 * 86_400))
    }

    fn start(&mut self) {
        self.start_as(self.options());
    }

    fn start_as(&mut self, options: Options) {
        self.stop();
        self.engine = Some(options.open().unwrap());
    }

    fn stop(&mut self) {
        self.engine = None;
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn sale(&self, campaign: &str) -> Sale {
        self.engine().sale(&format!("{campaign}-1")).unwrap()
    }

    /// Puts a campaign and sells something of it.
    fn sell(&self, id: &str) -> Vec<HoldId> {
        self.engine().put(campaign(id, id)).unwrap();
        let sale = self.sale(id);
        let order = |order: usize| {
            let customer = format!("{id}-{order}");
            let held = sale.hold(&HoldRequest::new(&customer).line("a", 1).key("k")).unwrap();
            let hold = held.wait().unwrap();
            sale.confirm(&hold.id, "p").unwrap().wait().unwrap().id
        };
        (0..ORDERS).map(order).collect()
    }

    fn settle(&self, id: &str) -> Report {
        self.sale(id).close().unwrap().wait().unwrap();
        let report = self.engine().settle(id, &[]).unwrap().wait().unwrap();
        assert_eq!(self.sale(id).phase(), Phase::Settled);
        report
    }

    /// Sells and settles one, and begins another.
    fn sell_two(&self) -> (Vec<HoldId>, Vec<HoldId>) {
        let old = self.sell("old");
        self.settle("old");
        (old, self.sell("new"))
    }

    fn snapshot(&self) -> u64 {
        self.engine().flush_soon(); // and vouch for it
        snapshot_directory(self.path()).unwrap().unwrap().sequence
    }

    /// Two snapshots behind everything there is.
    fn two_snapshots(&self) {
        for place in 0..2 {
            let id = format!("between-{}-{place}", self.engine().now().as_ms());
            self.engine().put(campaign(&id, "between")).unwrap();
            self.snapshot();
        }
    }

    fn segments(&self) -> Vec<PathBuf> {
        files(self.path(), "segment")
    }

    /// Looks as often as something is dropped, and says how many segments were.
    fn drop_all(&self) -> usize {
        let mut dropped = 0;
        loop {
            let before = self.segments();
            self.clock.advance(LOOK_MS);
            self.engine().tick();
            let after = self.segments();
            // One may have been prepared meanwhile.
            let gone = before.iter().take_while(|file| !after.contains(file)).count();
            assert!(gone <= 1 && after.starts_with(&before[gone..]), "the oldest, one at a look");
            if gone == 0 {
                return dropped;
            }
            dropped += 1;
        }
    }

    /// Two campaigns, of which the settled one is dropped.
    fn after_the_old_one() -> (Self, Vec<HoldId>, Vec<HoldId>) {
        let shop = Self::new();
        let (old, new) = shop.sell_two();
        shop.two_snapshots();
        shop.clock.advance(31 * DAY_MS);
        assert!(shop.drop_all() >= 2);
        (shop, old, new)
    }

    /// What can be asked of both campaigns.
    fn told(&self, holds: &[HoldId]) -> Vec<String> {
        let engine = self.engine();
        let holds = holds.iter().map(|id| {
            let hold = engine.sale_of(id).unwrap().get(id).unwrap().wait().unwrap();
            assert_eq!(hold.state, HoldState::Confirmed);
            format!("{hold:?}")
        });
        let campaigns = ["old", "new"].map(|id| {
            let report = engine.report(id).unwrap().wait().unwrap();
            assert_eq!(report_directory(self.path(), id).unwrap().as_ref(), Some(&report));
            format!("{report:?}, {:?}", self.sale(id).view().0)
        });
        holds.chain(campaigns).collect()
    }
}

fn files(directory: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("journal")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == kind));
    files.sort();
    files
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_settled_campaign_goes_and_the_one_after_it_is_kept_whole() {
    let mut shop = Shop::new();
    let (old, new) = shop.sell_two();
    shop.two_snapshots();
    let holds = [&old[..], &new].concat();
    let told = shop.told(&holds);
    assert_eq!(shop.drop_all(), 0, "it was settled a moment ago");
    shop.clock.advance(30 * DAY_MS);
    let dropped = shop.drop_all();
    assert!(dropped >= 2, "{dropped}");

    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    let not_kept = found.not_kept.unwrap();
    assert!(not_kept.first_sequence > ORDERS as u64 && not_kept.drops == [0], "{not_kept:?}");
    assert_eq!(found.records, found.last_sequence + 1 - not_kept.first_sequence);
    let judged: Vec<_> = found.drops.iter().map(|drop| (&*drop.id, drop.orders)).collect();
    assert_eq!(judged[0], ("new-1", ORDERS as u64));
    assert_eq!(shop.told(&holds), told, "what is asked of the engine is told as before");

    let error = audit_hold(shop.path(), &old[0]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NotKept { first_sequence, .. }
        if first_sequence == not_kept.first_sequence));
    assert!(text.contains("no longer kept") && text.contains(&old[0].to_string()), "{text}");
    assert_eq!(audit_hold(shop.path(), &new[0]).unwrap().unwrap().steps.len(), 2);

    shop.start();
    assert_eq!(shop.told(&holds), told, "and after a start");
    assert!(shop.engine().snapshots_passed_over().is_empty());
    assert_eq!(shop.engine().retention_failure(), None);
}

#[test]
fn what_is_missing_of_a_campaign_that_goes_on_is_lost_although_a_start_needs_it_not() {
    let shop = Shop::new();
    shop.sell_two();
    shop.two_snapshots();
    let lose_first = || fs::remove_file(shop.segments().remove(0)).unwrap();
    lose_first();
    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok && found.not_kept.unwrap().known_from == Some(1), "the old one was settled");
    let mut found = audit_directory(shop.path()).unwrap();
    while found.ok {
        lose_first();
        found = audit_directory(shop.path()).unwrap();
    }
    let first_sequence = found.not_kept.unwrap().first_sequence;
    assert!(first_sequence > 2 * ORDERS as u64, "the new one was put before {first_sequence}");
    let [violation] = &found.violations[..] else { panic!("{:?}", found.violations) };
    let told = format!("record {first_sequence}, new-1, J3: it is not over, ");
    assert!(violation.to_string().starts_with(&told), "{violation}");
    let copy = tempfile::tempdir().unwrap();
    assert_eq!(backup_directory(shop.path(), copy.path()).unwrap().violations, found.violations);
}

/// A power cut in the first batch of a fresh segment leaves one in which nothing can be read.
#[test]
fn a_segment_that_was_cut_short_at_its_front_holds_nothing_back() {
    let mut shop = Shop::new();
    shop.sell("old");
    shop.stop();
    let last = shop.segments().pop().unwrap();
    let id: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let torn = last.with_file_name(format!("{:012}.segment", id + 1));
    fs::write(&torn, [[7; 512], [0; 512]].concat()).unwrap();
    shop.start();
    shop.settle("old");
    let new = shop.sell("new");
    shop.two_snapshots();
    shop.clock.advance(31 * DAY_MS);
    for _ in 0..20 {
        shop.clock.advance(LOOK_MS);
        shop.engine().tick();
    }
    assert_eq!(shop.engine().retention_failure(), None);
    let kept = shop.segments();
    assert!(kept[0] > torn, "{kept:?} behind {torn:?}");
    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok && found.not_kept.is_some(), "{:?}", found.violations);
    shop.start();
    for id in &new {
        assert!(shop.sale("new").get(id).is_ok());
    }
}

#[test]
fn nothing_goes_unless_it_is_asked_for() {
    let mut shop = Shop::new();
    let options = Engine::options().data(shop.path()).clock(shop.clock.clone());
    let options = options.background(false).segment_bytes(4_096).snapshot_after(u64::MAX);
    shop.stop();
    shop.start_as(options);
    shop.sell_two();
    shop.two_snapshots();
    shop.clock.advance(100 * 365 * DAY_MS);
    assert_eq!(shop.drop_all(), 0);
    assert_eq!(audit_directory(shop.path()).unwrap().not_kept, None);
}

#[test]
fn a_campaign_that_goes_on_keeps_every_segment_it_is_in() {
    let shop = Shop::new();
    shop.engine().put(campaign("open", "open")).unwrap();
    shop.sell_two();
    shop.two_snapshots();
    shop.clock.advance(100 * DAY_MS);
    assert_eq!(shop.drop_all(), 0, "its first record is in the oldest segment");
    // Who changes a title keeps the drop, and its first record.
    shop.engine().put(campaign("open", "still open")).unwrap();
    assert_eq!(shop.drop_all(), 0);
    shop.settle("open");
    assert_eq!(shop.drop_all(), 0);
    shop.clock.advance(29 * DAY_MS);
    assert_eq!(shop.drop_all(), 0);
    shop.clock.advance(DAY_MS);
    assert!(shop.drop_all() >= 2);
    assert!(audit_directory(shop.path()).unwrap().ok);
}

#[test]
fn a_deleted_campaign_goes_at_once() {
    let shop = Shop::new();
    shop.sell_two();
    shop.two_snapshots();
    shop.engine().delete("old").unwrap().wait().unwrap();
    assert!(shop.drop_all() >= 2);
    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
}

#[test]
fn a_campaign_that_another_of_its_id_replaced_is_kept_as_long_as_that_one() {
    let shop = Shop::new();
    // Its drop is sealed, so the second put makes another in its place.
    shop.engine().put(campaign_of("later", "first", "2020-12-29")).unwrap();
    shop.engine().put(campaign_of("later", "second", "2020-12-28")).unwrap();
    shop.sell_two();
    shop.two_snapshots();
    shop.clock.advance(31 * DAY_MS);
    assert_eq!(shop.drop_all(), 0);
    shop.engine().delete("later").unwrap().wait().unwrap();
    assert!(shop.drop_all() >= 2);
    assert!(audit_directory(shop.path()).unwrap().ok);
}

#[test]
fn it_takes_two_snapshots_that_can_be_read() {
    let shop = Shop::new();
    shop.sell_two();
    shop.clock.advance(31 * DAY_MS);
    assert_eq!(shop.drop_all(), 0, "no snapshot");
    shop.snapshot();
    assert_eq!(shop.drop_all(), 0, "one snapshot");
    shop.engine().put(campaign("more", "more")).unwrap();
    shop.snapshot();
    let newest = files(shop.path(), "snapshot").pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    damage(&newest);
    assert_eq!(shop.drop_all(), 0, "one that can be read");
    fs::write(newest, whole).unwrap();
    assert!(shop.drop_all() >= 2);
}

#[test]
fn a_start_goes_on_from_either_snapshot_and_from_no_other_place() {
    let (mut shop, old, new) = Shop::after_the_old_one();
    let holds = [old, new].concat();
    let told = shop.told(&holds);
    let first = shop.segments()[0].display().to_string();
    shop.stop();
    let [older, newest] = &files(shop.path(), "snapshot")[..] else { panic!("two are kept") };
    damage(newest);
    shop.start();
    assert_eq!(shop.engine().snapshots_passed_over().len(), 1);
    assert_eq!(shop.told(&holds), told);
    shop.stop();
    damage(older);
    let Err(Error::Corrupt(found)) = shop.options().open() else { panic!("it started") };
    assert_eq!(found.file, first);
    for file in [older, newest] {
        assert!(found.why.contains(&file.display().to_string()), "{found:?}");
    }
    let audited = audit_directory(shop.path());
    assert!(matches!(audited, Err(Error::Corrupt(_))), "{audited:?}");
    for file in [older, newest] {
        fs::remove_file(file).unwrap();
    }
    let Err(Error::Corrupt(found)) = shop.options().open() else { panic!("it started") };
    assert_eq!(found.file, first);
    assert!(matches!(audit_directory(shop.path()), Err(Error::Corrupt(_))));
}

#[test]
fn a_hole_in_what_is_kept_is_found() {
    let (mut shop, ..) = Shop::after_the_old_one();
    shop.stop();
    fs::remove_file(&shop.segments()[1]).unwrap();
    let audited = audit_directory(shop.path());
    assert!(matches!(audited, Err(Error::Corrupt(_))), "{audited:?}");
}

#[test]
fn the_feed_begins_where_what_is_kept_begins() {
    let shop = Shop::new();
    let (_, new) = shop.sell_two();
    shop.two_snapshots();
    let engine = shop.engine();
    let all = engine.events(None, 1_000).unwrap();
    let early = all.list[3].id;
    shop.clock.advance(31 * DAY_MS);
    assert!(shop.drop_all() >= 2);
    let kept = engine.events(None, 1_000).unwrap();
    let first = kept.list[0].id;
    let told = |id| engine.events(Some(id), 1_000);
    let Err(EventsError::Gone { first: begins }) = told(early) else { panic!("it is gone") };
    assert!(begins.sequence > early.sequence && begins.sequence <= first.sequence);
    assert!(matches!(told(jangteo::EventId { sequence: begins.sequence - 2, ..begins }),
        Err(EventsError::Gone { first }) if first == begins));
    let before = jangteo::EventId { sequence: begins.sequence - 1, ..begins };
    assert_eq!(told(before).unwrap().list[0].id, first, "nothing was missed");
    assert!(
        all.list
            .iter()
            .rev()
            .take(kept.list.len())
            .rev()
            .map(|event| event.id)
            .eq(kept.list.iter().map(|event| event.id))
    );
    let granted = kept.list.iter().filter_map(|event| match &event.data {
        EventData::Hold(hold) => Some(hold.id),
        _ => None,
    });
    assert!(new.iter().all(|id| granted.clone().any(|told| told == *id)), "all of the new one");
}

#[test]
fn what_comes_after_the_end_of_a_campaign_holds_nothing_back() {
    let (mut shop, old, _) = Shop::after_the_old_one();
    shop.sale("old").refund(&old[0], &Refund::all()).unwrap().wait().unwrap();
    shop.engine().put(campaign("old", "another title")).unwrap();
    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    let before = found.not_kept.unwrap();
    assert!(before.drops == [0] && before.passed_over > 0, "{before:?}");
    shop.settle("new");
    let report = shop.engine().report("old").unwrap().wait().unwrap();
    shop.start();
    for id in shop.engine().sales().iter().filter(|sale| sale.id().starts_with("between")) {
        id.close().unwrap().wait().unwrap();
        let id = id.id().strip_suffix("-1").unwrap();
        shop.engine().delete(id).unwrap().wait().unwrap();
    }
    shop.clock.advance(31 * DAY_MS);
    shop.two_snapshots();
    assert!(shop.drop_all() >= 3, "the refund lies in one of them");
    assert_eq!(shop.engine().report("old").unwrap().wait().unwrap(), report);
    shop.engine().delete("old").unwrap().wait().unwrap();
    let found = audit_directory(shop.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    shop.start();
    assert_eq!(shop.engine().report("old").unwrap().wait().unwrap(), report);
}

#[test]
fn when_a_campaign_was_settled_is_found_again_after_a_start() {
    let mut shop = Shop::new();
    shop.sell_two();
    shop.two_snapshots();
    shop.clock.advance(29 * DAY_MS);
    shop.start();
    assert_eq!(shop.drop_all(), 0);
    shop.clock.advance(2 * DAY_MS);
    shop.start();
    assert!(shop.drop_all() >= 2);
}

#[test]
fn a_copy_of_what_is_kept_starts_as_that_would() {
    let (mut shop, old, new) = Shop::after_the_old_one();
    let holds = [old, new].concat();
    let told = shop.told(&holds);
    let not_kept = audit_directory(shop.path()).unwrap().not_kept;
    let root = tempfile::tempdir().unwrap();
    let (copy, again) = (root.path().join("copy"), root.path().join("again"));
    assert!(backup_directory(shop.path(), &copy).unwrap().ok);
    let restored = restore_directory(&copy, &again).unwrap();
    assert!(restored.ok && restored.not_kept == not_kept, "{restored:?}");
    assert_eq!((files(&copy, "snapshot").len(), files(&again, "snapshot").len()), (2, 2));
    damage(&files(&again, "snapshot")[1]);
    shop.start_as(shop.options().data(&again));
    shop.directory = root;
    let engine = shop.engine();
    assert_eq!(engine.snapshots_passed_over().len(), 1);
    let held = |id: &HoldId| engine.sale_of(id).unwrap().get(id).unwrap().wait().unwrap();
    assert!(holds.iter().all(|id| held(id).state == HoldState::Confirmed));
    assert_eq!(told.len(), holds.len() + 2);
    // Without its snapshots the copy is no copy.
    files(&copy, "snapshot").iter().for_each(|file| fs::remove_file(file).unwrap());
    assert!(matches!(Engine::open(&copy), Err(Error::Corrupt(_))));
}
