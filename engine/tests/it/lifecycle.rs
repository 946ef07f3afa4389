//! A drop is paused, resumed and closed by hand, and its stock is set anew.

use crate::common::{OPENS_MS, campaign, clock, hold, item, one_item, open_sale};
use jangteo::{
    Durability, Engine, HoldRequest, HoldState, ManualClock, Phase, Refund, Refusal, Sale,
    Timestamp, audit,
};
use std::sync::Arc;

const MINUTE_MS: u64 = 60_000;

fn phase_after(answer: Result<jangteo::Pending<jangteo::SaleView>, Refusal>) -> Phase {
    answer.unwrap().wait().unwrap().phase
}

fn available(sale: &Sale) -> Option<u32> {
    sale.view().0.items.unwrap().remove(0).available
}

#[test]
fn a_pause_stops_granting_and_the_time_of_every_hold() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
    let [first, second] = ["c-1", "c-2"].map(|customer| hold(&sale, customer, "k").unwrap());
    clock.advance(4 * MINUTE_MS);
    for _ in 0..2 {
        assert_eq!(phase_after(sale.pause()), Phase::Paused);
    }
    assert!(matches!(hold(&sale, "c-3", "k"), Err(Refusal::Paused)));
    clock.advance(60 * MINUTE_MS);
    assert_eq!(engine.tick(), 0, "nothing expires");
    let seen = sale.get(&first.id).unwrap().wait().unwrap();
    assert_eq!((seen.state, seen.expires_at), (HoldState::Held, None));
    let replay = hold(&sale, "c-2", "k").unwrap();
    assert!(replay.replayed && replay.id == second.id);
    assert!(sale.confirm(&second.id, "p").is_ok());
    clock.advance(MINUTE_MS);
    for _ in 0..2 {
        assert_eq!(phase_after(sale.resume()), Phase::Open);
    }
    let seen = sale.get(&first.id).unwrap().wait().unwrap();
    let due_at = Timestamp::from_ms(OPENS_MS + 71 * MINUTE_MS);
    assert_eq!(seen.expires_at, Some(due_at), "later by the length of the pause");
    assert_eq!(hold(&sale, "c-3", "k").unwrap().number, 3, "no number was shifted");
    clock.advance_to(due_at);
    assert_eq!(engine.tick(), 1);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn an_extension_in_a_pause_counts_from_its_beginning() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
    let first = hold(&sale, "c-1", "k").unwrap();
    clock.advance(4 * MINUTE_MS);
    sale.pause().unwrap().wait().unwrap();
    clock.advance(60 * MINUTE_MS);
    let seen = sale.extend(&first.id).unwrap().wait().unwrap();
    assert_eq!((seen.state, seen.expires_at), (HoldState::Held, None));
    sale.resume().unwrap().wait().unwrap();
    let seen = sale.get(&first.id).unwrap().wait().unwrap();
    assert_eq!(seen.expires_at, Some(Timestamp::from_ms(OPENS_MS + 74 * MINUTE_MS)));
    assert!(engine.tick() == 0 && sale.audit().wait().unwrap().ok);
}

#[test]
fn a_drop_that_is_paused_before_it_opens_stays_sealed_and_then_paused() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS - 1_000)));
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    engine.put(campaign("", &one_item(9))).unwrap();
    let sale = engine.sale("t-1").unwrap();
    let view = sale.pause().unwrap().wait().unwrap();
    assert!(view.sealed && view.items.is_none() && view.phase == Phase::Paused);
    assert!(matches!(hold(&sale, "c-1", "k"), Err(Refusal::NotOpen { .. })));
    assert_eq!(phase_after(sale.resume()), Phase::Scheduled);
    sale.pause().unwrap().wait().unwrap();
    clock.advance(1_000);
    engine.tick();
    assert_eq!(sale.phase(), Phase::Paused, "it does not open by itself");
    assert!(matches!(hold(&sale, "c-1", "k"), Err(Refusal::Paused)));
    assert!(!sale.view().0.sealed);
    assert_eq!(phase_after(sale.resume()), Phase::Open);
    assert_eq!(hold(&sale, "c-1", "k").unwrap().number, 1);
}

#[test]
fn a_closed_drop_stays_closed_and_its_holds_may_be_confirmed() {
    for paused in [false, true] {
        let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
        let [first, second] = ["c-1", "c-2"].map(|customer| hold(&sale, customer, "k").unwrap());
        clock.advance(MINUTE_MS);
        if paused {
            sale.pause().unwrap().wait().unwrap();
            clock.advance(60 * MINUTE_MS);
        }
        for _ in 0..2 {
            assert_eq!(phase_after(sale.close()), Phase::Closed);
        }
        assert!(matches!(sale.pause(), Err(Refusal::WrongState)));
        assert!(matches!(sale.resume(), Err(Refusal::WrongState)));
        assert!(matches!(sale.set_stock("a", 10, None), Err(Refusal::WrongState)));
        assert!(matches!(hold(&sale, "c-3", "k"), Err(Refusal::Closed)));
        clock.advance(8 * MINUTE_MS);
        engine.tick();
        assert!(sale.confirm(&first.id, "p").is_ok());
        clock.advance(2 * MINUTE_MS);
        assert_eq!(engine.tick(), 1, "the other one expires");
        assert_eq!(sale.get(&second.id).unwrap().wait().unwrap().state, HoldState::Expired);
        assert!(sale.audit().wait().unwrap().ok);
    }
}

