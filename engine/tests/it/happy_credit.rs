//! The pilot of `docs/campaigns/happy-credit-2019.toml`, customer by customer: four months, refunds
//! in between, and at the end of the year every point is donated, to the won.

use std::path::Path;
use std::sync::Arc;

use jangteo::audit::audit_directory;
use jangteo::{
    Campaign, Durability, Engine, HoldRequest, ManualClock, Phase, Refund, Report, Sale, Timestamp,
    report_directory,
};

const CUSTOMERS: u32 = 43_685;
const SETTLED: u64 = 575_480_000;
/// Customers of the last month whose baskets make up what is missing.
const LAST: u32 = 500;
const DAY_MS: u64 = 86_400_000;
/// 2019-07-01 in Seoul.
const JULY_MS: u64 = 1_561_906_800_000;
/// Orders between two flushes.
const BATCH: u32 = 5_000;

/// Chance from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

/// Who buys in which month: everybody once, every third customer a second time a month later.
fn customers_of(month: u32) -> impl Iterator<Item = u32> {
    (0..CUSTOMERS - LAST).filter(move |customer| {
        let first = customer % 4;
        first == month || (customer % 3 == 0 && (first + 1) % 4 == month)
    })
}

/// Rows of a basket: what, and how many.
type Basket = Vec<(&'static str, u32)>;

fn basket(chance: &mut Chance) -> Basket {
    let goods = [("rice-10kg", 2), ("soap-3", 3), ("cookies", 4), ("earphones", 2)];
    let mut basket: Basket = Vec::new();
    for (sku, most) in goods {
        if chance.below(3) > 0 {
            basket.push((sku, 1 + u32::try_from(chance.below(most)).unwrap()));
        }
    }
    if basket.is_empty() {
        basket.push(("cookies", 1));
    }
    basket
}

/// A basket that gives exactly so many points.
fn worth(points: u64) -> Basket {
    let parts = [("gift-set", points / 12_000), ("notebook", points % 12_000 / 100)];
    let parts = parts.into_iter().chain([("paper-bag", points % 100)]);
    let parts = parts.map(|(sku, units)| (sku, u32::try_from(units).unwrap()));
    parts.filter(|(_, units)| *units > 0).collect()
}

fn name(customer: u32) -> String {
    format!("c-{customer:05}")
}

/// Buys, without waiting for the disk.
fn buy(sale: &Sale, customer: u32, basket: &Basket) -> jangteo::HoldId {
    let (customer, key) = (name(customer), "k".to_owned());
    let request = HoldRequest::new(&customer).key(&key);
    let request = basket.iter().fold(request, |request, (sku, units)| request.line(sku, *units));
    let hold = sale.hold(&request).unwrap().into_parts().0;
    drop(sale.confirm(&hold.id, "p").unwrap());
    hold.id
}

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Engine {
    let options = Engine::options().data(directory).durability(Durability::Buffered);
    options.clock(clock.clone()).background(false).open().unwrap()
}

fn report(engine: &Engine) -> Report {
    engine.report("happy-credit-2019").unwrap().wait().unwrap()
}

fn accrued(report: &Report) -> u64 {
    report.total.ledger.iter().map(|row| row.accrued).sum()
}

/// A month of the shop; every tenth order comes back, whole or one line of it.
fn month(engine: &Engine, month: u32, chance: &mut Chance) {
    let sale = engine.sale(&format!("happy-credit-2019-{}", month + 1)).unwrap();
    for (customer, order) in customers_of(month).zip(1_u32..) {
        let basket = basket(chance);
        let id = buy(&sale, customer, &basket);
        match chance.below(20) {
            0 => drop(sale.refund(&id, &Refund::all()).unwrap()),
            1 => drop(sale.refund(&id, &Refund::all().line(basket[0].0, 1)).unwrap()),
            _ => {}
        }
        if order % BATCH == 0 {
            engine.flush().unwrap();
        }
    }
    engine.flush().unwrap();
}

/// The points of all customers together.
fn points(engine: &Engine) -> u64 {
    let of = |customer| engine.points("happy-credit-2019", &name(customer)).unwrap();
    (0..CUSTOMERS).map(|customer| of(customer).wait().unwrap()).sum()
}

#[test]
fn the_pilot_donates_every_point_to_the_won() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(JULY_MS)));
    let engine = open(directory.path(), &clock);
    let file = include_str!("../../../docs/campaigns/happy-credit-2019.toml");
    engine.put(Campaign::parse(file).unwrap()).unwrap();
    let mut chance = Chance(2019);
    for (number, days) in [31, 31, 30, 0].into_iter().enumerate() {
        engine.tick();
        month(&engine, u32::try_from(number).unwrap(), &mut chance);
        clock.advance(days * DAY_MS);
    }
    let missing = SETTLED.checked_sub(accrued(&report(&engine))).expect("baskets too dear");
    assert!(missing / u64::from(LAST) > 1_000, "each of the last buys something");
    let october = engine.sale("happy-credit-2019-4").unwrap();
    for last in 0..LAST {
        let rest = if last == 0 { missing % u64::from(LAST) } else { 0 };
        let basket = worth(missing / u64::from(LAST) + rest);
        buy(&october, CUSTOMERS - LAST + last, &basket);
    }
    clock.advance(61 * DAY_MS); // the first of December
    engine.tick();
    let before = report(&engine);
    assert_eq!((accrued(&before), points(&engine)), (SETTLED, SETTLED));
    let total = &before.total;
    assert!(total.refunded_units > 1_000 && total.refunds > 0 && total.orders > 55_000);

    clock.advance(31 * DAY_MS - 1_000);
    engine.tick();
    let settled = report(&engine);
    let rows = settled.total.ledger.iter().map(|row| (row.settled, row.adjustment));
    let (sums, adjustments): (Vec<u64>, Vec<i64>) = rows.unzip();
    assert_eq!((sums.iter().sum::<u64>(), adjustments), (SETTLED, vec![0, 0]));
    assert!(sums[0].abs_diff(SETTLED / 5 * 3) < 50_000, "{sums:?}");
    assert_eq!(points(&engine), 0);
    assert_eq!(october.phase(), Phase::Settled);
    engine.flush().unwrap();
    drop((engine, october));

    let text = serde_json::to_string(&settled).unwrap();
    let engine = open(directory.path(), &clock);
    assert_eq!(serde_json::to_string(&report(&engine)).unwrap(), text, "after a start");
    assert_eq!(points(&engine), 0);
    drop(engine);
    let offline = report_directory(directory.path(), "happy-credit-2019").unwrap().unwrap();
    assert_eq!(serde_json::to_string(&offline).unwrap(), text, "without an engine");
    let found = audit_directory(directory.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);
    let mut customers: Vec<&str> =
        found.drops.iter().flat_map(|drop| drop.holds()).map(|hold| &*hold.customer).collect();
    customers.sort_unstable();
    customers.dedup();
    assert_eq!(customers.len(), CUSTOMERS as usize);
}
