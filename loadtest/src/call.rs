//! What is asked and what is answered, whichever the wire.

use std::sync::Arc;

use serde::Serialize;

/// One of the two protocols of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// The Redis protocol.
    Resp,
    /// HTTP/1.1 with JSON.
    Http,
}

impl Wire {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Resp => Self::Http,
            Self::Http => Self::Resp,
        }
    }
}

/// State of a hold, as an answer or a witness names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    /// Units are set aside.
    Held,
    /// Paid: an order.
    Confirmed,
    /// Given back by the customer.
    Released,
    /// Given back by its deadline.
    Expired,
    /// Given back after it was paid.
    Refunded,
}

impl HoldState {
    /// The state named by `text` (`held`, `confirmed`, `released`, `expired`, `refunded`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "held" => Self::Held,
            "confirmed" => Self::Confirmed,
            "released" => Self::Released,
            "expired" => Self::Expired,
            "refunded" => Self::Refunded,
            _ => return None,
        })
    }

    /// Whether the hold still has its units.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Held | Self::Confirmed)
    }
}

/// What a simulated buyer asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    /// The customer's basket, under the key of this attempt.
    Hold { attempt: u16 },
    /// To pay for a hold.
    Confirm { hold: Arc<str> },
    /// To give a hold back.
    Release { hold: Arc<str> },
}

/// One request on its way: by whom, over which wire, and when it was meant to leave.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) customer: u32,
    pub(crate) ask: Ask,
    pub(crate) wire: Wire,
    /// Intended instant, in microseconds after the opening (before it: negative).
    pub(crate) scheduled_us: i64,
    /// Had to wait for a free HTTP connection.
    pub(crate) waited: bool,
}

/// A call and what became of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) call: Call,
    /// Just before the bytes were handed to the socket.
    pub(crate) sent_us: i64,
    /// Just after the answer was read from it.
    pub(crate) received_us: i64,
    pub(crate) outcome: Outcome,
    /// Which connection of its wire carried it.
    pub(crate) connection: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hold(HoldSeen),
    Refused(Word),
    /// The connection ended before an answer came: it may have happened or not.
    Lost,
    /// An answer the contract does not know.
    Odd(String),
}

impl Outcome {
    /// Whether the request may have taken effect although no answer says so.
    pub(crate) const fn in_doubt(&self) -> bool {
        matches!(self, Self::Lost | Self::Refused(Word::OutcomeUnknown))
    }

    /// Whether the same request is worth sending again after a while.
    pub(crate) const fn worth_repeating(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::Refused(word) => word.passes(),
            Self::Hold(_) | Self::Odd(_) => false,
        }
    }
}

/// A hold as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoldSeen {
    pub(crate) id: Arc<str>,
    pub(crate) number: u64,
    pub(crate) state: HoldState,
    pub(crate) replayed: bool,
}

/// Declares the refusals once: variant, HTTP `code`, RESP word.
macro_rules! words {
    ($($(#[$doc:meta])* $variant:ident $code:literal $word:literal,)*) => {
        /// Why a request was not granted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Word {
            $($(#[$doc])* $variant,)*
        }

        impl Word {
            /// The word as HTTP's `code` spells it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub(crate) fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            pub(crate) fn from_resp(word: &[u8]) -> Option<Self> {
                $(if word == $word.as_bytes() { return Some(Self::$variant); })*
                None
            }
        }
    };
}

words! {
    /// No unit was available.
    SoldOut "sold_out" "SOLDOUT",
    /// The customer has all it may have.
    LimitReached "limit_reached" "LIMIT",
    /// The drop is still sealed or waiting for its instant.
    NotOpen "not_open" "NOTOPEN",
    /// The drop is over.
    Closed "closed" "CLOSED",
    /// The drop is paused.
    Paused "paused" "PAUSED",
    /// Not sold there.
    AreaNotServed "area_not_served" "NOAREA",
    /// No such drop.
    UnknownDrop "unknown_drop" "NODROP",
    /// No such item.
    UnknownSku "unknown_sku" "NOSKU",
    /// No such hold.
    UnknownHold "unknown_hold" "NOHOLD",
    /// The hold's deadline is over.
    Expired "expired" "EXPIRED",
    /// Not possible in the hold's state.
    WrongState "wrong_state" "WRONGSTATE",
    /// Contradicts what is recorded.
    Conflict "conflict" "CONFLICT",
    /// The key belongs to another request.
    KeyReused "key_reused" "KEYREUSED",
    /// Too much is waiting.
    Overloaded "overloaded" "OVERLOADED",
    /// Too many requests.
    RateLimited "rate_limited" "RATELIMITED",
    /// The service is still starting.
    Recovering "recovering" "LOADING",
    /// The service cannot grant now.
    Unavailable "unavailable" "UNAVAILABLE",
    /// Nobody can tell whether it happened.
    OutcomeUnknown "outcome_unknown" "UNKNOWN",
    /// No credential.
    Unauthenticated "unauthenticated" "NOAUTH",
    /// Not allowed with this credential.
    Forbidden "forbidden" "NOPERM",
    /// The service found the request unreadable.
    Malformed "malformed" "ERR",
}

impl Word {
    /// Whether the cause passes by itself, so that the same request is worth repeating.
    pub(crate) const fn passes(self) -> bool {
        matches!(
            self,
            Self::Paused
                | Self::Overloaded
                | Self::RateLimited
                | Self::Recovering
                | Self::Unavailable
                | Self::OutcomeUnknown
        )
    }
}
