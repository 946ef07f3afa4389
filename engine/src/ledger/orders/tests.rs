//! What is kept of holds while their orders are summed up, and what is refused.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::journal::Directory;
use crate::journal::beside::read_beside_from;
use crate::journal::record::{Line, Refund as Back};
use crate::journal::recover::Origin;
use crate::ledger::offline::{Beginning, Begun, apply_parts};
use crate::ledger::report::{DropSums, Report};
use crate::limits::REPORT_LATER_MAX;
use crate::snapshot::{Loaded, newest_each};
use crate::{Campaign, Engine, HoldId, HoldRequest, ManualClock, Refund, Sale};

/// 2020-04-29 10:00 in Seoul.
const OPENS_MS: u64 = 1_588_122_000_000;
const TTL_MS: u64 = 90_000;

struct Shop {
    engine: Engine,
    sale: Sale,
    clock: Arc<ManualClock>,
    storage: Directory,
}

impl Shop {
    fn new(directory: &Path, stock: &str) -> Self {
        let text = format!(
            "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\n\
             time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n\
             [rules]\nhold_ttl = \"90s\"\n\
             [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1333\nstock = {stock}\n\
             [[ledger]]\nkind = \"donation\"\nbeneficiary = \"hope\"\nrate = \"50%\"\n"
        );
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
        let options = Engine::options().data(directory).clock(clock.clone());
        let engine = options.background(false).snapshot_after(u64::MAX).open().unwrap();
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
        engine.tick();
        let storage = Directory::unlocked(&directory.join("journal")).unwrap();
        Self { sale: engine.sale("t-1").unwrap(), engine, clock, storage }
    }

    fn hold(&self, customer: u32) -> HoldId {
        let customer = format!("c-{customer}");
        let request = HoldRequest::new(&customer).line("a", 3);
        self.sale.hold(&request).unwrap().into_parts().0.id
    }

    fn order(&self, customer: u32) -> HoldId {
        let id = self.hold(customer);
        drop(self.sale.confirm(&id, "p").unwrap());
        id
    }

    /// Everything so far is durable, and the files say so.
    fn vouch(&self) {
        self.engine.flush().unwrap();
        self.engine.flush_soon();
    }

    /// Later than any deadline.
    fn expire(&self) {
        self.clock.advance(TTL_MS + 1_000);
        self.engine.tick();
    }

    /// A beginning, and what it found.
    fn begun(&self, later_max: usize) -> (Loaded, Begun) {
        self.vouch();
        let mut beginning = Beginning::of(&self.storage, later_max);
        let loaded = newest_each(&self.storage, &mut beginning).unwrap();
        assert_eq!(loaded.passed_over, [""; 0]);
        (loaded, beginning.begun.unwrap())
    }

    /// The orders come to what they do in the engine.
    fn same(&self, orders: Orders) {
        let found = orders.finish().remove(&0).unwrap();
        let report = self.engine.report("t").unwrap().wait().unwrap();
        let [drop] = &report.drops[..] else { panic!("one drop") };
        let found = DropSums { drop: drop.drop.clone(), sums: found, settled: None };
        assert_eq!(Report::of(&self.sale.campaign(), &[found]), report);
    }

    /// Reads the files as a report does, and comes to what the engine does. How many holds are
    /// named later, how many were kept behind the snapshot, and how many at most.
    fn read(&self) -> [usize; 3] {
        let (Loaded { mut replay, origin, .. }, begun) = self.begun(REPORT_LATER_MAX);
        let Begun { mut orders, ends } = begun;
        let [vouched_max] = ends[..] else { panic!("one part") };
        let (named, behind) = (orders.holds.named(), orders.holds.len());
        let mut most = behind;
        let mut apply = |sequence: u64, at: Timestamp, record: &Record<'_>| {
            orders.apply(&mut replay, (sequence, at), record)?;
            most = most.max(orders.holds.len());
            Ok(())
        };
        read_beside_from(&self.storage, origin, vouched_max, &mut apply).unwrap();
        self.same(orders);
        [named, behind, most]
    }

    /// Likewise in parts. How many there are, and for how many holds there was room.
    fn read_in_parts(&self, later_max: usize) -> [usize; 2] {
        let (Loaded { mut replay, origin, .. }, begun) = self.begun(later_max);
        let parts = begun.ends.len();
        let orders = apply_parts(&self.storage, origin, begun, &mut replay).unwrap();
        let room = orders.holds.room;
        self.same(orders);
        [parts, room]
    }

    /// What is said of a record that follows all others: by whoever keeps every hold, here, and
    /// here where it is in a part of its own.
    fn refused(&self, record: &Record<'_>) -> [Result<(), Impossible>; 3] {
        let mut all = Replay::default();
        let (Loaded { mut replay, origin, .. }, Begun { ends, .. }) = self.begun(REPORT_LATER_MAX);
        let [vouched_max] = ends[..] else { panic!("one part") };
        let mut later = Later::default();
        let mut see = |_: u64, _: Timestamp, record: &Record<'_>| {
            later.see(record);
            Ok(())
        };
        read_beside_from(&self.storage, origin, vouched_max, &mut see).unwrap();
        later.see(record);
        let mut orders = Orders::before(later.finish());
        let mut apply = |sequence: u64, at: Timestamp, record: &Record<'_>| {
            all.apply(sequence, at, record)?;
            orders.apply(&mut replay, (sequence, at), record)
        };
        read_beside_from(&self.storage, origin, vouched_max, &mut apply).unwrap();
        let last = (vouched_max + 1, self.engine.now());
        let here = orders.apply(&mut replay, last, record);

        let (Loaded { mut replay, origin, .. }, begun) = self.begun(1);
        let mut parts = apply_parts(&self.storage, origin, begun, &mut replay).unwrap();
        let mut later = Later::default();
        later.see(record);
        parts.go_on(later.finish());
        let mut follow = |_: u64, _: Timestamp, record: &Record<'_>| {
            parts.follow(record);
            Ok(())
        };
        read_beside_from(&self.storage, origin, vouched_max, &mut follow).unwrap();
        let apart = parts.apply(&mut replay, last, record);
        [all.apply(last.0, last.1, record), here, apart]
    }
}

