//! The live market from its campaign file, unchanged, over both wires: two hours, 60 goods each,
//! random baskets, all lines or none.
//!
//! `JANGTEO_BASKETS` says how many baskets each hour has.
//! In the first hour one client goes from wire to wire, so that every answer is known beforehand.
//! In the second both wires buy at once, and the load test's verdict judges what they were told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use jangteo::audit::{Counted, DirectoryAudit, HoldAudit, audit_directory};
use jangteo::{Durability, Engine, Sale, Timestamp};
use jangteo_loadtest::{
    Basket, Crowd, Grant, HoldState, Line, Record, SoldOut, Witness, WitnessHold, WitnessItem,
    verdict,
};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::clients::{Resp, connect, http};
use crate::shop::Shop;
use crate::watching::Subscriber;

const MARKET: &str = include_str!("../../../docs/campaigns/live-market-2020.toml");
const AREAS: &str = r#"areas = ["gwangmyeong", "gangbuk"]"#;
/// Baskets of each hour in a normal run.
const BASKETS: usize = 20_000;
/// Requests that are sent together.
const BATCH: usize = 16;
/// Units a customer may have.
const LIMIT: u64 = 60;

fn baskets() -> usize {
    std::env::var("JANGTEO_BASKETS").map_or(BASKETS, |text| text.parse().unwrap())
}

/// What a client asks for.
#[derive(Clone, Debug)]
enum Ask {
    Hold { customer: String, key: String, basket: Basket, area: &'static str },
    Confirm { hold: Arc<str> },
    Release { hold: Arc<str> },
}

/// What it is told: a hold and its number, or the code of a refusal.
type Said = Result<(Arc<str>, u64), String>;

/// A connection of either wire that sends everything at once and then reads all answers.
trait Wire {
    fn ask(&mut self, drop: &str, asks: &[Ask]) -> Vec<Said>;
}

struct Redis(Subscriber);

impl Wire for Redis {
    fn ask(&mut self, drop: &str, asks: &[Ask]) -> Vec<Said> {
        let command = |ask: &Ask| match ask {
            Ask::Hold { customer, key, basket, area } => {
                let lines = basket.lines.iter().map(|line| format!("{} {}", line.sku, line.units));
                let (count, lines) = (basket.lines.len(), lines.collect::<Vec<_>>().join(" "));
                format!("DROP.HOLD {drop} {customer} {count} {lines} KEY {key} AREA {area}")
            }
            Ask::Confirm { hold } => format!("DROP.CONFIRM {hold} p"),
            Ask::Release { hold } => format!("DROP.RELEASE {hold}"),
        };
        let commands: Vec<String> = asks.iter().map(command).collect();
        self.0.0.get_mut().write_all(&Resp::encoded(&commands)).unwrap();
        asks.iter().map(|_| self.said()).collect()
    }
}

impl Redis {
    fn said(&mut self) -> Said {
        let frame = self.0.frame();
        if let Some(error) = frame[0].strip_prefix('-') {
            let code = match error.split(' ').next().unwrap() {
                "SOLDOUT" => "sold_out",
                "LIMIT" => "limit_reached",
                "NOTOPEN" => "not_open",
                "NOAREA" => "area_not_served",
                "CLOSED" => "closed",
                other => other,
            };
            return Err(code.to_owned());
        }
        let place = frame.iter().position(|word| word == "number").unwrap() + 1;
        Ok((frame[1].as_str().into(), frame[place][1..].parse().unwrap()))
    }
}

struct Web(BufReader<TcpStream>);

impl Wire for Web {
    fn ask(&mut self, drop: &str, asks: &[Ask]) -> Vec<Said> {
        let request = |ask: &Ask| {
            let (path, key, body) = match ask {
                Ask::Hold { customer, key, basket, area } => {
                    let line = |line: &Line| json!({"sku": line.sku, "quantity": line.units});
                    let lines: Vec<Value> = basket.lines.iter().map(line).collect();
                    let body = json!({"customer": customer, "lines": lines, "area": area});
                    let key = format!("Idempotency-Key: {key}\r\n");
                    (format!("drops/{drop}/holds"), key, body.to_string())
                }
                Ask::Confirm { hold } => (
                    format!("holds/{hold}/confirm"),
                    String::new(),
                    r#"{"payment":"p"}"#.to_owned(),
                ),
                Ask::Release { hold } => {
                    (format!("holds/{hold}/release"), String::new(), "{}".to_owned())
                }
            };
            let length = body.len();
            format!(
                "POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 {key}Content-Length: {length}\r\n\r\n{body}"
            )
        };
        let requests: String = asks.iter().map(request).collect();
        self.0.get_mut().write_all(requests.as_bytes()).unwrap();
        asks.iter().map(|_| self.said()).collect()
    }
}

impl Web {
    fn said(&mut self) -> Said {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the connection was closed");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap();
        match told["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok((told["id"].as_str().unwrap().into(), told["number"].as_u64().unwrap())),
        }
    }
}

/// A connection over RESP and one over HTTP.
fn wires(shop: &Shop) -> [Box<dyn Wire + Send>; 2] {
    let (resp, http) = (shop.service.resp(), shop.service.http());
    [Box::new(Redis(Subscriber::connect(resp, 2))), Box::new(Web(BufReader::new(connect(http))))]
}

/// Somebody who sends baskets and remembers every answer.
struct Shopper<'a> {
    seed: u64,
    drop: &'a str,
    skus: &'a [String],
    random: StdRng,
    begun: Instant,
    area: &'static str,
    keys: u64,
    /// Units of each customer; nobody else sends for these.
    live: HashMap<String, u64>,
    /// Units left of each item, if nobody else buys.
    left: Option<HashMap<String, u64>>,
    grants: Vec<Grant>,
    by_id: HashMap<Arc<str>, usize>,
    sold_out: Vec<SoldOut>,
    /// Answers that said the limit was reached.
    at_limit: u64,
    next: Vec<Ask>,
}

