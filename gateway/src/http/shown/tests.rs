//! What is shown here and what the engine shows by itself is the same, to the byte.

use std::sync::Arc;

use jangteo::{Campaign, Durability, Engine, HoldRequest, ManualClock, Timestamp};
use serde_json::{Value, to_value};

use super::{Audit, Campaign as Described, DropView, EventView, HoldView, Report, WaitView};

const FILE: &str = r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "6days"
[[items]]
sku = "a"
title = "a"
seller = "s"
price = 1000
list_price = 2000
stock = 9
gift = { sku = "g" }
[[items]]
sku = "b"
title = "b"
price = 1
stock = "unlimited"
[[gifts]]
sku = "g"
title = "g"
stock = 5
[[ledger]]
kind = "donation"
beneficiary = "hope"
rate = "50%"
"#;

/// An engine in which something has happened.
fn engine(directory: &std::path::Path) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
    let options = Engine::options().data(directory).segment_bytes(1 << 20);
    let options = options.durability(Durability::Buffered).clock(clock.clone()).background(false);
    let engine = options.open().unwrap();
    engine.put(Campaign::parse(FILE).unwrap()).unwrap();
    engine.tick();
    let sale = engine.sale("t-1").unwrap();
    let ask = HoldRequest::new("c-1").line("a", 2).line("b", 1).key("k");
    let hold = sale.hold(&ask).unwrap().wait().unwrap();
    sale.confirm(&hold.id, Some("p")).unwrap().wait().unwrap();
    sale.hold(&HoldRequest::new("c-2").line("b", 3)).unwrap().wait().unwrap();
    let too_many = HoldRequest::new("c-3").line("a", 8).line("b", 1);
    sale.hold_or_wait(&too_many).unwrap().wait().unwrap();
    (engine, clock)
}

fn text(shown: &impl serde::Serialize) -> String {
    serde_json::to_string(shown).unwrap()
}

#[test]
fn what_is_shown_is_what_the_engine_shows() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = engine(directory.path());
    let sale = engine.sale("t-1").unwrap();
    let view = sale.view().0;
    assert!(view.items.is_some());
    assert_eq!(text(&DropView::from(view.clone())), text(&view));
    for customer in ["c-1", "c-2"] {
        let holds = sale.find(customer).wait().unwrap();
        assert_eq!(holds.len(), 1);
        assert_eq!(text(&HoldView::from(&holds[0])), text(&holds[0]));
    }
    let waits = sale.waits_of("c-3").wait().unwrap();
    assert_eq!(waits.len(), 1);
    assert_eq!(text(&WaitView::from(&waits[0])), text(&waits[0]));
    let audit = sale.audit().wait().unwrap();
    // One engine's struct is flattened, so the members' order differs and nothing else.
    let shown = to_value(Audit::from(audit.clone())).unwrap();
    assert_eq!(shown, to_value(&audit).unwrap());
    clock.advance(7 * 86_400_000);
    engine.tick();
    let report = engine.settle("t", &[("hope", 1_000)]).unwrap().wait().unwrap();
    assert_eq!(text(&Report::from(report.clone())), text(&report));
    let events = engine.events(None, 100).unwrap().list;
    assert_eq!(events.last().unwrap().kind.name(), "jangteo.campaign.settled");
    assert!(events.len() >= 8);
    for event in &events {
        assert_eq!(text(&EventView::from(event)), text(event));
    }
}

#[test]
fn every_campaign_has_the_shape_that_is_described() {
    let files = [
        include_str!("../../../../docs/campaigns/uroad-2020.toml"),
        include_str!("../../../../docs/campaigns/try-it.toml"),
        FILE,
    ];
    for file in files {
        let shown = Campaign::parse(file).unwrap().to_json();
        // Unknown members are refused, and what is not described would not come back.
        let described: Described = serde_json::from_str(&shown).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(to_value(&described).unwrap(), shown);
    }
}
