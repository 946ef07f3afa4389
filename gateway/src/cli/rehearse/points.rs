//! The points of the list that follow from the file, from the limits, and from the sale.

use jangteo::audit::Compared;
use jangteo::{Campaign, Sale, Stock, Timestamp};
use jangteo_gateway::Limits;

use super::go_list::{Answer, Point};
use crate::cli::check::grouped;
use crate::cli::descriptors;
use crate::cli::staged::Story;
use crate::cli::{Exit, Failure};

/// Descriptors of the service itself, beside one for each connection.
const DESCRIPTORS_OF_ITS_OWN: u64 = 100;

/// The file is valid, or it would not be a campaign.
pub(super) fn file(campaign: &Campaign, now: Timestamp) -> Point {
    let warnings = campaign.warnings(now);
    if warnings.is_empty() {
        return Point::new("file", Answer::Go, "valid").with("warnings", warnings);
    }
    let detail = format!("valid, but: {}", warnings.join("; "));
    Point::new("file", Answer::Look, detail).with("warnings", warnings)
}

/// There is nothing to sell.
pub(super) fn no_goods(drop: &str) -> Point {
    Point::new("stock", Answer::NoGo, format!("{drop} has no items")).with("items", 0)
}

/// Whether the drop that stands has the units of the file, by its own audit.
pub(super) fn stock(campaign: &Campaign, number: u32, sale: &Sale) -> Result<Point, Failure> {
    let unknown = |unknown: jangteo::OutcomeUnknown| Failure::new(Exit::Io, unknown.to_string());
    let audit = sale.audit().wait().map_err(unknown)?;
    let is_loaded = |there: &[Compared], sku: &str, stock: Stock| {
        let total = match stock {
            Stock::Units(units) => Some(units),
            Stock::Unlimited => None,
        };
        there.iter().any(|one| one.reported.sku == sku && one.reported.total == total)
    };
    let items: Vec<_> = campaign.items_in(number).collect();
    let lacking = items.iter().filter(|item| !is_loaded(&audit.items, &item.sku, item.stock));
    let lacking = lacking.map(|item| &item.sku);
    let given = |sku: &str| items.iter().any(|item| is_gift_of(item, sku));
    let gifts = || campaign.gifts.iter().filter(|gift| given(&gift.sku));
    let lacking_gifts = gifts().filter(|gift| !is_loaded(&audit.gifts, &gift.sku, gift.stock));
    let lacking: Vec<&String> = lacking.chain(lacking_gifts.map(|gift| &gift.sku)).collect();

    let (units, kinds) = (campaign.units_in(number), items.len());
    let point = if let Some(sku) = lacking.first() {
        Point::new("stock", Answer::NoGo, format!("{sku} is not as in the file"))
    } else {
        let endless = items.iter().filter(|item| item.stock == Stock::Unlimited).count();
        let counts = [
            (kinds - endless, format!("{} units of items", grouped(units.into()))),
            (endless, "items without end".to_owned()),
            (gifts().count(), "gifts".to_owned()),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let shown: Vec<String> = counts.map(|(count, what)| format!("{what}: {count}")).collect();
        Point::new("stock", Answer::Go, shown.join(", "))
    };
    Ok(point.with("items", kinds).with("units", units))
}

fn is_gift_of(item: &jangteo::Item, sku: &str) -> bool {
    item.gift.as_ref().is_some_and(|gift| gift.sku == sku)
}

/// Whether so many connections fit.
pub(super) fn connections(expected: u64) -> Point {
    let limit = descriptors::limit();
    let needed = expected.saturating_add(DESCRIPTORS_OF_ITS_OWN);
    let configured = Limits::default().connections as u64;
    let shown = |number: u64| grouped(number.into());
    let allowed = limit.map_or_else(|| "no limit of".to_owned(), shown);
    let detail = format!(
        "{allowed} open files, {} needed for {} connections",
        shown(needed),
        shown(expected)
    );
    let point = if limit.is_some_and(|limit| limit < needed) {
        Point::new("connections", Answer::NoGo, detail)
    } else if expected > configured {
        let wanted = format!("{detail}; limits.connections is {} unless set", shown(configured));
        Point::new("connections", Answer::Look, wanted)
    } else {
        Point::new("connections", Answer::Go, detail)
    };
    point.with("open_files", limit).with("open_files_needed", needed)
}

/// What the three witnesses say.
pub(super) fn witnesses(story: &Story) -> Point {
    let wrongs = story.wrongs();
    if wrongs.is_empty() {
        let detail = "clients, service and journal agree on every hold";
        return Point::new("witnesses", Answer::Go, detail);
    }
    Point::new("witnesses", Answer::NoGo, wrongs.join("; "))
}
