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
    /// The customer's shard: whether the customer was granted something.
    shard: Mutex<bool>,
}

impl Stall {
    fn of(units: u32) -> Arc<Self> {
        let known = Known::nobody(1);
        Arc::new(Self { cell: Cell::of_units(units), known, shard: Mutex::new(false) })
    }

    /// What a hold of one unit is answered: granted, now or before, or sold out.
    fn hold(&self, hash: u64) -> bool {
        let short = matches!(self.cell.look(1), Look::Short { .. });
        if short && !self.known.may_know(hash) {
            return false;
        }
        let mut granted = self.shard.lock();
        if !*granted {
            self.known.remember(hash);
            *granted = self.cell.try_take(1) == Take::Taken;
        }
        *granted
    }
}

#[test]
fn a_request_sent_twice_is_not_told_that_itself_took_the_last_unit() {
    explore("a_request_sent_twice_is_not_told_that_itself_took_the_last_unit", || {
        let stall = Stall::of(1);
        let other = Arc::clone(&stall);
        let thread = thread::spawn(move || other.hold(ONE));
        assert!(stall.hold(ONE), "INVARIANT(K1)");
        assert!(thread.join().unwrap(), "INVARIANT(K1)");
        assert_eq!(stall.cell.left(), 0);
    });
}

#[test]
fn whoever_is_remembered_at_once_with_another_stays_known() {
    explore("whoever_is_remembered_at_once_with_another_stays_known", || {
        let known = Arc::new(Known::nobody(1));
        let other = Arc::clone(&known);
        let thread = thread::spawn(move || other.remember(OTHER));
        known.remember(ONE);
        assert!(known.may_know(ONE));
        thread.join().unwrap();
        assert!(known.may_know(ONE) && known.may_know(OTHER));
    });
}
