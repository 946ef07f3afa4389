//! The programmes that somebody really ran, from their campaign files, unchanged.

use std::sync::Arc;

use jangteo::{
    Campaign, Durability, Engine, HoldRequest, HoldState, ManualClock, Phase, Refusal, Sale,
    audit::audit_directory,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

const WEDNESDAYS: &str = include_str!("../../../docs/campaigns/uroad-2020.toml");
const MARKET: &str = include_str!("../../../docs/campaigns/live-market-2020.toml");
const PERFORMANCES: &str = include_str!("../../../docs/campaigns/performances-2020.toml");
const COUPONS: &str = include_str!("../../../docs/campaigns/street-coupons-2020.toml");
const DAY_MS: u64 = 86_400_000;
const BASKETS: u32 = 200_000;

fn parse(file: &str) -> Campaign {
    Campaign::parse(file).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A clock that shows a moment before the campaign's first drop opens.
fn clock(file: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(parse(file).occurrences()[0].opens_at.minus_ms(1)))
}

fn skus(sale: &Sale) -> Vec<String> {
    sale.view().0.items.unwrap().into_iter().map(|item| item.sku).collect()
}

/// Customers of every carrier come to one Wednesday, more than there are units; who buys pays at
/// once. How many gifts went out.
fn wednesday(sale: &Sale) -> u64 {
    let sku = &skus(sale)[0];
    let mut gifts = 0;
    for customer in 0..2_200 {
        let carrier = ["lgu", "kt", "skt"].choose(&mut StdRng::seed_from_u64(customer)).unwrap();
        let customer = format!("{carrier}-{customer}");
        match sale.hold(&HoldRequest::new(&customer).line(sku, 1).key("k")) {
            Ok(hold) => {
                let hold = hold.into_parts().0;
                gifts += hold.gifts().map(|gift| u64::from(gift.quantity)).sum::<u64>();
                drop(sale.confirm(&hold.id, "toss").unwrap());
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::SoldOut { available: 0 }), "{refusal:?}");
            }
        }
    }
    gifts
}

#[test]
fn eight_wednesdays_sell_sixteen_thousand_units_and_donate_half_to_the_won() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock(WEDNESDAYS);
    let options = Engine::options().data(directory.path()).durability(Durability::Buffered);
    let engine = options.clock(clock.clone()).background(false).open().unwrap();
    engine.put(parse(WEDNESDAYS)).unwrap();
    let mut donation = 0;
    for number in 1..=8 {
        let sale = engine.sale(&format!("uroad-2020-{number}")).unwrap();
        clock.advance_to(sale.opens_at().minus_ms(1));
        engine.tick();
        assert!(sale.is_sealed() && sale.view().0.items.is_none(), "sealed until 10:00");
        clock.advance(1);
        engine.tick();
        let (view, _) = sale.view();
        let item = view.items.unwrap().remove(0);
        assert!(view.shipping == 0 && item.list_price.unwrap() > item.price);
        assert_eq!(wednesday(&sale), 2_000, "a gift with every order");
        donation += 2_000 * (item.price / 2);
        let left: Vec<_> = sale.view().0.gifts.unwrap().iter().map(|gift| gift.available).collect();
        assert!(left.contains(&Some(0)), "given until they ran out: {left:?}");
        assert!(sale.audit().wait().unwrap().ok);
        clock.advance(6 * DAY_MS);
        engine.tick();
    }
    let settled = engine.settle("uroad-2020", &[("hope-bridge", donation)]).unwrap();
    let report = settled.wait().unwrap();
    assert_eq!((report.total.orders, report.total.units), (16_000, 16_000));
    assert_eq!(report.total.ledger[0].settled, donation);
    for drop in &report.drops {
        assert_eq!(drop.figures.ledger[0].accrued, drop.figures.spend / 2, "{}", drop.drop);
    }
    assert_eq!(report.idle_unit_seconds, 0);
    drop(engine);
    let audited = audit_directory(directory.path()).unwrap();
    assert!(audited.ok, "{:?}", audited.violations);
}