#[test]
fn who_reads_up_to_a_record_keeps_nothing_of_the_batches_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(directory.path(), "\"unlimited\"");
    for customer in 0..100 {
        shop.hold(customer);
        shop.vouch();
    }
    let (mut seen, until) = (0, 10);
    let mut see = |_: u64, _: Timestamp, _: &Record<'_>| {
        seen += 1;
        Ok(())
    };
    let found = read_beside_from(&shop.storage, Origin::default(), until, &mut see).unwrap();
    assert_eq!(seen, until);
    assert!(found.again_records < 5, "{} records", found.again_records);
}

#[test]
fn no_more_is_kept_than_is_live_comes_back_or_is_paid_for_late() {
    const ORDERS: u32 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(directory.path(), "\"unlimited\"");
    let late: Vec<HoldId> = (0..5).map(|customer| shop.hold(customer)).collect();
    let never = shop.hold(5);
    shop.expire();
    let orders: Vec<HoldId> = (6..6 + ORDERS).map(|customer| shop.order(customer)).collect();
    late.iter().for_each(|id| drop(shop.sale.confirm(id, "p").unwrap()));
    let back = |refund: &Refund<'_>, each: &[HoldId]| {
        each.iter().for_each(|id| drop(shop.sale.refund(id, refund).unwrap()));
    };
    back(&Refund::all(), &orders[..10]);
    back(&Refund::all().line("a", 1), &orders[5..30]); // five of them have nothing left
    back(&Refund::all().line("a", 2), &orders[20..40]);
    let named = late.len() + 40;
    assert_eq!(shop.read(), [named, 0, named + 1], "and one that is live");
    shop.vouch();
    crate::snapshot_directory(directory.path()).unwrap().unwrap();
    assert_eq!(shop.read(), [0, 0, 0], "all that is in the snapshot is over");
    let live = shop.hold(9_999);
    back(&Refund::all(), &orders[38..45]);
    drop(shop.sale.confirm(&never, "p").unwrap());
    assert_eq!(shop.read(), [8, 8, 9], "kept of a snapshot, and one that is live");
    drop(shop.sale.release(&live).unwrap());
    assert_eq!(shop.read(), [8, 8, 9]);
}

#[test]
fn what_is_kept_at_a_time_does_not_grow_with_what_comes_back() {
    const LATER_MAX: usize = 50;
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(directory.path(), "\"unlimited\"");
    let late: Vec<HoldId> = (0..100).map(|customer| shop.hold(customer)).collect();
    shop.expire();
    let orders: Vec<HoldId> = (100..1_100).map(|customer| shop.order(customer)).collect();
    late.iter().for_each(|id| drop(shop.sale.confirm(id, "p").unwrap()));
    let back = |each: &mut dyn Iterator<Item = &HoldId>| {
        let refund = Refund::all().line("a", 1);
        each.for_each(|id| drop(shop.sale.refund(id, &refund).unwrap()));
    };
    back(&mut orders.iter());
    back(&mut orders.iter().chain(&late).rev());
    for snapshot in [false, true] {
        if snapshot {
            shop.vouch();
            crate::snapshot_directory(directory.path()).unwrap().unwrap();
            back(&mut orders.iter().chain(&late).skip(99));
        }
        let named: usize = if snapshot { 1_001 } else { 2_200 };
        let [parts, room] = shop.read_in_parts(LATER_MAX);
        assert_eq!(parts, named.div_ceil(LATER_MAX));
        assert!((LATER_MAX..4 * LATER_MAX).contains(&room), "room for {room}");
        let [one, room] = shop.read_in_parts(REPORT_LATER_MAX);
        assert!(one == 1 && room > 900, "{one} and {room}");
    }
}

