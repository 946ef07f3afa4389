//! Dependencies: each has its row in `docs/dependencies.md`, and each row its dependency.

use std::collections::BTreeSet;

use super::{File, find};

const TABLE: &str = "docs/dependencies.md";

pub(super) fn check(files: &[File]) -> Vec<String> {
    let named = dependencies(files);
    let told = rows(find(files, TABLE).map_or("", |file| &file.text));
    let silent = named.difference(&told).map(|name| format!("{TABLE}: nothing about {name}"));
    let stale = told.difference(&named).map(|name| format!("{TABLE}: {name} is no dependency"));
    silent.chain(stale).collect()
}

/// Every crate of others that a manifest names.
fn dependencies(files: &[File]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let mut listed = false;
        for line in file.text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                listed = section.trim_end_matches(']').ends_with("dependencies");
            } else if listed && !line.starts_with('#') {
                let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
                found.insert(name.to_owned());
            }
        }
    }
    found.retain(|name| !name.is_empty() && !name.starts_with("jangteo"));
    found
}

/// The names that begin the rows of the document's tables.
fn rows(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

mod tests {
    use super::super::bites;
    use super::*;

    fn files(rows: &str) -> [File; 2] {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# why\nserde.workspace = true\n\
            jangteo.workspace = true\n[dev-dependencies]\nloom = { version = \"1\" }\n\
            [features]\nplanted = []\n";
        [File::new("engine/Cargo.toml", manifest), File::new(TABLE, rows)]
    }

    #[test]
    fn a_dependency_without_a_row_is_seen() {
        assert!(check(&files("| `serde` | x |\n| `loom` | y |\n")).is_empty());
        bites(&check(&files("| `serde` | x |\n")), &["nothing about loom"]);
    }

    #[test]
    fn a_row_without_a_dependency_is_seen() {
        let rows = "| `serde` | x |\n| `loom` | y |\n| `left-pad` | z |\n";
        bites(&check(&files(rows)), &["left-pad is no dependency"]);
    }
}
