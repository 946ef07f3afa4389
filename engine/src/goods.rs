//! What a drop sells: its items and gifts, as the campaign had them when the drop was made. Only
//! their titles can change, and are not here.

use crate::book::{Count, Counts, Moves};
use crate::campaign::{Campaign, Stock};
use crate::journal::record::{Line, Lines};
use crate::limits::{ROWS_TOUCHED_MAX, SHARDS};
use crate::stock::Cell;
use crossbeam::utils::CachePadded;

/// One item or gift.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) sku: Box<str>,
    pub(crate) seller: Option<Box<str>>,
    pub(crate) price: u64,
    pub(crate) list_price: Option<u64>,
    /// Units one customer may have, where that is less than the drop's own limit; 0: no limit.
    pub(crate) limit: u32,
    pub(crate) gift: Option<GiftOf>,
    /// `None`: unlimited.
    pub(crate) cell: Option<CachePadded<Cell>>,
    units: Option<u32>,
}

/// The gift that comes with each order line of an item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GiftOf {
    pub(crate) good: u16,
    pub(crate) quantity: u32,
    pub(crate) required: bool,
}

/// Items first, then gifts; a line names an item by its place.
#[derive(Debug)]
pub(crate) struct Goods {
    all: Vec<Good>,
    items: usize,
    by_sku: Vec<u16>,
}

impl Goods {
    /// The goods of drop `number` of `campaign`.
    pub(crate) fn of(campaign: &Campaign, number: u32) -> Self {
        let items: Vec<_> = campaign.items_in(number).collect();
        let place = |sku: &str| campaign.gifts.iter().position(|gift| gift.sku == sku);
        let mut all = Vec::with_capacity(items.len() + campaign.gifts.len());
        let drop_limit = campaign.rules.limit_per_customer;
        for item in &items {
            let gift = item.gift.as_ref().map(|gift| GiftOf {
                good: index(items.len() + place(&gift.sku).expect("checked with the file")),
                quantity: gift.quantity,
                required: gift.required,
            });
            // A limit of its own that the drop's limit implies needs no counting.
            let implied = drop_limit != 0 && drop_limit <= item.limit_per_customer;
            let limit = if implied { 0 } else { item.limit_per_customer };
            let mut good = Good::new(&item.sku, item.stock);
            good.seller = item.seller.as_deref().map(Into::into);
            all.push(Good { price: item.price, list_price: item.list_price, limit, gift, ..good });
        }
        all.extend(campaign.gifts.iter().map(|gift| Good::new(&gift.sku, gift.stock)));
        let mut by_sku: Vec<u16> = (0..items.len()).map(index).collect();
        by_sku.sort_by_key(|&place| items.get(usize::from(place)).map(|item| &item.sku));
        Self { all, items: items.len(), by_sku }
    }

    pub(crate) fn items(&self) -> &[Good] {
        self.all.get(..self.items).expect("items come first")
    }

    pub(crate) fn gifts(&self) -> &[Good] {
        self.all.get(self.items..).expect("gifts come after the items")
    }

    pub(crate) fn get(&self, place: u16) -> &Good {
        self.all.get(usize::from(place)).expect("a line names a good of its drop")
    }

    /// Whether every line names an item.
    pub(crate) fn has_items(&self, lines: &[Line]) -> bool {
        lines.iter().all(|line| usize::from(line.item) < self.items)
    }

    /// The item of that SKU.
    #[inline]
    pub(crate) fn find(&self, sku: &str) -> Option<u16> {
        let place = self.by_sku.binary_search_by(|&item| (*self.get(item).sku).cmp(sku)).ok()?;
        self.by_sku.get(place).copied()
    }

    /// The book's page of goods, before anything is granted.
    pub(crate) fn counts(&self) -> Counts {
        self.all.iter().map(|good| Count { total: good.units, held: 0, sold: 0 }).collect()
    }

    /// Sets the stock words to what the counts leave.
    pub(crate) fn restock(&mut self, counts: &[Count]) {
        for (good, count) in self.all.iter_mut().zip(counts) {
            good.cell = count.available().map(|left| CachePadded::new(Cell::of_units(left)));
        }
    }

    /// Units of all limited items together: about how many holds to expect.
    pub(crate) fn units(&self) -> u64 {
        self.items().iter().filter_map(|good| good.units).map(u64::from).sum()
    }

    /// Holds to make room for ahead: one for each unit, within reason.
    pub(crate) fn holds_expected(&self) -> usize {
        usize::try_from(self.units()).unwrap_or(usize::MAX).min(ROWS_TOUCHED_MAX)
    }