#[test]
fn a_snapshot_that_goes_away_between_two_parts_has_the_report_begin_again() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(directory.path(), "20");
    let orders = [shop.order(0), shop.order(1)];
    shop.vouch();
    let made = crate::snapshot_directory(directory.path()).unwrap().unwrap();
    orders.iter().for_each(|id| drop(shop.sale.refund(id, &Refund::all()).unwrap()));
    let (Loaded { mut replay, origin, .. }, begun) = shop.begun(1);
    std::fs::remove_file(made.file).unwrap();
    match apply_parts(&shop.storage, origin, begun, &mut replay) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.read_in_parts(1)[0], 2, "without it");
}

const SALE: u32 = 0;

fn lines(item: u16, quantity: u16) -> Lines {
    Lines::from_slice(&[Line { item, quantity }])
}

fn confirmed(slot: Slot) -> Record<'static> {
    Record::Confirmed { sale: SALE, slot, payment: "p" }
}

fn late(slot: Slot, gifts: u32) -> Record<'static> {
    Record::PaidLate { sale: SALE, slot, gifts, payment: "p" }
}

fn refunded(slot: Slot, units: u16) -> Record<'static> {
    let refund = Back { slot, lines: lines(0, units), all: false, restock: true, name: "" };
    Record::Refunded { sale: SALE, refund }
}

/// A grant of units of an item, perhaps with a gift.
fn granted(slot: Slot, number: u32, (item, units): (u16, u16), gifts: u32) -> Record<'static> {
    let grant = Grant {
        slot,
        number,
        random: 1,
        expires_at: Timestamp::from_ms(OPENS_MS + TTL_MS),
        gifts,
        confirmed: false,
        wait: None,
        lines: lines(item, units),
        customer: "c",
        key: "",
        area: "",
    };
    Record::Granted { sale: SALE, grant }
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(directory.path(), "20");
    let expired = shop.hold(0);
    shop.expire();
    let all = [expired, shop.hold(1), shop.hold(2), shop.order(3), shop.order(4)];
    drop(shop.sale.release(&all[2]).unwrap());
    drop(shop.sale.refund(&all[4], &Refund::all()).unwrap());
    shop.vouch();
    let slots = all.map(HoldId::slot);
    let [expired, live, released, order, back] = slots;
    let fresh = |shard: &u8| slots.iter().all(|slot| slot.shard != *shard);
    let next = Slot { row: 0, shard: (0..).find(fresh).unwrap() };
    let (sale, expires_at) = (SALE, Timestamp::from_ms(OPENS_MS));
    let cases = [
        (confirmed(order), OTHER_STATE),
        (confirmed(released), OTHER_STATE),
        (confirmed(expired), OTHER_STATE),
        (confirmed(Slot { row: 99, ..live }), NO_HOLD),
        (confirmed(Slot { shard: 255, row: 0 }), NO_SHARD),
        (Record::Released { sale: 1, slot: live }, "a drop that does not exist"),
        (Record::Released { sale, slot: order }, OTHER_STATE),
        (Record::Expired { sale, slot: back }, OTHER_STATE),
        (Record::Extended { sale, slot: released, expires_at }, OTHER_STATE),
        (late(live, 0), OTHER_STATE),
        (late(order, 0), OTHER_STATE),
        (late(expired, 1), "a gift that does not exist"),
        (refunded(live, 1), OTHER_STATE),
        (refunded(back, 1), OTHER_STATE),
        (refunded(order, 4), "a refund of what was not bought"),
        (granted(order, 6, (0, 1), 0), OTHER_ROW),
        (granted(order, 1, (0, 1), 0), OTHER_ROW),
        (granted(next, 7, (0, 1), 0), "a number out of order"),
        (granted(next, 6, (0, 15), 0), "more units than there are"),
        (granted(next, 6, (1, 1), 0), "a line that names no item"),
        (granted(next, 6, (0, 1), 1), "a gift that does not exist"),
    ];
    for (record, why) in &cases {
        assert_eq!(shop.refused(record), [Err(*why); 3], "{record:?}");
    }
    let may = [confirmed(live), refunded(order, 3), late(expired, 0)];
    for record in may.iter().chain(&[granted(next, 6, (0, 14), 0)]) {
        assert_eq!(shop.refused(record), [Ok(()); 3], "{record:?}");
    }
}
