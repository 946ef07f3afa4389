//! Settlements written by hand, each wrong in one way: the audit has to see it, and nothing else.

use super::planted::{OPENS_MS, Timed, closed, grant, granted, planted, slot};
use crate::journal::record::Record;
use crate::journal::settlement::{Settlement, Sums};

/// Of 1,000 won 123.5, so 123: 62 and 61.
const RULE: &str = "[[ledger]]\nkind = \"donation\"\nrate = \"12.35%\"\n\
    beneficiary = [{ id = \"x\", share = \"50%\" }, { id = \"y\", share = \"50%\" }]\n";

const CLOSES_MS: u64 = OPENS_MS + 3_600_000;

fn confirmed(number: u32) -> Timed<'static> {
    (OPENS_MS, Record::Confirmed { sale: 0, slot: slot(number), payment: "p" })
}

/// Two orders of 1,000 won each, one hold that was given up, and the closing: records 4 to 10.
fn orders() -> Vec<Timed<'static>> {
    let mut records = vec![granted(grant(1, "c-1", "")), granted(grant(2, "c-2", ""))];
    records.push(granted(grant(3, "c-3", "")));
    records.extend([confirmed(1), confirmed(2)]);
    records.push((OPENS_MS, Record::Released { sale: 0, slot: slot(3) }));
    records.push((CLOSES_MS, closed(0)));
    records
}

/// What they come to.
fn sums() -> Sums {
    Sums { orders: 2, units: 2, spend: 2_000, accrued: vec![124, 122], ..Sums::default() }
}

fn settled(drops: Vec<(u32, Sums)>) -> Timed<'static> {
    let settlement = Settlement { rules: vec![0], drops };
    (CLOSES_MS, Record::Settled { first_sale: 0, settlement })
}

/// The orders, and a settlement that says `said` of them; the violations as (sequence, rule).
fn said(said: Sums) -> Vec<(u64, &'static str)> {
    let mut records = orders();
    records.push(settled(vec![(0, said)]));
    planted(RULE, records)
}

#[test]
fn a_settlement_of_the_orders_amounts_is_right_and_of_any_other_shows() {
    assert_eq!(said(sums()), []);
    let amounts = |accrued: &[u64]| Sums { accrued: accrued.to_vec(), ..sums() };
    assert_eq!(said(amounts(&[124, 123])), [(11, "L1")], "rounded once for all orders");
    assert_eq!(said(amounts(&[123, 123])), [(11, "L1"); 2], "shared out once for all orders");
    assert_eq!(said(amounts(&[122, 124])), [(11, "L1"); 2], "to the last among equals");
    assert_eq!(said(amounts(&[124])), [(11, "L1")], "a beneficiary too few");
    assert_eq!(said(Sums { orders: 3, ..sums() }), [(11, "L1")], "the hold that was given up");
    assert_eq!(said(Sums { units: 3, ..sums() }), [(11, "L1")]);
    assert_eq!(said(Sums { spend: 2_001, ..sums() }), [(11, "L1")]);
}

#[test]
fn a_settlement_before_the_end_shows() {
    let mut open = orders();
    open.pop();
    open.push(settled(vec![(0, sums())]));
    assert_eq!(planted(RULE, open), [(10, "L1")], "not closed");
    let mut live = orders();
    live.remove(5);
    live.push(settled(vec![(0, sums())]));
    assert_eq!(planted(RULE, live), [(10, "L1")], "a live hold");
}

#[test]
fn a_settlement_names_every_drop_once() {
    let drops: [&[u32]; 2] = [&[], &[0, 0]];
    let found = drops.map(|drops| {
        let mut records = orders();
        records.push(settled(drops.iter().map(|drop| (*drop, sums())).collect()));
        planted(RULE, records)
    });
    assert_eq!(found, [vec![(11, "L1")], vec![(11, "L1")]]);
}

#[test]
fn nothing_is_closed_or_granted_after_a_settlement() {
    let mut records = orders();
    records.push(settled(vec![(0, sums())]));
    records.push((CLOSES_MS, closed(0)));
    assert_eq!(planted(RULE, records), [(12, "phase")]);
}
