//! TOML into the tree, and its broken syntax into faults.

use std::collections::{BTreeMap, HashMap};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::node::{Entry, Node, Value};
use crate::limits::FAULTS_MAX;

/// Broken lines that are told apart one by one; beyond, they are reported as the parser meets
/// them, some only because of an earlier one. Bounds the time: each is one pass over the file.
const ROUNDS: usize = 16;

/// Reads a TOML text as far as it can be read. If it is broken, the lines that are to blame are
/// reported and left out, so that the faults of the others can be found in the same run.
pub(super) fn read(text: &str, faults: &Faults) -> Node {
    let mut mended = text.to_owned();
    let mut round = 0;
    loop {
        round += 1;
        let (table, errors) = DeTable::parse_recoverable(&mended);
        if errors.is_empty() {
            return root(table);
        }
        faults.set_partial();
        let last = round == ROUNDS || errors.len() > FAULTS_MAX;
        let rest = report(&mended, &errors, !last, faults);
        if last || rest == mended {
            return root(DeTable::parse_recoverable(&rest).0);
        }
        mended = rest;
    }
}

fn root(table: Spanned<DeTable<'_>>) -> Node {
    node(Spanned::new(0..0, DeValue::Table(table.into_inner())))
}

/// Recursion is bounded by the parser: it reads at most 80 levels.
fn node(value: Spanned<DeValue<'_>>) -> Node {
    let at = value.span().start;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let end = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(end))
        }
        DeValue::Float(_) => Value::Fraction,
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
        DeValue::Array(list) => Value::List(list.into_iter().map(node).collect()),
        DeValue::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| Entry {
                    at: key.span().start,
                    key: key.into_inner().into_owned(),
                    node: node(value),
                })
                .collect(),
        ),
    };
    Node { at, value }
}

/// Reports the first error of each line (later ones mostly follow from it), or of the first such
/// line only, and returns the text with these lines blanked; offsets stay. Below a broken header
/// all is blanked up to the next: those keys would read as keys of the table above.
fn report(text: &str, errors: &[toml::de::Error], only_first: bool, faults: &Faults) -> String {
    let at = |error: &toml::de::Error| error.span().map_or(0, |span| span.start.min(text.len()));
    let errors = errors.iter().map(|error| (at(error), error.message()));
    let errors: BTreeMap<usize, &str> = if only_first {
        errors.min_by_key(|(at, _)| *at).into_iter().collect()
    } else {
        errors.rev().collect() // of several at one place the first stays
    };

    let mut errors = errors.into_iter().peekable();
    let mut mended = String::with_capacity(text.len());
    let mut keys = KeyGuess::default();
    let mut end = 0;
    let mut headless = false;
    for line in text.split_inclusive('\n') {
        end += line.len();
        keys.enter(line);
        let last = end == text.len();
        let here = |at: &usize| *at < end || last;
        let first = errors.next_if(|(at, _)| here(at));
        while errors.next_if(|(at, _)| here(at)).is_some() {}
        if let Some((at, message)) = first {
            faults.report(at, &keys.path(line), format!("not TOML: {message}"));
        }
        if is_header(line) {
            headless = first.is_some();
        }
        if first.is_some() || headless {
            mended.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            mended.push_str(line);
        }
    }
    mended
}

fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// The key path of a line by its looks, since a broken line has no place in the tree.
#[derive(Default)]
struct KeyGuess {
    table: String,
    seen: HashMap<String, usize>,
}

impl KeyGuess {
    fn enter(&mut self, line: &str) {
        if !is_header(line) {
            return;
        }
        let opened = line.trim_start().trim_start_matches('[');
        let name = opened.split([']', '#', '\n']).next().unwrap_or_default().trim().to_owned();
        if line.trim_start().starts_with("[[") {
            let seen = self.seen.entry(name.clone()).or_default();
            self.table = format!("{name}[{seen}]");
            *seen += 1;
        } else {
            self.table = name;
        }
    }

    fn path(&self, line: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let key = line.split(['=', '#']).next().unwrap_or_default().trim();
        let key = key.split_whitespace().next().unwrap_or_default();
        match (self.table.as_str(), !key.is_empty() && key.chars().all(bare)) {
            (table, false) => table.to_owned(),
            ("", true) => key.to_owned(),
            (table, true) => format!("{table}.{key}"),
        }
    }
}
