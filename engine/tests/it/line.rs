//! The waiting line: who comes next when units come back.

use crate::common::{campaign, clock, hold, item, one_item, open_sale};
use jangteo::limits::{SHARDS, WAITS_EACH_MAX};
use jangteo::{
    Durability, Engine, Hold, HoldOrWait, HoldRequest, HoldState, Refund, Refusal, Sale, Wait,
    WaitState, audit,
};

const MINUTE_MS: u64 = 60_000;

fn request(customer: &str, units: u32) -> HoldRequest<'_> {
    HoldRequest::new(customer).line("a", units).key("k")
}

fn joined(sale: &Sale, request: &HoldRequest<'_>) -> Wait {
    match sale.hold_or_wait(request).unwrap().wait().unwrap() {
        HoldOrWait::Wait(wait) => wait,
        HoldOrWait::Hold(hold) => panic!("granted: {hold:?}"),
    }
}

fn granted(sale: &Sale, request: &HoldRequest<'_>) -> Hold {
    match sale.hold_or_wait(request).unwrap().wait().unwrap() {
        HoldOrWait::Hold(hold) => hold,
        HoldOrWait::Wait(wait) => panic!("waits: {wait:?}"),
    }
}

fn now(sale: &Sale, wait: &Wait) -> (WaitState, Option<u32>) {
    let wait = sale.wait(&wait.id).unwrap().wait().unwrap();
    assert_eq!(wait.hold.is_some(), wait.state == WaitState::Granted);
    (wait.state, wait.place)
}

fn left(sale: &Sale) -> u32 {
    sale.view().0.items.unwrap()[0].available.unwrap()
}

