//! Is what the engine says true? Two answers, and neither trusts the counters it checks.
//!
//! **Offline**, [`audit_directory`] reads a journal and recomputes every invariant at every record.
//! It is a second implementation of the rules: with the engine it shares the reading of frames and
//! records (and of the campaign inside a record), and nothing else. It reads only, takes no lock,
//! and works beside a running engine.
//!
//! Of a journal whose beginning was dropped it judges every campaign whose first record is kept,
//! and whether the others were over.
//!
//! **Online**, [`Sale::audit`](crate::Sale::audit) counts a drop's holds anew, at one sequence, and
//! compares them with the book's counters at that sequence and with the stock words.
//!
//! No text of an audit names a customer, a key or a payment: holds are named by their number.
//!
//! `directory -> witness -> drop_book, drop_turns, drop_line -> report`, and `layout` for the
//! files; `gone`: what is not kept; `history`: one hold, record by record; `ledger`: what orders
//! come to; `online`.

mod directory;
mod drop_book;
mod drop_line;
mod drop_turns;
mod gone;
mod history;
mod layout;
mod ledger;
mod online;
#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod planted;
#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod planted_ledger;
mod report;
mod terms;
mod witness;

pub use directory::{audit_directory, audit_storage};
pub use history::{HoldHistory, HoldStep, HoldUnits, audit_hold};
pub use layout::{SegmentAudit, StartAudit};
pub use report::{
    Audit, Compared, Counted, DirectoryAudit, DropAudit, HoldAudit, HoldCounts, NotKept, Units,
    Violation,
};
