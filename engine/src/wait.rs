//! A place in the waiting line as its customer sees it.

use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Timestamp;
use crate::hold::Hold;
use crate::ids::{BadHoldId, HoldId, Slot};
use crate::journal::record::Lines;
use crate::sale::Sale;

/// The opaque name of one place in a drop's line; looks like a [`HoldId`] and names no hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaitId(HoldId);

impl WaitId {
    pub(crate) fn new(sale: u32, slot: Slot, random: u64) -> Self {
        Self(HoldId::new(sale, slot, random))
    }

    pub(crate) fn sale(self) -> u32 {
        self.0.sale()
    }

    pub(crate) fn slot(self) -> Slot {
        self.0.slot()
    }

    pub(crate) fn random(self) -> u64 {
        self.0.random()
    }
}

impl fmt::Display for WaitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WaitId {
    type Err = BadHoldId;

    fn from_str(text: &str) -> Result<Self, BadHoldId> {
        text.parse().map(Self)
    }
}

impl Serialize for WaitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WaitState {
    /// In the line.
    Waiting,
    /// It became a hold.
    Granted,
    /// The customer left the line.
    Left,
    /// The drop was closed before its turn came.
    Ended,
}

impl WaitState {
    /// The word for it on the wires.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Granted => "granted",
            Self::Left => "left",
            Self::Ended => "ended",
        }
    }
}

/// A place in the line of a drop, as it was when the answer was made.
///
/// Serialises as the `Wait` of the HTTP interface.
#[derive(Clone)]
pub struct Wait {
    /// Its opaque name.
    pub id: WaitId,
    /// What became of it.
    pub state: WaitState,
    /// 1 for the head of the line; none once it is over.
    pub place: Option<u32>,
    /// The hold that it became.
    pub hold: Option<HoldId>,
    /// When the customer joined.
    pub created_at: Timestamp,
    /// Whether this answer repeats an earlier one under the same idempotency key.
    pub replayed: bool,
    pub(crate) sale: Sale,
    pub(crate) customer: Box<str>,
    pub(crate) lines: Lines,
}

/// One line of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WaitLine<'a> {
    /// The item.
    pub sku: &'a str,
    /// How many units.
    pub quantity: u32,
}

impl Wait {
    /// The drop it belongs to.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    /// Whose it is.
    #[must_use]
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// What is waited for, in the order of the drop's items.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = WaitLine<'_>> {
        self.lines.iter().map(|line| WaitLine {
            sku: &self.sale.goods().get(line.item).sku,
            quantity: line.quantity.into(),
        })
    }
}

impl fmt::Debug for Wait {
    /// Without the customer, who appears in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Wait");
        out.field("id", &self.id).field("state", &self.state).field("place", &self.place);
        out.finish_non_exhaustive()
    }
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Wait", 8)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("drop", self.sale.id())?;
        out.serialize_field("customer", self.customer())?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("place", &self.place)?;
        out.serialize_field("lines", &self.lines().collect::<Vec<_>>())?;
        out.serialize_field("hold", &self.hold)?;
        out.serialize_field("created_at", &self.created_at)?;
        out.end()
    }
}

/// What a request is answered that would rather wait than hear *sold out*.
#[derive(Clone, Debug)]
pub enum HoldOrWait {
    /// Units are set aside.
    Hold(Hold),
    /// There are fewer than asked for; the customer waits.
    Wait(Wait),
}
