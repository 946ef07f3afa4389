//! JSON into the tree. Not through `serde_json::Value`: that keeps only the last of repeated keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::fault::{Fault, InvalidCampaign};
use super::node::{Entry, Node, Value};

/// Reads a JSON text; broken syntax is the one fault whose place is known.
pub(super) fn read(json: &str) -> Result<Node, InvalidCampaign> {
    serde_json::from_str(json).map_err(|error| {
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let whole = error.to_string();
        let detail = match whole.rsplit_once(" at line ") {
            Some((what, _)) => format!("not JSON: {what}"),
            None => format!("not JSON: {whole}"),
        };
        let (line, column) = (place(error.line()), place(error.column()));
        InvalidCampaign { faults: vec![Fault { line, column, key: String::new(), detail }] }
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(|value| Self { at: 0, value })
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        // An integer that fits no 64 bits arrives here as well; it is beyond every range.
        let whole = number.fract() == 0.0 && number.abs() > 1e18;
        let end = if number > 0.0 { i128::MAX } else { i128::MIN };
        Ok(if whole { Value::Integer(end) } else { Value::Fraction })
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry()? {
            entries.push(Entry { at: 0, key, node });
        }
        Ok(Value::Table(entries))
    }
}
