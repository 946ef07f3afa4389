//! Documents: every path exists, every invariant is traced, every page is on the map.

use super::{File, find};

const INVARIANTS: &str = "docs/invariants.md";

pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_document()) {
        complaints.extend(paths(files, file));
        complaints.extend(title(file));
        complaints.extend(on_the_map(files, file));
    }
    let text = find(files, INVARIANTS).map_or("", |file| &file.text);
    let invariants = invariants(text);
    complaints.extend(invariants.iter().flat_map(|invariant| traced(files, invariant)));
    complaints.extend(unknown_ids(files, &invariants));
    complaints
}

fn title(file: &File) -> Option<String> {
    let titled = file.text.starts_with("# ");
    (!titled).then(|| format!("{}: does not begin with its title", file.path))
}

fn on_the_map(files: &[File], file: &File) -> Option<String> {
    let readme = find(files, "README.md").map_or("", |readme| &readme.text);
    let linked = file.path == "README.md" || readme.contains(&format!("({})", file.path));
    (!linked).then(|| format!("{}: README.md does not link to it", file.path))
}

/// Names in backticks, targets of links, and words of examples that look like paths and are none.
fn paths(files: &[File], document: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut fenced = false;
    for (number, line) in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let words = if fenced { words_of(line) } else { [quoted(line), links(line)].concat() };
        for word in words {
            if looks_like_path(files, word, fenced) && !exists(files, &document.path, word) {
                let place = format!("{}:{number}", document.path);
                complaints.push(format!("{place}: {word} does not exist"));
            }
        }
    }
    complaints
}

/// The words of an example, without what programs put around them.
fn words_of(line: &str) -> Vec<&str> {
    line.split(|c: char| c.is_whitespace() || "\"'()=,;".contains(c)).collect()
}

/// What stands between backticks.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Targets of links to files.
fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let files = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
    files.map(|target| target.split_once('#').map_or(target, |(file, _)| file)).collect()
}

/// Whether `word` means a file of this repository: it begins with one of its top-level names, or
/// has the ending of a source file.
fn looks_like_path(files: &[File], word: &str, fenced: bool) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if word.is_empty() || !word.chars().all(letters) {
        return false;
    }
    let top = |file: &File| file.path.split('/').next().map(str::to_owned);
    let first = word.split('/').next();
    let ours = word.contains('/') && files.iter().any(|file| top(file).as_deref() == first);
    let source = [".rs", ".md"].iter().any(|end| word.len() > end.len() && word.ends_with(end));
    ours || (source && !fenced)
}

/// Whether a file or folder of that name exists: from the root, beside the document, or, for a
/// source file in a text that has named its folder, at the end of some path.
fn exists(files: &[File], document: &str, word: &str) -> bool {
    let word = word.trim_end_matches('/');
    let beside = match document.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{word}"),
        None => word.to_owned(),
    };
    let up = word.strip_prefix("../").unwrap_or(word);
    files.iter().any(|file| {
        let path = file.path.as_str();
        let in_folder = |folder: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let ends = path.strip_suffix(word).is_some_and(|front| front.ends_with('/'));
        in_folder(word) || in_folder(up) || in_folder(&beside) || (word.ends_with(".rs") && ends)
    })
}

/// One invariant as the document tells it.
#[derive(Debug, Default)]
struct Invariant {
    id: String,
    /// Not there yet: nothing keeps it.
    planned: bool,
    keepers: Vec<String>,
    tests: Vec<String>,
}

/// Reads the document: a heading `## ID: what`, then lines that begin with `- Kept by`, `- Tests`
/// or `- Planned`, with names in backticks.
fn invariants(text: &str) -> Vec<Invariant> {
    let mut found: Vec<Invariant> = Vec::new();
    for line in text.lines() {
        if let Some((id, _)) = line.strip_prefix("## ").and_then(|rest| rest.split_once(": ")) {
            found.push(Invariant { id: id.to_owned(), ..Invariant::default() });
        }
        let Some(last) = found.last_mut() else { continue };
        let names = || quoted(line).into_iter().filter(|name| name.contains(".rs")).map(Into::into);
        if line.starts_with("- Kept by") {
            last.keepers.extend(names());
        } else if line.starts_with("- Tests") {
            last.tests.extend(names());
        } else if line.starts_with("- Planned") {
            last.planned = true;
        }
    }
    found
}

/// The tag that an invariant has in the source.
fn tag(id: &str) -> String {
    format!("INVARIANT({id})")
}

/// The invariants that a line is tagged with: `(S1)`, or several, `(J3, K1)`.
fn tagged(line: &str) -> Vec<&str> {
    let lists = line.split("INVARIANT(").skip(1).filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(", ")).collect()
}

