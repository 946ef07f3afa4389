//! What came back over RESP, in the common terms.

use redis::{ErrorKind, Value};

use super::line;
use super::operation::Operation;
use super::outcome::{Ids, Outcome, Shown};

/// The code of each word.
const WORDS: [(&str, &str); 16] = [
    ("ERR", "malformed"),
    ("NOPERM", "forbidden"),
    ("NOAREA", "area_not_served"),
    ("NODROP", "unknown_drop"),
    ("NOSKU", "unknown_sku"),
    ("NOHOLD", "unknown_hold"),
    ("NOWAIT", "unknown_wait"),
    ("SOLDOUT", "sold_out"),
    ("LIMIT", "limit_reached"),
    ("CONFLICT", "conflict"),
    ("EXPIRED", "expired"),
    ("WRONGSTATE", "wrong_state"),
    ("NOTOPEN", "not_open"),
    ("PAUSED", "paused"),
    ("CLOSED", "closed"),
    ("KEYREUSED", "key_reused"),
];

/// What a reply says.
pub(super) fn from_resp(
    operation: &Operation,
    reply: Result<Value, redis::RedisError>,
    ids: &mut Ids,
) -> Outcome {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return refused_by_resp(&error, ids),
    };
    let rows = |reply: Value| reply.into_sequence().unwrap().into_iter();
    let mut outcome = Outcome::default();
    match operation {
        Operation::Stock { .. } => {
            let row = |row: Value| {
                let counts = ["total", "available", "held", "sold"];
                (text(&field(&row, "sku")), counts.map(|name| integer(&field(&row, name))))
            };
            outcome.stock = rows(reply).map(row).collect();
        }
        Operation::Drops { .. } => {
            let row = |row: Value| {
                let opens_at = u64::try_from(integer(&field(&row, "opens_at_ms"))).unwrap();
                let sold_out = integer(&field(&row, "sold_out")) == 1;
                (text(&field(&row, "id")), text(&field(&row, "phase")), sold_out, opens_at)
            };
            outcome.drops = rows(reply).map(row).collect();
        }
        Operation::Find { .. } => {
            outcome.holds = rows(reply).map(|hold| hold_of(&hold, ids)).collect();
        }
        _ => match line::in_reply(&reply, ids) {
            Some(waits) => outcome = waits,
            None => outcome.holds = vec![hold_of(&reply, ids)],
        },
    }
    outcome
}

/// What an error says.
pub(super) fn refused_by_resp(error: &redis::RedisError, ids: &mut Ids) -> Outcome {
    assert_ne!(error.kind(), ErrorKind::Io, "{error}");
    let word = error.code().unwrap_or_else(|| panic!("{error}"));
    let found = WORDS.iter().find(|(one, _)| *one == word);
    let code = found.unwrap_or_else(|| panic!("{error}")).1;
    let pairs = error.detail().unwrap_or_default().split(' ');
    let mut outcome = Outcome::refused(code);
    for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
        match name {
            "available" => outcome.available = Some(value.parse().unwrap()),
            "opens_at_ms" => outcome.opens_at_ms = Some(value.parse().unwrap()),
            "hold" => outcome.counting.push(ids.place(value)),
            other => panic!("{other} in {error}"),
        }
    }
    outcome
}

/// A field of a map, or of its flat form.
pub(super) fn field(row: &Value, name: &str) -> Value {
    let (_, value) = row
        .as_map_iter()
        .unwrap_or_else(|| panic!("{row:?}"))
        .find(|(one, _)| text(one) == name)
        .unwrap_or_else(|| panic!("{name} of {row:?}"));
    value.clone()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?} is no text"),
    }
}

pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(integer) => *integer,
        other => panic!("{other:?} is no integer"),
    }
}

fn hold_of(hold: &Value, ids: &mut Ids) -> Shown {
    let units = |name: &str| {
        let flat = field(hold, name).into_sequence().unwrap();
        let unit = |pair: &[Value]| (text(&pair[0]), u64::try_from(integer(&pair[1])).unwrap());
        flat.chunks(2).map(unit).collect()
    };
    let payment = field(hold, "payment");
    Shown {
        place: ids.place(&text(&field(hold, "id"))),
        state: text(&field(hold, "state")),
        number: u64::try_from(integer(&field(hold, "number"))).unwrap(),
        total: u64::try_from(integer(&field(hold, "total"))).unwrap(),
        expires_at_ms: u64::try_from(integer(&field(hold, "expires_at_ms"))).ok(),
        payment: (payment != Value::Nil).then(|| text(&payment)),
        replayed: integer(&field(hold, "replayed")) == 1,
        lines: units("lines"),
        gifts: units("gifts"),
    }
}
