//! The campaign file, table by table: types, ranges and names. What concerns several places at
//! once is noted here and checked in [`cross`].
//!
//! What was accepted stays accepted: of a campaign that was recorded, nothing is asked that a newer
//! table may answer otherwise. Whoever makes a rule stricter lets recorded ones pass it.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::cross::Cross;
use super::model::{
    Campaign, Gift, GiftRule, Item, LedgerKind, LedgerRule, Occurrence, Rules, Share, Stock,
};
use super::rate::Rate;
use super::table::{Field, Table, quoted};
use super::{currency, schedule, zone};
use crate::limits::{
    AMOUNT_MAX, AREA_MAX, CAMPAIGN_ID_MAX, HOLD_TTL_MS, ITEMS_MAX, PRICE_MAX, QUANTITY_MAX,
    SKU_MAX, TAG_MAX, TITLE_MAX, UNITS_MAX,
};

/// How long a hold lives if the file does not say, in milliseconds.
const HOLD_TTL_DEFAULT_MS: u64 = 600_000;

/// Reads the whole file; of a recorded campaign, beside the occurrences it was recorded with.
pub(super) fn campaign(root: &Field<'_>, recorded: Option<&[Occurrence]>) -> Option<Campaign> {
    let mut file = root.table()?;
    let head = file.required("campaign", |field| head(field, recorded.is_some()));
    let known_zone = head.as_ref().and_then(|head| head.time_zone.as_ref()?.known);
    let times = file.required("schedule", |field| match recorded {
        None => schedule::read(field, known_zone),
        Some(occurrences) => schedule::read_recorded(field, known_zone, occurrences),
    });
    let today = times.as_ref().map(|(_, occurrences)| occurrences.as_slice());
    let time_zone = known_zone.or(recorded.map(|_| Tz::UTC));

    let mut cross = Cross::new(recorded.or(today), recorded.is_some());
    let rules = match file.find("rules") {
        Some(field) => field.table().and_then(rules),
        None => Some(Rules::default()),
    };
    let items_field = file.find("items");
    let items = file.or("items", Vec::new(), |field| field.each(|field| item(field, &mut cross)));
    let gifts = file.or("gifts", Vec::new(), |field| {
        let gifts = field.each(|field| gift(field, &mut cross))?;
        if gifts.len() > ITEMS_MAX {
            return field.fault(format!("must not be more than {ITEMS_MAX}"));
        }
        Some(gifts)
    });
    let ledger = file.or("ledger", Vec::new(), |field| {
        let rules = field.each(|field| ledger_rule(field, time_zone, &mut cross))?;
        cross.ledger(rules, field)
    });
    file.done();
    if !root.is_partial() {
        cross.check(items_field.as_ref(), items.as_deref());
    }

    let (head, (schedule, occurrences)) = (head?, times?);
    let zone = head.time_zone?;
    Some(Campaign {
        id: head.id?,
        title: head.title?,
        currency: head.currency?,
        time_zone: time_zone?,
        lost_zone: zone.known.is_none().then_some(zone.name),
        schedule,
        rules: rules?,
        items: items?,
        gifts: gifts?,
        ledger: ledger?,
        occurrences,
    })
}

/// The `[campaign]` table; its parts apart, since the time zone is needed even if others are
/// wrong.
struct Head {
    id: Option<String>,
    title: Option<String>,
    currency: Option<String>,
    time_zone: Option<Zone>,
}

struct Zone {
    name: String,
    /// Always, but in a campaign that was recorded.
    known: Option<Tz>,
}

fn head(field: &Field<'_>, recorded: bool) -> Option<Head> {
    let mut table = field.table()?;
    let head = Head {
        id: table.required("id", id),
        title: table.required("title", label),
        currency: table.required("currency", |field| {
            let code = field.text()?;
            if recorded || currency::is_known(code) {
                return Some(code.to_owned());
            }
            field.fault(format!("{} is no currency code of ISO 4217", quoted(code)))
        }),
        time_zone: table.required("time_zone", |field| {
            let name = field.text()?;
            let known: Option<Tz> = name.parse().ok();
            if recorded || known.is_some() {
                return Some(Zone { name: name.to_owned(), known });
            }
            field.fault(format!("{} is no IANA time zone", quoted(name)))
        }),
    };
    table.done();
    Some(head)
}

