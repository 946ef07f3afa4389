//! Takes the tree apart: a [`Field`] is a value with its path, a [`Table`] remembers which of its
//! keys were asked for, and both report what does not fit.
//!
//! A reader returns `None` where it has reported a fault, so that reading goes on and everything
//! that is wrong is found in one run.

use std::ops::RangeInclusive;

use super::duration;
use super::fault::Faults;
use super::node::{Entry, Node, Value};

/// A value, its key path, and where to report what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    faults: &'a Faults,
    path: String,
    node: &'a Node,
}

impl<'a> Field<'a> {
    /// The whole file.
    pub(super) fn root(node: &'a Node, faults: &'a Faults) -> Self {
        Self { faults, path: String::new(), node }
    }

    /// The same, with faults reported elsewhere.
    pub(super) fn reporting_to<'b>(&self, faults: &'b Faults) -> Field<'b>
    where
        'a: 'b,
    {
        Field { faults, path: self.path.clone(), node: self.node }
    }

    /// Whether parts of the file could not be read.
    pub(super) fn is_partial(&self) -> bool {
        self.faults.is_partial()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Reports a fault here; `None` so that a reader can return it.
    pub(super) fn fault<T>(&self, detail: impl Into<String>) -> Option<T> {
        self.faults.report(self.node.at, &self.path, detail);
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.fault(format!("expected {what}, found {}", self.node.value.kind()))
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => self.expected("a text"),
        }
    }

    /// The text of a local date and time, quoted or TOML's own.
    pub(super) fn time_text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) | Value::Time(text) => Some(text),
            _ => self.expected("a local date and time"),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.node.value {
            Value::Flag(flag) => Some(flag),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let Value::Integer(number) = self.node.value else {
            return self.expected("an integer");
        };
        let fits = u64::try_from(number).ok().filter(|number| range.contains(number));
        fits.or_else(|| self.fault(format!("must be from {} to {}", range.start(), range.end())))
    }

    /// Likewise, for ranges that fit 32 bits.
    pub(super) fn integer_u32(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.integer(u64::from(*range.start())..=u64::from(*range.end()))?;
        Some(u32::try_from(number).expect("the range fits 32 bits"))
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let Some(ms) = duration::parse(self.text()?) else {
            return self.fault("expected a duration such as 90s, 10m, 1h30m or 6days");
        };
        if range.contains(&ms) {
            return Some(ms);
        }
        let (least, most) = (duration::show(*range.start()), duration::show(*range.end()));
        self.fault(format!("must be from {least} to {most}"))
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    /// Every element by `read`; all are read even if some have faults.
    pub(super) fn each<T>(&self, mut read: impl FnMut(&Field<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(nodes) = &self.node.value else {
            return self.expected("a list");
        };
        let mut values = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let path = format!("{}[{index}]", self.path);
            values.extend(read(&Field { faults: self.faults, path, node }));
        }
        (values.len() == nodes.len()).then_some(values)
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        match &self.node.value {
            Value::Table(entries) => Some(Table { of: self.clone(), entries, asked: Vec::new() }),
            _ => self.expected("a table"),
        }
    }
}

/// A table while it is being read. Ask for every key that may be there, then call
/// [`Table::done`].
#[derive(Debug)]
pub(super) struct Table<'a> {
    of: Field<'a>,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn find(&mut self, key: &'static str) -> Option<Field<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let field = Field { faults: self.of.faults, path: self.path_of(key), node: &entry.node };
        (!matches!(entry.node.value, Value::Null)).then_some(field)
    }

    /// A key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.find(key) {
            Some(field) => read(&field),
            None => {
                if !self.of.faults.is_partial() {
                    self.of.faults.report(self.of.node.at, &self.path_of(key), "is missing");
                }
                None
            }
        }
    }

    /// A key that may be left out: `Some(None)` if it is.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.find(key) {
            Some(field) => read(&field).map(Some),
            None => Some(None),
        }
    }

    /// A key that stands for `value` if it is left out.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        value: T,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.find(key) {
            Some(field) => read(&field),
            None => Some(value),
        }
    }

    /// Reports keys that nobody asked for, and keys given twice.
    pub(super) fn done(self) {
        let mut seen = Vec::with_capacity(self.asked.len());
        for entry in self.entries {
            let key = entry.key.as_str();
            let detail = if !self.asked.contains(&key) {
                self.unknown(key)
            } else if seen.contains(&key) {
                "is given twice".to_owned()
            } else {
                seen.push(key);
                continue;
            };
            self.of.faults.report(entry.at, &self.path_of(key), detail);
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let shown = if !key.is_empty() && key.len() <= 64 && key.chars().all(bare) {
            key.to_owned()
        } else {
            quoted(key)
        };
        match self.of.path.as_str() {
            "" => shown,
            path => format!("{path}.{shown}"),
        }
    }

    fn unknown(&self, key: &str) -> String {
        let near = self.asked.iter().find(|name| is_near(key, name));
        match near {
            Some(name) => format!("unknown key; did you mean {name}?"),
            None => format!("unknown key; known here: {}", self.asked.join(", ")),
        }
    }
}

/// Text of the file for a fault's detail: quoted, escaped, and clipped if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Whether one or two single-letter edits make `written` into `name`.
fn is_near(written: &str, name: &str) -> bool {
    if written.len().abs_diff(name.len()) > 2 {
        return false;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (i, a) in written.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, b) in row.iter_mut().skip(1).zip(name.bytes()) {
            let here = (diagonal + usize::from(a != b)).min(*slot + 1).min(left + 1);
            diagonal = std::mem::replace(slot, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().is_some_and(|edits| *edits <= 2)
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn near_names_are_two_edits_away_at_most() {
        assert!(is_near("prcie", "price"));
        assert!(is_near("repeat", "repeats"));
        assert!(is_near("hold-tl", "hold_ttl"));
        assert!(!is_near("colour", "price"));
        assert!(!is_near("", "sku"));
    }
}
