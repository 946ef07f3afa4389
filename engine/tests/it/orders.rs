//! The orders of a drop, a page at a time.

use std::thread;

use jangteo::{Hold, HoldState, Refund, Sale};

use crate::common::{hold, item, one_item, open_sale};

/// All pages of so many numbers each, one after another.
fn paged(sale: &Sale, span: u32) -> Vec<Hold> {
    let (mut all, mut after, mut more) = (Vec::new(), 0, true);
    while more {
        let page = sale.orders(after, span).wait().unwrap();
        let inside = |hold: &Hold| (after + 1..=page.through).contains(&hold.number);
        assert!(page.list.iter().all(inside) && page.through <= after + span.max(1));
        all.extend(page.list);
        (after, more) = (page.through, page.more);
    }
    all
}

#[test]
fn pages_of_any_length_have_every_order_once_by_number() {
    let (_engine, sale, _clock) = open_sale("", &one_item(400));
    assert_eq!(paged(&sale, 1).len(), 0, "nobody was granted anything");
    let mut expected = Vec::new();
    for number in 1..=301 {
        let held = hold(&sale, &format!("c-{}", number % 97), &format!("k-{number}")).unwrap();
        assert_eq!(held.number, number);
        if number % 3 == 0 {
            sale.release(&held.id).unwrap().wait().unwrap();
            continue;
        }
        if number % 5 == 0 {
            continue; // held
        }
        sale.confirm(&held.id, "p").unwrap().wait().unwrap();
        if number % 7 == 0 {
            sale.refund(&held.id, &Refund::all()).unwrap().wait().unwrap();
        }
        let state = if number % 7 == 0 { HoldState::Refunded } else { HoldState::Confirmed };
        expected.push((number, state, format!("c-{}", number % 97)));
    }
    for span in [0, 1, 2, 64, 300, 301, 302, u32::MAX] {
        let found = paged(&sale, span);
        let found: Vec<_> = found
            .iter()
            .map(|hold| (hold.number, hold.state, hold.customer().to_owned()))
            .collect();
        assert_eq!(found, expected, "{span} at a time");
    }
    for after in [301, 302, u32::MAX] {
        let page = sale.orders(after, 10).wait().unwrap();
        assert_eq!((page.list.len(), page.through, page.more), (0, after, false));
    }
}

#[test]
fn a_page_leaves_no_number_out_while_many_buy() {
    let free = item("a", 20_000, "").replace("price = 1000", "price = 0");
    let (_engine, sale, _clock) = open_sale("auto_confirm = true", &free);
    let buy = |thread: u32| {
        for n in 0..10_000 {
            hold(&sale, &format!("c-{thread}-{n}"), "k").unwrap();
        }
    };
    let mut read = 0;
    let mut follow = || {
        let page = sale.orders(read, 1_000).wait().unwrap();
        let numbers = page.list.iter().map(|hold| hold.number);
        assert!(numbers.eq(read + 1..=page.through), "a number is missing or comes twice");
        read = page.through;
    };
    thread::scope(|scope| {
        let threads = [1, 2].map(|thread| scope.spawn(move || buy(thread)));
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            follow();
        }
    });
    (0..21).for_each(|_| follow());
    assert_eq!(read, 20_000);
}

#[test]
fn a_gift_came_back_with_the_last_unit_of_its_line() {
    let gift = "seller = \"farm\"\ngift = { sku = \"g\", quantity = 2 }";
    let gifts = "[[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 10\n";
    let (_engine, sale, _clock) = open_sale("", &(item("a", 9, gift) + gifts));
    let request = jangteo::HoldRequest::new("c").line("a", 2);
    let id = sale.hold(&request).unwrap().wait().unwrap().id;
    sale.confirm(&id, "p").unwrap().wait().unwrap();
    for (back, of_gift) in [(1, 0), (2, 2)] {
        sale.refund(&id, &Refund::all().line("a", 1)).unwrap().wait().unwrap();
        let order = sale.orders(0, 1).wait().unwrap().list.remove(0);
        let (line, gift) = (order.lines().next().unwrap(), order.gifts().next().unwrap());
        assert_eq!((line.seller, line.quantity, line.refunded), (Some("farm"), 2, back));
        assert_eq!((gift.sku, gift.quantity, gift.refunded), ("g", 2, of_gift));
    }
}
