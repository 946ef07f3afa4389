//! Which events an endpoint wants.

use std::str::FromStr;

use crate::limits::WEBHOOK_PATTERNS_MAX;

/// The beginning of every event's type; patterns leave it out.
const PREFIX: &str = "jangteo.";

/// Every event of the interface: a pattern that fits none of them is a mistake.
const NAMES: [&str; 15] = [
    "hold.granted",
    "hold.confirmed",
    "hold.extended",
    "hold.released",
    "hold.expired",
    "hold.refunded",
    "wait.joined",
    "wait.left",
    "drop.opened",
    "drop.paused",
    "drop.resumed",
    "drop.closed",
    "drop.stock",
    "campaign.put",
    "campaign.settled",
];

/// One pattern: an event's name such as `hold.granted`, `hold.*` for all that begin so, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

impl Pattern {
    fn fits(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.0,
        }
    }
}

/// The events that an endpoint wants: those that fit one of its patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(Vec<Pattern>);

impl Wanted {
    /// Every event.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Pattern("*".to_owned())])
    }

    /// Whether these and those of `other` are not too many; then both.
    ///
    /// # Errors
    /// They are more than [`WEBHOOK_PATTERNS_MAX`].
    pub fn and(mut self, other: Self) -> Result<Self, &'static str> {
        self.0.extend(other.0);
        if WEBHOOK_PATTERNS_MAX < self.0.len() {
            return Err("must be at most 32 patterns");
        }
        Ok(self)
    }

    /// Whether an event of this type is wanted.
    pub(super) fn wants(&self, kind: &str) -> bool {
        let name = kind.strip_prefix(PREFIX).unwrap_or(kind);
        self.0.iter().any(|pattern| pattern.fits(name))
    }
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let group = text.strip_suffix('*');
        let whole_words = group.is_none_or(|group| group.is_empty() || group.ends_with('.'));
        let pattern = Pattern(text.to_owned());
        if whole_words && NAMES.iter().any(|name| pattern.fits(name)) {
            return Ok(Self(vec![pattern]));
        }
        Err("expected an event such as hold.granted, all of a kind such as hold.*, or *")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_pattern_wants_what_fits_and_nothing_else() {
        let table = [
            ("*", &NAMES[..]),
            ("hold.*", &NAMES[..6]),
            ("wait.*", &NAMES[6..8]),
            ("drop.opened", &["drop.opened"]),
            ("campaign.*", &["campaign.put", "campaign.settled"]),
        ];
        for (pattern, fitting) in table {
            let wanted: Wanted = pattern.parse().unwrap();
            for name in NAMES {
                let kind = format!("jangteo.{name}");
                assert_eq!(wanted.wants(&kind), fitting.contains(&name), "{pattern} {name}");
            }
        }
        let both = "drop.closed".parse::<Wanted>().unwrap().and("campaign.*".parse().unwrap());
        let both = both.unwrap();
        assert!(both.wants("jangteo.drop.closed") && both.wants("jangteo.campaign.put"));
        assert!(!both.wants("jangteo.drop.opened"));
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_refused() {
        for text in
            ["", "hold", "hold.", "holds.*", "hol*", "hold.*.*", "*.put", "**", "jangteo.hold.*"]
        {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
        let many = (0..WEBHOOK_PATTERNS_MAX)
            .try_fold(Wanted::everything(), |all, _| all.and("hold.granted".parse().unwrap()));
        assert_eq!(many, Err("must be at most 32 patterns"));
    }

    #[test]
    fn every_event_in_the_documents_is_known() {
        let text = include_str!("../../../docs/protocol.md");
        let table = text.split("| `type` | `data` |").nth(1).unwrap().split("\n\n").next().unwrap();
        let words = table.split('`').filter_map(|word| word.strip_prefix(PREFIX));
        let told: BTreeSet<&str> = words.collect();
        assert!(told.len() >= 8, "{told:?}");
        assert!(told.is_subset(&NAMES.into()), "{told:?}");
    }
}
