//! The event feed: gapless, in order, the same after every restart, each event as its record left
//! it.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use crate::common::{OPENS_MS, campaign, clock, hold, item, one_item};
use jangteo::audit::audit_directory;
use jangteo::{
    Durability, Engine, Event, EventId, EventsError, Hold, HoldId, HoldRequest, HoldState,
    ManualClock, Refund, Sale,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Engine {
    let options = Engine::options().data(directory).clock(clock.clone());
    options.segment_bytes(1 << 16).background(false).open().unwrap()
}

pub(crate) fn id(sequence: u64) -> EventId {
    EventId { incarnation: 1, sequence }
}

/// An event as everybody sees it.
pub(crate) fn text(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

/// Everything after `after`, in pages of `limit`.
pub(crate) fn all(engine: &Engine, mut after: Option<EventId>, limit: usize) -> Vec<Event> {
    let mut list = Vec::new();
    loop {
        let page = engine.events(after, limit).unwrap();
        assert!(page.list.len() <= limit);
        assert!(page.list.last().is_none_or(|last| last.id <= page.through));
        list.extend(page.list);
        after = Some(page.through);
        if !page.more {
            return list;
        }
    }
}

fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(text).collect()
}

/// What was answered about each hold, in order: the event that should tell of it, and its data.
#[derive(Default)]
struct Told(BTreeMap<HoldId, Vec<(&'static str, String)>>);

impl Told {
    fn tell(&mut self, what: &'static str, hold: &Hold) {
        let data = serde_json::to_string(hold).unwrap();
        self.0.entry(hold.id).or_default().push((what, data));
    }

    /// Tells of every hold that has expired since the last look.
    fn expiries(&mut self, sale: &Sale) {
        let ids: Vec<HoldId> = self.0.keys().copied().collect();
        for id in ids {
            let hold = sale.get(&id).unwrap().wait().unwrap();
            let known = self.0[&id].last().unwrap().0 == "jangteo.hold.expired";
            if hold.state == HoldState::Expired && !known {
                self.tell("jangteo.hold.expired", &hold);
            }
        }
    }
}

fn of_holds(events: &[Event]) -> BTreeMap<HoldId, Vec<(&'static str, String)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.name().contains(".hold.")) {
        let id: HoldId = event.subject().parse().unwrap();
        let data = serde_json::to_string(&event.data).unwrap();
        found.entry(id).or_default().push((event.kind.name(), data));
    }
    found
}

/// One change drawn from `random`, and what was answered.
fn change(sale: &Sale, clock: &ManualClock, random: &mut StdRng, told: &mut Told) {
    let ids: Vec<HoldId> = told.0.keys().copied().collect();
    let some = |random: &mut StdRng| ids.get(random.random_range(0..ids.len().max(1))).copied();
    match random.random_range(0..13) {
        0..5 => {
            let customer = format!("c-{}", random.random_range(0..1_000_000));
            let request = HoldRequest::new(&customer).key("k");
            let request = match random.random_range(0..4) {
                0 => request.line("f", 1),
                1 => request.line("a", 1),
                _ => request.line("a", 2).line("b", 1),
            };
            if let Ok(held) = sale.hold(&request) {
                told.tell("jangteo.hold.granted", &held.wait().unwrap());
            }
        }
        5 | 6 => {
            let Some(id) = some(random) else { return };
            let before = sale.get(&id).unwrap().wait().unwrap().state;
            if let Ok(done) = sale.confirm(&id, "p-1") {
                let hold = done.wait().unwrap();
                if before != HoldState::Confirmed {
                    told.tell("jangteo.hold.confirmed", &hold);
                }
            }
        }
        12 => {
            let Some(id) = some(random) else { return };
            let before = sale.get(&id).unwrap().wait().unwrap().state;
            let refund = Refund::all().restock(random.random());
            let refund = if random.random() { refund.line("a", 1) } else { refund };
            if let Ok(done) = sale.refund(&id, &refund) {
                let hold = done.wait().unwrap();
                if before == HoldState::Confirmed {
                    told.tell("jangteo.hold.refunded", &hold);
                }
            }
        }
        7 => {
            let Some(id) = some(random) else { return };
            let before = sale.get(&id).unwrap().wait().unwrap().state;
            if let Ok(done) = sale.release(&id) {
                let hold = done.wait().unwrap();
                if before == HoldState::Held {
                    told.tell("jangteo.hold.released", &hold);
                }
            }
        }
        8 | 9 => {
            let Some(id) = some(random) else { return };
            let before = sale.get(&id).unwrap().wait().unwrap().expires_at;
            if let Ok(done) = sale.extend(&id) {
                let hold = done.wait().unwrap();
                if hold.expires_at != before {
                    told.tell("jangteo.hold.extended", &hold);
                }
            }
        }
        10 => clock.advance(random.random_range(1..20_000)),
        _ => clock.step(random.random_range(-30_000..30_000)),
    }
}

#[test]
fn events_of_a_hold_are_what_was_answered_about_it() {
    for seed in 0..6 {
        let random = &mut StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().unwrap();
        let clock = clock();
        let gift = "gift = { sku = \"g\", quantity = 1 }";
        let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 30\n";
        let free = "[[items]]\nsku = \"f\"\ntitle = \"f\"\nprice = 0\nstock = \"unlimited\"\n";
        let items = item("a", 90, gift) + &item("b", 50, "") + free + gifts;
        let rules = "hold_ttl = \"60s\"\nauto_confirm = true";
        let mut told = Told::default();
        let mut before = Vec::new();
        for _ in 0..4 {
            let engine = open(directory.path(), &clock);
            engine.put(campaign(rules, &items)).unwrap();
            let sale = engine.sale("t-1").unwrap();
            for _ in 0..120 {
                change(&sale, &clock, random, &mut told);
                engine.tick();
                told.expiries(&sale);
            }
            engine.flush().unwrap();
            let events = all(&engine, None, 50);
            assert_eq!(of_holds(&events), told.0, "seed {seed}");
            let now = texts(&events);
            assert_eq!(now[..before.len()], before, "seed {seed}: a restart changes nothing");
            before = now;
        }
        let kinds: std::collections::BTreeSet<_> =
            told.0.values().flatten().map(|(what, _)| *what).collect();
        assert_eq!(kinds.len(), 6, "every kind happened: {kinds:?}");
        let stepped = audit_directory(directory.path()).unwrap();
        assert!(stepped.ok && stepped.epochs == 4);
    }
}

#[test]
fn events_of_a_drop_have_the_counts_of_their_instant() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(jangteo::Timestamp::from_ms(OPENS_MS - 1)));
    let text = format!(
        "[campaign]\nid = \"n\"\ntitle = \"n\"\ncurrency = \"KRW\"\ntime_zone = \"Asia/Seoul\"\n\
         [schedule]\nopens = \"2020-04-29T10:00:00\"\ncloses_after = \"9m\"\n{}",
        one_item(7)
    );
    let file = jangteo::Campaign::parse(&text).unwrap();
    let mut views = Vec::new();
    {
        let engine = open(directory.path(), &clock);
        engine.put(file.clone()).unwrap();
        let sale = engine.sale("n-1").unwrap();
        clock.advance(1);
        engine.tick();
        views.push(serde_json::to_value(sale.view().0).unwrap());
        let holds = ["c-1", "c-2", "c-3", "c-4", "c-5"].map(|name| hold(&sale, name, "k").unwrap());
        let ids = holds.map(|hold| hold.id);
        sale.confirm(&ids[0], "p").unwrap().wait().unwrap();
        sale.release(&ids[1]).unwrap().wait().unwrap();
        clock.advance(540_000);
        engine.tick();
        views.push(serde_json::to_value(sale.view().0).unwrap());
        // What follows the closing changes the drop, and not its event.
        sale.confirm(&ids[2], "p").unwrap().wait().unwrap();
        sale.release(&ids[3]).unwrap().wait().unwrap();
        assert_ne!(serde_json::to_value(sale.view().0).unwrap(), views[1]);
    }
    for _ in 0..2 {
        let engine = open(directory.path(), &clock);
        let events = all(&engine, None, 100);
        let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(kinds[..2], ["jangteo.campaign.put", "jangteo.drop.opened"]);
        let put = serde_json::to_value(&events[0]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&file.to_json()).unwrap();
        assert_eq!((&put["data"], &put["subject"]), (&json, &"n".into()));
        let of_drop = events.iter().filter(|event| event.kind.name().contains(".drop."));
        let shown: Vec<_> =
            of_drop.map(|event| serde_json::to_value(&event.data).unwrap()).collect();
        assert_eq!(shown, views);
        assert_eq!(
            (&shown[1]["phase"], &shown[1]["items"][0]["held"]),
            (&"closed".into(), &3.into())
        );
    }
}