#[test]
fn freed_units_go_to_the_first_in_the_line_whom_they_fit() {
    let (_engine, sale, _clock) = open_sale("limit_per_customer = 3", &one_item(3));
    let holds = ["h-1", "h-2", "h-3"].map(|customer| hold(&sale, customer, "k").unwrap());
    let two = joined(&sale, &request("two", 2));
    let one = joined(&sale, &request("one", 1));
    let last = joined(&sale, &request("last", 1));
    let places = [&two, &one, &last].map(|wait| wait.place);
    assert_eq!(places, [Some(1), Some(2), Some(3)]);
    sale.release(&holds[0].id).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &two), (WaitState::Waiting, Some(1)), "two units or none");
    assert_eq!(now(&sale, &one).0, WaitState::Granted);
    assert_eq!(now(&sale, &last), (WaitState::Waiting, Some(2)));
    assert!(matches!(hold(&sale, "new", "k"), Err(Refusal::SoldOut { available: 0 })));
    sale.set_stock("a", 5, None).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &two).0, WaitState::Granted);
    sale.confirm(&holds[1].id, "p").unwrap().wait().unwrap();
    sale.refund(&holds[1].id, &Refund::all()).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &last).0, WaitState::Granted);
    let id = sale.wait(&last.id).unwrap().wait().unwrap().hold.unwrap();
    let last = sale.get(&id).unwrap().wait().unwrap();
    assert_eq!((last.number, last.customer(), last.key()), (6, "last", Some("k")));
    assert_eq!(left(&sale), 0);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn limits_and_keys_hold_across_the_line() {
    let (_engine, sale, _clock) = open_sale("limit_per_customer = 2", &one_item(1));
    let first = hold(&sale, "h", "k").unwrap();
    let wait = joined(&sale, &request("c", 1));
    let again = joined(&sale, &request("c", 1));
    assert_eq!(again.id, wait.id, "the same request, the same wait");
    assert_eq!((wait.replayed, again.replayed), (false, true));
    let other = sale.hold_or_wait(&request("c", 2));
    assert!(matches!(other, Err(Refusal::KeyReused)));
    let refused = sale.hold(&request("c", 1));
    assert!(matches!(refused, Err(Refusal::Waiting(_))), "a hold cannot be told yet");
    joined(&sale, &HoldRequest::new("c").line("a", 1).key("k-2"));
    let third = sale.hold_or_wait(&HoldRequest::new("c").line("a", 1).key("k-3"));
    assert!(matches!(third, Err(Refusal::LimitReached(_))), "units waited for count");
    sale.release(&first.id).unwrap().wait().unwrap();
    let replay = granted(&sale, &request("c", 1));
    assert!(replay.replayed && replay.state == HoldState::Held);
    assert_eq!(sale.wait(&wait.id).unwrap().wait().unwrap().hold, Some(replay.id));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn who_leaves_is_not_served_and_may_join_again() {
    let (_engine, sale, _clock) = open_sale("limit_per_customer = 1", &one_item(1));
    let first = hold(&sale, "h", "k").unwrap();
    let (one, two) = (joined(&sale, &request("one", 1)), joined(&sale, &request("two", 1)));
    for _ in 0..2 {
        let gone = sale.leave(&one.id).unwrap().wait().unwrap();
        assert_eq!((gone.state, gone.place), (WaitState::Left, None));
    }
    assert_eq!(now(&sale, &two), (WaitState::Waiting, Some(1)));
    assert_eq!(joined(&sale, &request("one", 1)).state, WaitState::Left, "its key is used");
    let again = joined(&sale, &HoldRequest::new("one").line("a", 1).key("k-2"));
    assert_eq!(again.place, Some(2));
    sale.release(&first.id).unwrap().wait().unwrap();
    assert!(matches!(sale.leave(&two.id), Err(Refusal::WrongState)));
    assert_eq!(now(&sale, &again), (WaitState::Waiting, Some(1)));
    let listed = sale.waits_of("one").wait().unwrap();
    let listed: Vec<_> = listed.iter().map(|wait| (wait.id, wait.state)).collect();
    assert_eq!(listed, [(again.id, WaitState::Waiting), (one.id, WaitState::Left)]);
    let unknown = first.id.to_string().parse().unwrap();
    assert!(matches!(sale.wait(&unknown), Err(Refusal::UnknownWait)));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn nobody_waits_for_what_is_there() {
    let (_engine, sale, _clock) = open_sale("", &one_item(2));
    assert_eq!(granted(&sale, &request("c-1", 1)).number, 1);
    let two = joined(&sale, &request("c-2", 2));
    assert_eq!(granted(&sale, &request("c-3", 1)).number, 2, "it does not fit the head");
    assert_eq!(now(&sale, &two), (WaitState::Waiting, Some(1)));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_basket_waits_for_all_its_lines_and_a_required_gift() {
    let required = "gift = { sku = \"g\", quantity = 1, required = true }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 1\n";
    let goods = [item("a", 2, required), item("b", 1, ""), gifts.to_owned()].concat();
    let (_engine, sale, _clock) = open_sale("", &goods);
    let first = hold(&sale, "h", "k").unwrap();
    let basket = HoldRequest::new("c").line("a", 1).line("b", 1).key("k");
    let wait = joined(&sale, &basket);
    assert_eq!(sale.view().0.items.unwrap()[1].available, Some(1), "it keeps nothing meanwhile");
    let b = sale.hold(&HoldRequest::new("d").line("b", 1)).unwrap().wait().unwrap();
    sale.release(&first.id).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &wait).0, WaitState::Waiting);
    sale.release(&b.id).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &wait).0, WaitState::Granted);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_gift_that_may_be_missing_takes_no_place_of_one_that_may_not() {
    let optional = "gift = { sku = \"g\", quantity = 2 }";
    let required = "gift = { sku = \"g\", quantity = 1, required = true }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 2\n";
    let goods = [item("a", 9, optional), item("b", 9, required), gifts.to_owned()].concat();
    let (_engine, sale, _clock) = open_sale("", &goods);
    let both = |customer| HoldRequest::new(customer).line("a", 1).line("b", 1).key("k");
    for customer in ["c-1", "c-2"] {
        let hold = granted(&sale, &both(customer));
        assert_eq!(hold.gifts().map(|gift| gift.quantity).collect::<Vec<_>>(), [1], "b's");
    }
    let wait = joined(&sale, &both("c-3"));
    assert_eq!(now(&sale, &wait), (WaitState::Waiting, Some(1)));
    sale.set_stock("g", 3, None).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &wait).0, WaitState::Granted);
    sale.set_stock("g", 7, None).unwrap().wait().unwrap();
    let hold = granted(&sale, &both("c-4"));
    assert_eq!(hold.gifts().map(|gift| gift.quantity).collect::<Vec<_>>(), [2, 1], "one each");
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn an_expiry_and_the_end_of_a_pause_serve_the_line() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(2));
    let holds = ["h-1", "h-2"].map(|customer| hold(&sale, customer, "k").unwrap());
    let waits = ["c-1", "c-2"].map(|customer| joined(&sale, &request(customer, 1)));
    sale.pause().unwrap().wait().unwrap();
    sale.release(&holds[0].id).unwrap().wait().unwrap();
    assert_eq!(now(&sale, &waits[0]).0, WaitState::Waiting, "nothing is granted in a pause");
    sale.resume().unwrap().wait().unwrap();
    assert_eq!(now(&sale, &waits[0]).0, WaitState::Granted);
    clock.advance(10 * MINUTE_MS);
    assert_eq!(engine.tick(), 2);
    assert_eq!(now(&sale, &waits[1]).0, WaitState::Granted);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn the_line_ends_with_the_drop() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(1));
    let first = hold(&sale, "h", "k").unwrap();
    let wait = joined(&sale, &request("c", 1));
    sale.close().unwrap().wait().unwrap();
    assert_eq!(now(&sale, &wait), (WaitState::Ended, None));
    assert!(matches!(sale.leave(&wait.id), Err(Refusal::WrongState)));
    assert!(matches!(sale.hold_or_wait(&request("d", 1)), Err(Refusal::Closed)));
    clock.advance(10 * MINUTE_MS);
    engine.tick();
    assert_eq!(sale.get(&first.id).unwrap().wait().unwrap().state, HoldState::Expired);
    assert_eq!((now(&sale, &wait).0, left(&sale)), (WaitState::Ended, 1));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_late_payment_does_not_pass_by_the_line() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(1));
    let first = hold(&sale, "h", "k").unwrap();
    let wait = joined(&sale, &request("c", 1));
    clock.advance(10 * MINUTE_MS);
    engine.tick();
    assert_eq!(now(&sale, &wait).0, WaitState::Granted);
    assert!(matches!(sale.confirm(&first.id, "late"), Err(Refusal::Expired)));
}

