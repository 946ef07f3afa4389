//! Who comes: how many, to which drop, and in which mix.

use std::net::SocketAddr;
use std::{error, fmt, io};

use crate::call::Wire;
use crate::names::CUSTOMERS_MAX;

/// A crowd for one item of one drop. Every customer asks for one unit at a time.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Distinct customers, 1 to 99,999,999.
    pub customers: u32,
    /// Everything that is drawn before the first request follows from it.
    pub seed: u64,
    /// Id of the drop.
    pub drop: String,
    /// The item they all want.
    pub sku: String,
    /// Delivery area sent with each request, if the campaign needs one.
    pub area: Option<String>,
    /// Opening instant, in Unix milliseconds.
    pub opens_at_ms: u64,
    /// Units one customer may have (0: no limit), as the campaign says. Only under a limit of 1
    /// do winners come back with a new key.
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
    /// 100,000 customers in the default [`Mix`], no area, limit 1.
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
            sku: sku.to_owned(),
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
        } else if self.resp_connections == 0 || self.http_connections == 0 {
            Err(SendError::BadCrowd("each wire needs a connection"))
        } else {
            Ok(())
        }
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
    /// Of the winners: want another one under a new key before they pay (limit 1 only).
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