fn traced(files: &[File], invariant: &Invariant) -> Vec<String> {
    let Invariant { id, planned, keepers, tests } = invariant;
    let mut complaints = Vec::new();
    if *planned {
        return complaints;
    }
    if keepers.is_empty() || tests.is_empty() {
        complaints.push(format!("{INVARIANTS}: {id} lacks its file or its test"));
    }
    for keeper in keepers.iter().filter(|keeper| find(files, keeper).is_none()) {
        complaints.push(format!("{INVARIANTS}: {id}: {keeper} does not exist"));
    }
    let product = |file: &&File| {
        let source = ["engine/src/", "gateway/src/"].iter().any(|at| file.path.starts_with(at));
        source && !file.path.contains("/loom_models/")
    };
    let has_tag = |file: &File| file.text.lines().any(|line| tagged(line).contains(&id.as_str()));
    if !files.iter().filter(product).any(has_tag) {
        complaints.push(format!("{INVARIANTS}: {id}: no {} in the source", tag(id)));
    }
    for test in tests {
        let exists = test.split_once("::").is_some_and(|(path, name)| {
            let function = format!("fn {name}(");
            find(files, path).is_some_and(|file| file.text.contains(&function))
        });
        if !exists {
            complaints.push(format!("{INVARIANTS}: {id}: there is no test {test}"));
        }
    }
    complaints
}

/// Tags in the source whose id the document does not have.
fn unknown_ids(files: &[File], invariants: &[Invariant]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.path.contains("/tidy/")) {
        for (number, line) in file.lines() {
            let unknown = |id: &&str| invariants.iter().all(|known| known.id != *id);
            for id in tagged(line).into_iter().filter(unknown) {
                complaints.push(format!("{}:{number}: {INVARIANTS} has no {id}", file.path));
            }
        }
    }
    complaints
}

mod tests {
    use super::super::bites;
    use super::*;

    fn paths_in(text: &str) -> Vec<String> {
        let files = [
            File::new("docs/a.md", text),
            File::new("docs/campaigns/one.toml", ""),
            File::new("engine/src/grant.rs", ""),
        ];
        paths(&files, &files[0])
    }

    #[test]
    fn a_path_that_does_not_exist_is_seen() {
        for text in [
            "see `engine/src/gone.rs`",
            "see `gone.rs`",
            "see `docs/gone.md`",
            "see [this](gone.md)",
            "see [this](gone.md#there)",
            "```sh\njangteo serve --campaign docs/campaigns/gone.toml\n```",
            "```rust\nread(\"docs/campaigns/gone.toml\")?;\n```",
        ] {
            bites(&paths_in(text), &["gone", "docs/a.md:"]);
        }
        let fine = "`engine/src/grant.rs` `grant.rs` `engine/src` [it](a.md#x) `/v1/drops` \
            [far](https://example.org/gone.md) `text/plain` `Drop` `*.rs`\n\
            ```sh\ncat docs/campaigns/one.toml other.rs\n```\n";
        assert_eq!(paths_in(fine), [""; 0]);
    }

    #[test]
    fn a_page_without_title_or_link_is_seen() {
        let page = File::new("docs/a.md", "text");
        bites(&Vec::from_iter(title(&page)), &["docs/a.md", "title"]);
        let readme = File::new("README.md", "# x\n[a](docs/a.md)\n");
        assert_eq!(on_the_map(&[readme], &page), None);
        bites(&Vec::from_iter(on_the_map(&[], &page)), &["link"]);
    }

    const DOCUMENT: &str = "## S1: exact\n- Kept by `engine/src/grant.rs`\n\
        - Tests: `engine/tests/it/holds.rs::it_holds`\n## S3: line\n- Planned\n";

    fn traced_in(document: &str, source: &str, test: &str) -> Vec<String> {
        let files = [
            File::new("engine/src/grant.rs", source),
            File::new("engine/tests/it/holds.rs", test),
            File::new(INVARIANTS, document),
        ];
        let found = invariants(document);
        let traced = found.iter().flat_map(|invariant| traced(&files, invariant));
        traced.chain(unknown_ids(&files, &found)).collect()
    }

    #[test]
    fn an_invariant_is_traced_to_file_tag_and_test() {
        let (source, test) = (format!("// {}: x\n", tag("S1")), "fn it_holds() {}\n");
        assert_eq!(traced_in(DOCUMENT, &source, test), [""; 0]);
        bites(&traced_in(DOCUMENT, "", test), &["S1", "in the source"]);
        bites(&traced_in(DOCUMENT, &source, ""), &["S1", "no test", "it_holds"]);
        let moved = DOCUMENT.replace("grant.rs", "gone.rs");
        bites(&traced_in(&moved, &source, test), &["S1", "gone.rs does not exist"]);
        let bare = DOCUMENT.replace("- Kept by", "- ");
        bites(&traced_in(&bare, &source, test), &["S1", "lacks"]);
        let other = format!("{source}// {}: y\n", tag("S3, Z9"));
        bites(&traced_in(DOCUMENT, &other, test), &["grant.rs:2", "no Z9"]);
    }
}
