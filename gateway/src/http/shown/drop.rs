//! A drop as everybody may see it.

use jangteo::{GiftView, ItemView, Phase, SaleView, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{PhaseWord, times, times_or_null};

/// One sale of a campaign. Before its reveal: neither items nor gifts.
#[derive(Serialize, ToSchema)]
#[schema(as = Drop)]
pub(in super::super) struct DropView {
    /// `<campaign>-<occurrence>`.
    #[schema(example = "uroad-2020-1")]
    id: String,
    campaign: String,
    /// The campaign's.
    title: String,
    /// ISO 4217, of all amounts.
    #[schema(example = "KRW")]
    currency: String,
    #[schema(value_type = PhaseWord)]
    phase: Phase,
    /// Whether its contents are still secret.
    sealed: bool,
    /// It has items and none has a unit available.
    sold_out: bool,
    #[schema(schema_with = times)]
    opens_at: Timestamp,
    /// When it closes, if it does by itself.
    #[schema(schema_with = times_or_null, required = true)]
    closes_at: Option<Timestamp>,
    /// In minor units.
    shipping: u64,
    /// What it sells; left out while it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    items: Option<Vec<ItemShown>>,
    /// What comes with it; left out while it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gifts: Option<Vec<GiftShown>>,
}

/// Units of one instant: available, held and sold are the total.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
struct ItemShown {
    #[schema(example = "onion-3kg")]
    sku: String,
    title: String,
    #[schema(required = true)]
    seller: Option<String>,
    /// Of one, in minor units.
    #[schema(example = 5000)]
    price: u64,
    /// Usual price of one, in minor units.
    #[schema(required = true)]
    list_price: Option<u64>,
    /// Units in all; null: unlimited.
    #[schema(required = true)]
    total: Option<u32>,
    /// Neither held nor sold; null: unlimited.
    #[schema(required = true)]
    available: Option<u32>,
    held: u64,
    sold: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Gift)]
struct GiftShown {
    sku: String,
    title: String,
    /// Pieces in all; null: unlimited.
    #[schema(required = true)]
    total: Option<u32>,
    /// Pieces not given yet; null: unlimited.
    #[schema(required = true)]
    available: Option<u32>,
}

/// Drops by opening instant, then id.
#[derive(Serialize, ToSchema)]
#[schema(as = Drops)]
pub(in super::super) struct DropPage {
    pub(in super::super) drops: Vec<DropView>,
    /// The `after` of the next page, if there is one.
    #[schema(required = true)]
    pub(in super::super) next: Option<String>,
}

// Each part is taken apart by name: a field that is new in the engine has to find its place here.

impl From<SaleView> for DropView {
    fn from(view: SaleView) -> Self {
        let SaleView {
            id,
            campaign,
            title,
            currency,
            phase,
            sealed,
            sold_out,
            opens_at,
            closes_at,
            shipping,
            items,
            gifts,
        } = view;
        Self {
            id,
            campaign,
            title,
            currency,
            phase,
            sealed,
            sold_out,
            opens_at,
            closes_at,
            shipping,
            items: items.map(|items| items.into_iter().map(ItemShown::from).collect()),
            gifts: gifts.map(|gifts| gifts.into_iter().map(GiftShown::from).collect()),
        }
    }
}

impl From<ItemView> for ItemShown {
    fn from(item: ItemView) -> Self {
        let ItemView { sku, title, seller, price, list_price, total, available, held, sold } = item;
        Self { sku, title, seller, price, list_price, total, available, held, sold }
    }
}

impl From<GiftView> for GiftShown {
    fn from(GiftView { sku, title, total, available }: GiftView) -> Self {
        Self { sku, title, total, available }
    }
}
