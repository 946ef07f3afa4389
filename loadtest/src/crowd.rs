//! Who comes: how many, to which drop, for what, and in which mix.

use std::net::SocketAddr;
use std::sync::Arc;
use std::{error, fmt, io};

use crate::call::Wire;
use crate::names::CUSTOMERS_MAX;

/// A crowd for one drop. Every customer wants one basket, all of it or nothing.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Distinct customers, 1 to 99,999,999.
    pub customers: u32,
    /// Everything that is drawn before the first request follows from it.
    pub seed: u64,
    /// Id of the drop.
    pub drop: String,
    /// What they want: customer `n` the basket `n` modulo their number. At least one.
    pub baskets: Vec<Basket>,
    /// Delivery area sent with each request, if the campaign needs one.
    pub area: Option<String>,
    /// Opening instant, in Unix milliseconds.
    pub opens_at_ms: u64,
    /// Units one customer may have (0: no limit), as the campaign says. Only where a second basket
    /// would pass it do winners come back with a new key.
    pub limit_per_customer: u32,
    /// Where the service speaks RESP.
    pub resp: SocketAddr,
    /// Where the service speaks HTTP.
    pub http: SocketAddr,
    /// Connections over RESP; each pipelines whatever is due.
    pub resp_connections: usize,
    /// Connections over HTTP; each carries one request at a time.
    pub http_connections: usize,
    /// Shares of the ways to behave.
    pub mix: Mix,
    /// When the run ends at the latest, in milliseconds after the opening. What is unanswered then
    /// stays unanswered.
    pub give_up_after_ms: u32,
}

impl Crowd {
    /// 100,000 customers in the default [`Mix`], each for one unit, no area, limit 1.
    #[must_use]
    pub fn new(
        drop: &str,
        sku: &str,
        opens_at_ms: u64,
        resp: SocketAddr,
        http: SocketAddr,
    ) -> Self {
        Self {
            customers: 100_000,
            seed: 1,
            drop: drop.to_owned(),
            baskets: vec![Basket::one(sku)],
            area: None,
            opens_at_ms,
            limit_per_customer: 1,
            resp,
            http,
            resp_connections: 32,
            http_connections: 64,
            mix: Mix::default(),
            give_up_after_ms: 40_000,
        }
    }

    /// Whether nobody may have a second basket beside the first.
    pub(crate) fn is_one_basket_each(&self) -> bool {
        let limit = u64::from(self.limit_per_customer);
        limit > 0 && self.baskets.iter().all(|basket| 2 * basket.units() > limit)
    }

    pub(crate) fn check(&self) -> Result<(), SendError> {
        let Mix { http, early, double_click, abandon, new_key, same_key, hopeful } = self.mix;
        let winners = u32::from(abandon) + u32::from(new_key) + u32::from(same_key);
        if self.customers == 0 || self.customers > CUSTOMERS_MAX {
            Err(SendError::BadCrowd("customers must be 1 to 99,999,999"))
        } else if [http, double_click, hopeful].iter().any(|share| *share > 100) || winners > 100 {
            Err(SendError::BadCrowd("a share, or the shares of winners together, exceed 100 %"))
        } else if early > 50 {
            Err(SendError::BadCrowd(
                "half the crowd comes in the first second: early is above 50 %",
            ))
        } else if self.baskets.iter().map(Basket::units).min().unwrap_or(0) == 0 {
            Err(SendError::BadCrowd("a basket is needed, and each needs a unit"))
        } else if self.resp_connections == 0 || self.http_connections == 0 {
            Err(SendError::BadCrowd("each wire needs a connection"))
        } else {
            Ok(())
        }
    }
}

/// What one customer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basket {
    /// Each item once.
    pub lines: Arc<[Line]>,
    /// Whether something else than these items can run out first, such as a gift that must come
    /// with one: then the verdict has no opinion on refusals of this basket.
    pub may_lack_a_gift: bool,
}

/// Units of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: String,
    /// How many, from 1.
    pub units: u32,
}

impl Basket {
    /// One unit of one item.
    #[must_use]
    pub fn one(sku: &str) -> Self {
        let line = Line { sku: sku.to_owned(), units: 1 };
        Self { lines: Arc::new([line]), may_lack_a_gift: false }
    }

    /// Units of all its lines.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.units)).sum()
    }

    /// Which of `baskets` a customer wants.
    pub(crate) fn of(baskets: &[Self], customer: u32) -> Option<&Self> {
        baskets.get(usize::try_from(customer).ok()?.checked_rem(baskets.len())?)
    }
}

/// Shares of the ways to behave, in percent. Ways of different kinds combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Of all: come over HTTP; the others over RESP, which costs the generator far less.
    pub http: u8,
    /// Of all: come before the opening, hear `not_open`, and come again right after it. At most 50.
    pub early: u8,
    /// Of all: click twice within 30 ms, the same request under the same key.
    pub double_click: u8,
    /// Of the winners at first try: think, then give the hold back.
    pub abandon: u8,
    /// Of the winners: want another one under a new key before they pay (where nobody may have it).
    pub new_key: u8,
    /// Of the winners: after paying, send the old request again, over the other wire.
    pub same_key: u8,
    /// Of those who hear `sold_out`: come back, under a new key each time, until no unit can
    /// return any more. The other refused buyers leave.
    pub hopeful: u8,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            http: 20,
            early: 3,
            double_click: 8,
            abandon: 10,
            new_key: 10,
            same_key: 10,
            hopeful: 5,
        }
    }
}

/// Why a crowd could not be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The crowd contradicts itself; the text says where.
    BadCrowd(&'static str),
    /// The opening is past, or too near for the early birds: call a few seconds before it.
    TooLate,
    /// No connection at the start.
    Connect {
        /// Over which wire.
        wire: Wire,
        /// To which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCrowd(what) => f.write_str(what),
            Self::TooLate => f.write_str("the drop opens too soon for this crowd to get ready"),
            Self::Connect { wire, address, .. } => {
                write!(f, "cannot connect to {address} ({wire:?})")
            }
        }
    }
}

impl error::Error for SendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::BadCrowd(_) | Self::TooLate => None,
        }
    }
}
