//! What a campaign file says, once it is known to be valid.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use serde::Serialize;

use super::fault::{Fault, Faults, InvalidCampaign};
use super::rate::Rate;
use super::table::Field;
use super::{json_tree, read, toml_tree, write};
use crate::Timestamp;
use crate::limits::CAMPAIGN_BYTES_MAX;

/// A campaign: what is sold, when, and under which rules.
///
/// There is no way to make one but from a file, so one that exists is valid. The fields are for
/// reading; to change a campaign, change its file.
///
/// In the file:
///
/// - A **duration** is a number and a unit, or several: `90s`, `10m`, `1h30m`, `6days`. Units are
///   `s sec second`, `m min minute`, `h hour`, `d day`, `w week`, also in the plural. A day is 24
///   hours, also where the clocks change.
/// - A **local time** is written `2020-04-29T10:00:00`, in the campaign's zone. Where the clocks go
///   forward over it, it is moved forward as far; where they go back and it comes twice, the first
///   is meant.
/// - **`repeats`** is a recurrence rule of RFC 5545, counted in local time: `FREQ` of `DAILY`,
///   `WEEKLY`, `MONTHLY` or `YEARLY`, any `BY` part, `INTERVAL`, `WKST`, and either `COUNT` or
///   `UNTIL`. `UNTIL` is inclusive and has a time, local (`20200617T100000`) or UTC
///   (`20200617T010000Z`). `opens` must match the rule, and all occurrences lie within 100 years
///   of it.
/// - A **percentage** is exact, with at most six decimals: `50%`, `0.125%`.
///
/// ```
/// # let file = include_str!("../../../docs/campaigns/uroad-2020.toml");
/// let campaign = jangteo::Campaign::parse(file)?;
/// let first = &campaign.occurrences()[0];
/// assert_eq!(campaign.drop_id(first.number), "uroad-2020-1");
/// assert_eq!(first.opens_at.to_string(), "2020-04-29T01:00:00.000Z");
/// # Ok::<(), jangteo::InvalidCampaign>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Campaign {
    /// Its name, 1 to 40 of `a-z`, `0-9`, `-`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// ISO 4217 code of all its amounts.
    pub currency: String,
    /// IANA time zone of all its local times; UTC where one was recorded that is not known any
    /// more.
    pub time_zone: Tz,
    /// The name of a recorded zone that is not known any more.
    pub(super) lost_zone: Option<String>,
    /// When its drops open, close and are revealed.
    pub schedule: Schedule,
    /// What holds for every drop.
    pub rules: Rules,
    /// What is sold.
    pub items: Vec<Item>,
    /// What joins orders for free.
    pub gifts: Vec<Gift>,
    /// Donations and credits that follow from orders.
    pub ledger: Vec<LedgerRule>,
    pub(super) occurrences: Vec<Occurrence>,
}

/// One drop's place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its number in the schedule, from 1; skipped ones leave gaps.
    pub number: u32,
    /// When it opens.
    pub opens_at: Timestamp,
    /// When it closes; none: when it is closed by hand.
    pub closes_at: Option<Timestamp>,
    /// From when on its contents may be shown.
    pub reveals_at: Timestamp,
}

/// When drops open, close and are revealed, as the file says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// First opening, local.
    #[serde(serialize_with = "write::local")]
    pub opens: NaiveDateTime,
    /// RFC 5545 rule, in capitals; none: once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
    /// Occurrence numbers left out, ascending.
    pub skip: Vec<u32>,
    /// Time from opening to closing, in milliseconds of real time, also where the clocks change.
    #[serde(rename = "closes_after", skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "write::optional_duration")]
    pub closes_after_ms: Option<u64>,
    /// Closing of a one-off, local.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::optional_local")]
    pub closes_at: Option<NaiveDateTime>,
    /// From when on contents are shown.
    pub reveal: Reveal,
}

/// From when on a drop's contents may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    /// From the instant it opens.
    AtOpen,
    /// So many milliseconds before it opens.
    Before(u64),
    /// At once.
    Always,
}

/// What holds for every drop of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// How long a hold lives, in milliseconds.
    #[serde(rename = "hold_ttl", serialize_with = "write::duration")]
    pub hold_ttl_ms: u64,
    /// Most units held, sold and waited for of one customer in one drop; 0: no limit.
    pub limit_per_customer: u32,
    /// Where is delivered to; none: everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub areas: Option<Vec<String>>,
    /// Whether a hold with a total of 0 is confirmed as it is granted.
    pub auto_confirm: bool,
    /// Whether a refunded unit is on sale again.
    pub restock_refunds: bool,
    /// Shipping per order, in minor units; always 0 for now.
    pub shipping: u64,
}

/// How many units there are in each drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// So many.
    Units(u32),
    /// As many as are asked for.
    Unlimited,
}

