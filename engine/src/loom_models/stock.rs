//! The stock word: takes, put-backs, baskets.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::stock::{Cell, Take};
use crate::sync::Mutex;

/// Two items and the basket mutex, as in a sale.
struct Shelf {
    a: Cell,
    b: Cell,
    basket: Mutex<()>,
}

impl Shelf {
    fn of(a: u32, b: u32) -> Arc<Self> {
        let (a, b) = (Cell::of_units(a), Cell::of_units(b));
        Arc::new(Self { a, b, basket: Mutex::new(()) })
    }

    /// One of `a`, as a one-line hold takes it.
    fn single(&self) -> bool {
        match self.a.try_take(1) {
            Take::Taken => true,
            Take::Short { .. } => false,
            Take::Slow => {
                let _basket = self.basket.lock();
                let taken = self.a.take_undecided(1).is_ok();
                self.a.decide();
                taken
            }
        }
    }

    /// One of each, or none.
    fn basket(&self, first: &Cell, second: &Cell) -> bool {
        let _basket = self.basket.lock();
        if first.take_undecided(1).is_err() {
            return false;
        }
        let taken = second.take_undecided(1).is_ok();
        if taken {
            second.decide();
        } else {
            first.put_back(1);
        }
        first.decide();
        taken
    }
}

#[test]
fn the_last_unit_goes_to_one() {
    explore("the_last_unit_goes_to_one", || {
        let shelf = Shelf::of(1, 0);
        let other = Arc::clone(&shelf);
        let thread = thread::spawn(move || other.single());
        let won = [shelf.single(), thread.join().unwrap()];
        assert_eq!(won.iter().filter(|&&won| won).count(), 1);
        assert_eq!(shelf.a.left(), 0);
    });
}

#[test]
fn a_unit_put_back_is_neither_lost_nor_doubled() {
    explore("a_unit_put_back_is_neither_lost_nor_doubled", || {
        let shelf = Shelf::of(1, 0);
        let other = Arc::clone(&shelf);
        let thread = thread::spawn(move || {
            other.single() && {
                other.a.put_back(1);
                true
            }
        });
        let kept = u32::from(shelf.single());
        thread.join().unwrap();
        assert_eq!(shelf.a.left() + kept, 1);
    });
}

#[test]
fn a_doomed_basket_refuses_nobody() {
    explore("a_doomed_basket_refuses_nobody", || {
        let shelf = Shelf::of(1, 0);
        let other = Arc::clone(&shelf);
        let thread = thread::spawn(move || assert!(!other.basket(&other.a, &other.b)));
        assert!(shelf.single(), "INVARIANT(S2): there is a unit for it at every instant");
        thread.join().unwrap();
        assert_eq!(shelf.a.left(), 0);
    });
}

#[test]
fn baskets_that_cross_do_not_both_fail() {
    explore("baskets_that_cross_do_not_both_fail", || {
        let shelf = Shelf::of(1, 1);
        let other = Arc::clone(&shelf);
        let thread = thread::spawn(move || other.basket(&other.b, &other.a));
        let won = [shelf.basket(&shelf.a, &shelf.b), thread.join().unwrap()];
        assert_eq!(won.iter().filter(|&&won| won).count(), 1);
        assert_eq!((shelf.a.left(), shelf.b.left()), (0, 0));
    });
}

#[test]
fn a_basket_and_a_single_share_what_is_there() {
    explore("a_basket_and_a_single_share_what_is_there", || {
        let shelf = Shelf::of(2, 1);
        let other = Arc::clone(&shelf);
        let thread = thread::spawn(move || other.basket(&other.a, &other.b));
        assert!(shelf.single());
        assert!(thread.join().unwrap());
        assert_eq!((shelf.a.left(), shelf.b.left()), (0, 0));
    });
}
