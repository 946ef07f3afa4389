//! Buyers and their holds: who has what. Only winners are stored, so memory grows with what is
//! granted, not with the crowd.
//!
//! A sale's buyers are split over [`SHARDS`](crate::limits::SHARDS) by a keyed hash of the
//! customer's name. One lock guards a shard, and with it everything about its customers: counts,
//! keys, holds, deadlines, all plain data. So a customer's checks and changes are one step (C1, K1),
//! and a hold that is known by its id is found without a map: the id names shard and row.
//!
//! Everything is append-only and lies in the order of granting: rows, names, keys. A grant writes
//! to a few places that the cache already holds, instead of allocating; a winner costs about 150
//! bytes. Rows stay for the life of the drop: keys and numbers are remembered that long.
//!
//! Beside the shards is a filter of who may be known at all ([`Known`]): almost everybody who comes
//! when all is sold is not, and is refused without a lock.
//!
//! The hash key is part of the campaign's record, so that replaying the journal puts every hold
//! back into the row that its id names.

mod afterwards;
mod expiry;
mod index;
mod known;
mod row;
mod shard;
mod sharded;
mod stored;
mod waits;

pub(crate) use afterwards::{Afterwards, Late, take_off};
pub(crate) use known::Known;
pub use row::HoldState;
pub(crate) use row::{Buyer, HoldRow};
pub(crate) use shard::{BuyerRef, Shard};
pub(crate) use sharded::Sharded;
pub(crate) use stored::{BUYER_BYTES, LINE_BYTES, Parts, ROW_BYTES};
pub(crate) use waits::{WaitRow, WaitRowState};
