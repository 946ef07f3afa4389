//! The campaign file: what is put, and what is shown.
//!
//! The engine reads and writes it, with more rules than a schema can tell. This is its shape; that
//! what the engine writes has this shape and no other is tested.
#![expect(unused_qualifications, reason = "of the code that the derive writes")]

use jangteo::CampaignFault as Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Object, RefOr};

use super::words::words;

/// A programme with a schedule and rules. As it is shown every rule is written out.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Campaign {
    campaign: Head,
    schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gifts: Option<Vec<Gift>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger: Option<Vec<LedgerRule>>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignHead)]
struct Head {
    #[schema(pattern = "^[a-z0-9-]{1,40}$", example = "uroad-2020")]
    id: String,
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// ISO 4217; money is integer minor units everywhere.
    #[schema(pattern = "^[A-Z]{3}$", example = "KRW")]
    currency: String,
    /// IANA.
    #[schema(min_length = 1, example = "Asia/Seoul")]
    time_zone: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignSchedule)]
struct Schedule {
    /// First opening, local to the time zone.
    #[schema(min_length = 1, example = "2020-04-29T10:00:00")]
    opens: String,
    /// RFC 5545; left out: once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500, example = "FREQ=WEEKLY;BYDAY=WE;COUNT=8")]
    repeats: Option<String>,
    /// Occurrence numbers left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skip: Option<Vec<u32>>,
    /// A duration such as `6days`; left out, like `closes_at`: until closed by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, example = "6days")]
    closes_after: Option<String>,
    /// Local; only of a one-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    closes_at: Option<String>,
    /// `at_open`, `always`, or a duration before it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, example = "at_open")]
    reveal: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignRules)]
struct Rules {
    /// A duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, example = "10m")]
    hold_ttl: Option<String>,
    /// Units held, sold and waited for, per customer and drop, all items; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000)]
    limit_per_customer: Option<u32>,
    /// Where is delivered to; left out: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    areas: Option<Vec<String>>,
    /// A hold with a total of 0 is confirmed as it is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auto_confirm: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restock_refunds: Option<bool>,
    /// Only 0 for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 0)]
    shipping: Option<u64>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignItem)]
struct Item {
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "onion-3kg")]
    sku: String,
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    seller: Option<String>,
    /// Of one, in minor units.
    price: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_price: Option<u64>,
    #[schema(schema_with = stock)]
    stock: Stock,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000)]
    limit_per_customer: Option<u32>,
    /// Numbers of the occurrences it is in; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    drops: Option<Vec<u32>>,
    /// Tags, for ledger rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eligible: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gift: Option<GiftRule>,
}

/// Per order line, not per unit.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignGiftRule)]
struct GiftRule {
    #[schema(min_length = 1, max_length = 64)]
    sku: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000)]
    quantity: Option<u32>,
    /// Whether the item is sold out once the gift is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignGift)]
struct Gift {
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    sku: String,
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(schema_with = stock)]
    stock: Stock,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignLedgerRule)]
struct LedgerRule {
    #[schema(schema_with = kinds)]
    kind: String,
    beneficiary: Beneficiary,
    /// An exact decimal.
    #[schema(min_length = 2, example = "50%")]
    rate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    eligible: Option<String>,
    /// Local; only of a credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    settles: Option<String>,
}

/// Units in each drop.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Stock {
    Units(u32),
    Word(String),
}

/// Who receives.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CampaignBeneficiary)]
enum Beneficiary {
    One(String),
    Shares(Vec<Share>),
}

/// A part of what is given; all are 100 %.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignShare)]
struct Share {
    #[schema(min_length = 1, max_length = 64)]
    id: String,
    #[schema(min_length = 2, example = "60%")]
    share: String,
}

fn stock() -> RefOr<Schema> {
    let units = ObjectBuilder::new().schema_type(Type::Integer);
    let units = units.minimum(Some(0)).maximum(Some(jangteo::limits::UNITS_MAX));
    OneOfBuilder::new().item(units).item(words(&["unlimited"])).into()
}

fn kinds() -> Object {
    words(&["donation", "credit"])
}

/// One thing that is wrong with a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct CampaignFault {
    /// Line of the file, from 1; 0 where it is not known, as in JSON.
    line: u32,
    /// Column of the line, in characters from 1; 0 where it is not known.
    column: u32,
    /// Path of the key; empty if it concerns the file as a whole.
    #[schema(example = "items[2].gift.sku")]
    key: String,
    detail: String,
}

impl From<Fault> for CampaignFault {
    fn from(Fault { line, column, key, detail }: Fault) -> Self {
        Self { line, column, key, detail }
    }
}