#[test]
fn in_a_pause_a_late_payment_does_not_pass_by_whom_the_units_fit() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(3));
    let first = hold(&sale, "h", "k").unwrap();
    clock.advance(10 * MINUTE_MS);
    engine.tick();
    let three = ["a", "b", "c"].map(|customer| hold(&sale, customer, "k").unwrap());
    let two = joined(&sale, &request("two", 2));
    sale.pause().unwrap().wait().unwrap();
    sale.release(&three[0].id).unwrap().wait().unwrap();
    sale.release(&three[1].id).unwrap().wait().unwrap();
    assert!(matches!(sale.confirm(&first.id, "late"), Err(Refusal::Expired)), "they fit two");
    sale.leave(&two.id).unwrap().wait().unwrap();
    let paid = sale.confirm(&first.id, "late").unwrap().wait().unwrap();
    assert_eq!((paid.state, paid.number), (HoldState::Confirmed, 1), "nobody waits any more");
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn who_waits_while_rows_are_made_ready_is_not_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = || {
        let options = Engine::options().data(directory.path()).clock(clock.clone());
        options.background(false).open().unwrap()
    };
    open().put(campaign("limit_per_customer = 2", &one_item(0))).unwrap();
    let engine = open(); // with all rows to be made ready again, some at each look
    let sale = engine.sale("t-1").unwrap();
    let customers = (0..300).map(|number| format!("c-{number}"));
    let waits: Vec<Wait> = customers.map(|name| joined(&sale, &request(&name, 1))).collect();
    (0..SHARDS).for_each(|_| assert_eq!(engine.tick(), 0));
    for (wait, place) in waits.iter().zip(1..) {
        assert_eq!(now(&sale, wait), (WaitState::Waiting, Some(place)));
        assert_eq!(sale.waits_of(wait.customer()).wait().unwrap().len(), 1);
    }
    sale.set_stock("a", 300, None).unwrap().wait().unwrap();
    assert_eq!(sale.find("c-299").wait().unwrap()[0].number, 300);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn the_line_comes_back_from_the_journal_and_from_a_snapshot() {
    for snapshot in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock();
        let open = || {
            let options = Engine::options().data(directory.path()).clock(clock.clone());
            let options = if snapshot { options.snapshot_after(1) } else { options };
            options.background(false).open().unwrap()
        };
        let engine = open();
        let goods = item("a", 2, "limit_per_customer = 2");
        engine.put(campaign("hold_ttl = \"10m\"", &goods)).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let holds = ["h-1", "h-2"].map(|customer| hold(&sale, customer, "k").unwrap().id);
        let waits = ["c-1", "c-2", "c-3", "c-4"].map(|c| joined(&sale, &request(c, 1)).id);
        sale.leave(&waits[1]).unwrap().wait().unwrap();
        sale.release(&holds[0]).unwrap().wait().unwrap();
        let shown = |sale: &Sale| {
            waits.map(|id| serde_json::to_string(&sale.wait(&id).unwrap().wait().unwrap()).unwrap())
        };
        let before = shown(&sale);
        drop((engine, sale));
        let engine = open();
        let sale = engine.sale("t-1").unwrap();
        assert_eq!(shown(&sale), before, "snapshot: {snapshot}");
        assert_eq!(joined(&sale, &request("c-3", 1)).id, waits[2], "its key is remembered");
        let over = HoldRequest::new("c-3").line("a", 2).key("k-2");
        assert!(matches!(sale.hold_or_wait(&over), Err(Refusal::LimitReached(_))));
        sale.release(&holds[1]).unwrap().wait().unwrap();
        let seen = |id| sale.wait(id).unwrap().wait().unwrap();
        assert_eq!(seen(&waits[2]).state, WaitState::Granted);
        assert_eq!((seen(&waits[3]).state, seen(&waits[3]).place), (WaitState::Waiting, Some(1)));
        assert!(sale.audit().wait().unwrap().ok);
        let kinds: Vec<_> = engine.events(None, 1_000).unwrap().list;
        let of_waits = kinds.iter().filter(|event| event.kind.name().contains(".wait."));
        assert_eq!(of_waits.count(), 5);
        drop((engine, sale));
        let report = audit::audit_directory(directory.path()).unwrap();
        assert!(report.ok, "{report:?}");
    }
}

