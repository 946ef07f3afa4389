//! Holding, and what becomes of a hold.

use crate::common::{hold, item, one_item, open_sale};
use jangteo::{HoldRequest, HoldState, Refusal};

#[test]
fn the_last_unit_goes_to_one_buyer() {
    let (_engine, sale, _) = open_sale("", &one_item(1));
    let first = hold(&sale, "c-1", "k").unwrap();
    assert_eq!((first.number, first.state), (1, HoldState::Held));
    assert!(matches!(hold(&sale, "c-2", "k"), Err(Refusal::SoldOut { available: 0 })));
    sale.release(&first.id).unwrap().wait().unwrap();
    assert_eq!(hold(&sale, "c-2", "k").unwrap().number, 2);
}

#[test]
fn a_key_gets_the_same_hold_whatever_became_of_it() {
    let (_engine, sale, _) = open_sale("", &one_item(5));
    let first = hold(&sale, "c-1", "k").unwrap();
    assert!(!first.replayed);
    sale.confirm(&first.id, "p-1").unwrap().wait().unwrap();
    let again = hold(&sale, "c-1", "k").unwrap();
    assert_eq!((again.id, again.state, again.replayed), (first.id, HoldState::Confirmed, true));
    let other = sale.hold(&HoldRequest::new("c-1").line("a", 2).key("k"));
    assert!(matches!(other, Err(Refusal::KeyReused)));
    assert_ne!(hold(&sale, "c-2", "k").unwrap().id, first.id, "a key belongs to its customer");
}

#[test]
fn many_keys_of_one_customer_are_all_remembered() {
    let (_engine, sale, _) = open_sale("", &one_item(500));
    let keys: Vec<String> = (0..300).map(|n| format!("key-{n}")).collect();
    let ids: Vec<_> = keys.iter().map(|key| hold(&sale, "c-1", key).unwrap().id).collect();
    for (key, id) in keys.iter().zip(&ids) {
        assert_eq!(hold(&sale, "c-1", key).unwrap().id, *id);
    }
    assert_eq!(sale.find("c-1").wait().unwrap().len(), 100, "newest first, at most 100");
}

#[test]
fn the_limit_counts_held_and_sold_and_frees_what_is_released() {
    let (_engine, sale, _) = open_sale("limit_per_customer = 2", &one_item(9));
    let first = hold(&sale, "c-1", "k1").unwrap();
    let second = hold(&sale, "c-1", "k2").unwrap();
    sale.confirm(&first.id, "p").unwrap().wait().unwrap();
    let Err(Refusal::LimitReached(holds)) = hold(&sale, "c-1", "k3") else { panic!("no limit") };
    assert_eq!(holds.wait().unwrap().len(), 2);
    sale.release(&second.id).unwrap().wait().unwrap();
    assert!(hold(&sale, "c-1", "k3").is_ok());
}

#[test]
fn a_basket_gets_all_its_lines_or_none() {
    let items = item("a", 3, "") + &item("b", 0, "") + &item("c", 3, "");
    let (_engine, sale, _) = open_sale("", &items);
    let doomed = HoldRequest::new("c-1").line("a", 2).line("b", 1);
    assert!(matches!(sale.hold(&doomed), Err(Refusal::SoldOut { available: 0 })));
    let fine = HoldRequest::new("c-1").line("c", 1).line("a", 1).line("a", 2).line("c", 2);
    let held = sale.hold(&fine).unwrap().wait().unwrap();
    let lines: Vec<_> = held.lines().map(|line| (line.sku.to_owned(), line.quantity)).collect();
    assert_eq!(lines, [("a".to_owned(), 3), ("c".to_owned(), 3)]);
    assert_eq!(held.total().amount, 6_000);
    let (view, _) = sale.view();
    assert!(view.sold_out);
}

#[test]
fn gifts_go_to_the_first_orders_and_come_back() {
    let gift = "gift = { sku = \"g\", quantity = 1, required = false }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 1\n";
    let (_engine, sale, _) = open_sale("", &(item("a", 5, gift) + gifts));
    let first = hold(&sale, "c-1", "k").unwrap();
    assert_eq!(first.gifts().count(), 1);
    assert_eq!(hold(&sale, "c-2", "k").unwrap().gifts().count(), 0);
    sale.release(&first.id).unwrap().wait().unwrap();
    assert_eq!(hold(&sale, "c-3", "k").unwrap().gifts().count(), 1);
}