#[test]
fn an_event_is_a_cloud_event() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = open(directory.path(), &clock);
    engine.put(campaign("", &one_item(1))).unwrap();
    let held = hold(&engine.sale("t-1").unwrap(), "c-1", "k").unwrap();
    let event = all(&engine, None, 100).pop().unwrap();
    let expected = serde_json::json!({
        "specversion": "1.0", "id": event.id.to_string(), "source": "/v1/events",
        "type": "jangteo.hold.granted", "time": "2020-04-29T01:00:00.000Z",
        "subject": held.id.to_string(), "datacontenttype": "application/json",
        "data": serde_json::to_value(&held).unwrap(),
    });
    assert_eq!(serde_json::to_value(&event).unwrap(), expected);
}

#[test]
fn reading_goes_on_after_any_id_in_pages_of_any_size() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let options = Engine::options().data(directory.path()).clock(clock.clone());
    let options = options.segment_bytes(1 << 14).background(false);
    let mut last = 0;
    for round in 0..3 {
        let engine = options.clone().open().unwrap();
        engine.put(campaign("", &one_item(10_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for number in 0..300 {
            // Batches of one record, of a few, and of many.
            let customer = format!("c-{round}-{number}");
            let pending = sale.hold(&HoldRequest::new(&customer).line("a", 1)).unwrap();
            last = pending.into_parts().1.sequence();
            if number % 7 == 0 || number < 20 {
                engine.flush().unwrap();
            }
        }
        engine.flush().unwrap();
        let whole = all(&engine, None, 1_000);
        assert_eq!(whole.last().unwrap().id, id(last));
        for after in 0..=last {
            let page = engine.events(Some(id(after)), 3).unwrap();
            let expected: Vec<_> =
                whole.iter().filter(|event| event.id > id(after)).take(3).map(text).collect();
            assert_eq!(texts(&page.list), expected, "after {after}");
            assert_eq!(page.more, page.through < id(last), "after {after}");
        }
        let mut random = StdRng::seed_from_u64(round);
        for limit in [1, 2, 5, 64, 999] {
            let after = random.random_range(0..=last);
            let rest: Vec<_> =
                whole.iter().filter(|event| event.id > id(after)).map(text).collect();
            assert_eq!(texts(&all(&engine, Some(id(after)), limit)), rest, "{limit} after {after}");
        }
    }
    let files = audit_directory(directory.path()).unwrap().segments;
    assert!(files > 5, "{files} segments");
}

#[test]
fn places_that_are_not_there_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = open(directory.path(), &clock);
    engine.put(campaign("", &one_item(3))).unwrap();
    let last = all(&engine, None, 100).pop().unwrap().id.sequence;
    assert!(engine.events(Some(id(last)), 100).unwrap().list.is_empty());
    let strange = [
        id(last + 1),
        id(u64::MAX),
        EventId { incarnation: 2, sequence: 1 },
        EventId { incarnation: 0, sequence: 0 },
    ];
    for after in strange {
        match engine.events(Some(after), 100) {
            Err(EventsError::Gone { first }) => assert_eq!(first, id(1)),
            other => panic!("{after}: {other:?}"),
        }
    }
    let memory = Engine::options().durability(Durability::Memory).open().unwrap();
    assert!(matches!(memory.events(None, 100), Err(EventsError::NotKept)));
}

/// Sets its flag when it goes, also by a panic: whoever looks at it would go on for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Holds, confirms and releases, waiting for some answers and not for others.
fn sell(sale: &Sale, round: u64, seller: u64, turns: u64) {
    for turn in 0..turns {
        let customer = format!("c-{round}-{seller}-{turn}");
        let request = HoldRequest::new(&customer).line("a", 1).key("k");
        let (held, ticket) = sale.hold(&request).unwrap().into_parts();
        match turn % 4 {
            0 => ticket.wait().unwrap(),
            1 => drop(sale.confirm(&held.id, "p").unwrap()),
            2 => drop(sale.release(&held.id).unwrap().wait().unwrap()),
            _ => {}
        }
    }
}

/// Follows the feed until everything is over and read; goes back to a random place now and then.
fn follow(engine: &Engine, seen: &mut Vec<(EventId, String)>, over: &AtomicBool, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut after = seen.last().map_or(id(0), |(id, _)| *id);
    loop {
        // Looked at before the page is read: then it is the last one.
        let ending = over.load(Ordering::Acquire);
        let page = engine.events(Some(after), random.random_range(1..200)).unwrap();
        seen.extend(page.list.iter().map(|event| (event.id, text(event))));
        after = page.through;
        if ending && !page.more {
            return;
        }
        if seed != 0 && random.random_range(0..20) == 0 {
            let back = random.random_range(0..=seen.len());
            seen.truncate(back);
            after = seen.last().map_or(id(0), |(id, _)| *id);
        } else if !ending && !page.more {
            engine.events_ready(after).wait().unwrap();
        }
    }
}

#[test]
fn followers_miss_and_double_nothing_while_many_threads_sell() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut seen = [Vec::new(), Vec::new()];
    for round in 0..3 {
        let options = Engine::options().data(directory.path()).clock(clock.clone());
        let engine = options.segment_bytes(1 << 18).open().unwrap();
        engine.put(campaign("", &one_item(1_000_000))).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (place, seen) in seen.iter_mut().enumerate() {
                let (engine, over, seed) = (&engine, &over, place as u64 * (7 + round));
                scope.spawn(move || follow(engine, seen, over, seed));
            }
            let over = Over(&over);
            std::thread::scope(|scope| {
                for seller in 0..3 {
                    let sale = &sale;
                    scope.spawn(move || sell(sale, round, seller, 400));
                }
            });
            engine.flush().unwrap();
            drop(over);
            // A record after the last look, for a follower that waits.
            drop(hold(&sale, &format!("c-{round}-last"), "k").unwrap());
        });
        let whole: Vec<_> =
            all(&engine, None, 1_000).iter().map(|event| (event.id, text(event))).collect();
        assert!(whole.is_sorted_by(|a, b| a.0 < b.0));
        // The records that are no event are those of the starts.
        let durable = audit_directory(directory.path()).unwrap();
        assert_eq!(whole.len() as u64, durable.records - u64::from(durable.epochs));
        for seen in &seen {
            assert!(seen.len() + 1 >= whole.len());
            assert_eq!(seen[..], whole[..seen.len()]);
        }
    }
}

