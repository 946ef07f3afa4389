//! Rust files: size, alphabet, stubs, orderings, tags, what module files hold.

use super::File;

/// Most lines of a file: beyond, a file has two ideas.
const LINES_MAX: usize = 500;
/// Files that may be longer, with the reason.
const LONG: [(&str, &str); 0] = [];

/// Most columns of a line.
const COLUMNS_MAX: usize = 100;

/// Files that may hold more than ASCII, with the reason.
const MORE_THAN_ASCII: [(&str, &str); 7] = [
    ("gateway/tests/it/commands.rs", "the goods of a Korean market"),
    ("engine/src/lib.rs", "the product's name"),
    ("engine/src/campaign/duration.rs", "texts that are no durations"),
    ("engine/src/campaign/tests/valid.rs", "Korean campaigns"),
    ("engine/src/campaign/tests/format.rs", "columns count characters"),
    ("engine/src/campaign/tests/properties.rs", "titles in any script"),
    ("engine/src/campaign/tests/faults.rs", "Korean campaigns"),
];

/// The files that own an atomic. What else there is to say of each is in `docs/orderings.md`.
const WITH_ORDERINGS: [&str; 19] = [
    "bench/src/hammer.rs",
    "engine/src/buyers/known.rs",
    "engine/src/clock.rs",
    "engine/src/fault.rs",
    "engine/src/journal/gate.rs",
    "engine/src/journal/watermark.rs",
    "engine/src/phase.rs",
    "engine/src/stock/cell.rs",
    "engine/src/terms.rs",
    "gateway/src/app.rs",
    "gateway/src/dispatch.rs",
    "gateway/src/flushing.rs",
    "gateway/src/in_flight.rs",
    "gateway/src/metrics/holds.rs",
    "gateway/src/metrics/times.rs",
    "gateway/src/metrics/turned_away.rs",
    "gateway/src/metrics/webhooks.rs",
    "gateway/src/watch/hub.rs",
    "loadtest/src/progress.rs",
];

/// Places outside tests that may be sequentially consistent, with the reason.
const SEQUENTIALLY_CONSISTENT: [(&str, &str); 0] = [];

/// Module files that hold a function, with the reason.
const MODULES_WITH_FUNCTIONS: [(&str, &str); 1] =
    [("gateway/src/cli/mod.rs", "the list of commands")];

/// The only words in capitals, followed by a colon or a parenthesis, that begin a comment.
const TAGS: [&str; 3] = ["NOTE", "IMPORTANT", "INVARIANT"];
/// Words that mark work to be done: it is done, or it is an issue.
const LEFTOVERS: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
/// Macros that stand for something unfinished.
const STUBS: [&str; 3] = ["todo", "dbg", "unimplemented"];

pub(super) fn check(files: &[File]) -> Vec<String> {
    let rust = || files.iter().filter(|file| file.is_rust());
    let mut complaints = Vec::new();
    for file in rust() {
        complaints.extend(too_long(file));
        complaints.extend(too_wide(file));
        complaints.extend(not_ascii(file));
        complaints.extend(stubs(file));
        complaints.extend(orderings(file));
        complaints.extend(tags(file));
        complaints.extend(functions_in_module_file(file));
    }
    complaints.extend(orderings_not_documented(files));
    complaints.extend(files.iter().flat_map(machine_paths));
    complaints
}

fn is_listed(list: &[(&str, &str)], path: &str) -> bool {
    list.iter().any(|(listed, _)| *listed == path)
}

fn too_long(file: &File) -> Option<String> {
    let count = file.text.lines().count();
    let wrong = count > LINES_MAX && !is_listed(&LONG, &file.path);
    wrong.then(|| format!("{}: {count} lines, of at most {LINES_MAX}", file.path))
}

/// Lines that could be shorter: not the rows of a table, nor those with a text that is long itself.
fn too_wide(file: &File) -> Vec<String> {
    let is_row = |line: &str| {
        let line = line.trim_start();
        line.starts_with("//! |") || line.starts_with("/// |")
    };
    // rustfmt does not count what ends a statement or an argument.
    let columns = |line: &str| line.trim_end_matches([';', ',']).chars().count();
    let wide = |line: &str| columns(line) > COLUMNS_MAX;
    let wrong = |line: &str| wide(line) && !is_row(line) && !line.contains('"');
    at(file, wrong, "wider than 100 columns")
}

