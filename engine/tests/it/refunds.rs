//! Units of an order that come back, and a payment that comes late.

use crate::common::{hold, item, one_item, open_sale};
use jangteo::{Hold, HoldRequest, HoldState, Refund, Refusal, Sale};

fn counts(sale: &Sale, sku: &str) -> [u64; 4] {
    let (view, _) = sale.view();
    let items = view.items.unwrap();
    let item = items.iter().find(|item| item.sku == sku).unwrap();
    [u64::from(item.total.unwrap()), item.available.unwrap().into(), item.held, item.sold]
}

fn gift(sale: &Sale) -> [u32; 2] {
    let gift = sale.view().0.gifts.unwrap().remove(0);
    [gift.total.unwrap(), gift.available.unwrap()]
}

fn order(sale: &Sale, request: &HoldRequest<'_>) -> Hold {
    let hold = sale.hold(request).unwrap().wait().unwrap();
    sale.confirm(&hold.id, "p").unwrap().wait().unwrap()
}

fn refunded(hold: &Hold) -> Vec<u32> {
    hold.lines().map(|line| line.refunded).collect()
}

/// Two items, `a` of them with a gift for every line.
fn market() -> String {
    let gift = "gift = { sku = \"g\", quantity = 2 }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 10\n";
    [item("a", 9, gift), item("b", 9, ""), gifts.to_owned()].concat()
}

