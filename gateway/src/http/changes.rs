//! What differs between two campaigns, key by key.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One key that differs. What is not there is null.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Change {
    #[schema(example = "items[0].stock")]
    pub(super) key: String,
    #[schema(value_type = Value)]
    from: Value,
    #[schema(value_type = Value)]
    to: Value,
}

/// What becomes different if `after` takes the place of `before`, both as recorded; nothing if
/// there is nothing before.
pub(super) fn changes(before: Option<&str>, after: &str) -> Vec<Change> {
    let mut found = Vec::new();
    if let Some(before) = before {
        let tree = |text: &str| serde_json::from_str(text).expect("it was written as JSON");
        let (before, after): (Value, Value) = (tree(before), tree(after));
        compare(String::new(), &before, &after, &mut found);
    }
    found
}

fn compare(key: String, before: &Value, after: &Value, found: &mut Vec<Change>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let dot = if key.is_empty() { "" } else { "." };
                let (old, new) = (old.get(name), new.get(name));
                compare(format!("{key}{dot}{name}"), or_null(old), or_null(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for place in 0..old.len().max(new.len()) {
                let (old, new) = (old.get(place), new.get(place));
                compare(format!("{key}[{place}]"), or_null(old), or_null(new), found);
            }
        }
        _ => found.push(Change { key, from: before.clone(), to: after.clone() }),
    }
}

fn or_null(value: Option<&Value>) -> &Value {
    value.unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_that_differs_is_named_once() {
        let before = r#"{"a":1,"b":{"c":[1,2],"d":"x"},"e":[{"f":1}],"g":1}"#;
        let after = r#"{"a":1,"b":{"c":[1,3,4],"d":"x"},"e":[{"f":2}],"h":true}"#;
        let found = changes(Some(before), after);
        let told: Vec<String> =
            found.iter().map(|one| format!("{} {} {}", one.key, one.from, one.to)).collect();
        let expected = ["b.c[1] 2 3", "b.c[2] null 4", "e[0].f 1 2", "g 1 null", "h null true"];
        assert_eq!(told, expected);
        assert!(changes(Some(after), after).is_empty() && changes(None, after).is_empty());
    }
}