#[test]
fn a_follower_is_told_that_nothing_more_will_come() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = open(directory.path(), &clock);
    engine.put(campaign("", &one_item(9))).unwrap();
    let through = engine.events(None, 100).unwrap().through;
    let sale = engine.sale("t-1").unwrap();
    let ready = engine.events_ready(through);
    hold(&sale, "c-1", "k").unwrap();
    ready.wait().unwrap();
    let through = engine.events(Some(through), 100).unwrap().through;
    let ready = engine.events_ready(through);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || ready.wait());
        drop(engine);
        assert!(waiting.join().unwrap().is_err());
    });
}

#[test]
fn a_follower_waits_for_what_comes_also_where_no_thread_flushes() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = open(directory.path(), &clock);
    engine.put(campaign("", &one_item(9))).unwrap();
    let through = engine.events(None, 100).unwrap().through;
    let mut ready = pin!(engine.events_ready(through));
    let mut context = Context::from_waker(Waker::noop());
    assert!(ready.as_mut().poll(&mut context).is_pending(), "nothing has come, and more may");
    hold(&engine.sale("t-1").unwrap(), "c-1", "k").unwrap();
    assert!(matches!(ready.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
}

#[test]
fn a_restored_directory_tells_its_history_under_new_ids() {
    let directory = tempfile::tempdir().unwrap();
    let [data, copy, back] = ["data", "copy", "back"].map(|name| directory.path().join(name));
    let clock = clock();
    let engine = open(&data, &clock);
    engine.put(campaign("", &one_item(9))).unwrap();
    hold(&engine.sale("t-1").unwrap(), "c-1", "k").unwrap();
    drop(engine);
    jangteo::backup_directory(&data, &copy).unwrap();
    let engine = open(&data, &clock);
    hold(&engine.sale("t-1").unwrap(), "c-2", "k").unwrap();
    let told = all(&engine, None, 100);
    jangteo::restore_directory(&copy, &back).unwrap();
    let restored = open(&back, &clock);
    let events = all(&restored, None, 100);
    let named: Vec<_> = events.iter().map(|event| event.id.to_string()).collect();
    assert!(named.iter().all(|id| id.starts_with("2-")), "{named:?}");
    let data = |event: &Event| serde_json::to_string(&event.data).unwrap();
    let before: Vec<_> = told[..told.len() - 1].iter().map(data).collect();
    assert_eq!(events.iter().map(data).collect::<Vec<_>>(), before);
    for event in told {
        match restored.events(Some(event.id), 100) {
            Err(EventsError::Gone { first }) => assert_eq!(first.to_string(), "2-1"),
            other => panic!("{}: {other:?}", event.id),
        }
    }
    let last = events.last().unwrap().id;
    hold(&restored.sale("t-1").unwrap(), "c-3", "k").unwrap();
    let page = restored.events(Some(last), 100).unwrap();
    assert!(text(&page.list[0]).contains("c-3"));
}