/// Threads that take, join, leave and release at random, and the journal's own verdict.
#[test]
fn nobody_in_the_line_is_passed_by_under_contention() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).durability(Durability::Buffered);
    let engine = options.clock(clock()).background(false).open().unwrap();
    let goods = [one_item(4), item("b", 3, "")].concat();
    engine.put(campaign("", &goods)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let sale = &sale;
            scope.spawn(move || {
                let (mut random, mut held, mut waits) = (thread, Vec::new(), Vec::new());
                for round in 0..4_000_u64 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let customer = format!("c-{thread}-{round}");
                    let units = u32::try_from(1 + (random >> 60) % 2).unwrap();
                    let request = HoldRequest::new(&customer).line("a", units);
                    let request =
                        if random >> 50 & 3 == 0 { request.line("b", 1) } else { request };
                    match (random >> 40) % 4 {
                        0 => held.extend(sale.hold(&request).map(|p| p.into_parts().0.id)),
                        1 => match sale.hold_or_wait(&request).unwrap().into_parts().0 {
                            HoldOrWait::Hold(hold) => held.push(hold.id),
                            HoldOrWait::Wait(wait) => waits.push(wait.id),
                        },
                        2 if !waits.is_empty() => {
                            let wait = waits.swap_remove((random >> 20) as usize % waits.len());
                            if sale.leave(&wait).is_err() {
                                let wait = sale.wait(&wait).unwrap().into_parts().0;
                                held.extend(wait.hold);
                            }
                        }
                        _ if !held.is_empty() => {
                            let id = held.swap_remove((random >> 20) as usize % held.len());
                            drop(sale.release(&id).unwrap());
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    let seen = sale.audit().wait().unwrap();
    assert!(seen.ok, "{seen:?}");
    drop((engine, sale));
    let report = audit::audit_directory(directory.path()).unwrap();
    assert!(report.ok, "{:?}", &report.violations[..report.violations.len().min(5)]);
}

#[test]
fn who_joins_and_leaves_without_end_is_stopped_and_nobody_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let options = Engine::options().data(directory.path()).durability(Durability::Buffered);
        let options = options.clock(clock()).segment_bytes(1 << 20).background(false);
        options.snapshot_after(0).open().unwrap()
    };
    let join = |sale: &Sale, customer: &str, key: &str| {
        sale.hold_or_wait(&HoldRequest::new(customer).line("a", 1).key(key))
    };
    let engine = open();
    engine.put(campaign("", &one_item(1))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    hold(&sale, "h", "k").unwrap();
    let mut first = None;
    for n in 0..WAITS_EACH_MAX {
        let pending = join(&sale, "restless", &format!("k-{n}")).unwrap();
        let Ok(HoldOrWait::Wait(wait)) = pending.wait() else { panic!("no wait") };
        drop(sale.leave(&wait.id).unwrap());
        first.get_or_insert(wait.id);
    }
    let stopped = |sale: &Sale| {
        assert!(matches!(join(sale, "restless", "more"), Err(Refusal::Overloaded)));
        // INVARIANT(K1): what was used stays used.
        let again = join(sale, "restless", "k-0").unwrap().wait().unwrap();
        let HoldOrWait::Wait(again) = again else { panic!("granted") };
        assert_eq!((Some(again.id), again.state), (first, WaitState::Left));
        assert!(matches!(hold(sale, "restless", "k-1"), Err(Refusal::Waiting(_))));
        let other = join(sale, "patient", "k").unwrap().wait().unwrap();
        assert!(matches!(other, HoldOrWait::Wait(wait) if wait.place == Some(1)));
    };
    stopped(&sale);
    drop((sale, engine));
    // From a snapshot.
    let engine = open();
    stopped(&engine.sale("t-1").unwrap());
}
