//! The online audit: a drop's holds counted anew, at one sequence, against the book's counters and
//! the stock words at that sequence.
//!
//! Lock order as everywhere: basket mutex, shards in order, append. Under the basket mutex and all
//! shards nothing can be taken from stock, and no hold of the drop can change; so holds, counters
//! and words belong together. Only units of a grant that the append refused a moment ago may still
//! be on their way back to their word, since that happens under no lock: for those the audit waits.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::report::{Audit, Compared, Counted, HoldAudit, HoldCounts, Units};
use crate::book::{Count, Counts, Page};
use crate::buyers::{HoldRow, Shard, WaitRowState};
use crate::goods::Good;
use crate::hold::HoldState;
use crate::ids::{HoldId, Slot};
use crate::limits::{GIVE_BACK_MAX, VIOLATIONS_MAX};
use crate::pending::Pending;
use crate::sale::Sale;

/// Looks at the words while everything is locked, before the locks are let go for others.
const LOOKS_MAX: u32 = 200;

/// A drop at one sequence, with everything locked.
struct Still<'a> {
    shards: Vec<MutexGuard<'a, Shard>>,
    page: Page,
    sequence: u64,
    /// What is wrong with the stock words.
    words: Vec<String>,
}

impl Sale {
    /// Counts every hold of the drop anew and compares the sums with the book's counters and the
    /// stock words, all at one sequence; checks that the numbers are 1, 2, 3 ... and that no
    /// customer passes a limit. The answer is durable when that sequence is.
    ///
    /// The drop stands still meanwhile: some tens of milliseconds for a million holds. Where units
    /// were lost it takes a second, to be sure that they are not merely on their way.
    pub fn audit(&self) -> Pending<Audit> {
        let audit = self.examine(|_| {});
        Pending::new(&self.0.shared.journal, audit.sequence, audit)
    }

    /// Likewise, with every hold ever granted, in no particular order: for comparing what several
    /// witnesses saw.
    pub fn audit_holds(&self) -> Pending<(Audit, Vec<HoldAudit>)> {
        let mut holds = Vec::new();
        let audit = self.examine(|hold| holds.push(hold));
        Pending::new(&self.0.shared.journal, audit.sequence, (audit, holds))
    }

    fn examine(&self, mut each: impl FnMut(HoldAudit)) -> Audit {
        let Still { shards, page, sequence, words } = self.still();
        let mut recount = Recount::new(self, &page, sequence);
        recount.violations.extend(words);
        for (shard, index) in shards.into_iter().zip(0..) {
            recount.shard(&shard, |row, hold, units| {
                let slot = Slot { shard: index, row };
                let key = shard.key(hold);
                each(HoldAudit {
                    id: HoldId::new(self.0.index, slot, hold.random),
                    number: hold.number,
                    customer: shard.customer(hold).to_owned(),
                    key: (!key.is_empty()).then(|| key.to_owned()),
                    state: hold.state(),
                    units,
                    granted_at: hold.created_at,
                });
            });
        }
        recount.finish(&page)
    }

    /// Locks the whole drop at an instant when every freed unit is back in its word.
    fn still(&self) -> Still<'_> {
        let started = Instant::now();
        loop {
            let _basket = self.0.basket.lock();
            let shards = self.0.shards().collect();
            let (page, sequence) = self.page();
            let mut words = Words::look(self, &page);
            for _ in 0..LOOKS_MAX {
                if !words.lacking {
                    break;
                }
                std::thread::yield_now(); // to the threads that are putting units back
                words = Words::look(self, &page);
            }
            if !words.lacking || started.elapsed() > GIVE_BACK_MAX {
                return Still { shards, page, sequence, words: words.wrong };
            }
        }
    }
}

/// The stock words beside the book.
struct Words {
    wrong: Vec<String>,
    /// Whether one has fewer units than the book says are available.
    lacking: bool,
}

impl Words {
    fn look(sale: &Sale, page: &Page) -> Self {
        let mut words = Self { wrong: Vec::new(), lacking: false };
        for (good, count) in goods(sale).zip(&page.goods) {
            let (Some(cell), Some(available)) = (&good.cell, units(count).available) else {
                continue;
            };
            let left = i64::from(cell.left());
            if left != available {
                words.lacking |= left < available;
                let sku = &good.sku;
                let what = format!("{sku}: {left} units in stock, {available} available");
                words.wrong.push(what);
            }
        }
        words
    }
}

