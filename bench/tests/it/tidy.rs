//! The repository's own lint: what the compiler and clippy cannot see.
//!
//! `source` looks at Rust, `documents` at what is said about it, `manifests` at dependencies. Each
//! check is a plain function from files to complaints, and each has a test that shows it bites.

mod documents;
mod manifests;
mod source;

use std::path::Path;

use jangteo::Campaign;

/// A text file of the repository.
#[derive(Clone, Debug)]
struct File {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_document(&self) -> bool {
        let in_docs = self.path.strip_prefix("docs/").is_some_and(|name| !name.contains('/'));
        self.path == "README.md" || (in_docs && self.path.ends_with(".md"))
    }

    /// The lines, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// The one of that path.
fn find<'f>(files: &'f [File], path: &str) -> Option<&'f File> {
    files.iter().find(|file| file.path == path)
}

/// Folders that are no part of the repository.
const NOT_OURS: [&str; 4] = [".git", "target", "jangteo-data", "node_modules"];

/// Every text file of the repository.
fn repository() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root, "", &mut files);
    assert!(find(&files, "Cargo.toml").is_some(), "the walk begins at the root");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

/// Fails with all complaints, one a line.
#[track_caller]
fn clean(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Fails unless there is exactly one complaint and it has all these words.
#[track_caller]
fn bites(complaints: &[String], words: &[&str]) {
    let [complaint] = complaints else { panic!("expected one complaint: {complaints:?}") };
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in {complaint:?}");
    }
}

#[test]
fn the_source_is_tidy() {
    let files = repository();
    clean(&source::check(&files));
}

#[test]
fn the_documents_tell_the_truth_about_the_source() {
    let files = repository();
    clean(&documents::check(&files));
}

#[test]
fn every_dependency_is_documented_and_no_other() {
    let files = repository();
    clean(&manifests::check(&files));
}

#[test]
fn every_campaign_in_the_documents_is_valid() {
    let files = repository();
    let campaigns: Vec<_> =
        files.iter().filter(|file| file.path.starts_with("docs/campaigns/")).collect();
    assert!(campaigns.len() >= 2);
    for file in campaigns {
        Campaign::parse(&file.text).unwrap_or_else(|faults| panic!("{}\n{faults}", file.path));
    }
}