#[test]
fn a_required_gift_that_is_gone_means_sold_out() {
    let gift = "gift = { sku = \"g\", quantity = 2, required = true }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 3\n";
    let (_engine, sale, _) = open_sale("", &(item("a", 5, gift) + gifts));
    assert_eq!(hold(&sale, "c-1", "k").unwrap().gifts().count(), 1);
    assert!(matches!(hold(&sale, "c-2", "k"), Err(Refusal::SoldOut { .. })));
    let (view, _) = sale.view();
    assert_eq!(view.items.unwrap()[0].available, Some(4), "the item went back whole");
}

#[test]
fn holds_expire_and_extensions_are_bounded() {
    let (engine, sale, clock) = open_sale("hold_ttl = \"10s\"", &one_item(2));
    let (one, two) = (hold(&sale, "c-1", "k").unwrap(), hold(&sale, "c-2", "k").unwrap());
    clock.advance(9_000);
    let extended = sale.extend(&one.id).unwrap().wait().unwrap();
    assert_eq!(extended.expires_at, Some(one.created_at.plus_ms(19_000)));
    assert_eq!(engine.tick(), 0);
    clock.advance(1_000);
    assert_eq!(engine.tick(), 1);
    assert!(matches!(sale.extend(&two.id), Err(Refusal::Expired)));
    assert_eq!(sale.release(&two.id).unwrap().wait().unwrap().state, HoldState::Expired);
    clock.advance(8_000);
    let latest = sale.extend(&one.id).unwrap().wait().unwrap();
    assert_eq!(latest.expires_at, Some(one.created_at.plus_ms(20_000)), "twice the TTL at most");
    clock.advance(2_000);
    assert_eq!(engine.tick(), 1);
    assert!(hold(&sale, "c-3", "k").is_ok());
}

#[test]
fn a_stepped_clock_neither_shortens_nor_lengthens_a_hold() {
    for step_ms in [3_600_000_i64, -3_600_000] {
        let (engine, sale, clock) = open_sale("hold_ttl = \"10s\"", &one_item(2));
        hold(&sale, "c-1", "k").unwrap();
        clock.step(step_ms);
        assert_eq!(engine.tick(), 0);
        clock.advance(9_999);
        assert_eq!(engine.tick(), 0, "step {step_ms}");
        clock.advance(1);
        assert_eq!(engine.tick(), 1, "step {step_ms}");
    }
}

#[test]
fn confirming_and_releasing_happen_once() {
    let (_engine, sale, _) = open_sale("", &one_item(2));
    let held = hold(&sale, "c-1", "k").unwrap();
    assert!(matches!(sale.confirm(&held.id, None), Err(Refusal::Malformed("payment"))));
    let confirmed = sale.confirm(&held.id, "p-1").unwrap().wait().unwrap();
    assert_eq!(confirmed.payment(), Some("p-1"));
    assert_eq!(sale.confirm(&held.id, "p-1").unwrap().wait().unwrap().state, HoldState::Confirmed);
    assert!(matches!(sale.confirm(&held.id, "p-2"), Err(Refusal::Conflict)));
    assert!(matches!(sale.release(&held.id), Err(Refusal::WrongState)));
    let other = hold(&sale, "c-2", "k").unwrap();
    sale.release(&other.id).unwrap().wait().unwrap();
    assert!(matches!(sale.confirm(&other.id, "p"), Err(Refusal::WrongState)));
    assert!(matches!(sale.extend(&other.id), Err(Refusal::WrongState)));
}

#[test]
fn a_customer_at_the_limit_is_shown_what_counts_and_nothing_older() {
    let (_engine, sale, _) = open_sale("limit_per_customer = 2", &one_item(9));
    let old = hold(&sale, "c-1", "old").unwrap();
    for n in 0..50 {
        let churned = hold(&sale, "c-1", &format!("k-{n}")).unwrap();
        sale.release(&churned.id).unwrap().wait().unwrap();
    }
    let new = hold(&sale, "c-1", "new").unwrap();
    sale.confirm(&new.id, "p").unwrap().wait().unwrap();
    let Err(Refusal::LimitReached(holds)) = hold(&sale, "c-1", "more") else { panic!("limit") };
    let ids: Vec<_> = holds.wait().unwrap().iter().map(|hold| hold.id).collect();
    assert_eq!(ids, [new.id, old.id]);
}
