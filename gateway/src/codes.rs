//! The one table of everything that can be said instead of an answer: the word on each wire, the
//! status, and whether the same bytes may succeed later.

use jangteo::Refusal;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Malformed,
    Unauthenticated,
    Forbidden,
    AreaNotServed,
    UnknownDrop,
    UnknownSku,
    UnknownHold,
    UnknownWait,
    UnknownCampaign,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    SoldOut,
    LimitReached,
    Conflict,
    Expired,
    WrongState,
    NotOpen,
    Paused,
    Closed,
    EventsGone,
    KeyReused,
    InvalidCampaign,
    RateLimited,
    Internal,
    Overloaded,
    Recovering,
    Unavailable,
    OutcomeUnknown,
    Draining,
}

/// What a row says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) code: Code,
    /// HTTP's `code`, and the last part of `type`.
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    /// The first word of a RESP error.
    pub(crate) word: &'static str,
    /// Whether the same bytes may succeed.
    pub(crate) retryable: bool,
    pub(crate) title: &'static str,
}

const fn row(
    code: Code,
    name: &'static str,
    status: u16,
    word: &'static str,
    retryable: bool,
    title: &'static str,
) -> Row {
    Row { code, name, status, word, retryable, title }
}

#[rustfmt::skip]
static TABLE: [Row; 34] = [
    row(Code::Malformed,            "malformed",              400, "ERR",         false, "The request is malformed"),
    row(Code::Unauthenticated,      "unauthenticated",        401, "NOAUTH",      false, "A valid credential is needed"),
    row(Code::Forbidden,            "forbidden",              403, "NOPERM",      false, "The request is not allowed"),
    row(Code::AreaNotServed,        "area_not_served",        403, "NOAREA",      false, "The drop does not deliver there"),
    row(Code::UnknownDrop,          "unknown_drop",           404, "NODROP",      false, "There is no such drop"),
    row(Code::UnknownSku,           "unknown_sku",            404, "NOSKU",       false, "The drop has no such item"),
    row(Code::UnknownHold,          "unknown_hold",           404, "NOHOLD",      false, "There is no such hold"),
    row(Code::UnknownWait,          "unknown_wait",           404, "NOWAIT",      false, "There is no such place in the line"),
    row(Code::UnknownCampaign,      "unknown_campaign",       404, "ERR",         false, "There is no such campaign"),
    row(Code::NotFound,             "not_found",              404, "ERR",         false, "There is nothing here"),
    row(Code::MethodNotAllowed,     "method_not_allowed",     405, "ERR",         false, "The method is not allowed here"),
    row(Code::NotAcceptable,        "not_acceptable",         406, "ERR",         false, "No acceptable form of the answer exists"),
    row(Code::RequestTimeout,       "request_timeout",        408, "ERR",         true,  "The request took too long to arrive"),
    row(Code::PreconditionFailed,   "precondition_failed",    412, "ERR",         false, "What is there is not what the request names"),
    row(Code::TooLarge,             "too_large",              413, "ERR",         false, "The request is too large"),
    row(Code::UnsupportedMediaType, "unsupported_media_type", 415, "ERR",         false, "The body's type is not understood"),
    row(Code::SoldOut,              "sold_out",               409, "SOLDOUT",     false, "Fewer units are left than asked for"),
    row(Code::LimitReached,         "limit_reached",          409, "LIMIT",       false, "The customer's limit is reached"),
    row(Code::Conflict,             "conflict",               409, "CONFLICT",    false, "It was or would be done otherwise"),
    row(Code::Expired,              "expired",                409, "EXPIRED",     false, "The hold has expired"),
    row(Code::WrongState,           "wrong_state",            409, "WRONGSTATE",  false, "Its state does not allow it"),
    row(Code::NotOpen,              "not_open",               409, "NOTOPEN",     true,  "The drop has not opened yet"),
    row(Code::Paused,               "paused",                 409, "PAUSED",      true,  "The drop is paused"),
    row(Code::Closed,               "closed",                 410, "CLOSED",      false, "The drop is closed"),
    row(Code::EventsGone,           "events_gone",            410, "ERR",         false, "Events after that place are not kept"),
    row(Code::KeyReused,            "key_reused",             422, "KEYREUSED",   false, "The key was used for another request"),
    row(Code::InvalidCampaign,      "invalid_campaign",       422, "ERR",         false, "The campaign has faults"),
    row(Code::RateLimited,          "rate_limited",           429, "RATELIMITED", true,  "Calls come too often"),
    row(Code::Internal,             "internal",               500, "ERR",         false, "A broken invariant; granting has stopped"),
    row(Code::Overloaded,           "overloaded",             503, "OVERLOADED",  true,  "Too much is under way"),
    row(Code::Recovering,           "recovering",             503, "LOADING",     true,  "The service is reading its journal back"),
    row(Code::Unavailable,          "unavailable",            503, "UNAVAILABLE", true,  "No new holds: the disk is short or failed"),
    row(Code::OutcomeUnknown,       "outcome_unknown",        503, "UNKNOWN",     true,  "It cannot be told whether it was done"),
    row(Code::Draining,             "draining",               503, "UNAVAILABLE", true,  "The service is stopping"),
];

