//! Donations and credits that follow from orders.
//!
//! A report is no second store beside the orders: it is a fold over their own rows, which are the
//! journal's state. So it says the same in every durability and after every restart, and costs
//! nothing on the way of a hold. Only what was settled is kept, by one record for each settlement.
//!
//! Drops of one campaign hash their customers with one key, and a customer lies in the shard of the
//! same index in each. So the fold goes shard by shard, some rows under one lock, and whoever buys
//! meanwhile waits for no more than that.
//!
//! `amount` (one order, one rule) `-> fold` (one drop) `-> report -> settle`; `points`: one
//! customer; `offline`: from a directory, whose orders are summed up one by one (`orders`: the
//! holds it keeps are in `kept`) and a part at a time (`parts`).

mod amount;
mod fold;
mod kept;
mod offline;
mod orders;
mod parts;
mod points;
mod report;
mod settle;

pub use offline::{report_directory, report_storage};
pub(crate) use report::DropSums;
pub use report::{DropReport, LedgerFigures, LedgerRow, Report};
