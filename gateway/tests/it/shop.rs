//! Campaigns and services that the stories share.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jangteo::limits::RETENTION_LOOK_MS;
use jangteo::{
    Campaign, Durability, Engine, HoldRequest, ManualClock, Timestamp, snapshot_directory,
};
use jangteo_gateway::access::Access;
use jangteo_gateway::{Limits, Service, Tls};

/// 2020-04-29 10:00 in Seoul.
pub(crate) const OPENS_MS: u64 = 1_588_122_000_000;

/// Any free port of this machine.
pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The file of campaign `t`, which opens at [`OPENS_MS`] and then daily, twice.
pub(crate) fn campaign_file(rules: &str, items: &str) -> String {
    format!(
        r#"
[campaign]
id = "t"
title = "test"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=DAILY;COUNT=2"
[rules]
{rules}
{items}
"#
    )
}

/// The file of campaign `id` with one drop of 100,000 units, which opens at an instant of this
/// machine's clock, in Unix seconds.
pub(crate) fn campaign_at(id: &str, opens_s: i64, schedule: &str, rules: &str) -> String {
    const SEOUL_S: i64 = 9 * 3_600;
    let local = chrono::DateTime::from_timestamp(opens_s + SEOUL_S, 0).unwrap();
    let opens = local.format("%Y-%m-%dT%H:%M:%S").to_string();
    campaign_file(rules, &items(&[("a", 100_000), ("b", 100_000)]))
        .replace("id = \"t\"", &format!("id = \"{id}\""))
        .replace("2020-04-29T10:00:00", &opens)
        .replace("repeats = \"FREQ=DAILY;COUNT=2\"", schedule)
}

/// Items at 1,000 won.
pub(crate) fn items(stock: &[(&str, u32)]) -> String {
    let item = |(sku, units): &(&str, u32)| {
        format!("[[items]]\nsku = \"{sku}\"\ntitle = \"{sku}\"\nprice = 1000\nstock = {units}\n")
    };
    stock.iter().map(item).collect()
}

/// A service on a manual clock.
pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: Service,
}

impl Shop {
    /// In memory; the first drop is open and has these items.
    pub(crate) fn open(rules: &str, stock: &[(&str, u32)]) -> Self {
        Self::at(OPENS_MS, rules, &items(stock))
    }

    /// In memory, at that instant.
    pub(crate) fn at(now_ms: u64, rules: &str, items: &str) -> Self {
        let options = Engine::options().durability(Durability::Memory);
        Self::with(options, now_ms, &campaign_file(rules, items))
    }

    /// On a disk; the first drop is open.
    pub(crate) fn on_disk(directory: &Path, rules: &str, stock: &[(&str, u32)]) -> Self {
        let options = Engine::options().data(directory).segment_bytes(1 << 20);
        Self::with(options, OPENS_MS, &campaign_file(rules, &items(stock)))
    }

    pub(crate) fn with(options: jangteo::Options, now_ms: u64, file: &str) -> Self {
        Self::guarded(options, now_ms, file, Access::loopback(), None)
    }

    /// Likewise, for those who have a key, and encrypted if `tls` is something.
    pub(crate) fn guarded(
        options: jangteo::Options,
        now_ms: u64,
        file: &str,
        access: Access,
        tls: Option<Tls>,
    ) -> Self {
        Self::limited(options, now_ms, file, access, (tls, Limits::default()))
    }

    /// Likewise, within these limits.
    pub(crate) fn limited(
        options: jangteo::Options,
        now_ms: u64,
        file: &str,
        access: Access,
        (tls, limits): (Option<Tls>, Limits),
    ) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(now_ms)));
        let engine = options.clock(clock.clone()).background(false).open().unwrap();
        engine.put(Campaign::parse(file).unwrap_or_else(|faults| panic!("{faults}"))).unwrap();
        let at = (any_port(), any_port());
        let service = Service::start_limited(engine.clone(), at, access, tls, limits).unwrap();
        Self { engine, clock, service }
    }

    /// On a disk that keeps what is settled no longer than it must: 20 holds of the only campaign
    /// expired, it is settled, and its oldest segment may go.
    pub(crate) fn with_a_past(directory: &Path) -> Self {
        let options = Engine::options().data(directory).segment_bytes(4_096);
        let file = campaign_file("", &items(&[("a", 99)]));
        let shop = Self::with(options.retain_settled(Duration::ZERO), OPENS_MS, &file);
        let sale = shop.engine.sale("t-1").unwrap();
        for customer in 0..20 {
            let name = format!("c-{customer}");
            drop(sale.hold(&HoldRequest::new(&name).line("a", 1)).unwrap().wait().unwrap());
        }
        shop.engine.sales().iter().for_each(|sale| drop(sale.close().unwrap()));
        shop.clock.advance(3_600_000);
        shop.engine.tick();
        drop(shop.engine.settle("t", &[]).unwrap());
        for id in ["id = \"u\"", "id = \"v\""] {
            let next = file.replace("id = \"t\"", id);
            shop.engine.put(Campaign::parse(&next).unwrap()).unwrap();
            shop.engine.flush_soon();
            snapshot_directory(directory).unwrap().unwrap();
        }
        shop
    }

    /// Looks at what is not to be kept, as often as that.
    pub(crate) fn forget(&self, looks: u32) {
        for _ in 0..looks {
            self.clock.advance(RETENTION_LOOK_MS);
            self.engine.tick();
        }
    }

    /// Units of an item of the first drop: available, held, sold.
    /// Takes the units that are left off sale: a late payment finds none.
    pub(crate) fn sell_out(&self, sku: &str) {
        let (_, held, sold) = self.units(sku);
        let total = u32::try_from(held + sold).unwrap();
        let sale = self.engine.sale("t-1").unwrap();
        sale.set_stock(sku, total, None).unwrap().wait().unwrap();
    }

    pub(crate) fn units(&self, sku: &str) -> (u32, u64, u64) {
        let view = self.engine.sale("t-1").unwrap().view().0;
        let item = view.items.unwrap().into_iter().find(|item| item.sku == sku).unwrap();
        (item.available.unwrap(), item.held, item.sold)
    }
}
