//! A hold as its customer sees it.

use jangteo::{Hold, HoldGift, HoldId, HoldLine, HoldState, Money, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::wait::WaitView;
use super::words::{states, times, times_or_null};

/// Units set aside for one customer.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(in super::super) struct HoldView<'a> {
    /// Opaque: store and compare it, nothing else.
    #[schema(value_type = String, example = "00000020000004zhah50d8ab6j")]
    id: HoldId,
    drop: &'a str,
    campaign: &'a str,
    /// 1, 2, 3 ... per drop in the order of granting, without gaps.
    number: u32,
    customer: &'a str,
    #[schema(required = true)]
    key: Option<&'a str>,
    #[schema(schema_with = states)]
    state: HoldState,
    lines: Vec<LineShown<'a>>,
    gifts: Vec<PieceShown<'a>>,
    total: MoneyShown<'a>,
    #[schema(schema_with = times)]
    created_at: Timestamp,
    #[schema(schema_with = times_or_null, required = true)]
    expires_at: Option<Timestamp>,
    #[schema(schema_with = times_or_null, required = true)]
    confirmed_at: Option<Timestamp>,
    #[schema(schema_with = times_or_null, required = true)]
    refunded_at: Option<Timestamp>,
    #[schema(required = true)]
    payment: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HoldLine)]
struct LineShown<'a> {
    sku: &'a str,
    quantity: u32,
    /// Of one, in minor units.
    unit_price: u64,
    refunded: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HoldGift)]
struct PieceShown<'a> {
    sku: &'a str,
    quantity: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Money)]
struct MoneyShown<'a> {
    /// In minor units of the currency.
    amount: u64,
    currency: &'a str,
}

/// What a customer has of a drop and waits for, each newest first.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct Holds<'a> {
    pub(in super::super) holds: Vec<HoldView<'a>>,
    pub(in super::super) waits: Vec<WaitView<'a>>,
}

impl<'a> From<&'a Hold> for HoldView<'a> {
    fn from(hold: &'a Hold) -> Self {
        let Money { amount, currency } = hold.total();
        Self {
            id: hold.id,
            drop: hold.sale().id(),
            campaign: hold.sale().campaign_id(),
            number: hold.number,
            customer: hold.customer(),
            key: hold.key(),
            state: hold.state,
            lines: hold.lines().map(LineShown::from).collect(),
            gifts: hold.gifts().map(PieceShown::from).collect(),
            total: MoneyShown { amount, currency },
            created_at: hold.created_at,
            expires_at: hold.expires_at,
            confirmed_at: hold.confirmed_at,
            refunded_at: hold.refunded_at,
            payment: hold.payment(),
        }
    }
}

impl<'a> From<HoldLine<'a>> for LineShown<'a> {
    fn from(HoldLine { sku, seller: _, quantity, unit_price, refunded }: HoldLine<'a>) -> Self {
        Self { sku, quantity, unit_price, refunded }
    }
}

impl<'a> From<HoldGift<'a>> for PieceShown<'a> {
    fn from(HoldGift { sku, quantity, refunded: _ }: HoldGift<'a>) -> Self {
        Self { sku, quantity }
    }
}
