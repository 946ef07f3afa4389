//! jangteo (장터, an open-air market): a flash-sale inventory engine.

mod campaign;
mod clock;
mod ids;
pub mod limits;
mod request;

pub use campaign::{
    Campaign, Fault, Gift, GiftRule, InvalidCampaign, Item, LedgerKind, LedgerRule, Occurrence,
    Rate, Reveal, Rules, Schedule, Share, Stock,
};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use ids::{BadHoldId, HoldId, Slot};
pub use request::HoldRequest;
