//! A drop as everybody may see it: the `Drop` of the HTTP interface.

use serde::Serialize;

use crate::Timestamp;
use crate::book::Count;
use crate::goods::Good;
use crate::phase::Phase;
use crate::sale::Sale;
use crate::terms::Terms;

/// What is shown of a drop. Before its reveal: neither items nor gifts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SaleView {
    /// `<campaign>-<occurrence>`.
    pub id: String,
    /// Id of its campaign.
    pub campaign: String,
    /// The campaign's title.
    pub title: String,
    /// ISO 4217.
    pub currency: String,
    /// Where it stands.
    pub phase: Phase,
    /// Whether its contents are still secret.
    pub sealed: bool,
    /// It has items and none has a unit available.
    pub sold_out: bool,
    /// When it opens.
    pub opens_at: Timestamp,
    /// When it closes, if it does by itself.
    pub closes_at: Option<Timestamp>,
    /// Shipping, in minor units.
    pub shipping: u64,
    /// What it sells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ItemView>>,
    /// What comes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gifts: Option<Vec<GiftView>>,
}

/// One item: prices in minor units, units as of one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemView {
    /// Its id.
    pub sku: String,
    /// What it is.
    pub title: String,
    /// Who sells it.
    pub seller: Option<String>,
    /// Price of one.
    pub price: u64,
    /// Usual price of one.
    pub list_price: Option<u64>,
    /// Units in all; `None`: unlimited.
    pub total: Option<u32>,
    /// Units neither held nor sold; `None`: unlimited.
    pub available: Option<u32>,
    /// Units set aside.
    pub held: u64,
    /// Units confirmed.
    pub sold: u64,
}

/// One gift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GiftView {
    /// Its id.
    pub sku: String,
    /// What it is.
    pub title: String,
    /// Units in all; `None`: unlimited.
    pub total: Option<u32>,
    /// Units not given yet; `None`: unlimited.
    pub available: Option<u32>,
}

impl Sale {
    /// The drop as it is now: all counts belong to one prefix of the journal, whose last sequence
    /// comes with them.
    #[must_use]
    pub fn view(&self) -> (SaleView, u64) {
        let (goods, phase, sealed, terms, sequence) =
            self.0.shared.journal.read(|book, sequence| {
                // Of the mirror: a drop that was put anew shows itself as it was.
                let (phase, sealed) = (self.phase(), self.is_sealed());
                (book.page(self.0.index).goods.clone(), phase, sealed, self.0.terms.now(), sequence)
            });
        (self.view_of(phase, sealed, &goods, &terms), sequence)
    }

    /// The drop with this phase, these units and these terms.
    pub(crate) fn view_of(
        &self,
        phase: Phase,
        sealed: bool,
        counts: &[Count],
        terms: &Terms,
    ) -> SaleView {
        let goods = self.goods();
        let campaign = &*terms.campaign;
        let (items, gifts) = counts.split_at(goods.items().len());
        let sold_out = !items.is_empty() && items.iter().all(|count| count.available() == Some(0));
        SaleView {
            id: self.id().to_owned(),
            campaign: self.campaign_id().to_owned(),
            title: campaign.title.clone(),
            currency: self.currency().to_owned(),
            phase,
            sealed,
            sold_out: sold_out && !sealed,
            opens_at: self.opens_at(),
            closes_at: terms.closes_at,
            shipping: campaign.rules.shipping,
            items: (!sealed).then(|| {
                let titles = campaign.items_in(self.0.number()).map(|item| &item.title);
                goods.items().iter().zip(items).zip(titles).map(item).collect()
            }),
            gifts: (!sealed).then(|| {
                let titles = campaign.gifts.iter().map(|gift| &gift.title);
                goods.gifts().iter().zip(gifts).zip(titles).map(gift).collect()
            }),
        }
    }
}

fn item(((good, count), title): ((&Good, &Count), &String)) -> ItemView {
    ItemView {
        sku: good.sku.to_string(),
        title: title.clone(),
        seller: good.seller.as_deref().map(str::to_owned),
        price: good.price,
        list_price: good.list_price,
        total: count.total,
        available: count.available(),
        held: count.held,
        sold: count.sold,
    }
}

fn gift(((good, count), title): ((&Good, &Count), &String)) -> GiftView {
    GiftView {
        sku: good.sku.to_string(),
        title: title.clone(),
        total: count.total,
        available: count.available(),
    }
}
