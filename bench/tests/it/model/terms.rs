//! What a sequence's campaign says: rules, items, gifts.

use std::fmt::Write as _;

use jangteo::Campaign;
use proptest::prelude::*;

/// 2020-04-29 10:00 in Seoul: when the drop opens.
pub(crate) const OPENS_MS: u64 = 1_588_122_000_000;
/// The one area that is served where areas are limited.
pub(crate) const AREA: &str = "seoul";

/// Items of every drop.
pub(crate) const ITEMS: usize = 4;
/// Gifts of every drop.
pub(crate) const GIFTS: usize = 2;

/// An item of the drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) price: u64,
    /// `None`: unlimited.
    pub(crate) stock: Option<u32>,
    /// Units one customer may have; 0: no limit of its own.
    pub(crate) limit: u32,
    pub(crate) gift: Option<Gift>,
}

/// What comes with each line of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gift {
    /// Its place among the gifts.
    pub(crate) gift: usize,
    pub(crate) quantity: u32,
    pub(crate) required: bool,
}

/// A campaign of one drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limit: u32,
    pub(crate) hold_ttl_ms: u64,
    /// Whether only [`AREA`] is served.
    pub(crate) only_area: bool,
    pub(crate) auto_confirm: bool,
    pub(crate) restock_refunds: bool,
    pub(crate) always_revealed: bool,
    /// How long after the opening it closes, if it does by itself.
    pub(crate) closes_after_ms: Option<u64>,
    pub(crate) items: Vec<Item>,
    /// Stock of each gift; `None`: unlimited.
    pub(crate) gifts: Vec<Option<u32>>,
}

/// The name of an item, by its place; beyond the last: one that does not exist.
pub(crate) fn item_sku(place: usize) -> &'static str {
    ["onion", "radish", "leaflet", "voucher"].get(place).copied().unwrap_or("ghost")
}

/// The name of an item or gift, by its place among both; beyond the last: one that does not
/// exist.
pub(crate) fn good_sku(place: usize) -> &'static str {
    if place < ITEMS { item_sku(place) } else { gift_sku(place - ITEMS) }
}

/// The name of a gift, by its place.
pub(crate) fn gift_sku(place: usize) -> &'static str {
    ["noodles", "sticker"].get(place).copied().unwrap_or("ghost")
}

impl Terms {
    pub(crate) fn closes_ms(&self) -> Option<u64> {
        self.closes_after_ms.map(|after| OPENS_MS + after)
    }

    /// The stock of each item, then of each gift.
    pub(crate) fn stocks(&self) -> Vec<Option<u32>> {
        self.items.iter().map(|item| item.stock).chain(self.gifts.iter().copied()).collect()
    }

    /// The campaign's file, read.
    pub(crate) fn campaign(&self) -> Campaign {
        let text = self.text();
        Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "[campaign]\nid = \"t\"\ntitle = \"test\"\ncurrency = \"KRW\"\n\
             time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n",
        );
        let mut add = |line: String| writeln!(text, "{line}").expect("a text takes any line");
        if let Some(after_ms) = self.closes_after_ms {
            add(format!("closes_after = \"{}s\"", after_ms / 1_000));
        }
        if self.always_revealed {
            add("reveal = \"always\"".to_owned());
        }
        add(format!("[rules]\nhold_ttl = \"{}s\"", self.hold_ttl_ms / 1_000));
        add(format!("limit_per_customer = {}", self.limit));
        add(format!("auto_confirm = {}", self.auto_confirm));
        add(format!("restock_refunds = {}", self.restock_refunds));
        if self.only_area {
            add(format!("areas = [\"{AREA}\"]"));
        }
        let units = |stock: Option<u32>| {
            stock.map_or("\"unlimited\"".to_owned(), |units| units.to_string())
        };
        for (place, item) in self.items.iter().enumerate() {
            let sku = item_sku(place);
            add(format!("[[items]]\nsku = \"{sku}\"\ntitle = \"{sku}\"\nprice = {}", item.price));
            add(format!("stock = {}\nlimit_per_customer = {}", units(item.stock), item.limit));
            if let Some(Gift { gift, quantity, required }) = &item.gift {
                let sku = gift_sku(*gift);
                add(format!(
                    "gift = {{ sku = \"{sku}\", quantity = {quantity}, required = {required} }}"
                ));
            }
        }
        for (place, stock) in self.gifts.iter().enumerate() {
            let sku = gift_sku(place);
            add(format!(
                "[[gifts]]\nsku = \"{sku}\"\ntitle = \"{sku}\"\nstock = {}",
                units(*stock)
            ));
        }
        text
    }
}

fn gift(quantity_max: u32) -> impl Strategy<Value = Option<Gift>> {
    let gift = (0..GIFTS, 1..=quantity_max, any::<bool>());
    let gift = gift.prop_map(|(gift, quantity, required)| Gift { gift, quantity, required });
    proptest::option::of(gift)
}

/// An item of that price, with up to so many units.
fn item(price: u64, units_max: u32) -> impl Strategy<Value = Item> {
    let limit = prop_oneof![3 => Just(0_u32), 2 => 1..4_u32];
    (0..=units_max, limit, gift(2)).prop_map(move |(units, limit, gift)| Item {
        price,
        stock: Some(units),
        limit,
        gift,
    })
}

/// Two items that cost something, one that is free, one that never runs out; two gifts.
pub(crate) fn terms() -> impl Strategy<Value = Terms> {
    let unlimited = item(300, 0).prop_map(|item| Item { stock: None, ..item });
    let items = (item(1_000, 5), item(500, 3), item(0, 3), unlimited);
    let gifts = (0..8_u32, prop_oneof![Just(None), (0..4_u32).prop_map(Some)]);
    let rules = (
        prop_oneof![Just(0_u32), 1..8_u32],
        prop_oneof![Just(600_000_u64), Just(90_000), Just(30_000)],
        prop::bool::weighted(0.3),
        any::<bool>(),
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.3),
        prop_oneof![2 => Just(None), 1 => Just(Some(3_600_000_u64)), 1 => Just(Some(43_200_000))],
    );
    (rules, items, gifts).prop_map(|(rules, items, gifts)| {
        let (limit, hold_ttl_ms, only_area, auto_confirm, restock_refunds, ..) = rules;
        let (.., always_revealed, closes_after_ms) = rules;
        Terms {
            limit,
            hold_ttl_ms,
            only_area,
            auto_confirm,
            restock_refunds,
            always_revealed,
            closes_after_ms,
            items: vec![items.0, items.1, items.2, items.3],
            gifts: vec![Some(gifts.0), gifts.1],
        }
    })
}