/// RESP words that stay errors although the client asked for `BRIEF`: they say nothing of the sale.
const FAULTS: [&str; 7] =
    ["ERR", "NOAUTH", "NOPERM", "LOADING", "OVERLOADED", "UNAVAILABLE", "UNKNOWN"];

/// How many codes there are.
pub(crate) const CODES: usize = TABLE.len();

impl Code {
    /// The names of all, in the order of the table.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.name)
    }

    /// The row of this code.
    pub(crate) fn row(self) -> &'static Row {
        TABLE.get(self as usize).expect("the table has a row for each code")
    }

    /// The code of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.code)
    }

    /// The code of a refusal.
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Malformed(_) => Self::Malformed,
            Refusal::UnknownDrop => Self::UnknownDrop,
            Refusal::UnknownCampaign => Self::UnknownCampaign,
            Refusal::UnknownHold => Self::UnknownHold,
            Refusal::UnknownWait => Self::UnknownWait,
            Refusal::UnknownSku => Self::UnknownSku,
            Refusal::Closed => Self::Closed,
            Refusal::NotOpen { .. } => Self::NotOpen,
            Refusal::Paused => Self::Paused,
            Refusal::AreaNotServed => Self::AreaNotServed,
            Refusal::LimitReached(_) => Self::LimitReached,
            Refusal::SoldOut { .. } => Self::SoldOut,
            Refusal::KeyReused => Self::KeyReused,
            Refusal::Conflict => Self::Conflict,
            Refusal::Expired => Self::Expired,
            Refusal::WrongState => Self::WrongState,
            Refusal::Overloaded => Self::Overloaded,
            Refusal::Unavailable => Self::Unavailable,
            // A refusal that is newer than this table.
            other => Self::named(other.code()).unwrap_or(Self::Internal),
        }
    }
}

impl Row {
    /// Whether it stays an error with `BRIEF`.
    pub(crate) fn is_fault(&self) -> bool {
        FAULTS.contains(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jangteo::Timestamp;

    /// The contract's table, as far as what it speaks of exists.
    const CONTRACT: [(u16, &str, &[&str], bool); 21] = [
        (400, "ERR", &["malformed"], false),
        (401, "NOAUTH", &["unauthenticated"], false),
        (403, "", &["forbidden", "area_not_served"], false),
        (404, "", &["unknown_drop", "unknown_sku", "unknown_hold", "not_found"], false),
        (404, "NOWAIT", &["unknown_wait"], false),
        (404, "ERR", &["unknown_campaign"], false),
        (405, "ERR", &["method_not_allowed"], false),
        (406, "ERR", &["not_acceptable"], false),
        (408, "ERR", &["request_timeout"], true),
        (412, "ERR", &["precondition_failed"], false),
        (413, "ERR", &["too_large"], false),
        (415, "ERR", &["unsupported_media_type"], false),
        (409, "", &["sold_out", "limit_reached", "conflict", "expired", "wrong_state"], false),
        (409, "", &["not_open", "paused"], true),
        (410, "CLOSED", &["closed"], false),
        (410, "ERR", &["events_gone"], false),
        (422, "KEYREUSED", &["key_reused"], false),
        (422, "ERR", &["invalid_campaign"], false),
        (429, "RATELIMITED", &["rate_limited"], true),
        (503, "LOADING", &["recovering"], true),
        (503, "", &["overloaded", "unavailable", "outcome_unknown", "draining"], true),
    ];

    #[test]
    fn the_table_has_the_contracts_codes_and_no_other() {
        let mut seen = 1; // `internal`, which the loop leaves out
        assert_eq!(Code::Internal.row().status, 500);
        for (status, word, names, retryable) in CONTRACT {
            for name in names {
                let row = Code::named(name).unwrap_or_else(|| panic!("{name}")).row();
                assert_eq!((row.status, row.retryable), (status, retryable), "{name}");
                assert!(word.is_empty() || row.word == word, "{name}");
                seen += 1;
            }
        }
        assert_eq!(seen, TABLE.len());
    }

    #[test]
    fn every_code_finds_its_own_row() {
        for row in &TABLE {
            assert_eq!(row.code.row().name, row.name);
        }
    }

    #[test]
    fn refusals_and_rows_use_the_same_names() {
        let all = [
            Refusal::Malformed("x"),
            Refusal::UnknownDrop,
            Refusal::UnknownCampaign,
            Refusal::UnknownHold,
            Refusal::UnknownWait,
            Refusal::UnknownSku,
            Refusal::Closed,
            Refusal::NotOpen { opens_at: Timestamp::default() },
            Refusal::Paused,
            Refusal::AreaNotServed,
            Refusal::SoldOut { available: 0 },
            Refusal::KeyReused,
            Refusal::Conflict,
            Refusal::Expired,
            Refusal::WrongState,
            Refusal::Overloaded,
            Refusal::Unavailable,
        ];
        for refusal in all {
            assert_eq!(Code::of(&refusal).row().name, refusal.code());
        }
    }
}
