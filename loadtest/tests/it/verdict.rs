use std::sync::Arc;

use jangteo_loadtest::{Basket, Doubt, HoldState, Line, SoldOut, Verdict, WitnessItem, verdict};

use crate::sale::{OPENS_AT_MS, Sale, grant, honest, refusal};

fn judge(sale: &Sale) -> Verdict {
    verdict(&sale.record, &sale.service, &sale.journal)
}

/// Plants one fault in an honest sale.
fn planted(fault: impl FnOnce(&mut Sale)) -> Verdict {
    let mut sale = honest();
    fault(&mut sale);
    let verdict = judge(&sale);
    assert!(!verdict.ok, "{verdict:?}");
    verdict
}

#[test]
fn an_honest_sale_is_found_in_order() {
    let verdict = judge(&honest());
    assert!(verdict.ok, "{verdict:?}");
    assert!(!verdict.generator_slipped);
}

#[test]
fn a_grant_that_a_witness_lacks_is_lost() {
    let verdict = planted(|sale| {
        sale.journal.holds.remove(4);
        sale.journal.items[0].sold -= 1;
        sale.journal.items[0].available = Some(1);
    });
    assert_eq!(verdict.lost.count, 1);
    assert!(verdict.lost.examples[0].contains("journal: lacks hold hold-5"), "{verdict:?}");
    assert!(!verdict.mismatches.is_none(), "the witnesses differ too");
}

#[test]
fn another_number_owner_key_or_state_is_lost() {
    let lost = |fault: fn(&mut Sale)| planted(fault).lost.count;
    assert_eq!(lost(|sale| sale.service.holds[2].number = 9), 1);
    assert_eq!(lost(|sale| sale.service.holds[2].customer = "c-9".to_owned()), 1);
    assert_eq!(lost(|sale| sale.service.holds[2].key = None), 1);
    assert_eq!(lost(|sale| sale.service.holds[2].units = 2), 1);
    assert_eq!(lost(|sale| sale.service.holds[2].state = HoldState::Held), 1);
    assert_eq!(lost(|sale| sale.service.holds[0].state = HoldState::Held), 1, "a lost release");
    assert_eq!(lost(|sale| sale.service.holds[2].state = HoldState::Refunded), 1);
}

#[test]
fn a_hold_nobody_heard_the_end_of_may_have_ended_as_asked() {
    let ends = |state, confirm_asked_us| {
        let mut sale = honest();
        sale.record.grants[4].state = HoldState::Held;
        sale.record.grants[4].settled_us = None;
        sale.record.grants[4].confirm_asked_us = confirm_asked_us;
        sale.witnesses(|witness| {
            witness.holds[4].state = state;
            if state == HoldState::Expired {
                witness.items[0].sold -= 1;
                witness.items[0].available = Some(1);
            }
        });
        judge(&sale)
    };
    assert!(ends(HoldState::Confirmed, Some(700_000)).ok);
    assert_eq!(ends(HoldState::Confirmed, None).lost.count, 2, "nobody asked for that");
    assert!(ends(HoldState::Expired, None).ok);
}

#[test]
fn doubled_ids_numbers_keys_and_answers_are_duplicates() {
    let verdict = planted(|sale| sale.record.grants[3].number = 3);
    assert_eq!(verdict.duplicates.count, 1);
    let verdict = planted(|sale| sale.record.grants[3].id = "hold-3".into());
    assert_eq!(verdict.duplicates.count, 1);
    let verdict = planted(|sale| sale.record.grants[3].fresh_answers = 2);
    assert_eq!(verdict.duplicates.count, 1);
    let verdict = planted(|sale| {
        // A key forgotten after its first hold was released: no limit is broken by it.
        let (customer, key) = ("c-00000001".to_owned(), "k-00000001-1".to_owned());
        sale.record.grants[4].customer = customer.clone();
        sale.record.grants[4].key = key.clone();
        sale.witnesses(|witness| {
            witness.holds[4].customer = customer.clone();
            witness.holds[4].key = Some(key.clone());
        });
    });
    assert_eq!(verdict.duplicates.count, 3, "clients, service and journal show it");
}