fn not_ascii(file: &File) -> Vec<String> {
    if is_listed(&MORE_THAN_ASCII, &file.path) {
        return Vec::new();
    }
    at(file, |line| !line.is_ascii(), "not ASCII")
}

fn stubs(file: &File) -> Vec<String> {
    let stub = |line: &str| {
        let ignored = format!("#[{}", "ignore");
        line.contains(&ignored) || STUBS.iter().any(|stub| line.contains(&format!("{stub}!")))
    };
    at(file, stub, "a stub, or a test that does not run")
}

/// The part of a file before its tests.
fn before_tests(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.lines().take_while(|(_, line)| {
        let test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        !test
    })
}

fn is_test_file(path: &str) -> bool {
    ["tests/", "/tests/", "/benches/", "/loom_models/", "/shuttle_models/"]
        .iter()
        .any(|part| path.contains(part))
}

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Whether a line names a memory ordering.
fn names_ordering(line: &str) -> bool {
    ORDERINGS.iter().any(|one| line.contains(&format!("Ordering::{one}")))
}

fn orderings(file: &File) -> Vec<String> {
    if is_test_file(&file.path) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (number, line) in before_tests(file).filter(|(_, line)| names_ordering(line)) {
        let place = format!("{}:{number}", file.path);
        if !WITH_ORDERINGS.contains(&file.path.as_str()) {
            complaints.push(format!("{place}: an ordering outside the files that own an atomic"));
        } else if line.contains(ORDERINGS[4]) && !is_listed(&SEQUENTIALLY_CONSISTENT, &file.path) {
            complaints.push(format!("{place}: sequentially consistent without a reason"));
        }
    }
    complaints
}

/// Files that own an atomic and are not told of, and those that no longer own one.
fn orderings_not_documented(files: &[File]) -> Vec<String> {
    let text = super::find(files, "docs/orderings.md").map_or("", |file| &file.text);
    let mut complaints = Vec::new();
    for path in WITH_ORDERINGS {
        let Some(file) = super::find(files, path) else { continue };
        if !before_tests(file).any(|(_, line)| names_ordering(line)) {
            complaints.push(format!("{path}: listed as owning an atomic, and names no ordering"));
        } else if !text.contains(&format!("`{path}`")) {
            complaints.push(format!("{path}: owns an atomic, and docs/orderings.md is silent"));
        }
    }
    complaints
}

fn tags(file: &File) -> Vec<String> {
    let wrong = |line: &str| {
        let Some((_, comment)) = line.split_once("//") else { return false };
        // The title of a module may begin with the name of a protocol.
        let title = comment.starts_with('!');
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        let capitals = comment.chars().take_while(char::is_ascii_uppercase).count();
        let (tag, behind) = comment.split_at(capitals);
        let is_tag = capitals >= 3 && behind.starts_with([':', '(']) && !title;
        let leftover =
            comment.split(|c: char| !c.is_alphanumeric()).any(|word| LEFTOVERS.contains(&word));
        leftover || (is_tag && !TAGS.contains(&tag))
    };
    at(file, wrong, "a tag other than NOTE, IMPORTANT, INVARIANT")
}

/// `lib.rs` and `mod.rs` are tables of contents.
fn functions_in_module_file(file: &File) -> Vec<String> {
    let is_module = file.path.ends_with("/lib.rs") || file.path.ends_with("/mod.rs");
    let excused = is_test_file(&file.path) || is_listed(&MODULES_WITH_FUNCTIONS, &file.path);
    if !is_module || excused {
        return Vec::new();
    }
    let function = |line: &str| {
        let line = line.trim_start();
        !line.starts_with("//") && (line.starts_with("fn ") || line.contains(" fn "))
    };
    let found = before_tests(file).filter(|(_, line)| function(line));
    found.map(|(number, _)| format!("{}:{number}: code in a module file", file.path)).collect()
}

/// Paths that exist on one machine only.
fn machine_paths(file: &File) -> Vec<String> {
    let names = ["work", "root", "home", "tmp", "Users"];
    let absolute = |line: &str| {
        names.iter().any(|name| {
            line.match_indices(&format!("/{name}/")).any(|(place, _)| {
                let before = line.get(..place).and_then(|text| text.chars().next_back());
                before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '/' | '.' | '}' | '-'))
            })
        })
    };
    at(file, absolute, "a path of one machine")
}

