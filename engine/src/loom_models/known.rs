//! The stock word and the filter of who may be known.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::buyers::Known;
use crate::stock::{Cell, Look, Take};
use crate::sync::Mutex;

/// Hashes of two customers: their bits share a word and differ in it.
const ONE: u64 = 0x0000_0100_0000_0000;
const OTHER: u64 = 0x0000_0203_0000_0000;

/// One unit, and the way of a hold to it.
struct Stall {
    cell: Cell,
    known: Known,
    shard: Mutex<Shard>,
}

/// The customer's.
struct Shard {
    granted: bool,
    in_filter: bool,
}

impl Stall {
    fn of(units: u32) -> Arc<Self> {
        let shard = Mutex::new(Shard { granted: false, in_filter: false });
        Arc::new(Self { cell: Cell::of_units(units), known: Known::unfilled(1), shard })
    }

    /// Fills the filter: with the shard's one customer, if that is one.
    fn fill(&self, hash: u64) {
        let mut shard = self.shard.lock();
        if shard.granted {
            self.known.remember(hash);
        }
        shard.in_filter = true;
        drop(shard);
        self.known.complete();
    }

    /// What a hold of one unit is answered: granted, now or before, or sold out.
    fn hold(&self, hash: u64) -> bool {
        let short = matches!(self.cell.look(1), Look::Short { .. });
        if short && !self.known.may_know(hash) {
            return false;
        }
        let mut shard = self.shard.lock();
        if !shard.granted {
            if shard.in_filter {
                self.known.remember(hash);
            }
            shard.granted = self.cell.try_take(1) == Take::Taken;
        }
        shard.granted
    }
}

#[test]
fn a_request_sent_twice_is_not_told_that_itself_took_the_last_unit() {
    explore("a_request_sent_twice_is_not_told_that_itself_took_the_last_unit", || {
        let stall = Stall::of(1);
        stall.fill(ONE);
        let other = Arc::clone(&stall);
        let thread = thread::spawn(move || other.hold(ONE));
        assert!(stall.hold(ONE), "INVARIANT(K1)");
        assert!(thread.join().unwrap(), "INVARIANT(K1)");
        assert_eq!(stall.cell.left(), 0);
    });
}

#[test]
fn whoever_is_granted_something_while_the_filter_is_filled_is_known() {
    explore("whoever_is_granted_something_while_the_filter_is_filled_is_known", || {
        let stall = Stall::of(1);
        let other = Arc::clone(&stall);
        let thread = thread::spawn(move || other.hold(ONE));
        stall.fill(ONE);
        assert!(stall.hold(ONE), "INVARIANT(K1)");
        assert!(thread.join().unwrap(), "INVARIANT(K1)");
    });
}

#[test]
fn whoever_is_remembered_at_once_with_another_stays_known() {
    explore("whoever_is_remembered_at_once_with_another_stays_known", || {
        let known = Arc::new(Known::unfilled(1));
        known.complete();
        let other = Arc::clone(&known);
        let thread = thread::spawn(move || other.remember(OTHER));
        known.remember(ONE);
        assert!(known.may_know(ONE));
        thread.join().unwrap();
        assert!(known.may_know(ONE) && known.may_know(OTHER));
    });
}