#[test]
fn a_customer_above_the_limit_is_a_duplicate() {
    let greedy = |limit| {
        let mut sale = honest();
        sale.record.limit_per_customer = limit;
        sale.record.grants[4].customer = "c-00000004".to_owned();
        sale.witnesses(|witness| witness.holds[4].customer = "c-00000004".to_owned());
        judge(&sale)
    };
    assert_eq!(greedy(1).duplicates.count, 3);
    assert!(greedy(2).ok);
    assert!(greedy(0).ok, "0 is no limit");
}

#[test]
fn counters_above_the_total_are_oversold() {
    let verdict = planted(|sale| sale.service.items[0].sold = 6);
    assert_eq!(verdict.oversold.count, 2, "two units");
    let verdict = planted(|sale| sale.service.items[0].held = 1);
    assert_eq!(verdict.oversold.count, 1);
}

#[test]
fn a_list_of_holds_above_the_total_is_oversold() {
    let verdict = planted(|sale| sale.service.holds[0].state = HoldState::Confirmed);
    assert_eq!(verdict.oversold.count, 1);
}

#[test]
fn too_many_units_out_for_a_moment_are_oversold_by_the_clients_word() {
    // Five units of four were out before the first was asked back; the end looks sound.
    let verdict = planted(|sale| sale.record.grants[4].granted_us = 300_000);
    assert_eq!(verdict.oversold.count, 1);
    assert!(verdict.oversold.examples[0].starts_with("clients: 5 of 4"), "{verdict:?}");
}

#[test]
fn a_refusal_after_the_last_return_with_units_left_is_undersold() {
    let verdict = planted(|sale| {
        sale.record.grants.pop();
        sale.witnesses(|witness| {
            witness.holds.pop();
            witness.items[0].sold = 3;
            witness.items[0].available = Some(1);
        });
    });
    assert_eq!(verdict.undersold.count, 1, "one unit, refused twice");
    assert!(verdict.undersold.examples[0].starts_with("2 refusals"), "{verdict:?}");
}

#[test]
fn a_unit_that_lay_idle_for_a_while_is_undersold_though_sold_later() {
    // Back at 500 ms, asked for at 600 ms.
    let idle = refusal(550_000, 551_000);
    let verdict = planted(|sale| sale.record.sold_out.push(idle));
    assert_eq!(verdict.undersold.count, 1);
}

#[test]
fn a_refusal_that_may_have_met_the_last_unit_gone_is_no_fault() {
    let may_be = |sent_us, received_us| {
        let mut sale = honest();
        sale.record.sold_out.push(refusal(sent_us, received_us));
        judge(&sale)
    };
    assert!(may_be(499_900, 550_000).ok, "sent before the return was acknowledged");
    assert!(may_be(550_000, 600_100).ok, "answered after the unit was asked for again");
    assert!(may_be(3_500, 4_100).ok, "answered after the last unit was asked for");
    assert_eq!(may_be(3_500, 3_900).undersold.count, 1, "one unit was left");
}

#[test]
fn a_hold_nobody_heard_of_may_have_had_the_unit_all_the_time() {
    let mut sale = honest();
    let unheard = sale.record.grants.pop().unwrap();
    assert_eq!(judge(&sale).mismatches.count, 2, "never acknowledged, in both witnesses");
    sale.record.doubts.push(Doubt { customer: unheard.customer, key: unheard.key });
    let verdict = judge(&sale);
    assert!(verdict.ok, "{verdict:?}");
}

#[test]
fn a_grant_before_the_opening_is_early() {
    let verdict = planted(|sale| sale.record.grants[0].granted_us = -1);
    assert_eq!(verdict.early.count, 1);
    let verdict = planted(|sale| {
        sale.journal.holds[0].granted_at_ms = Some(OPENS_AT_MS - 1);
    });
    assert_eq!(verdict.early.count, 1);
}