impl<'a> Shopper<'a> {
    fn new(seed: u64, drop: &'a str, skus: &'a [String], begun: Instant) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            seed,
            drop,
            skus,
            random,
            begun,
            area: "gwangmyeong",
            keys: 0,
            live: HashMap::new(),
            left: None,
            grants: Vec::new(),
            by_id: HashMap::new(),
            sold_out: Vec::new(),
            at_limit: 0,
            next: Vec::new(),
        }
    }

    fn basket(&mut self) -> Ask {
        let customers = 300 + baskets() / 100;
        let customer = format!("c-{}-{}", self.seed, self.random.random_range(0..customers));
        let lines = self.random.random_range(1..=20);
        let chosen = self.skus.sample(&mut self.random, lines).cloned().collect::<Vec<_>>();
        let random = &mut self.random;
        let lines = chosen.into_iter().map(|sku| Line { sku, units: random.random_range(1..=3) });
        let basket = Basket { lines: lines.collect(), may_lack_a_gift: false };
        self.keys += 1;
        let key = format!("k-{}-{}", self.seed, self.keys);
        Ask::Hold { customer, key, basket, area: self.area }
    }

    fn us(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_micros()).unwrap()
    }

    /// Sends this many baskets, and what becomes of them, in batches over these wires by turns.
    fn shop(&mut self, wires: &mut [Box<dyn Wire + Send>], baskets: usize) {
        for batch in 0..baskets.div_ceil(BATCH) {
            let mut asks = std::mem::take(&mut self.next);
            asks.extend((0..BATCH).map(|_| self.basket()));
            let turn = batch % wires.len();
            self.send(&mut wires[turn], asks);
        }
        let asks = std::mem::take(&mut self.next);
        self.send(&mut wires[0], asks);
    }

    fn send(&mut self, wire: &mut Box<dyn Wire + Send>, asks: Vec<Ask>) {
        let sent_us = self.us();
        let said = wire.ask(self.drop, &asks);
        let received_us = self.us();
        for (ask, said) in asks.into_iter().zip(said) {
            self.hear(ask, said, sent_us, received_us);
        }
    }

    fn hear(&mut self, ask: Ask, said: Said, sent_us: i64, received_us: i64) {
        let (hold, state) = match ask {
            Ask::Hold { customer, key, basket, .. } => {
                return self.hear_of_hold((customer, key, basket), said, sent_us, received_us);
            }
            Ask::Confirm { hold } => (hold, HoldState::Confirmed),
            Ask::Release { hold } => (hold, HoldState::Released),
        };
        assert_eq!(said.unwrap().0, hold);
        let grant = &mut self.grants[self.by_id[&hold]];
        (grant.state, grant.settled_us) = (state, Some(received_us));
        if state == HoldState::Confirmed {
            grant.confirm_asked_us = Some(sent_us);
            return;
        }
        grant.release_asked_us = Some(sent_us);
        *self.live.get_mut(&grant.customer).unwrap() -= grant.basket.units();
        if let Some(left) = &mut self.left {
            let mut back = |line: &Line| *left.get_mut(&line.sku).unwrap() += u64::from(line.units);
            grant.basket.lines.iter().for_each(&mut back);
        }
    }

    fn hear_of_hold(
        &mut self,
        (customer, key, basket): (String, String, Basket),
        said: Said,
        sent_us: i64,
        received_us: i64,
    ) {
        let live = self.live.entry(customer.clone()).or_default();
        let fits = |left: &HashMap<String, u64>| {
            basket.lines.iter().all(|line| left[&line.sku] >= u64::from(line.units))
        };
        let would_fit = self.left.as_ref().map(fits);
        let (id, number) = match said {
            Err(code) if *live + basket.units() > LIMIT => {
                assert_eq!(code, "limit_reached");
                self.at_limit += 1;
                return;
            }
            Err(code) => {
                assert_eq!(code, "sold_out");
                assert_ne!(would_fit, Some(true), "everything in it was free: {basket:?}");
                return self.sold_out.push(SoldOut { basket, sent_us, received_us });
            }
            Ok(granted) => granted,
        };
        *live += basket.units();
        assert!(*live <= LIMIT, "a customer has {live} units");
        assert_ne!(would_fit, Some(false), "granted, and not all of it was left: {basket:?}");
        if let Some(left) = &mut self.left {
            let mut take = |line: &Line| *left.get_mut(&line.sku).unwrap() -= u64::from(line.units);
            basket.lines.iter().for_each(&mut take);
        }
        match self.random.random_range(0..4) {
            0 => self.next.push(Ask::Release { hold: id.clone() }),
            1 => self.next.push(Ask::Confirm { hold: id.clone() }),
            _ => {}
        }
        self.by_id.insert(id.clone(), self.grants.len());
        self.grants.push(Grant {
            id,
            number,
            customer,
            key,
            basket,
            state: HoldState::Held,
            asked_us: sent_us,
            granted_us: received_us,
            confirm_asked_us: None,
            release_asked_us: None,
            settled_us: None,
            fresh_answers: 1,
            doubted: false,
        });
    }
}