fn id(field: &Field<'_>) -> Option<String> {
    let id = field.text()?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=CAMPAIGN_ID_MAX).contains(&id.len()) && id.bytes().all(allowed) {
        return Some(id.to_owned());
    }
    field.fault(format!("must be 1 to {CAMPAIGN_ID_MAX} of a-z, 0-9 and -"))
}

/// A text for people.
fn label(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if !(1..=TITLE_MAX).contains(&text.chars().count()) {
        return field.fault(format!("must be 1 to {TITLE_MAX} characters"));
    }
    if text.chars().any(char::is_control) {
        return field.fault("must not have control characters");
    }
    Some(text.to_owned())
}

/// A name for machines.
fn name(field: &Field<'_>, length_max: usize) -> Option<String> {
    let name = field.text()?;
    if (1..=length_max).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(name.to_owned());
    }
    field.fault(format!("must be 1 to {length_max} visible ASCII characters"))
}

/// A list of names, each once, in the order of the file.
fn names(field: &Field<'_>, length_max: usize) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    field.each(|field| {
        let name = name(field, length_max)?;
        if seen.insert(name.clone()) { Some(name) } else { field.fault("is listed twice") }
    })
}

fn not_empty<T>(list: Vec<T>, field: &Field<'_>) -> Option<Vec<T>> {
    if list.is_empty() {
        return field.fault("must not be empty; leave it out instead");
    }
    Some(list)
}

impl Default for Rules {
    /// What a file without rules says.
    fn default() -> Self {
        Self {
            hold_ttl_ms: HOLD_TTL_DEFAULT_MS,
            limit_per_customer: 0,
            areas: None,
            auto_confirm: false,
            restock_refunds: true,
            shipping: 0,
        }
    }
}

fn rules(mut table: Table<'_>) -> Option<Rules> {
    let left_out = Rules::default();
    let hold_ttl_ms =
        table.or("hold_ttl", left_out.hold_ttl_ms, |field| field.duration(HOLD_TTL_MS));
    let limit_per_customer =
        table.or("limit_per_customer", left_out.limit_per_customer, limit_per_customer);
    let areas = table.optional("areas", |field| not_empty(names(field, AREA_MAX)?, field));
    let auto_confirm = table.or("auto_confirm", left_out.auto_confirm, Field::flag);
    let restock_refunds = table.or("restock_refunds", left_out.restock_refunds, Field::flag);
    let shipping =
        table.or("shipping", left_out.shipping, |field| match field.integer(0..=AMOUNT_MAX)? {
            0 => Some(0),
            _ => field.fault("only 0 is supported for now"),
        });
    table.done();
    Some(Rules {
        hold_ttl_ms: hold_ttl_ms?,
        limit_per_customer: limit_per_customer?,
        areas: areas?,
        auto_confirm: auto_confirm?,
        restock_refunds: restock_refunds?,
        shipping: shipping?,
    })
}

fn limit_per_customer(field: &Field<'_>) -> Option<u32> {
    field.integer_u32(0..=UNITS_MAX)
}

fn item<'a>(field: &Field<'a>, cross: &mut Cross<'a>) -> Option<Item> {
    let mut table = field.table()?;
    let sku = table.required("sku", |field| {
        let sku = name(field, SKU_MAX)?;
        cross.sku(&sku, field)?;
        Some(sku)
    });
    let title = table.required("title", label);
    let seller = table.optional("seller", label);
    let price = table.required("price", |field| field.integer(0..=PRICE_MAX));
    let list_price = table.optional("list_price", |field| field.integer(0..=AMOUNT_MAX));
    let stock = table.required("stock", stock);
    let limit_per_customer = table.or("limit_per_customer", 0, limit_per_customer);
    let drops = table.optional("drops", |field| {
        let drops = schedule::numbers(field)?.into_iter().collect();
        cross.drops(not_empty(drops, field)?, field)
    });
    let eligible = table.or("eligible", Vec::new(), |field| names(field, TAG_MAX));
    let gift = table.optional("gift", |field| gift_rule(field, cross));
    table.done();
    Some(Item {
        sku: sku?,
        title: title?,
        seller: seller?,
        price: price?,
        list_price: list_price?,
        stock: stock?,
        limit_per_customer: limit_per_customer?,
        drops: drops?,
        eligible: eligible?,
        gift: gift?,
    })
}