#[test]
fn a_paused_drop_is_closed_by_the_clock() {
    let clock = clock();
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    let text = include_str!("../../../docs/campaigns/uroad-2020.toml");
    engine.put(jangteo::Campaign::parse(text).unwrap()).unwrap();
    let sale = engine.sale("uroad-2020-1").unwrap();
    engine.tick();
    sale.pause().unwrap().wait().unwrap();
    clock.advance_to(sale.closes_at().unwrap());
    engine.tick();
    assert_eq!(sale.phase(), Phase::Closed);
}

#[test]
fn stock_goes_up_and_down_but_not_below_what_is_held_and_sold() {
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 3\n";
    let goods = [one_item(5), item("b", 1, ""), gifts.to_owned()].concat();
    let (_engine, sale, _clock) = open_sale("", &goods);
    let request = HoldRequest::new("c").line("a", 4);
    let bought = sale.hold(&request).unwrap().wait().unwrap();
    assert!(matches!(sale.set_stock("a", 4, Some(6)), Err(Refusal::Conflict)));
    assert!(matches!(sale.set_stock("a", 3, Some(5)), Err(Refusal::WrongState)));
    assert!(matches!(sale.set_stock("x", 3, None), Err(Refusal::UnknownSku)));
    assert!(matches!(sale.set_stock("a", u32::MAX, None), Err(Refusal::Malformed("total"))));
    assert_eq!(available(&sale), Some(1), "nothing was changed");
    sale.set_stock("a", 4, Some(5)).unwrap().wait().unwrap();
    assert!(matches!(hold(&sale, "c-2", "k"), Err(Refusal::SoldOut { available: 0 })));
    let view = sale.set_stock("a", 7, Some(4)).unwrap().wait().unwrap();
    assert_eq!(view.items.unwrap()[0].available, Some(3));
    sale.set_stock("g", 0, None).unwrap().wait().unwrap();
    sale.confirm(&bought.id, "p").unwrap().wait().unwrap();
    sale.refund(&bought.id, &Refund::all().restock(false)).unwrap().wait().unwrap();
    assert_eq!(available(&sale), Some(3), "the units left the total");
    assert!(sale.audit().wait().unwrap().ok);
}

/// Everything that can happen to a drop, before a restart and after it: the same answers, and both
/// audits are content.
#[test]
fn everything_comes_back_from_the_journal_and_from_a_snapshot() {
    for snapshot in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock();
        let open = || {
            let options = Engine::options().data(directory.path()).clock(clock.clone());
            let options = if snapshot { options.snapshot_after(1) } else { options };
            options.background(false).open().unwrap()
        };
        let rules = "hold_ttl = \"10m\"\nlimit_per_customer = 9";
        let goods = [item("a", 20, "limit_per_customer = 5"), item("b", 20, "")].concat();
        let engine = open();
        engine.put(campaign(rules, &goods)).unwrap();
        let sale = engine.sale("t-1").unwrap();
        let basket = |customer| HoldRequest::new(customer).line("a", 2).line("b", 3).key("k");
        let ids = ["part", "all", "late", "held"]
            .map(|customer| sale.hold(&basket(customer)).unwrap().wait().unwrap().id);
        let [part, all, late, held] = ids;
        for id in [part, all] {
            sale.confirm(&id, "p").unwrap().wait().unwrap();
        }
        sale.refund(&part, &Refund::all().line("b", 1).id("r")).unwrap().wait().unwrap();
        sale.refund(&all, &Refund::all().restock(false)).unwrap().wait().unwrap();
        sale.set_stock("a", 30, None).unwrap().wait().unwrap();
        clock.advance(9 * MINUTE_MS);
        sale.extend(&held).unwrap().wait().unwrap();
        clock.advance(MINUTE_MS);
        engine.tick();
        sale.confirm(&late, "late").unwrap().wait().unwrap();
        sale.pause().unwrap().wait().unwrap();
        let shown = |engine: &Engine| {
            let sale = engine.sale("t-1").unwrap();
            let holds = ids
                .map(|id| serde_json::to_string(&sale.get(&id).unwrap().wait().unwrap()).unwrap());
            (serde_json::to_string(&sale.view().0).unwrap(), holds)
        };
        let before = shown(&engine);
        drop((engine, sale));
        let report = audit::audit_directory(directory.path()).unwrap();
        assert!(report.ok, "{report:?}");
        clock.advance(30 * MINUTE_MS);
        let engine = open();
        assert_eq!(shown(&engine), before, "snapshot: {snapshot}");
        let sale = engine.sale("t-1").unwrap();
        let again = sale.refund(&part, &Refund::all().line("b", 1).id("r")).unwrap();
        assert_eq!(again.wait().unwrap().lines().map(|l| l.refunded).collect::<Vec<_>>(), [0, 1]);
        sale.resume().unwrap().wait().unwrap();
        let due_at = sale.get(&held).unwrap().wait().unwrap().expires_at;
        assert_eq!(due_at, Some(Timestamp::from_ms(OPENS_MS + (19 + 30) * MINUTE_MS)));
        let over = HoldRequest::new("part").line("a", 4);
        assert!(matches!(sale.hold(&over), Err(Refusal::LimitReached(_))));
        assert!(sale.hold(&HoldRequest::new("all").line("a", 5)).is_ok(), "a refund frees it");
        assert!(sale.audit().wait().unwrap().ok);
        drop((engine, sale));
        let report = audit::audit_directory(directory.path()).unwrap();
        assert!(report.ok, "{report:?}");
    }
}
