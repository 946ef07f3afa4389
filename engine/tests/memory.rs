//! What a live hold costs, counted by the allocator: customers of 12 characters, one line, a key of
//! 16. In a binary of its own, since it replaces the allocator.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use jangteo::{Campaign, Durability, Engine, HoldRequest, ManualClock, Timestamp};

    /// So many that every shard's table of names has just doubled: the most that it costs.
    const HOLDS: u32 = 500_000;
    const MEMORY_BYTES_MAX: f64 = 160.0;
    const JOURNAL_BYTES_MAX: f64 = 110.0;
    /// Grants of one batch: its two buffers are counted too, and are not of the holds.
    const BATCH: u32 = 5_000;

    fn campaign() -> Campaign {
        let text = format!(
            r#"
[campaign]
id = "t"
title = "t"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[rules]
hold_ttl = "1h"
limit_per_customer = 1
[[items]]
sku = "a"
title = "a"
price = 1000
stock = {HOLDS}
"#
        );
        Campaign::parse(&text).unwrap()
    }

    fn open(directory: &Path) -> Engine {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
        let options = Engine::options().data(directory).clock(clock).background(false);
        options.durability(Durability::Buffered).snapshot_after(u64::MAX).open().unwrap()
    }

    /// An engine in which everything was granted just now.
    fn sold(directory: &Path) -> Engine {
        let engine = open(directory);
        engine.put(campaign()).unwrap();
        for _ in 0..100 {
            engine.tick(); // a few of these make every row ready
        }
        let sale = engine.sale("t-1").unwrap();
        for hold in 0..HOLDS {
            let (customer, key) = (format!("c-{hold:010}"), format!("k-{hold:014}"));
            drop(sale.hold(&HoldRequest::new(&customer).line("a", 1).key(&key)).unwrap());
            if hold % BATCH == BATCH - 1 {
                engine.flush().unwrap();
            }
        }
        engine.flush().unwrap();
        engine
    }

    /// Bytes that an engine keeps, for each hold.
    fn each(made: impl FnOnce() -> Engine) -> f64 {
        let mut engine = None;
        let info = allocation_counter::measure(|| engine = Some(made()));
        let sale = engine.as_ref().unwrap().sale("t-1").unwrap();
        let item = &sale.view().0.items.unwrap()[0];
        assert_eq!((item.available, item.held), (Some(0), u64::from(HOLDS)), "all are live");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let bytes = info.bytes_current as f64;
        bytes / f64::from(HOLDS)
    }

    /// Bytes of the journal's files up to the last one that is not zero.
    fn journal_bytes(directory: &Path) -> usize {
        let files = std::fs::read_dir(directory.join("journal")).unwrap();
        let used = |path: std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count()
        };
        files.map(|entry| used(entry.unwrap().path())).sum()
    }

    #[test]
    fn a_live_hold_costs_what_it_may_in_memory_and_in_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let granted = each(|| sold(path));
        let journal = f64::from(u32::try_from(journal_bytes(path)).unwrap()) / f64::from(HOLDS);
        let replayed = each(|| open(path));
        jangteo::snapshot_directory(path).unwrap().unwrap();
        let loaded = each(|| open(path));
        println!(
            "{granted:.1} granted, {replayed:.1} from the journal, {loaded:.1} from a snapshot"
        );
        println!("{journal:.1} bytes of journal a grant");
        for bytes in [granted, replayed, loaded] {
            assert!(bytes <= MEMORY_BYTES_MAX, "{granted} {replayed} {loaded}");
            assert!(bytes > 100.0, "{bytes} bytes cannot hold it: what was counted?");
        }
        assert!(journal > 80.0 && journal <= JOURNAL_BYTES_MAX, "{journal}");
    }

    #[test]
    fn drops_that_are_over_are_not_made_ready() {
        let text = r#"
[campaign]
id = "t"
title = "t"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=DAILY;COUNT=50"
closes_after = "1h"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 100000
"#;
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_620_000_000_000)));
        let options = Engine::options().durability(Durability::Memory).clock(clock);
        let engine = options.background(false).open().unwrap();
        let put = allocation_counter::measure(|| {
            engine.put(Campaign::parse(text).unwrap()).unwrap();
            for _ in 0..100 {
                engine.tick();
            }
        });
        assert!(put.bytes_max < 1 << 20, "{} bytes for what is over", put.bytes_max);
    }

    /// An order of three lines is copied to be counted, and so shows in what is allocated.
    #[test]
    fn the_orders_of_a_credit_that_is_settled_are_not_counted_again() {
        const ORDERS: u64 = 1_000;
        let item = |sku| {
            format!("[[items]]\nsku = \"{sku}\"\ntitle = \"t\"\nprice = 1000\nstock = 1000\n")
        };
        let text = format!(
            r#"
[campaign]
id = "t"
title = "t"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
closes_after = "1h"
{}
[[ledger]]
kind = "credit"
beneficiary = "hope"
rate = "1%"
settles = "2020-05-31T23:59:59"
"#,
            ["a", "b", "c"].map(item).concat()
        );
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
        let options = Engine::options().durability(Durability::Memory).clock(clock.clone());
        let engine = options.background(false).open().unwrap();
        engine.put(Campaign::parse(&text).unwrap()).unwrap();
        let sale = engine.sale("t-1").unwrap();
        for order in 0..ORDERS {
            let customer = format!("c-{order}");
            let request = ["a", "b", "c"]
                .iter()
                .fold(HoldRequest::new(&customer), |all, sku| all.line(sku, 1));
            let hold = sale.hold(&request).unwrap().wait().unwrap();
            sale.confirm(&hold.id, "p").unwrap().wait().unwrap();
        }
        clock.advance(40 * 86_400_000);
        let settled = allocation_counter::measure(|| {
            engine.tick();
        });
        assert!(settled.count_total >= ORDERS, "{} to count them", settled.count_total);
        assert_eq!(engine.points("t", "c-1").unwrap().wait().unwrap(), 0, "settled");
        let again = allocation_counter::measure(|| {
            engine.tick();
        });
        assert!(again.count_total < ORDERS, "{} to look again", again.count_total);
    }

    /// Customers of one drop of free titles, and what each may cost.
    const VIEWERS: u32 = 1_000_000;
    const VIEWER_BYTES_MAX: f64 = 200.0;

    #[test]
    fn a_million_reservations_of_free_titles_cost_200_bytes_each_at_most() {
        let file = include_str!("../../docs/campaigns/performances-2020.toml");
        let campaign = Campaign::parse(file).unwrap();
        let opens_at = campaign.occurrences()[0].opens_at;
        let mut engine = None;
        let info = allocation_counter::measure(|| {
            let clock = Arc::new(ManualClock::at(opens_at));
            let options = Engine::options().durability(Durability::Memory).clock(clock);
            let made = options.background(false).open().unwrap();
            made.put(campaign).unwrap();
            let sale = made.sale("performances-2020-1").unwrap();
            for viewer in 0..VIEWERS {
                let (customer, key) = (format!("c-{viewer:010}"), format!("k-{viewer:014}"));
                let request = HoldRequest::new(&customer).line("opera-1", 1).key(&key);
                drop(sale.hold(&request).unwrap());
            }
            engine = Some(made);
        });
        let sale = engine.unwrap().sale("performances-2020-1").unwrap();
        let items = sale.view().0.items.unwrap();
        let sold: u64 = items.iter().map(|item| item.sold).sum();
        assert_eq!(sold, u64::from(VIEWERS), "confirmed at once");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = info.bytes_current as f64 / f64::from(VIEWERS);
        println!("{each:.1} bytes a reservation");
        assert!(each > 100.0 && each <= VIEWER_BYTES_MAX, "{each}");
    }
}