fn stock(field: &Field<'_>) -> Option<Stock> {
    if field.is_text() {
        return match field.text()? {
            "unlimited" => Some(Stock::Unlimited),
            _ => field.fault("expected a number of units or \"unlimited\""),
        };
    }
    field.integer_u32(0..=UNITS_MAX).map(Stock::Units)
}

fn gift_rule<'a>(field: &Field<'a>, cross: &mut Cross<'a>) -> Option<GiftRule> {
    let mut table = field.table()?;
    let sku = table.required("sku", |field| {
        let sku = name(field, SKU_MAX)?;
        cross.gift_use(&sku, field);
        Some(sku)
    });
    let quantity = table.or("quantity", 1, |field| field.integer_u32(1..=QUANTITY_MAX));
    let required = table.or("required", false, Field::flag);
    table.done();
    Some(GiftRule { sku: sku?, quantity: quantity?, required: required? })
}

fn gift<'a>(field: &Field<'a>, cross: &mut Cross<'a>) -> Option<Gift> {
    let mut table = field.table()?;
    let sku = table.required("sku", |field| {
        let sku = name(field, SKU_MAX)?;
        cross.gift(&sku);
        cross.sku(&sku, field)?;
        Some(sku)
    });
    let title = table.required("title", label);
    let stock = table.required("stock", stock);
    table.done();
    Some(Gift { sku: sku?, title: title?, stock: stock? })
}

fn ledger_rule<'a>(
    field: &Field<'a>,
    time_zone: Option<Tz>,
    cross: &mut Cross<'a>,
) -> Option<LedgerRule> {
    let mut table = field.table()?;
    let kind = table.required("kind", |field| match field.text()? {
        "donation" => Some(LedgerKind::Donation),
        "credit" => Some(LedgerKind::Credit),
        _ => field.fault("expected \"donation\" or \"credit\""),
    });
    let beneficiaries = table.required("beneficiary", beneficiaries);
    let rate = table.required("rate", rate);
    let eligible = table.optional("eligible", |field| {
        let tag = name(field, TAG_MAX)?;
        cross.tag_use(&tag, field);
        Some(tag)
    });
    let settles = match kind {
        Some(LedgerKind::Donation) => {
            table.optional("settles", |field| field.fault("only for a credit"))
        }
        Some(LedgerKind::Credit) | None => table.optional("settles", |field| {
            let local = schedule::local_time(field)?;
            cross.settles(zone::instant(time_zone?, local), field)
        }),
    };
    table.done();
    Some(LedgerRule {
        kind: kind?,
        beneficiaries: beneficiaries?,
        rate: rate?,
        eligible: eligible?,
        settles: settles?,
    })
}

fn rate(field: &Field<'_>) -> Option<Rate> {
    Rate::parse(field.text()?).or_else(|| {
        field.fault(
            "expected a percentage such as \"50%\", above 0% and up to 100%, at most 6 decimals",
        )
    })
}

/// One id, or a list of ids with shares.
fn beneficiaries(field: &Field<'_>) -> Option<Vec<Share>> {
    if field.is_text() {
        return Some(vec![Share { id: name(field, TAG_MAX)?, share: Rate::WHOLE }]);
    }
    let mut seen = BTreeSet::new();
    let shares = field.each(|field| {
        let mut table = field.table()?;
        let id = table.required("id", |field| {
            let id = name(field, TAG_MAX)?;
            if seen.insert(id.clone()) { Some(id) } else { field.fault("is listed twice") }
        });
        let share = table.required("share", rate);
        table.done();
        Some(Share { id: id?, share: share? })
    })?;
    let sum: u64 = shares.iter().map(|share| u64::from(share.share.numerator())).sum();
    if sum == u64::from(Rate::DENOMINATOR) {
        return Some(shares);
    }
    field.fault("the shares must add up to exactly 100%")
}
