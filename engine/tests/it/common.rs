//! Campaigns and engines that the stories share.

use std::sync::Arc;

use jangteo::{Campaign, Engine, Hold, HoldRequest, ManualClock, Refusal, Sale, Timestamp};

/// 2020-04-29 10:00 in Seoul.
pub(crate) const OPENS_MS: u64 = 1_588_122_000_000;

/// A one-off campaign `t` that opens at [`OPENS_MS`], with rules and items as given.
pub(crate) fn campaign(rules: &str, items: &str) -> Campaign {
    let text = format!(
        r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[rules]
{rules}
{items}
"#
    );
    Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// One item `a` of that many units at 1,000 won.
pub(crate) fn one_item(units: u32) -> String {
    item("a", units, "")
}

/// An item at 1,000 won, with further keys.
pub(crate) fn item(sku: &str, units: u32, more: &str) -> String {
    format!(
        "[[items]]\nsku = \"{sku}\"\ntitle = \"{sku}\"\nprice = 1000\nstock = {units}\n{more}\n"
    )
}

/// A clock that shows the opening instant.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)))
}

/// An engine in memory on a manual clock, with the campaign put: its drop is open.
pub(crate) fn open_sale(rules: &str, items: &str) -> (Engine, Sale, Arc<ManualClock>) {
    let clock = clock();
    let options = Engine::options().durability(jangteo::Durability::Memory);
    let engine = options.clock(clock.clone()).background(false).open().unwrap();
    engine.put(campaign(rules, items)).unwrap();
    let sale = engine.sale("t-1").unwrap();
    (engine, sale, clock)
}

/// Holds one unit of `a`.
pub(crate) fn hold(sale: &Sale, customer: &str, key: &str) -> Result<Hold, Refusal> {
    sale.hold(&HoldRequest::new(customer).line("a", 1).key(key)).map(|p| p.wait().unwrap())
}
