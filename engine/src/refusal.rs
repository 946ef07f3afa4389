//! The answers that say no. Values, not errors: a refusal allocates nothing and has no source.

use std::fmt;

use crate::Timestamp;
use crate::hold::Hold;
use crate::pending::Pending;
use crate::wait::Wait;

/// Why the engine did not do what was asked. Nothing was changed.
///
/// [`Refusal::code`] is the word that HTTP calls `code`; the wire's own words and statuses are in
/// the gateway's one table.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The request itself is wrong; the text says which part.
    Malformed(&'static str),
    /// No drop of that name.
    UnknownDrop,
    /// No campaign of that name.
    UnknownCampaign,
    /// No hold of that name in this drop.
    UnknownHold,
    /// No place in the line of that name in this drop.
    UnknownWait,
    /// The drop has no item of that name.
    UnknownSku,
    /// The drop is closed.
    Closed,
    /// The drop has not opened yet.
    NotOpen {
        /// When it opens.
        opens_at: Timestamp,
    },
    /// The drop is paused.
    Paused,
    /// The drop does not deliver there.
    AreaNotServed,
    /// The customer would have more units than allowed. The customer's holds, newest first, can be
    /// seen once they are durable (at most [`HOLDS_LISTED_MAX`](crate::limits::HOLDS_LISTED_MAX)).
    LimitReached(Box<Pending<Vec<Hold>>>),
    /// Fewer units are there than asked for.
    SoldOut {
        /// How many are there, of the first line that is short.
        available: u32,
    },
    /// The idempotency key was used to join the line; the wait, as it is now. Only
    /// [`Sale::hold`](crate::Sale::hold) says so, which answers with a hold or not at all.
    Waiting(Box<Pending<Wait>>),
    /// The idempotency key was used for another request.
    KeyReused,
    /// What was asked for before, or is expected, is something else: the hold was confirmed with
    /// another payment, a settlement comes to another amount.
    Conflict,
    /// The hold has expired.
    Expired,
    /// The hold's state does not allow it, or the campaign's.
    WrongState,
    /// Too much is under way; the same request may succeed in a moment.
    Overloaded,
    /// No new holds: the disk is short, or the journal failed. Nothing was done.
    Unavailable,
}

impl Refusal {
    /// The stable word for this refusal, as in the HTTP member `code`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownDrop => "unknown_drop",
            Self::UnknownCampaign => "unknown_campaign",
            Self::UnknownHold => "unknown_hold",
            Self::UnknownWait => "unknown_wait",
            Self::Waiting(_) => "waiting",
            Self::UnknownSku => "unknown_sku",
            Self::Closed => "closed",
            Self::NotOpen { .. } => "not_open",
            Self::Paused => "paused",
            Self::AreaNotServed => "area_not_served",
            Self::LimitReached(_) => "limit_reached",
            Self::SoldOut { .. } => "sold_out",
            Self::KeyReused => "key_reused",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::WrongState => "wrong_state",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::NotOpen { opens_at } => write!(f, "not open before {opens_at}"),
            Self::SoldOut { available } => write!(f, "sold out: {available} available"),
            other => f.write_str(other.code()),
        }
    }
}

impl std::error::Error for Refusal {}
