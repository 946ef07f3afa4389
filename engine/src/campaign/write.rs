//! A campaign back into JSON: the canonical text that is recorded.
//!
//! Every rule is written out, also where it is what a file without it means: a later version with
//! other defaults must read an old record as it was meant.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use serde::{Serialize, Serializer};

use super::model::{
    Campaign, Gift, Item, LedgerKind, LedgerRule, Reveal, Rules, Schedule, Share, Stock,
};
use super::rate::Rate;
use super::{duration as durations, zone};

#[derive(Serialize)]
struct File<'a> {
    campaign: Head<'a>,
    schedule: &'a Schedule,
    rules: &'a Rules,
    items: &'a [Item],
    gifts: &'a [Gift],
    ledger: Vec<Ledger<'a>>,
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    title: &'a str,
    currency: &'a str,
    time_zone: &'a str,
}

#[derive(Serialize)]
struct Ledger<'a> {
    kind: LedgerKind,
    beneficiary: Beneficiary<'a>,
    rate: Rate,
    #[serde(skip_serializing_if = "Option::is_none")]
    eligible: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settles: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Beneficiary<'a> {
    One(&'a str),
    Shares(&'a [Share]),
}

/// The text of [`Campaign::to_json`].
pub(super) fn json(campaign: &Campaign) -> String {
    serde_json::to_string(campaign).expect("texts and numbers always have a JSON form")
}

impl Serialize for Campaign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        file(self).serialize(serializer)
    }
}

fn file(campaign: &Campaign) -> File<'_> {
    File {
        campaign: Head {
            id: &campaign.id,
            title: &campaign.title,
            currency: &campaign.currency,
            time_zone: campaign.lost_zone.as_deref().unwrap_or(campaign.time_zone.name()),
        },
        schedule: &campaign.schedule,
        rules: &campaign.rules,
        items: &campaign.items,
        gifts: &campaign.gifts,
        ledger: campaign.ledger.iter().map(|rule| ledger(rule, campaign.time_zone)).collect(),
    }
}

fn ledger(rule: &LedgerRule, time_zone: Tz) -> Ledger<'_> {
    Ledger {
        kind: rule.kind,
        beneficiary: match rule.beneficiaries.as_slice() {
            [only] => Beneficiary::One(&only.id),
            shares => Beneficiary::Shares(shares),
        },
        rate: rule.rate,
        eligible: rule.eligible.as_deref(),
        settles: rule.settles.map(|settles| zone::show(zone::local(time_zone, settles))),
    }
}

impl Serialize for Stock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Units(units) => serializer.serialize_u32(*units),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl Serialize for Reveal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtOpen => serializer.serialize_str("at_open"),
            Self::Before(ms) => serializer.serialize_str(&durations::show(*ms)),
            Self::Always => serializer.serialize_str("always"),
        }
    }
}

pub(super) fn duration<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&durations::show(*ms))
}

pub(super) fn optional_duration<S: Serializer>(
    ms: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    ms.map(durations::show).serialize(serializer)
}

pub(super) fn local<S: Serializer>(
    local: &NaiveDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&zone::show(*local))
}

pub(super) fn optional_local<S: Serializer>(
    local: &Option<NaiveDateTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    local.map(zone::show).serialize(serializer)
}