/// Items, then gifts.
fn goods(sale: &Sale) -> impl Iterator<Item = &Good> {
    sale.goods().items().iter().chain(sale.goods().gifts())
}

fn units(count: &Count) -> Units {
    Units::of(count.total, count.held, count.sold)
}

/// The holds, summed up.
struct Recount<'s> {
    sale: &'s Sale,
    sequence: u64,
    goods: Counts,
    /// Which numbers were seen.
    numbers: Vec<bool>,
    states: HoldCounts,
    violations: Vec<String>,
}

impl<'s> Recount<'s> {
    fn new(sale: &'s Sale, page: &Page, sequence: u64) -> Self {
        let nothing = |count: &Count| Count { total: count.total, held: 0, sold: 0 };
        Self {
            sale,
            sequence,
            goods: page.goods.iter().map(nothing).collect(),
            numbers: vec![false; page.last_number as usize],
            states: HoldCounts::default(),
            violations: Vec::new(),
        }
    }

    fn wrong(&mut self, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }

    /// Counts one shard; a customer's holds all lie in the same one.
    fn shard(&mut self, shard: &Shard, mut each: impl FnMut(u32, &HoldRow, u64)) {
        let mut by_buyer: HashMap<u32, u64> = HashMap::new();
        let mut by_item: HashMap<(u32, u16), u64> = HashMap::new();
        for (hold, row) in shard.all().zip(0..) {
            self.states.count(hold.state());
            self.number(hold);
            let granted = shard.lines(hold);
            each(row, hold, granted.iter().map(|line| u64::from(line.quantity)).sum());
            if !matches!(hold.state(), HoldState::Held | HoldState::Confirmed) {
                by_buyer.entry(hold.buyer).or_default();
                continue;
            }
            let lines = shard.kept(row);
            for line in &lines {
                let units = u64::from(line.quantity);
                *by_buyer.entry(hold.buyer).or_default() += units;
                *by_item.entry((hold.buyer, line.item)).or_default() += units;
            }
            let left = |place: usize| lines.get(place).is_some_and(|line| line.quantity > 0);
            let gone = (0..32).filter(|place| !left(*place)).fold(0, |all, place| all | 1 << place);
            for (good, units) in self.sale.goods().moves(&lines, hold.gifts & !gone) {
                let Some(count) = self.goods.get_mut(usize::from(good)) else { continue };
                let held = hold.state() == HoldState::Held;
                *if held { &mut count.held } else { &mut count.sold } += u64::from(units);
            }
        }
        let waits = shard.all_waits().iter();
        for wait in waits.filter(|wait| wait.state == WaitRowState::Waiting) {
            for line in &wait.lines {
                let units = u64::from(line.quantity);
                *by_buyer.entry(wait.buyer).or_default() += units;
                *by_item.entry((wait.buyer, line.item)).or_default() += units;
            }
        }
        let limit = u64::from(self.sale.0.rules().limit_per_customer);
        for (buyer, units) in by_buyer {
            let counted = shard.units(buyer);
            if counted != units {
                self.wrong(format!("a customer has {units} units, counted as {counted}"));
            }
            self.limit(units, limit);
        }
        for ((_, item), units) in by_item {
            self.limit(units, u64::from(self.sale.goods().get(item).limit));
        }
    }

    fn limit(&mut self, units: u64, limit: u64) {
        if limit != 0 && units > limit {
            self.wrong(format!("a customer has {units} units, of at most {limit}"));
        }
    }