/// Something sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its name, 1 to 64 visible ASCII characters; no other item or gift has it.
    pub sku: String,
    /// What people call it.
    pub title: String,
    /// Who sells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seller: Option<String>,
    /// Price of a unit, in minor units.
    pub price: u64,
    /// What it costs elsewhere, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_price: Option<u64>,
    /// Units in each drop.
    pub stock: Stock,
    /// Most units held, sold and waited for of one customer in one drop; 0: no limit.
    pub limit_per_customer: u32,
    /// Numbers of the occurrences it is in, ascending; none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops: Option<Vec<u32>>,
    /// Tags that ledger rules ask for.
    pub eligible: Vec<String>,
    /// What joins an order of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gift: Option<GiftRule>,
}

/// Which gift joins an order line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GiftRule {
    /// Which gift.
    pub sku: String,
    /// How many per order line, not per unit.
    pub quantity: u32,
    /// Whether the item is sold out once the gift is gone.
    pub required: bool,
}

/// Something that joins orders for free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gift {
    /// Its name, 1 to 64 visible ASCII characters; no other item or gift has it.
    pub sku: String,
    /// What people call it.
    pub title: String,
    /// Pieces in each drop.
    pub stock: Stock,
}

/// A donation or credit that follows from orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRule {
    /// Who gives.
    pub kind: LedgerKind,
    /// Who receives; the shares add up to exactly 100 %.
    pub beneficiaries: Vec<Share>,
    /// How much of an order's amount.
    pub rate: Rate,
    /// Only items with this tag count; none: all do.
    pub eligible: Option<String>,
    /// When a credit settles by itself.
    pub settles: Option<Timestamp>,
}

/// Who gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerKind {
    /// The operator, on top of what the seller gets.
    Donation,
    /// The customer, from points that are accrued and can only be donated.
    Credit,
}

impl LedgerKind {
    /// The word for it in files and on the wires.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Donation => "donation",
            Self::Credit => "credit",
        }
    }
}

/// One beneficiary's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Who, 1 to 64 visible ASCII characters.
    pub id: String,
    /// How much of it.
    pub share: Rate,
}

impl Campaign {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// Every fault of the file, with line, column and key. Where the syntax is broken, what can be
    /// read beside it is checked as well, but nothing is said to be missing.
    pub fn parse(toml: &str) -> Result<Self, InvalidCampaign> {
        check_length(toml)?;
        let faults = Faults::default();
        let tree = toml_tree::read(toml, &faults);
        let campaign = read::campaign(&Field::root(&tree, &faults), None);
        faults.verdict(campaign, Some(toml))
    }

    /// Reads the same shape as JSON. A member that is null counts as left out.
    ///
    /// # Errors
    ///
    /// Every fault of the file, with its key; lines only for broken syntax.
    pub fn parse_json(json: &str) -> Result<Self, InvalidCampaign> {
        check_length(json)?;
        Self::read_json(json, None)
    }

    /// Reads what [`Campaign::to_json`] wrote of a campaign that was accepted once, and may be
    /// longer than the file it came from. Tables of zones, currencies and calendars that are newer
    /// than the record have no say in it.
    pub(crate) fn parse_recorded(
        json: &str,
        occurrences: &[Occurrence],
    ) -> Result<Self, InvalidCampaign> {
        Self::read_json(json, Some(occurrences))
    }

    fn read_json(json: &str, recorded: Option<&[Occurrence]>) -> Result<Self, InvalidCampaign> {
        let faults = Faults::default();
        let tree = json_tree::read(json)?;
        let campaign = read::campaign(&Field::root(&tree, &faults), recorded);
        faults.verdict(campaign, None)
    }

    /// The campaign as JSON that [`Campaign::parse_json`] reads as an equal campaign. Equal
    /// campaigns have the same text: this is what is recorded.
    #[must_use]
    pub fn to_json(&self) -> String {
        write::json(self)
    }

    /// Its drops in the order of opening, without skipped ones; never empty.
    #[must_use]
    pub fn occurrences(&self) -> Vec<Occurrence> {
        self.occurrences.clone()
    }

    /// The id of the drop with this number.
    #[must_use]
    pub fn drop_id(&self, number: u32) -> String {
        format!("{}-{number}", self.id)
    }

    /// The items in the drop with this number, in the order of the file.
    pub fn items_in(&self, number: u32) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.is_in(number))
    }
}

impl Item {
    /// Whether it is in the drop with this number.
    #[must_use]
    pub fn is_in(&self, number: u32) -> bool {
        self.drops.as_ref().is_none_or(|drops| drops.binary_search(&number).is_ok())
    }
}

fn check_length(text: &str) -> Result<(), InvalidCampaign> {
    if text.len() <= CAMPAIGN_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("longer than {CAMPAIGN_BYTES_MAX} bytes");
    Err(InvalidCampaign { faults: vec![Fault { line: 0, column: 0, key: String::new(), detail }] })
}