    /// Rows that each shard needs for them. Customers spread like dice: six deviations more than
    /// the mean leave no shard growing.
    pub(crate) fn rows_expected(&self) -> usize {
        let mean = self.holds_expected() / SHARDS;
        mean + 6 * mean.isqrt() + 8
    }

    /// What a hold moves: its lines, and the gifts of those lines that got theirs.
    pub(crate) fn moves(&self, lines: &[Line], gifts: u32) -> Moves {
        let mut moves: Moves =
            lines.iter().map(|line| (line.item, u32::from(line.quantity))).collect();
        for (place, line) in lines.iter().enumerate() {
            if gifts & (1 << place) != 0 {
                let gift = self.get(line.item).gift.expect("only items with a gift give one");
                moves.push((gift.good, gift.quantity));
            }
        }
        moves
    }

    /// What comes back with units of a hold, `kept` being what was left of its lines before: those
    /// units, and the gifts of lines of which nothing is left.
    pub(crate) fn moves_back(&self, kept: &[Line], gifts: u32, back: &[Line]) -> Moves {
        let mut moves: Moves =
            back.iter().map(|line| (line.item, u32::from(line.quantity))).collect();
        for (place, line) in kept.iter().enumerate() {
            let gone = back.iter().any(|back| back == line);
            if gone && gifts & (1 << place) != 0 {
                let gift = self.get(line.item).gift.expect("only items with a gift give one");
                moves.push((gift.good, gift.quantity));
            }
        }
        moves
    }

    /// The goods that lines cannot do without: their items, and gifts that are required.
    pub(crate) fn needed(&self, lines: &Lines) -> impl Iterator<Item = u16> {
        let gift = |line: &Line| self.get(line.item).gift.filter(|gift| gift.required);
        lines
            .iter()
            .flat_map(move |line| [Some(line.item), gift(line).map(|gift| gift.good)])
            .flatten()
    }

    /// Whether lines fit into what is `left` of each good: what they cannot do without, together.
    fn fit(&self, lines: &Lines, left: impl Fn(u16) -> Option<u32>) -> bool {
        let mut all = Moves::new();
        let needed = |line: &Line| {
            let gift = self.get(line.item).gift.filter(|gift| gift.required);
            let item = Some((line.item, u32::from(line.quantity)));
            [item, gift.map(|gift| (gift.good, gift.quantity))].into_iter().flatten()
        };
        lines.iter().flat_map(needed).all(|(good, units)| {
            all.push((good, units));
            let same = all.iter().filter(|(other, _)| *other == good);
            let units: u32 = same.map(|(_, units)| units).sum();
            left(good).is_none_or(|left| left >= units)
        })
    }

    /// Whether lines fit into the words.
    pub(crate) fn has_units(&self, lines: &Lines) -> bool {
        self.fit(lines, |good| self.get(good).cell.as_ref().map(|cell| cell.left()))
    }

    /// Whether they fit into the book.
    pub(crate) fn are_available(&self, counts: &[Count], lines: &Lines) -> bool {
        let count = |good: u16| counts.get(usize::from(good)).expect("a good has a count");
        self.fit(lines, |good| count(good).available())
    }

    /// Whether somebody waits for one of these goods.
    pub(crate) fn are_awaited(&self, moves: &Moves) -> bool {
        let awaited = |&(good, _): &(u16, u32)| {
            self.get(good).cell.as_ref().is_some_and(|cell| cell.is_awaited())
        };
        moves.iter().any(awaited)
    }

    /// The item or gift of that SKU.
    pub(crate) fn find_good(&self, sku: &str) -> Option<u16> {
        self.all.iter().position(|good| &*good.sku == sku).map(index)
    }

    /// What the lines cost together.
    pub(crate) fn total(&self, lines: &Lines) -> u64 {
        let price = |line: &Line| self.get(line.item).price * u64::from(line.quantity);
        lines.iter().map(price).sum()
    }
}

impl Good {
    fn new(sku: &str, stock: Stock) -> Self {
        let units = match stock {
            Stock::Units(units) => Some(units),
            Stock::Unlimited => None,
        };
        Self {
            sku: sku.into(),
            seller: None,
            price: 0,
            list_price: None,
            limit: 0,
            gift: None,
            cell: units.map(|units| CachePadded::new(Cell::of_units(units))),
            units,
        }
    }
}

fn index(place: usize) -> u16 {
    u16::try_from(place).expect("limits.rs bounds the goods of a drop")
}
