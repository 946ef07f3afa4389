//! `jangteo check`: is a campaign file good, and what does it mean?

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::DateTime;
use clap::Args;
use jangteo::{
    Campaign, CampaignFault, Clock, Item, LedgerKind, LedgerRule, Occurrence, Rate, Stock,
    SystemClock, Timestamp,
};
use serde::Serialize;

use super::campaign_file::CampaignFile;
use super::{Exit, Failure};

/// What `check` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo check wednesdays.toml\n  \
    jangteo check campaigns/*.toml --json | jq .ok\n\n\
    Ends with 0 if all are good, with 65 if one is bad, with 74 if one cannot be read.")]
pub(crate) struct Check {
    /// Campaign files, TOML; JSON where the name ends in .json
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report {
    ok: bool,
    files: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<Meaning>,
    faults: Vec<CampaignFault>,
    warnings: Vec<String>,
}

/// What a campaign comes to. Amounts are in minor units; `None` where stock is unlimited.
#[derive(Serialize)]
struct Meaning {
    id: String,
    title: String,
    currency: String,
    time_zone: String,
    drops: Vec<DropMeaning>,
    units: Option<u64>,
    full_price: Option<u128>,
    ledger_at_most: Vec<AtMost>,
}

#[derive(Serialize)]
struct DropMeaning {
    id: String,
    opens_at: Timestamp,
    opens_local: String,
    closes_at: Option<Timestamp>,
    closes_local: Option<String>,
    items: Vec<ItemMeaning>,
    units: Option<u64>,
    full_price: Option<u128>,
}

#[derive(Serialize)]
struct ItemMeaning {
    sku: String,
    title: String,
    price: u64,
    list_price: Option<u64>,
    stock: Option<u32>,
}

/// The most that one ledger rule can come to.
#[derive(Serialize)]
struct AtMost {
    kind: LedgerKind,
    beneficiaries: Vec<String>,
    rate: Rate,
    amount: Option<u128>,
}

impl Check {
    /// Reads every file, prints what was found, and fails with 65 if one is bad; with the code of
    /// the failure if one cannot be read.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let now = SystemClock::new().now();
        let (mut files, mut unread) = (Vec::new(), None);
        for path in &self.files {
            match check(path, now) {
                Ok(checked) => files.push(checked),
                Err(failure) => {
                    failure.tell();
                    unread = Some(failure.exit());
                }
            }
        }
        let ok = unread.is_none() && files.iter().all(|file| file.ok);
        let report = Report { ok, files };
        let printed = if self.json { print_json(&report) } else { print(&report) };
        printed.map_err(|error| Failure::io("standard output", &error))?;
        Ok(unread.unwrap_or(if ok { Exit::Done } else { Exit::Data }))
    }
}

fn check(path: &Path, now: Timestamp) -> Result<Checked, Failure> {
    let parsed = CampaignFile::read(path)?.campaign;
    let file = path.display().to_string();
    Ok(match parsed {
        Ok(campaign) => Checked {
            file,
            ok: true,
            warnings: campaign.warnings(now),
            campaign: Some(meaning(&campaign)),
            faults: Vec::new(),
        },
        Err(faults) => Checked { file, ok: false, campaign: None, faults, warnings: Vec::new() },
    })
}

fn meaning(campaign: &Campaign) -> Meaning {
    let drops = campaign.occurrences();
    let drops: Vec<_> = drops.iter().map(|drop| drop_meaning(campaign, drop)).collect();
    Meaning {
        id: campaign.id.clone(),
        title: campaign.title.clone(),
        currency: campaign.currency.clone(),
        time_zone: campaign.time_zone.name().to_owned(),
        units: drops.iter().map(|drop| drop.units).sum(),
        full_price: drops.iter().map(|drop| drop.full_price).sum(),
        ledger_at_most: campaign.ledger.iter().map(|rule| at_most(campaign, rule)).collect(),
        drops,
    }
}

fn drop_meaning(campaign: &Campaign, drop: &Occurrence) -> DropMeaning {
    let item = |item: &Item| ItemMeaning {
        sku: item.sku.clone(),
        title: item.title.clone(),
        price: item.price,
        list_price: item.list_price,
        stock: units(item),
    };
    DropMeaning {
        id: campaign.drop_id(drop.number),
        opens_at: drop.opens_at,
        opens_local: local(campaign, drop.opens_at),
        closes_at: drop.closes_at,
        closes_local: drop.closes_at.map(|at| local(campaign, at)),
        items: campaign.items_in(drop.number).map(item).collect(),
        units: campaign.items_in(drop.number).map(|item| units(item).map(u64::from)).sum(),
        full_price: campaign.items_in(drop.number).map(full_price).sum(),
    }
}

fn units(item: &Item) -> Option<u32> {
    match item.stock {
        Stock::Units(units) => Some(units),
        Stock::Unlimited => None,
    }
}

/// What all units of an item cost together. What is free costs nothing, however many there are.
fn full_price(item: &Item) -> Option<u128> {
    match units(item) {
        _ if item.price == 0 => Some(0),
        units => units.map(|units| u128::from(units) * u128::from(item.price)),
    }
}

/// A rule's rate of the full price of what is eligible, rounded down once for each drop.
fn at_most(campaign: &Campaign, rule: &LedgerRule) -> AtMost {
    let counts =
        |item: &&Item| rule.eligible.as_ref().is_none_or(|tag| item.eligible.contains(tag));
    let part =
        |full: u128| full * u128::from(rule.rate.numerator()) / u128::from(Rate::DENOMINATOR);
    let of_drop = |drop: &Occurrence| {
        let full: Option<u128> =
            campaign.items_in(drop.number).filter(counts).map(full_price).sum();
        full.map(part)
    };
    AtMost {
        kind: rule.kind,
        beneficiaries: rule.beneficiaries.iter().map(|share| share.id.clone()).collect(),
        rate: rule.rate,
        amount: campaign.occurrences().iter().map(of_drop).sum(),
    }
}

/// An instant as the campaign's own clocks show it.
fn local(campaign: &Campaign, at: Timestamp) -> String {
    let utc = i64::try_from(at.as_ms()).ok().and_then(DateTime::from_timestamp_millis);
    let shown = utc.unwrap_or_default().with_timezone(&campaign.time_zone);
    shown.format("%a %Y-%m-%d %H:%M:%S %:z").to_string()
}

fn print_json(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, report)?;
    writeln!(out)
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for file in &report.files {
        if let Some(campaign) = &file.campaign {
            print_campaign(&mut out, &file.file, campaign)?;
        }
        for fault in &file.faults {
            writeln!(out, "{}:{fault}", file.file)?;
        }
        for warning in &file.warnings {
            writeln!(out, "{}: warning: {warning}", file.file)?;
        }
    }
    out.flush()
}

fn print_campaign(out: &mut impl Write, file: &str, campaign: &Meaning) -> io::Result<()> {
    let Meaning { id, title, currency, time_zone, .. } = campaign;
    writeln!(out, "{file}: {id}, {title} ({currency}, {time_zone})")?;
    for drop in &campaign.drops {
        writeln!(out, "{}", drop.id)?;
        writeln!(out, "  opens  {}  =  {}", drop.opens_local, drop.opens_at)?;
        match (&drop.closes_local, drop.closes_at) {
            (Some(local), Some(utc)) => writeln!(out, "  closes {local}  =  {utc}")?,
            _ => writeln!(out, "  closes by hand")?,
        }
        for item in &drop.items {
            let ItemMeaning { sku, title, price, list_price, .. } = item;
            let stock = amount(item.stock);
            let list = list_price.map(|list| format!(" (list price {})", grouped(list.into())));
            let (price, list) = (grouped((*price).into()), list.unwrap_or_default());
            writeln!(out, "  {stock} x {sku}, {title}, at {price}{list}")?;
        }
        let (units, price) = (in_units(drop.units), amount(drop.full_price));
        writeln!(out, "  {units}, full price {price} {currency}")?;
    }
    let drops = counted(campaign.drops.len() as u64, "drop");
    let (units, price) = (in_units(campaign.units), amount(campaign.full_price));
    writeln!(out, "{drops}, {units}, full price {price} {currency}")?;
    for AtMost { kind, beneficiaries, rate, amount: most } in &campaign.ledger_at_most {
        let kind = match kind {
            LedgerKind::Donation => "donation",
            LedgerKind::Credit => "credit",
        };
        let (to, most) = (beneficiaries.join(", "), amount(*most));
        writeln!(out, "{kind} of {rate} to {to}: at most {most} {currency}")?;
    }
    Ok(())
}

/// A number for people, or that there is no bound.
fn amount(number: Option<impl Into<u128>>) -> String {
    number.map_or_else(|| "unlimited".to_owned(), |number| grouped(number.into()))
}

/// So many units, or that there is no bound.
fn in_units(units: Option<u64>) -> String {
    units.map_or_else(|| "unlimited units".to_owned(), |units| counted(units, "unit"))
}

/// So many of something whose plural ends in `s` or `es`, as English has it.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let ending = match number {
        1 => "",
        _ if what.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", grouped(number.into()))
}

/// Digits in groups of three.
pub(crate) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_come_in_groups_of_three() {
        let numbers = [0, 12, 999, 1_000, 123_456, 10_000_000].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "123,456", "10,000,000"]);
    }
}
