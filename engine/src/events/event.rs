//! One event, as CloudEvents 1.0 has it.

use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Timestamp;
use crate::campaign::Campaign;
use crate::hold::Hold;
use crate::ledger::Report;
use crate::view::SaleView;
use crate::wait::Wait;

/// The name of an event, and a place in the feed: `<incarnation>-<sequence>`.
///
/// Ids of one incarnation rise in the order of the journal; some numbers are left out.
///
/// ```
/// let id: jangteo::EventId = "1-42".parse()?;
/// assert_eq!((id.incarnation, id.sequence, id.to_string().as_str()), (1, 42, "1-42"));
/// # Ok::<(), jangteo::BadEventId>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// 1 until the directory is restored from a backup; each restore adds 1, since what was
    /// acknowledged after the backup is not there any more.
    pub incarnation: u32,
    /// Place in the journal's order; 0 comes before everything.
    pub sequence: u64,
}

/// The text is not an event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEventId;

impl fmt::Display for BadEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an event's id")
    }
}

impl std::error::Error for BadEventId {}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let (incarnation, sequence) = text.split_once('-').ok_or(BadEventId)?;
        let incarnation = incarnation.parse().map_err(|_| BadEventId)?;
        let id = Self { incarnation, sequence: sequence.parse().map_err(|_| BadEventId)? };
        // No sign and no leading zero: an id has one text.
        if id.to_string() == text { Ok(id) } else { Err(BadEventId) }
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// Units were set aside; with a total of 0 and the rule `auto_confirm` they were sold at once.
    HoldGranted,
    /// A hold became an order.
    HoldConfirmed,
    /// A hold got more time.
    HoldExtended,
    /// A hold was given up.
    HoldReleased,
    /// A hold was not confirmed in time.
    HoldExpired,
    /// Units of an order came back.
    HoldRefunded,
    /// A customer joined the line.
    WaitJoined,
    /// A customer left the line.
    WaitLeft,
    /// A drop opened.
    DropOpened,
    /// A drop was paused.
    DropPaused,
    /// A pause ended.
    DropResumed,
    /// The stock of an item or gift was set anew.
    DropStock,
    /// A drop closed.
    DropClosed,
    /// A campaign was put, or took the place of an earlier one of its id.
    CampaignPut,
    /// Rules of a campaign's ledger were settled.
    CampaignSettled,
}

impl EventKind {
    /// The event's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldGranted => "jangteo.hold.granted",
            Self::HoldConfirmed => "jangteo.hold.confirmed",
            Self::HoldExtended => "jangteo.hold.extended",
            Self::HoldReleased => "jangteo.hold.released",
            Self::HoldExpired => "jangteo.hold.expired",
            Self::HoldRefunded => "jangteo.hold.refunded",
            Self::WaitJoined => "jangteo.wait.joined",
            Self::WaitLeft => "jangteo.wait.left",
            Self::DropOpened => "jangteo.drop.opened",
            Self::DropPaused => "jangteo.drop.paused",
            Self::DropResumed => "jangteo.drop.resumed",
            Self::DropStock => "jangteo.drop.stock",
            Self::DropClosed => "jangteo.drop.closed",
            Self::CampaignPut => "jangteo.campaign.put",
            Self::CampaignSettled => "jangteo.campaign.settled",
        }
    }
}

/// What an event is about, as it was right after it.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum EventData {
    /// The `Hold` of the HTTP interface.
    Hold(Box<Hold>),
    /// The `Wait` of the HTTP interface.
    Wait(Box<Wait>),
    /// The `Drop` of the HTTP interface.
    Drop(Box<SaleView>),
    /// The campaign in the shape of its file, every rule written out.
    Campaign(Box<Campaign>),
    /// The `Report` of the HTTP interface.
    Report(Box<Report>),
}

/// One change. Serialises as a CloudEvent (structured JSON).
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// When: the time of its record. Never before that of the event before it.
    pub time: Timestamp,
    /// What it is about.
    pub data: EventData,
}

/// Where events come from: the same in every service.
const SOURCE: &str = "/v1/events";

impl Event {
    /// Id of what it is about: of the hold, the wait, the drop or the campaign.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.data {
            EventData::Hold(hold) => hold.id.to_string(),
            EventData::Wait(wait) => wait.id.to_string(),
            EventData::Drop(drop) => drop.id.clone(),
            EventData::Campaign(campaign) => campaign.id.clone(),
            EventData::Report(report) => report.campaign.clone(),
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Event", 8)?;
        out.serialize_field("specversion", "1.0")?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("source", SOURCE)?;
        out.serialize_field("type", self.kind.name())?;
        out.serialize_field("time", &self.time)?;
        out.serialize_field("subject", &self.subject())?;
        out.serialize_field("datacontenttype", "application/json")?;
        out.serialize_field("data", &self.data)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        for text in ["1-0", "1-1", "4294967295-18446744073709551615"] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
        let others = [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-01",
            "01-1",
            "+1-1",
            "1-+1",
            " 1-1",
            "1-1 ",
            "1--1",
            "1-1-1",
            "1-x",
            "1-18446744073709551616",
            "4294967296-1",
        ];
        for text in others {
            assert_eq!(text.parse::<EventId>(), Err(BadEventId), "{text}");
        }
    }

    #[test]
    fn ids_rise_with_the_journal() {
        let id = |incarnation, sequence| EventId { incarnation, sequence };
        assert!(id(1, 9) < id(1, 10) && id(1, 10) < id(2, 1));
    }
}