fn witness<'a>(items: impl Iterator<Item = &'a Counted>, holds: &[HoldAudit]) -> Witness {
    let item = |one: &Counted| WitnessItem {
        sku: one.sku.clone(),
        total: one.total.map(u64::from),
        available: one.units.available.map(|units| units.try_into().unwrap()),
        held: one.units.held,
        sold: one.units.sold,
    };
    let hold = |hold: &HoldAudit| WitnessHold {
        id: hold.id.to_string(),
        number: hold.number.into(),
        customer: hold.customer.clone(),
        key: hold.key.clone(),
        state: HoldState::parse(serde_json::to_value(hold.state).unwrap().as_str().unwrap())
            .unwrap(),
        units: hold.units,
        granted_at_ms: Some(hold.granted_at.as_ms()),
    };
    let holds = holds.iter().map(hold).collect();
    Witness { items: items.map(item).collect(), holds, violations: Vec::new() }
}

/// What the shoppers were told, the service's audit and the journal's agree on every hold and unit.
fn agree(shop: &Shop, directory: &std::path::Path, sale: &Sale, shoppers: Vec<Shopper<'_>>) {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut crowd = Crowd::new(sale.id(), "", sale.opens_at().as_ms(), nowhere, nowhere);
    crowd.limit_per_customer = LIMIT.try_into().unwrap();
    crowd.baskets = shoppers[0].skus.iter().map(|sku| Basket::one(sku)).collect();
    let mut record = Record::new(&crowd);
    for shopper in shoppers {
        record.grants.extend(shopper.grants);
        record.sold_out.extend(shopper.sold_out);
    }
    let (ours, holds) = sale.audit_holds().wait().unwrap();
    assert!(ours.ok, "{:?}", ours.violations);
    let service = witness(ours.items.iter().map(|one| &one.reported), &holds);
    shop.engine.flush().unwrap();
    let DirectoryAudit { ok, drops, violations, .. } = audit_directory(directory).unwrap();
    assert!(ok, "{violations:?}");
    let theirs = drops.iter().find(|drop| drop.id == sale.id()).unwrap();
    let journal = witness(theirs.items.iter(), theirs.holds());
    let judged = verdict(&record, &service, &journal);
    assert!(judged.ok, "{judged:?}");
    assert_eq!(holds.len(), record.grants.len(), "what was refused left nothing behind");
    let sold_out = record.sold_out.len();
    println!("{}: {} granted, {sold_out} refused as sold out", sale.id(), holds.len());
    assert!(holds.len() > 300 && sold_out > 300);
    shown_alike(shop, sale, &service, &record);
}