/// Half of `BASKETS` of one sale, from one of two threads; how many were granted.
fn shop(sale: &Sale, skus: &[String], seed: u64) -> u32 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut granted = 0;
    for basket in 0..BASKETS / 2 {
        let customer = format!("c-{seed}-{}", random.random_range(0..BASKETS / 20));
        let key = format!("k-{basket}");
        let lines = random.random_range(1..=20);
        let mut request = HoldRequest::new(&customer).key(&key).area("gwangmyeong");
        for sku in skus.sample(&mut random, lines) {
            request = request.line(sku, random.random_range(1..=3));
        }
        match sale.hold(&request) {
            Ok(hold) => {
                granted += 1;
                let id = hold.into_parts().0.id;
                match random.random_range(0..4) {
                    0 => drop(sale.release(&id).unwrap()),
                    1 => drop(sale.confirm(&id, "p").unwrap()),
                    _ => {}
                }
            }
            Err(Refusal::SoldOut { .. } | Refusal::LimitReached(_)) => {}
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
    granted
}

#[test]
fn two_live_markets_sell_random_baskets_all_lines_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock(MARKET);
    let options = Engine::options().data(directory.path()).durability(Durability::Buffered);
    let engine = options.clock(clock.clone()).background(false).open().unwrap();
    engine.put(parse(MARKET)).unwrap();
    for (number, opens_at) in [(1, "2020-04-17T03:00:00.000Z"), (2, "2020-04-24T03:00:00.000Z")] {
        let sale = engine.sale(&format!("live-market-2020-{number}")).unwrap();
        assert_eq!(sale.opens_at().to_string(), opens_at);
        clock.advance_to(sale.opens_at().minus_ms(1));
        engine.tick();
        let skus = skus(&sale);
        assert_eq!(skus.len(), 60);
        let one = HoldRequest::new("early").line(&skus[0], 1).area("gwangmyeong");
        assert!(matches!(sale.hold(&one), Err(Refusal::NotOpen { .. })), "nothing before 12:00");
        clock.advance(1);
        let elsewhere = HoldRequest::new("elsewhere").line(&skus[0], 1).area("gangnam");
        assert!(matches!(sale.hold(&elsewhere), Err(Refusal::AreaNotServed)));
        let granted: u32 = std::thread::scope(|scope| {
            let threads = [1, 2].map(|seed| {
                let (sale, skus) = (&sale, &skus);
                scope.spawn(move || shop(sale, skus, seed))
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(granted > 1_000, "{granted}");
        let seen = sale.audit().wait().unwrap();
        assert!(seen.ok && seen.holds == u64::from(granted), "{seen:?}");
        clock.advance(3_600_000);
        engine.tick();
        let late = HoldRequest::new("late").line(&skus[0], 1).area("gwangmyeong");
        assert!(matches!(sale.hold(&late), Err(Refusal::Closed)), "nothing after 13:00");
        assert_eq!(sale.phase(), Phase::Closed);
    }
    drop(engine);
    let report = audit_directory(directory.path()).unwrap();
    assert!(report.ok, "{:?}", report.violations);
}

#[test]
fn free_titles_are_confirmed_at_once_one_of_each_for_a_customer() {
    let clock = clock(PERFORMANCES);
    let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
    let engine = options.background(false).open().unwrap();
    engine.put(parse(PERFORMANCES)).unwrap();
    for (month, opens_at) in (1..).zip(["2020-05-01", "2020-06-01", "2020-07-01", "2020-08-01"]) {
        let sale = engine.sale(&format!("performances-2020-{month}")).unwrap();
        assert_eq!(sale.opens_at().to_string(), format!("{opens_at}T09:00:00.000Z"));
        clock.advance_to(sale.opens_at().minus_ms(1));
        assert!(sale.is_sealed() && sale.view().0.items.is_none(), "sealed until the release");
        clock.advance(1);
        engine.tick();
        let titles = skus(&sale);
        assert_eq!(titles.len(), 4);
        let mut all = HoldRequest::new("c-1").key("k");
        for title in &titles {
            all = all.line(title, 1);
        }
        let seen = sale.hold(&all).unwrap().wait().unwrap();
        assert_eq!((seen.state, seen.total().amount), (HoldState::Confirmed, 0));
        let again = sale.hold(&HoldRequest::new("c-1").line(&titles[0], 1));
        assert!(matches!(again, Err(Refusal::LimitReached(_))));
        assert!(sale.audit().wait().unwrap().ok);
    }
}

#[test]
fn coupons_are_redeemed_once_and_outlast_a_suspended_season() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock(COUPONS);
    clock.advance(1);
    let open = || {
        let options = Engine::options().data(directory.path()).clock(clock.clone());
        options.background(false).open().unwrap()
    };
    let engine = open();
    engine.put(parse(COUPONS)).unwrap();
    let sale = engine.sale("street-coupons-2020-1").unwrap();
    let coupon = |sale: &Sale, customer: &str, sku: &str| {
        let request = HoldRequest::new(customer).line(sku, 1).key(sku);
        sale.hold(&request).map(|hold| hold.wait().unwrap().id)
    };
    let mut held = Vec::new();
    for customer in 0..100 {
        let customer = format!("c-{customer:03}");
        held.push(coupon(&sale, &customer, "seochon-tea").unwrap());
        held.push(coupon(&sale, &customer, "incheon-coffee").unwrap());
        let second = sale.hold(&HoldRequest::new(&customer).line("seochon-tea", 1).key("k"));
        assert!(matches!(second, Err(Refusal::LimitReached(_))), "one of each");
    }
    let redeemed = sale.confirm(&held[0], None).unwrap().wait().unwrap();
    assert_eq!(redeemed.state, HoldState::Confirmed);
    assert!(matches!(sale.release(&held[0]), Err(Refusal::WrongState)), "redeemed is redeemed");
    clock.advance(7 * DAY_MS);
    sale.pause().unwrap().wait().unwrap();
    let numbers = |sale: &Sale| -> Vec<_> {
        let seen = held.iter().map(|id| sale.get(id).unwrap().wait().unwrap());
        seen.map(|hold| (hold.number, hold.state)).collect()
    };
    let before = numbers(&sale);
    drop((engine, sale, redeemed));
    clock.advance(240 * DAY_MS);
    let engine = open();
    let sale = engine.sale("street-coupons-2020-1").unwrap();
    assert_eq!((engine.tick(), sale.phase()), (0, Phase::Paused));
    assert!(matches!(coupon(&sale, "new", "pildong-book"), Err(Refusal::Paused)));
    sale.resume().unwrap().wait().unwrap();
    assert_eq!(numbers(&sale), before, "nothing was lost, no number shifted");
    clock.advance(7 * DAY_MS - 1);
    assert_eq!(engine.tick(), 0, "the other half of the two weeks");
    assert!(sale.confirm(&held[1], None).is_ok());
    clock.advance(1);
    assert_eq!(engine.tick(), 198);
    let new = coupon(&sale, "new", "seochon-tea").unwrap();
    assert_eq!(sale.get(&new).unwrap().wait().unwrap().number, 201);
    assert!(sale.audit().wait().unwrap().ok);
}