#[test]
fn all_that_is_left_comes_back_with_its_gift_and_frees_the_limit() {
    let (_engine, sale, _clock) = open_sale("limit_per_customer = 4", &market());
    let bought = order(&sale, &HoldRequest::new("c").line("a", 3).line("b", 1).key("k"));
    assert_eq!((counts(&sale, "a"), gift(&sale)), ([9, 6, 0, 3], [10, 8]));
    let back = sale.refund(&bought.id, &Refund::all()).unwrap().wait().unwrap();
    assert_eq!((back.state, refunded(&back)), (HoldState::Refunded, vec![3, 1]));
    assert_eq!((back.payment(), back.number), (Some("p"), bought.number));
    assert!(back.refunded_at.is_some() && back.confirmed_at == bought.confirmed_at);
    assert_eq!((counts(&sale, "a"), counts(&sale, "b")), ([9, 9, 0, 0], [9, 9, 0, 0]));
    assert_eq!(gift(&sale), [10, 10]);
    let again = sale.refund(&bought.id, &Refund::all().line("a", 1)).unwrap().wait().unwrap();
    assert_eq!(refunded(&again), [3, 1], "what is refunded is refunded");
    order(&sale, &HoldRequest::new("c").line("a", 4));
    let replay = sale.hold(&HoldRequest::new("c").line("b", 1).line("a", 3).key("k"));
    assert_eq!(replay.unwrap().wait().unwrap().id, bought.id, "the key is still its own");
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_part_comes_back_once_under_its_name() {
    let (_engine, sale, _clock) = open_sale("", &market());
    let bought = order(&sale, &HoldRequest::new("c").line("a", 3).line("b", 2));
    let one = Refund::all().line("a", 1).id("r-1");
    for _ in 0..2 {
        let back = sale.refund(&bought.id, &one).unwrap().wait().unwrap();
        assert_eq!((back.state, refunded(&back)), (HoldState::Confirmed, vec![1, 0]));
    }
    let other = [
        Refund::all().line("a", 2).id("r-1"),
        Refund::all().id("r-1"),
        Refund::all().line("a", 1).id("r-1").restock(false),
    ];
    for other in &other {
        assert!(matches!(sale.refund(&bought.id, other), Err(Refusal::Conflict)), "{other:?}");
    }
    assert_eq!((counts(&sale, "a"), gift(&sale)), ([9, 7, 0, 2], [10, 8]), "the gift stays");
    let too_many = Refund::all().line("a", 3);
    assert!(matches!(sale.refund(&bought.id, &too_many), Err(Refusal::WrongState)));
    let unknown = Refund::all().line("x", 1);
    assert!(matches!(sale.refund(&bought.id, &unknown), Err(Refusal::UnknownSku)));
    let rest = sale.refund(&bought.id, &Refund::all().line("a", 1).line("a", 1)).unwrap();
    assert_eq!(refunded(&rest.wait().unwrap()), [3, 0]);
    assert_eq!(gift(&sale), [10, 10], "it comes back with the last unit of its line");
    let all = sale.refund(&bought.id, &Refund::all().id("r-2")).unwrap().wait().unwrap();
    assert_eq!((all.state, refunded(&all)), (HoldState::Refunded, vec![3, 2]));
    let repeated = sale.refund(&bought.id, &one).unwrap().wait().unwrap();
    assert_eq!(repeated.state, HoldState::Refunded);
    assert!(matches!(sale.refund(&bought.id, &other[0]), Err(Refusal::Conflict)));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn units_that_are_not_restocked_leave_the_total() {
    let (_engine, sale, _clock) = open_sale("restock_refunds = false", &market());
    let bought = order(&sale, &HoldRequest::new("c").line("a", 3));
    sale.refund(&bought.id, &Refund::all().line("a", 1)).unwrap().wait().unwrap();
    assert_eq!(counts(&sale, "a"), [8, 6, 0, 2]);
    sale.refund(&bought.id, &Refund::all().line("a", 1).restock(true)).unwrap().wait().unwrap();
    assert_eq!(counts(&sale, "a"), [8, 7, 0, 1]);
    sale.refund(&bought.id, &Refund::all()).unwrap().wait().unwrap();
    assert_eq!((counts(&sale, "a"), gift(&sale)), ([7, 7, 0, 0], [8, 8]));
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn every_call_on_every_state_is_answered_as_the_table_says() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
    let held = |customer| hold(&sale, customer, "k").unwrap();
    let (expired, released) = (held("expired"), held("released"));
    let refund = Refund::all();
    assert!(matches!(sale.refund(&expired.id, &refund), Err(Refusal::WrongState)), "held");
    sale.release(&released.id).unwrap().wait().unwrap();
    clock.advance(600_000);
    engine.tick();
    let bought = order(&sale, &HoldRequest::new("refunded").line("a", 1));
    sale.refund(&bought.id, &refund).unwrap().wait().unwrap();
    assert!(matches!(sale.refund(&released.id, &refund), Err(Refusal::WrongState)));
    assert!(matches!(sale.refund(&expired.id, &refund), Err(Refusal::Expired)));
    assert!(matches!(sale.confirm(&bought.id, "p"), Err(Refusal::WrongState)));
    assert!(matches!(sale.release(&bought.id), Err(Refusal::WrongState)));
    assert!(matches!(sale.extend(&bought.id), Err(Refusal::WrongState)));
}

#[test]
fn a_late_payment_gets_the_same_hold_while_its_units_are_free() {
    let (engine, sale, clock) = open_sale("limit_per_customer = 2\nhold_ttl = \"10m\"", &market());
    let first = sale.hold(&HoldRequest::new("c").line("a", 2).key("k")).unwrap().wait().unwrap();
    clock.advance(600_000);
    engine.tick();
    assert_eq!(counts(&sale, "a"), [9, 9, 0, 0]);
    assert!(matches!(sale.confirm(&first.id, None), Err(Refusal::Malformed("payment"))));
    let paid = sale.confirm(&first.id, "late").unwrap().wait().unwrap();
    assert_eq!((paid.id, paid.number, paid.state), (first.id, 1, HoldState::Confirmed));
    assert_eq!((counts(&sale, "a"), gift(&sale)), ([9, 7, 0, 2], [10, 8]));
    assert_eq!(sale.confirm(&first.id, "late").unwrap().wait().unwrap().state, paid.state);
    assert!(matches!(sale.confirm(&first.id, "other"), Err(Refusal::Conflict)));
    assert!(matches!(hold(&sale, "c", "k-2"), Err(Refusal::LimitReached(_))));
    let back = sale.refund(&first.id, &Refund::all()).unwrap().wait().unwrap();
    assert_eq!(back.state, HoldState::Refunded);
    assert!(sale.audit().wait().unwrap().ok);
}

#[test]
fn a_late_payment_is_expired_without_units_gift_or_limit_and_once_closed() {
    let required = "gift = { sku = \"g\", quantity = 1, required = true }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 2\n";
    let goods = [item("a", 2, required), item("b", 5, ""), gifts.to_owned()].concat();
    let rules = "limit_per_customer = 2\nhold_ttl = \"10m\"";
    let (engine, sale, clock) = open_sale(rules, &goods);
    let [one, two] = ["one", "two"].map(|customer| hold(&sale, customer, "k").unwrap());
    let b = |customer| HoldRequest::new(customer).line("b", 2);
    let full = sale.hold(&b("full")).unwrap().wait().unwrap();
    clock.advance(600_000);
    engine.tick();
    order(&sale, &b("full"));
    assert!(matches!(sale.confirm(&full.id, "p"), Err(Refusal::Expired)), "the limit");
    sale.set_stock("g", 1, Some(2)).unwrap().wait().unwrap();
    assert!(sale.confirm(&one.id, "p").is_ok());
    assert!(matches!(sale.confirm(&two.id, "p"), Err(Refusal::Expired)), "the required gift");
    sale.set_stock("g", 2, None).unwrap().wait().unwrap();
    sale.set_stock("a", 1, None).unwrap().wait().unwrap();
    assert!(matches!(sale.confirm(&two.id, "p"), Err(Refusal::Expired)), "the units");
    sale.set_stock("a", 2, None).unwrap().wait().unwrap();
    sale.close().unwrap().wait().unwrap();
    assert!(matches!(sale.confirm(&two.id, "p"), Err(Refusal::Expired)), "closed");
    assert!(sale.audit().wait().unwrap().ok);
}
