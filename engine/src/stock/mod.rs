//! Stock: one atomic word per limited item and gift, which alone admits a hold.
//!
//! **Owns** the atomic in [`cell`]; [`word`] is its arithmetic, without atomics. What the service
//! *reports* (held, sold, available) is counted in the book, under the journal's append lock; the
//! word only decides who gets in.
//!
//! # The word
//!
//! | bits | name | meaning |
//! |---|---|---|
//! | 0-29 | left | units that can still be taken |
//! | 30 | `UNDECIDED` | some units were taken by a hold that may yet put them back |
//! | 31 | `LINE` | customers wait in line: freed units are theirs |
//!
//! # Rules
//!
//! 1. Every change is a read-modify-write of this one word, so all changes of a word have one
//!    order, and `left` never passes below 0 or above the item's total.
//! 2. `UNDECIDED` is set, and cleared, only by the thread that holds the sale's basket mutex. So at
//!    most one hold is undecided in a sale, and who holds the mutex meets the bit clear or his own.
//! 3. A hold that needs one word takes it with one compare-and-swap and keeps it: nothing can
//!    refuse it after that but the closing or pausing of the drop (journal/append), after which no
//!    unit can be had by anybody.
//! 4. A hold that needs several words takes the mutex and marks each word it takes `UNDECIDED`;
//!    once decided it clears the mark, after putting the units back if it was refused.
//! 5. Short and not `UNDECIDED`: refused at once. INVARIANT(S2): at that instant fewer units were
//!    left than asked for, and every missing one was gone for good (rule 3) or rightly counted by
//!    rule 4. Short and `UNDECIDED`: let go of everything, wait for the mutex, look again.
//! 6. Enough left: taken at once, whatever `UNDECIDED` says.
//! 7. `LINE` is set, and cleared, under the mutex only. While it is set, takes go under the mutex,
//!    where the line is served first, and so do the records that free units (S3: `line.rs`).
//! 8. Units leave the word before their record is appended and come back only after the record that
//!    frees them is (J2). INVARIANT(S1): so no prefix of the journal holds more than the total.
//!
//! # Orderings
//!
//! | operation | ordering | why not weaker, why not stronger |
//! |---|---|---|
//! | every compare-and-swap | release | its partner is the load: who sees units gone sees that the customer who took them is known (`buyers/known.rs`, rule 2). Not stronger: nothing else travels by the word; what a hold wrote travels by the shard's lock and the append lock, and the order of changes of one word is rule 1 |
//! | load, and what a failed swap saw | acquire | partner of the swaps; for S2 "at some instant during the call" relaxed would do |
//!
//! **Not here**: prices, customers, records, time.

pub(crate) mod cell;
pub(crate) mod word;

pub(crate) use cell::{Cell, Look, Take};
