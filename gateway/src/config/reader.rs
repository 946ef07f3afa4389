//! Takes a TOML file apart, and remembers the place of everything that is wrong.
//!
//! A reader returns `None` where it has reported a fault, so that reading goes on and everything
//! that is wrong is found in one run.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// Most faults that are listed one by one.
const FAULTS_MAX: usize = 100;

/// Collects faults of one file.
#[derive(Debug)]
pub(super) struct Faults<'t> {
    name: &'t str,
    text: &'t str,
    found: RefCell<Vec<(usize, Fault)>>,
}

impl<'t> Faults<'t> {
    pub(super) fn of(name: &'t str, text: &'t str) -> Self {
        Self { name, text, found: RefCell::default() }
    }

    fn report(&self, at: usize, key: &str, detail: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = format!("{}:{line}:{column}", self.name);
        let mut found = self.found.borrow_mut();
        if found.len() < FAULTS_MAX {
            found.push((at, Fault { place, key: key.to_owned(), detail: detail.into() }));
        }
    }

    /// All of them, in the order of the file.
    pub(super) fn into_vec(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// Reads the file; what cannot be read is reported, and then nothing else is.
pub(super) fn parse<'t>(faults: &Faults<'t>) -> Option<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(faults.text);
    let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let mut sorted: Vec<_> = errors.iter().map(|error| (place(error), error)).collect();
    sorted.sort_by_key(|(at, _)| *at);
    let mut line_ends = 0;
    for (at, error) in sorted {
        // What follows an error on its line mostly follows from it.
        if at >= line_ends {
            let rest = faults.text.get(at..).unwrap_or_default();
            line_ends = rest.find('\n').map_or(usize::MAX, |length| at + length + 1);
            faults.report(at, "", format!("not TOML: {}", error.message()));
        }
    }
    errors.is_empty().then(|| table.into_inner())
}

/// What is wrong with a number that is not in this range.
pub(super) fn out_of(range: &RangeInclusive<u64>) -> String {
    format!("expected a whole number from {} to {}", range.start(), range.end())
}

/// A value and its path.
pub(super) struct Field<'f, 't> {
    faults: &'f Faults<'t>,
    path: String,
    value: &'f Spanned<DeValue<'t>>,
}

impl<'f, 't> Field<'f, 't> {
    /// Reports a fault here; `None` so that a reader can return it.
    pub(super) fn fault<T>(&self, detail: impl Into<String>) -> Option<T> {
        self.faults.report(self.value.span().start, &self.path, detail);
        None
    }

    pub(super) fn text(&self) -> Option<&'f str> {
        match self.value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some(text),
            DeValue::String(_) => self.fault("must not be empty"),
            _ => self.fault("expected a text"),
        }
    }

    /// A text that `read` understands.
    pub(super) fn parsed<T, E: ToString>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        read(self.text()?).map_err(|error| self.fault::<T>(error.to_string())).ok()
    }

    /// A whole number in this range.
    pub(super) fn number(&self, range: &RangeInclusive<u64>) -> Option<u64> {
        let number = self.value.get_ref().as_integer();
        let number = number.and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        let fits = number.filter(|number| range.contains(number));
        fits.or_else(|| self.fault(out_of(range)))
    }

    pub(super) fn table(&self) -> Option<Table<'f, 't>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => {
                let (faults, path, at) = (self.faults, self.path.clone(), self.value.span().start);
                Some(Table { faults, path, at, entries, asked: Vec::new() })
            }
            _ => self.fault("expected a table"),
        }
    }

    /// Every text of a list by `read`; all are read even if some have faults.
    pub(super) fn texts<T, E: ToString>(
        &self,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let DeValue::Array(list) = self.value.get_ref() else {
            return self.fault("expected a list of texts");
        };
        let fields = list.iter().enumerate().map(|(index, value)| {
            let path = format!("{}[{index}]", self.path);
            Field { faults: self.faults, path, value }
        });
        let all: Vec<T> = fields.filter_map(|field| field.parsed(&read)).collect();
        (all.len() == list.len()).then_some(all)
    }

    /// Every table of a list by `read`; all are read even if some have faults.
    pub(super) fn each<T>(
        &self,
        mut read: impl FnMut(&mut Table<'f, 't>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let DeValue::Array(list) = self.value.get_ref() else {
            return self.fault("expected a list of tables");
        };
        let mut all = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{}[{index}]", self.path);
            let mut table = Field { faults: self.faults, path, value }.table();
            all.extend(table.as_mut().and_then(&mut read));
            table.into_iter().for_each(Table::done);
        }
        (all.len() == list.len()).then_some(all)
    }
}

/// A table while it is being read. Ask for every key that may be there, then call
/// [`Table::done`].
pub(super) struct Table<'f, 't> {
    faults: &'f Faults<'t>,
    path: String,
    at: usize,
    entries: &'f DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'f, 't> Table<'f, 't> {
    /// The whole file.
    pub(super) fn root(faults: &'f Faults<'t>, entries: &'f DeTable<'t>) -> Self {
        Self { faults, path: String::new(), at: 0, entries, asked: Vec::new() }
    }

    pub(super) fn find(&mut self, key: &'static str) -> Option<Field<'f, 't>> {
        self.asked.push(key);
        let (_, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Field { faults: self.faults, path: self.path_of(key), value })
    }

    /// A key that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<Field<'f, 't>> {
        let found = self.find(key);
        if found.is_none() {
            self.faults.report(self.at, &self.path_of(key), "is missing");
        }
        found
    }

    /// Reports something about the table as a whole.
    pub(super) fn fault<T>(&self, detail: impl Into<String>) -> Option<T> {
        self.faults.report(self.at, &self.path, detail);
        None
    }

    /// Reports keys that nobody asked for.
    pub(super) fn done(self) {
        for (key, _) in self.entries {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let known = self.asked.join(", ");
                let (at, path) = (key.span().start, self.path_of(key.get_ref()));
                self.faults.report(at, &path, format!("unknown key; known here: {known}"));
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let plain = (1..=64).contains(&key.len()) && key.chars().all(bare);
        let shown = if plain { key.to_owned() } else { "a key of other letters".to_owned() };
        match self.path.as_str() {
            "" => shown,
            path => format!("{path}.{shown}"),
        }
    }
}
