//! A hold as its customer sees it.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use smallvec::SmallVec;

use crate::Timestamp;
use crate::buyers::{Late, Shard};
use crate::ids::HoldId;
use crate::journal::record::{Grant, Lines};
use crate::phase::Phase;
use crate::sale::Sale;

pub use crate::buyers::HoldState;

/// Units set aside for one customer, as they were when the answer was made.
///
/// Serialises as the `Hold` of the HTTP interface.
#[derive(Clone)]
pub struct Hold {
    /// Its opaque name.
    pub id: HoldId,
    /// 1, 2, 3 ... per drop, in the order of granting.
    pub number: u32,
    /// What became of it.
    pub state: HoldState,
    /// When it was granted.
    pub created_at: Timestamp,
    /// When it expires, while it is held; when it did, once expired.
    pub expires_at: Option<Timestamp>,
    /// When it became an order.
    pub confirmed_at: Option<Timestamp>,
    /// When units of it came back last.
    pub refunded_at: Option<Timestamp>,
    /// Whether this answer repeats an earlier grant under the same idempotency key.
    pub replayed: bool,
    sale: Sale,
    lines: Lines,
    gifts: u32,
    /// Units of each line that came back; none where no unit did.
    refunded: SmallVec<[u16; 2]>,
    /// Customer, key and payment, end to end.
    texts: Box<str>,
    customer_length: u8,
    key_length: u8,
}

/// One line of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HoldLine<'a> {
    /// The item.
    pub sku: &'a str,
    /// Who sells it.
    #[serde(skip)]
    pub seller: Option<&'a str>,
    /// How many units.
    pub quantity: u32,
    /// Price of one, in minor units.
    pub unit_price: u64,
    /// How many of them were refunded.
    pub refunded: u32,
}

/// A gift that came with a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HoldGift<'a> {
    /// The gift.
    pub sku: &'a str,
    /// How many units.
    pub quantity: u32,
    /// How many of them came back: all do with the last unit of their line.
    #[serde(skip)]
    pub refunded: u32,
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Money<'a> {
    /// In minor units of the currency.
    pub amount: u64,
    /// ISO 4217.
    pub currency: &'a str,
}

impl Hold {
    /// The hold of that id, with its refunds up to the record `until`.
    pub(crate) fn view(sale: &Sale, shard: &Shard, id: HoldId, until: u64) -> Self {
        let row = shard.row(id.slot().row);
        let (customer, key) = (shard.customer(row), shard.key(row));
        let confirmed = matches!(row.state(), HoldState::Confirmed | HoldState::Refunded);
        let (refunded, refunded_at) = came_back(shard, id.slot().row, until);
        let state = match row.state() {
            HoldState::Refunded if !is_all(&shard.lines(row), &refunded) => HoldState::Confirmed,
            state => state,
        };
        // While a drop is paused no time passes for its holds.
        let expires = match state {
            HoldState::Held => sale.phase() != Phase::Paused,
            state => state == HoldState::Expired,
        };
        let payment = if confirmed { shard.payment(row) } else { "" };
        let mut texts = String::with_capacity(customer.len() + key.len() + payment.len());
        for text in [customer, key, payment] {
            texts.push_str(text);
        }
        Self {
            id,
            number: row.number,
            state,
            created_at: row.created_at,
            expires_at: expires.then_some(row.ends_at),
            confirmed_at: confirmed.then_some(row.ends_at),
            refunded_at,
            replayed: false,
            sale: sale.clone(),
            lines: shard.lines(row),
            gifts: row.gifts,
            refunded,
            customer_length: u8::try_from(customer.len()).expect("limits.rs bounds a name"),
            key_length: u8::try_from(key.len()).expect("limits.rs bounds a key"),
            texts: texts.into_boxed_str(),
        }
    }

    /// The hold as its grant made it.
    pub(crate) fn of_grant(sale: &Sale, grant: &Grant<'_>) -> Self {
        let created_at = grant.expires_at.minus_ms(sale.0.rules().hold_ttl_ms);
        let state = if grant.confirmed { HoldState::Confirmed } else { HoldState::Held };
        Self {
            id: HoldId::new(sale.0.index, grant.slot, grant.random),
            number: grant.number,
            state,
            created_at,
            expires_at: (!grant.confirmed).then_some(grant.expires_at),
            confirmed_at: grant.confirmed.then_some(created_at),
            refunded_at: None,
            replayed: false,
            sale: sale.clone(),
            lines: grant.lines.clone(),
            gifts: grant.gifts,
            refunded: SmallVec::new(),
            texts: [grant.customer, grant.key].concat().into_boxed_str(),
            customer_length: u8::try_from(grant.customer.len()).expect("limits.rs bounds a name"),
            key_length: u8::try_from(grant.key.len()).expect("limits.rs bounds a key"),
        }
    }

