//! A campaign that gives: baskets of odd amounts are bought, some come back, all is settled; then
//! the journal is read by the second implementation, which counts every order anew, and by whoever
//! asks for the report without an engine.

use std::sync::Arc;

use jangteo::audit::audit_storage;
use jangteo::{
    Campaign, Engine, HoldRequest, ManualClock, Refund, Report, Sale, Timestamp, report_storage,
};

use crate::faulty::FaultyStorage;
use crate::plan::OPENS_MS;
use crate::rng::Rng;
use crate::violation::{Violation, require};

const WEEK_MS: u64 = 7 * 86_400_000;
const ORDERS: u32 = 40;

const CAMPAIGN: &str = r#"
[campaign]
id = "charity"
title = "charity"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;COUNT=2"
closes_after = "1day"
[[items]]
sku = "a"
title = "a"
price = 1333
stock = 1000
eligible = ["good"]
[[items]]
sku = "b"
title = "b"
price = 777
stock = 1000
eligible = ["good"]
[[items]]
sku = "c"
title = "c"
price = 4999
stock = 1000
[[ledger]]
kind = "donation"
beneficiary = "hope"
rate = "50%"
[[ledger]]
kind = "credit"
rate = "1.5%"
eligible = "good"
beneficiary = [{ id = "old", share = "60%" }, { id = "young", share = "40%" }]
"#;

/// Sells two drops to customers drawn from `seed`, settles, and audits.
///
/// # Errors
/// INVARIANT(L1): the settlement is not what the records come to, or a report from them says
/// otherwise.
pub fn settle(seed: u64) -> Result<Report, Violation> {
    let wrong = |text: String| Violation::of("L1", text);
    let storage = Arc::new(FaultyStorage::new().process());
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
    let options = Engine::options().storage(storage.clone()).clock(clock.clone());
    let options = options.segment_bytes(1 << 16).background(false);
    let engine = options.open().map_err(|error| wrong(error.to_string()))?;
    let campaign = Campaign::parse(CAMPAIGN).map_err(|faults| wrong(faults.to_string()))?;
    engine.put(campaign).map_err(|error| wrong(error.to_string()))?;
    let mut rng = Rng::new(seed);
    for drop in ["charity-1", "charity-2"] {
        engine.tick();
        let sale = engine.sale(drop).ok_or_else(|| wrong("no drop".to_owned()))?;
        sell(&sale, &mut rng).map_err(|refusal| wrong(refusal.to_string()))?;
        clock.advance(WEEK_MS);
    }
    engine.tick();
    let settled = engine.settle("charity", &[]).map_err(|refusal| wrong(refusal.to_string()))?;
    let report = settled.wait().map_err(|unknown| wrong(unknown.to_string()))?;
    require(report.total.orders > 0, "L1", || "nothing was bought".to_owned())?;
    drop(engine);
    let found = audit_storage(&*storage).map_err(|error| wrong(error.to_string()))?;
    if let Some(violation) = found.violations.first() {
        return Err(Violation::of("L1", violation.to_string()));
    }
    let files = report_storage(&*storage, "charity").map_err(|error| wrong(error.to_string()))?;
    require(files.as_ref() == Some(&report), "L1", || {
        format!("the report from the files is another one: {files:?}")
    })?;
    Ok(report)
}

/// Buys baskets of one to three goods.
fn sell(sale: &Sale, rng: &mut Rng) -> Result<(), jangteo::Refusal> {
    for order in 0..ORDERS {
        let customer = format!("c-{}", rng.below(10));
        let key = format!("{order}");
        let mut request = HoldRequest::new(&customer).key(&key);
        for (sku, likely) in [("a", 2), ("b", 2), ("c", 1)] {
            if sku == "a" || rng.below(3) < likely {
                request = request.line(sku, 1 + rng.below(3));
            }
        }
        let hold = sale.hold(&request)?.into_parts().0;
        drop(sale.confirm(&hold.id, "p")?);
        // One line of some, all of others.
        match rng.below(8) {
            0 => drop(sale.refund(&hold.id, &Refund::all())?),
            1 => drop(sale.refund(&hold.id, &Refund::all().line("a", 1))?),
            _ => {}
        }
    }
    Ok(())
}