/// Both wires show the counts of the audit, and of every customer what was granted and no more.
fn shown_alike(shop: &Shop, sale: &Sale, service: &Witness, record: &Record) {
    let drop = http(shop.service.http(), &format!("GET /v1/drops/{}", sale.id()), &[], "").json();
    let stock = Resp::connect(shop.service.resp()).one(&format!("DROP.STOCK {}", sale.id()));
    for (item, WitnessItem { sku, total, available, held, sold }) in
        drop["items"].as_array().unwrap().iter().zip(&service.items)
    {
        let [total, available] = [total, available].map(|units| units.unwrap());
        assert_eq!(total, available + held + sold);
        let seen = ["total", "available", "held", "sold"].map(|name| item[name].as_u64().unwrap());
        assert_eq!((item["sku"].as_str(), seen), (Some(&**sku), [total, available, *held, *sold]));
        let (total, held) = (format!("total :{total}"), format!("held :{held}"));
        let of = stock.split(&format!(" {sku} ")).nth(1).unwrap().split(" sku ").next().unwrap();
        assert!(of.contains(&total) && of.contains(&held), "{sku}: {of}");
    }
    for place in 0..40 {
        let customer = format!("c-1-{place}");
        let theirs = record.grants.iter().filter(|grant| grant.customer == customer).count();
        let line = format!("GET /v1/drops/{}/holds?customer={customer}", sale.id());
        let found = http(shop.service.http(), &line, &[], "").json();
        assert_eq!(found["holds"].as_array().unwrap().len(), theirs.min(100), "{customer}");
    }
}

/// What each wire answers to one unit of an item, asked for by a customer nobody else is.
fn one_unit(shop: &Shop, drop: &str, sku: &str, area: &'static str) -> [Said; 2] {
    let mut index = 0;
    wires(shop).map(|mut wire| {
        index += 1;
        let at = shop.engine.now().as_ms();
        let customer = format!("one-{index}-{area}-{at}");
        let (key, basket) = ("k".to_owned(), Basket::one(sku));
        let ask = Ask::Hold { customer, key, basket, area };
        wire.ask(drop, &[ask]).remove(0)
    })
}

fn refused(said: [Said; 2], code: &str) {
    assert_eq!(said.map(Result::unwrap_err), [code, code]);
}