/// A complaint for each line that is wrong.
fn at(file: &File, wrong: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
    let found = file.lines().filter(|(_, line)| wrong(line));
    found.map(|(number, _)| format!("{}:{number}: {what}", file.path)).collect()
}

mod tests {
    use super::super::bites;
    use super::*;

    fn file(text: &str) -> File {
        File::new("engine/src/planted.rs", text)
    }

    #[test]
    fn a_long_file_is_seen() {
        assert_eq!(too_long(&file(&"\n".repeat(500))), None);
        assert!(too_long(&file(&"\n".repeat(501))).is_some());
    }

    #[test]
    fn a_wide_line_is_seen_but_not_a_table_or_a_text() {
        let wide = "x".repeat(101);
        let fine = "x".repeat(100);
        bites(&too_wide(&file(&format!("{fine}\n{wide}\n"))), &["planted.rs:2"]);
        assert!(too_wide(&file(&format!("//! | {wide}\n \"{wide}\"\n"))).is_empty());
    }

    #[test]
    fn a_foreign_letter_is_seen_where_it_is_not_listed() {
        bites(&not_ascii(&file("a\nb \u{c7a5}\n")), &["planted.rs:2"]);
        assert!(not_ascii(&File::new("engine/src/lib.rs", "\u{c7a5}")).is_empty());
    }

    #[test]
    fn every_kind_of_stub_is_seen() {
        for stub in STUBS {
            bites(&stubs(&file(&format!("{stub}!()"))), &["stub"]);
        }
        bites(&stubs(&file(&format!("#[{}]", "ignore"))), &["stub"]);
    }

    #[test]
    fn an_ordering_is_seen_outside_its_files_and_in_no_test() {
        let line = format!("load(Ordering::{})\n", ORDERINGS[0]);
        bites(&orderings(&file(&line)), &["planted.rs:1", "own an atomic"]);
        assert!(orderings(&file(&format!("#[cfg(test)]\n{line}"))).is_empty());
        assert!(orderings(&File::new("engine/tests/it/x.rs", &line)).is_empty());
        assert!(orderings(&File::new("engine/src/phase.rs", &line)).is_empty());
    }

    #[test]
    fn sequential_consistency_needs_a_reason() {
        let line = format!("load(Ordering::{})\n", ORDERINGS[4]);
        bites(&orderings(&File::new("engine/src/phase.rs", &line)), &["without a reason"]);
    }

    #[test]
    fn an_atomic_that_is_not_documented_or_gone_is_seen() {
        let line = format!("load(Ordering::{})\n", ORDERINGS[0]);
        let phase = File::new("engine/src/phase.rs", &line);
        let docs = File::new("docs/orderings.md", "`engine/src/phase.rs`");
        assert!(orderings_not_documented(&[phase.clone(), docs.clone()]).is_empty());
        bites(&orderings_not_documented(&[phase]), &["phase.rs", "silent"]);
        let gone = File::new("engine/src/phase.rs", "");
        bites(&orderings_not_documented(&[gone, docs]), &["phase.rs", "no ordering"]);
    }

    #[test]
    fn an_unknown_tag_is_seen() {
        for leftover in LEFTOVERS {
            bites(&tags(&file(&format!("x(); // {leftover} later\n"))), &["planted.rs:1"]);
        }
        bites(&tags(&file(&format!("/// {}: x\n", "SAFETY"))), &["tag"]);
        assert!(tags(&file("// NOTE: x\n//! INVARIANT(S1): y\n// RESP is a wire\n")).is_empty());
    }

    #[test]
    fn code_in_a_module_file_is_seen() {
        let module = |text| File::new("engine/src/planted/mod.rs", text);
        bites(&functions_in_module_file(&module("pub(crate) fn f() {}\n")), &["mod.rs:1"]);
        let fine = module("//! fn f()\nmod a;\n#[cfg(test)]\nmod tests {\n fn f() {}\n}\n");
        assert!(functions_in_module_file(&fine).is_empty());
        assert!(functions_in_module_file(&file("fn f() {}\n")).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_seen_in_any_file() {
        for name in ["work", "root", "home", "tmp"] {
            let text = format!("see /{name}/notes\n");
            bites(&machine_paths(&File::new("docs/x.md", &text)), &["one machine"]);
        }
        assert!(machine_paths(&file("a/work/b and /var/lib/jangteo\n")).is_empty());
    }
}