#[test]
fn sums_gaps_differences_and_violations_are_mismatches() {
    let mismatches = |fault: fn(&mut Sale)| planted(fault).mismatches.count;
    let both = |fault: fn(&mut jangteo_loadtest::Witness)| {
        planted(|sale| sale.witnesses(fault)).mismatches.count
    };
    assert_eq!(both(|witness| witness.items[0].available = Some(1)), 2, "the sum");
    assert_eq!(both(|witness| witness.items[0].sku = "leek".to_owned()), 2, "the item");
    assert_eq!(mismatches(|sale| sale.journal.violations.push("S1".to_owned())), 1);
    assert_eq!(
        mismatches(|sale| sale.record.surprises = surprise()),
        1,
        "an answer against the contract",
    );
    let verdict = planted(|sale| {
        sale.record.grants[4].number = 6;
        sale.witnesses(|witness| witness.holds[4].number = 6);
    });
    assert_eq!(verdict.mismatches.count, 2, "number 5 is missing in both");
    assert!(verdict.lost.is_none());
    let verdict = planted(|sale| {
        sale.witnesses(|witness| {
            witness.items[0].sold = 3;
            witness.items[0].held = 1;
        });
    });
    assert_eq!(verdict.mismatches.count, 4, "held and sold are not what the lists say");
    let verdict = planted(|sale| {
        sale.service.items[0].total = Some(5);
        sale.service.items[0].available = Some(1);
    });
    assert_eq!(verdict.mismatches.count, 1, "totals differ");
    let verdict = planted(|sale| sale.service.holds[1].state = HoldState::Held);
    assert!(verdict.mismatches.count >= 1, "the witnesses differ on a hold");
    let verdict = planted(|sale| sale.record.grants[1].fresh_answers = 0);
    assert_eq!(verdict.mismatches.count, 1, "a replay of what was never granted");
}

fn surprise() -> jangteo_loadtest::Finding {
    jangteo_loadtest::Finding { count: 1, examples: vec!["+OK".to_owned()] }
}

#[test]
fn a_sale_with_units_left_that_nobody_was_refused_is_in_order() {
    let mut sale = honest();
    sale.witnesses(|witness| {
        witness.items[0].total = Some(10);
        witness.items[0].available = Some(6);
    });
    sale.record.sold_out.clear();
    assert!(judge(&sale).ok);
    sale.add(&grant(6, 700_000, HoldState::Held));
    let verdict = judge(&sale);
    assert!(verdict.ok, "{verdict:?}");
}

/// Baskets of an onion and a leek, of which there are `leeks`; one basket was sold, one refused at
/// 700 ms, when one of four onions was left.
fn baskets(leeks: Option<u64>, may_lack_a_gift: bool) -> Verdict {
    let lines = ["onion", "leek"].map(|sku| Line { sku: sku.to_owned(), units: 1 });
    let basket = Basket { lines: Arc::new(lines), may_lack_a_gift };
    let mut sale = honest();
    sale.record.limit_per_customer = 2;
    sale.record.baskets.push(basket.clone());
    sale.record.grants.pop();
    sale.record.grants[1].basket = basket.clone();
    sale.record.sold_out = vec![SoldOut { basket, ..refusal(700_000, 701_000) }];
    sale.witnesses(|witness| {
        witness.holds.pop();
        witness.holds[1].units = 2;
        witness.items[0].sold = 3;
        witness.items[0].available = Some(1);
        let (sku, available) = ("leek".to_owned(), leeks.map(|leeks| leeks - 1));
        witness.items.push(WitnessItem { sku, total: leeks, available, held: 0, sold: 1 });
    });
    judge(&sale)
}

#[test]
fn a_basket_is_undersold_only_if_every_line_of_it_was_free() {
    assert!(baskets(Some(1), false).ok, "the leek was sold");
    let both_free = baskets(Some(2), false);
    assert_eq!(both_free.undersold.count, 1, "{both_free:?}");
    assert_eq!(baskets(None, false).undersold.count, 1, "leeks never run out");
    assert!(baskets(Some(2), true).ok, "its gift may have been gone");
}

#[test]
fn a_slipping_generator_is_named_and_changes_no_count() {
    let mut sale = honest();
    sale.record.slip.sent = 100;
    sale.record.slip.late = 2;
    let verdict = judge(&sale);
    assert!(verdict.generator_slipped);
    assert!(verdict.ok);
}
