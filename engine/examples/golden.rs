//! Makes a golden directory, which every later version must read: `cargo run -p jangteo --example
//! golden -- engine/tests/golden/v2`. For a new version of the format only; what is there is never
//! written anew.

#[path = "../tests/golden/describe.rs"]
mod describe;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jangteo::{Campaign, Engine, Hold, HoldRequest, ManualClock, Sale, Timestamp};

const SECTOR: usize = 512;
/// 2020-04-29 09:50 in Seoul.
const BEGINS_MS: u64 = 1_588_121_400_000;
const MINUTE_MS: u64 = 60_000;

const CAMPAIGN: &str = r#"
[campaign]
id = "golden"
title = "golden"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;COUNT=2"
closes_after = "90m"
[rules]
hold_ttl = "10m"
limit_per_customer = 5
auto_confirm = true
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 20
limit_per_customer = 2
gift = { sku = "g", quantity = 1 }
[[items]]
sku = "b"
title = "b"
price = 0
stock = "unlimited"
[[gifts]]
sku = "g"
title = "g"
stock = 3
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let target = PathBuf::from(std::env::args().nth(1).ok_or("which directory?")?);
    fs::create_dir(&target)?; // fails if it is there
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(BEGINS_MS)));
    first_start(&target, &clock)?;
    tear(&target)?;
    second_start(&target, &clock)?;
    tear(&target)?;
    fs::remove_file(target.join("journal/lock"))?;
    fs::remove_file(target.join("journal/snapshot.lock"))?;
    let scratch = target.join("scratch");
    copy(&target, &scratch)?;
    let state = describe::describe(&scratch)?;
    fs::remove_dir_all(&scratch)?;
    let text = serde_json::to_string_pretty(&state)?;
    fs::write(target.join("state.json"), text + "\n")?;
    writeln!(io::stdout(), "{}", target.display())?;
    Ok(())
}

fn open(target: &Path, clock: &Arc<ManualClock>) -> Result<Engine, jangteo::Error> {
    let options = Engine::options().data(target).clock(Arc::clone(clock) as Arc<_>);
    options.segment_bytes(1 << 14).background(false).open()
}

fn hold(sale: &Sale, customer: &str, sku: &str, units: u32) -> Result<Hold, Box<dyn Error>> {
    let key = format!("key-{customer}");
    let request = HoldRequest::new(customer).line(sku, units).key(&key).area("seoul");
    let held = sale.hold(&request).map_err(|refusal| refusal.code())?;
    Ok(held.wait()?)
}

/// Campaign, replaced once; opened, granted, confirmed, released, extended, stepped.
fn first_start(target: &Path, clock: &Arc<ManualClock>) -> Result<(), Box<dyn Error>> {
    let engine = open(target, clock)?;
    engine.put(Campaign::parse(&CAMPAIGN.replace("stock = 20", "stock = 10"))?)?;
    engine.put(Campaign::parse(CAMPAIGN)?)?;
    clock.advance(10 * MINUTE_MS);
    engine.tick();
    let sale = engine.sale("golden-1").ok_or("no drop")?;
    let paid = hold(&sale, "c-paid", "a", 1)?;
    sale.confirm(&paid.id, "payment-1").map_err(|refusal| refusal.code())?.wait()?;
    let left = hold(&sale, "c-left", "a", 2)?;
    sale.release(&left.id).map_err(|refusal| refusal.code())?.wait()?;
    hold(&sale, "c-free", "b", 3)?;
    hold(&sale, "c-late", "a", 1)?;
    clock.advance(5 * MINUTE_MS);
    let longer = hold(&sale, "c-longer", "a", 2)?;
    clock.advance(MINUTE_MS);
    sale.extend(&longer.id).map_err(|refusal| refusal.code())?.wait()?;
    clock.step(-30_000);
    engine.tick();
    Ok(engine.flush()?)
}

/// Expired, closed, a snapshot, and a little behind it.
fn second_start(target: &Path, clock: &Arc<ManualClock>) -> Result<(), Box<dyn Error>> {
    let engine = open(target, clock)?;
    let sale = engine.sale("golden-1").ok_or("no drop")?;
    clock.advance(7 * MINUTE_MS);
    engine.tick();
    let basket = HoldRequest::new("c-basket").line("a", 1).line("b", 2);
    sale.hold(&basket).map_err(|refusal| refusal.code())?.wait()?;
    jangteo::snapshot_directory(target)?.ok_or("no snapshot")?;
    hold(&sale, "c-last", "a", 1)?;
    clock.advance(80 * MINUTE_MS);
    engine.tick();
    Ok(engine.flush()?)
}

/// Leaves behind the last batch what a crash in the middle of a write leaves.
fn tear(target: &Path) -> Result<(), Box<dyn Error>> {
    let mut segments: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(target.join("journal"))? {
        let path = entry?.path();
        let used = path.extension().is_some_and(|end| end == "segment")
            && fs::read(&path)?.iter().any(|&byte| byte != 0);
        segments.extend(used.then_some(path));
    }
    segments.sort();
    let last = segments.last().ok_or("no segment")?;
    let mut bytes = fs::read(last)?;
    let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
    let end = used.next_multiple_of(SECTOR);
    let half = bytes.get(..SECTOR / 2).ok_or("a short segment")?.to_vec();
    let place = bytes.get_mut(end..end + SECTOR / 2).ok_or("a full segment")?;
    place.copy_from_slice(&half);
    Ok(fs::write(last, bytes)?)
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to.join("journal"))?;
    for entry in fs::read_dir(from.join("journal"))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join("journal").join(entry.file_name()))?;
    }
    Ok(())
}
