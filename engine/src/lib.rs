//! jangteo (장터, an open-air market): a flash-sale inventory engine.
//!
//! A storefront releases 2,000 units at one instant and a crowd arrives in that second. The engine
//! sells exactly 2,000, in the order of arrival: the winners get a durable answer, the others a
//! fast one. It has no async runtime and no sockets; any number of threads may call it.
//!
//! ```
//! use jangteo::{Campaign, Engine, HoldRequest, Refusal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let file = r#"
//! # [campaign]
//! # id = "uroad-2020"
//! # title = "market"
//! # currency = "KRW"
//! # time_zone = "Asia/Seoul"
//! # [schedule]
//! # opens = "2020-04-29T10:00:00"
//! # [[items]]
//! # sku = "onion-3kg"
//! # title = "onions"
//! # price = 5000
//! # stock = 2000
//! # "#;
//! let engine = Engine::in_memory();
//! engine.put(Campaign::parse(file)?)?;
//! let sale = engine.sale("uroad-2020-1").expect("in the file");
//! match sale.hold(&HoldRequest::new("c-1").line("onion-3kg", 1).key("order-77")) {
//!     Ok(pending) => {
//!         let hold = pending.wait()?; // durable
//!         sale.confirm(&hold.id, "toss-9")?.wait()?;
//!     }
//!     Err(Refusal::SoldOut { available }) => println!("{available} left"),
//!     Err(refusal) => println!("{}", refusal.code()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Engine::open`] locks a directory and reads it back; [`Engine::options`] sets durability, clock
//! and more. [`Engine`] and [`Sale`] are handles, cheap to clone. A hold never waits for the disk;
//! what it answers does: [`Pending`] is a future, or is waited for. When the last [`Engine`] is
//! gone, everything is flushed, and a snapshot is left where the next start is worth one.
//!
//! The way of one hold is the order of these files: `engine`, `grant`, `buyers`, `admission`,
//! `stock`, `journal/append`, `journal/commit`, `journal/watermark`, `pending`.

mod admission;
pub mod audit;
mod backup;
mod book;
mod buyers;
mod campaign;
mod catalogue;
mod clock;
mod delete;
mod engine;
mod error;
mod events;
pub mod fault;
mod figures;
mod goods;
mod grant;
mod hold;
mod housekeeping;
mod ids;
mod journal;
mod ledger;
mod lifecycle;
pub mod limits;
mod line;
#[cfg(all(test, jangteo_loom))]
mod loom_models;
mod options;
mod orders;
mod pending;
mod phase;
mod places;
mod put;
mod refund;
mod refusal;
mod replay;
mod replay_book;
mod request;
mod restock;
mod retention;
mod sale;
mod serve;
mod settle;
#[cfg(all(test, jangteo_shuttle))]
mod shuttle_models;
mod snapshot;
mod stock;
mod sync;
mod terms;
mod view;
mod wait;

pub use backup::{backup_directory, restore_directory};
pub use campaign::{
    Campaign, Fault as CampaignFault, Gift, GiftRule, InvalidCampaign, Item, LedgerKind,
    LedgerRule, Occurrence, Rate, Reveal, Rules, Schedule, Share, Stock, duration_ms,
};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use engine::{Engine, Health};
pub use error::{Corruption, Error, OutcomeUnknown};
pub use events::{
    BadEventId, Event, EventData, EventId, EventKind, Events, EventsError, EventsReady,
};
pub use figures::Figures;
pub use hold::{Hold, HoldGift, HoldLine, HoldState, Money};
pub use ids::{BadHoldId, HoldId, Slot};
pub use journal::{
    BATCH_BOUNDS, Directory, Durability, FLUSH_BOUNDS_US, FileName, Flushes, Storage, StorageFile,
};
pub use ledger::{DropReport, LedgerFigures, LedgerRow, Report, report_directory, report_storage};
pub use options::Options;
pub use orders::Orders;
pub use pending::{Pending, Ticket};
pub use phase::Phase;
pub use put::{Change, ChangeKind};
pub use refund::Refund;
pub use refusal::Refusal;
pub use request::{HoldRequest, check_customer, check_payment};
pub use sale::Sale;
pub use snapshot::{
    SnapshotMade, SnapshotProgress, make_snapshot, snapshot_directory,
    snapshot_directory_with_progress,
};
pub use view::{GiftView, ItemView, SaleView};
pub use wait::{HoldOrWait, Wait, WaitId, WaitLine, WaitState};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