    fn number(&mut self, hold: &HoldRow) {
        let number = hold.number;
        let place = (number as usize).checked_sub(1);
        match place.and_then(|place| self.numbers.get_mut(place)) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => self.wrong(format!("number {number} was given twice")),
            None => self.wrong(format!("number {number} was never given")),
        }
        if hold.last_sequence > self.sequence {
            self.wrong(format!("hold {number} is ahead of the journal"));
        }
    }

    fn finish(mut self, page: &Page) -> Audit {
        let missing = self.numbers.iter().filter(|seen| !**seen).count();
        if missing > 0 {
            self.wrong(format!("{missing} numbers have no hold"));
        }
        for (what, counted, recounted) in [
            ("live holds", page.holds_live, self.states.held),
            ("orders", page.orders, self.states.orders()),
        ] {
            if counted != recounted {
                self.wrong(format!("{recounted} {what}, counted as {counted}"));
            }
        }
        let goods = goods(self.sale).zip(&page.goods).zip(&self.goods);
        let compared: Vec<Compared> =
            goods.map(|((good, count), re)| compare(good, count, re)).collect();
        for Compared { reported, recomputed } in &compared {
            if reported.units != *recomputed {
                self.wrong(format!("{}: the holds add up to other counts", reported.sku));
            }
            if recomputed.oversold() > 0 {
                self.wrong(format!("{}: {} units too many", reported.sku, recomputed.oversold()));
            }
        }
        let mut items = compared;
        let gifts = items.split_off(self.sale.goods().items().len());
        Audit {
            ok: self.violations.is_empty(),
            drop: self.sale.id().to_owned(),
            sequence: self.sequence,
            items,
            gifts,
            holds: self.states.all(),
            states: self.states,
            orders: self.states.orders(),
            violations: self.violations,
        }
    }
}

fn compare(good: &Good, count: &Count, recount: &Count) -> Compared {
    let sku = good.sku.to_string();
    Compared {
        reported: Counted { sku, total: count.total, units: units(count) },
        recomputed: units(recount),
    }
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests {
    use super::*;
    use crate::journal::Room;
    use crate::journal::record::Record;
    use crate::{Campaign, Durability, Engine, HoldRequest};

    /// Five units of `a`, two of them held by one customer.
    fn sale() -> (Engine, Sale) {
        let file = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[rules]
limit_per_customer = 2
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 5
"#;
        let options = Engine::options().durability(Durability::Memory);
        let engine = options.background(false).open().unwrap();
        engine.put(Campaign::parse(file).unwrap()).unwrap();
        let sale = engine.sale("t-1").unwrap();
        drop(sale.hold(&HoldRequest::new("c-1").line("a", 2)).unwrap());
        let audit = sale.audit().wait().unwrap();
        assert!(audit.ok && audit.violations.is_empty(), "{audit:?}");
        assert_eq!((audit.holds, audit.states.held, audit.orders), (1, 1, 0));
        (engine, sale)
    }

    fn violations(sale: &Sale) -> Vec<String> {
        let audit = sale.audit().wait().unwrap();
        assert!(!audit.ok);
        audit.violations
    }

    #[test]
    fn a_stock_word_that_differs_is_told() {
        let (_engine, sale) = sale();
        let cell = sale.goods().items()[0].cell.as_ref().unwrap();
        cell.put_back(1);
        assert_eq!(violations(&sale), ["a: 4 units in stock, 3 available"]);
        assert_eq!(cell.try_take(3), crate::stock::Take::Taken);
        assert_eq!(violations(&sale), ["a: 1 units in stock, 3 available"]);
    }

    #[test]
    fn a_unit_that_comes_back_meanwhile_is_no_violation() {
        let (_engine, sale) = sale();
        let cell = sale.goods().items()[0].cell.as_ref().unwrap();
        assert_eq!(cell.try_take(1), crate::stock::Take::Taken);
        let audit = std::thread::scope(|scope| {
            let audit = scope.spawn(|| sale.audit().wait().unwrap());
            cell.put_back(1);
            audit.join().unwrap()
        });
        assert!(audit.ok, "{audit:?}");
    }

    #[test]
    fn counters_that_differ_from_the_holds_are_told() {
        let (_engine, sale) = sale();
        let cell = sale.goods().items()[0].cell.as_ref().unwrap();
        assert_eq!(cell.try_take(1), crate::stock::Take::Taken);
        let appended = sale.0.shared.journal.append(sale.opens_at(), Room::Own, |book, _| {
            let page = book.page_mut(sale.0.index);
            page.goods[0].sold += 1;
            page.orders += 1;
            page.last_number += 1;
            Ok::<_, ()>(Record::Stepped { step_ms: 0 })
        });
        assert!(appended.is_ok());
        let expected = [
            "1 numbers have no hold",
            "0 orders, counted as 1",
            "a: the holds add up to other counts",
        ];
        assert_eq!(violations(&sale), expected);
    }
}