/// One hour, which serves `more` areas than the file once half of the baskets were asked for; the
/// last of them was not served until then.
fn hour(shop: &Shop, directory: &std::path::Path, number: u32, more: &[&'static str]) {
    let drop = format!("live-market-2020-{number}");
    let sale = shop.engine.sale(&drop).unwrap();
    let to = |instant: Timestamp| {
        shop.clock.advance_to(instant);
        shop.engine.tick();
    };
    to(sale.opens_at().minus_ms(1));
    let items = sale.view().0.items.unwrap();
    let skus: Vec<String> = items.iter().map(|item| item.sku.clone()).collect();
    assert_eq!(skus.len(), 60);
    let one = |area| one_unit(shop, &drop, &skus[0], area);
    refused(one("gwangmyeong"), "not_open"); // 11:59:59.999
    to(sale.opens_at());
    let elsewhere = more[more.len() - 1];
    refused(one(elsewhere), "area_not_served");

    let begun = Instant::now();
    let shopper = |seed| Shopper::new(seed, &drop, &skus, begun);
    let mut shoppers = if number == 1 {
        let totals = items.iter().map(|item| (item.sku.clone(), item.total.unwrap().into()));
        vec![Shopper { left: Some(totals.collect()), ..shopper(1) }]
    } else {
        vec![shopper(1), shopper(2)]
    };
    half(shop, &mut shoppers);
    let areas: String = more.iter().map(|area| format!(", {area:?}")).collect();
    let areas = AREAS.replace("]", &format!("{areas}]"));
    let line = "PUT /v1/campaigns/live-market-2020";
    let widened = MARKET.replace(AREAS, &areas);
    let put = http(shop.service.http(), line, &["Content-Type: application/toml"], &widened);
    assert_eq!(put.status, 200, "{}", put.body);
    shoppers.iter_mut().for_each(|shopper| shopper.area = elsewhere);
    half(shop, &mut shoppers);
    let at_limit: u64 = shoppers.iter().map(|shopper| shopper.at_limit).sum();
    assert!(at_limit > 100, "{at_limit} at the limit");
    agree(shop, directory, &sale, shoppers);

    let closes_at = sale.closes_at().unwrap();
    assert_eq!(closes_at.as_ms() - sale.opens_at().as_ms(), 3_600_000);
    to(closes_at.minus_ms(1)); // 12:59:59.999: what was held is free again
    let granted = one("gwangmyeong");
    assert!(granted.iter().all(Result::is_ok), "{granted:?}");
    to(closes_at);
    refused(one("gwangmyeong"), "closed"); // 13:00:00.000
    let (audit, holds) = sale.audit_holds().wait().unwrap();
    assert!(audit.ok, "{:?}", audit.violations);
    assert!(holds.iter().all(|hold| (sale.opens_at()..closes_at).contains(&hold.granted_at)));
}

/// Half of the baskets: of one shopper over both wires by turns, of two over one each at once.
fn half(shop: &Shop, shoppers: &mut [Shopper<'_>]) {
    let mut wires = wires(shop);
    let baskets = baskets() / 2 / shoppers.len();
    if let [shopper] = shoppers {
        return shopper.shop(&mut wires, baskets);
    }
    std::thread::scope(|scope| {
        for (shopper, wire) in shoppers.iter_mut().zip(wires.chunks_mut(1)) {
            scope.spawn(move || shopper.shop(wire, baskets));
        }
    });
}

#[test]
fn a_live_market_over_both_wires_sells_whole_baskets_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).durability(Durability::Buffered);
    // 17 April 2020, 11:00 in Seoul.
    let shop = Shop::with(options.segment_bytes(1 << 20), 1_587_088_800_000, MARKET);
    hour(&shop, directory.path(), 1, &["gangnam"]);
    hour(&shop, directory.path(), 2, &["gangnam", "songpa"]);
    drop(shop);
    let audited = audit_directory(directory.path()).unwrap();
    assert!(audited.ok, "{:?}", audited.violations);
}