    /// The hold as one of its records left it, whatever became of it since. `confirmed`: when, and
    /// with which payment.
    pub(crate) fn left(
        self,
        state: HoldState,
        expires_at: Option<Timestamp>,
        confirmed: Option<(Timestamp, &str)>,
    ) -> Self {
        let payment = confirmed.map_or("", |(_, payment)| payment);
        let texts = [self.customer(), self.key().unwrap_or_default(), payment].concat();
        let confirmed_at = confirmed.map(|(at, _)| at);
        let texts = texts.into_boxed_str();
        let refunded = SmallVec::new();
        Self { state, expires_at, confirmed_at, refunded_at: None, refunded, texts, ..self }
    }

    /// The hold before it was paid for late.
    pub(crate) fn before(self, late: Late) -> Self {
        Self { expires_at: Some(late.due_at), gifts: late.gifts, ..self }
    }

    /// The drop it belongs to.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    /// Whose it is.
    #[must_use]
    pub fn customer(&self) -> &str {
        self.texts.get(..usize::from(self.customer_length)).unwrap_or_default()
    }

    /// The idempotency key it was granted under.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        let from = usize::from(self.customer_length);
        let key = self.texts.get(from..from + usize::from(self.key_length));
        key.filter(|key| !key.is_empty())
    }

    /// The payment it was confirmed with.
    #[must_use]
    pub fn payment(&self) -> Option<&str> {
        let from = usize::from(self.customer_length) + usize::from(self.key_length);
        self.texts.get(from..).filter(|payment| !payment.is_empty())
    }

    /// Its lines, in the order of the drop's items.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = HoldLine<'_>> {
        self.lines.iter().enumerate().map(|(place, line)| {
            let item = self.sale.goods().get(line.item);
            let quantity = u32::from(line.quantity);
            let refunded = self.refunded.get(place).copied().unwrap_or(0).into();
            let seller = item.seller.as_deref();
            HoldLine { sku: &item.sku, seller, quantity, unit_price: item.price, refunded }
        })
    }

    /// The gifts that come with it, one for each line that got one.
    pub fn gifts(&self) -> impl Iterator<Item = HoldGift<'_>> {
        let with_gift = |(place, _): &(usize, _)| self.gifts & (1 << place) != 0;
        self.lines.iter().enumerate().filter(with_gift).filter_map(|(place, line)| {
            let gift = self.sale.goods().get(line.item).gift?;
            let (sku, quantity) = (&self.sale.goods().get(gift.good).sku, gift.quantity);
            let all = self.refunded.get(place) == Some(&line.quantity);
            Some(HoldGift { sku, quantity, refunded: if all { quantity } else { 0 } })
        })
    }

    /// What it costs.
    #[must_use]
    pub fn total(&self) -> Money<'_> {
        let amount = self.sale.goods().total(&self.lines);
        Money { amount, currency: self.sale.currency() }
    }
}

/// Units of each line of a hold that came back up to the record `until`, and when the last did.
fn came_back(shard: &Shard, row: u32, until: u64) -> (SmallVec<[u16; 2]>, Option<Timestamp>) {
    let (mut units, mut last_at) = (SmallVec::new(), None);
    for refund in shard.refunds(row, until) {
        let lines = shard.lines(shard.row(row));
        units.resize(lines.len(), 0);
        for (line, units) in lines.iter().zip(&mut units) {
            let back = refund.lines.iter().filter(|back| back.item == line.item);
            *units += back.map(|back| back.quantity).sum::<u16>();
        }
        last_at = Some(refund.at);
    }
    (units, last_at)
}

/// Whether all units of all lines came back.
fn is_all(lines: &Lines, back: &[u16]) -> bool {
    lines.len() == back.len() && lines.iter().zip(back).all(|(line, back)| line.quantity == *back)
}

impl fmt::Debug for Hold {
    /// Without customer, key and payment: those appear in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Hold");
        out.field("id", &self.id).field("number", &self.number).field("state", &self.state);
        out.finish_non_exhaustive()
    }
}

impl Serialize for Hold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hold", 16)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("drop", self.sale.id())?;
        out.serialize_field("campaign", self.sale.campaign_id())?;
        out.serialize_field("number", &self.number)?;
        out.serialize_field("customer", self.customer())?;
        out.serialize_field("key", &self.key())?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("lines", &self.lines().collect::<Vec<_>>())?;
        out.serialize_field("gifts", &self.gifts().collect::<Vec<_>>())?;
        out.serialize_field("total", &self.total())?;
        out.serialize_field("created_at", &self.created_at)?;
        out.serialize_field("expires_at", &self.expires_at)?;
        out.serialize_field("confirmed_at", &self.confirmed_at)?;
        out.serialize_field("refunded_at", &self.refunded_at)?;
        out.serialize_field("payment", &self.payment())?;
        out.end()
    }
}
