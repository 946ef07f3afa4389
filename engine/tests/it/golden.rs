//! Directories of earlier versions, which every later one reads to exactly the same state. Each was
//! made by `engine/examples/golden.rs` of its time; none is ever written anew.

#[path = "../golden/describe.rs"]
mod describe;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use describe::describe;

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// A copy to work on.
fn copied(from: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("journal");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from.join("journal")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    directory
}

fn expected(golden: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(golden.join("state.json")).unwrap()).unwrap()
}

fn snapshots(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("journal")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "snapshot")).collect()
}

#[test]
fn every_golden_directory_is_read_to_the_same_state_with_and_without_its_snapshot() {
    assert!(!golden().is_empty());
    for golden in golden() {
        let directory = copied(&golden);
        assert_eq!(describe(directory.path()).unwrap(), expected(&golden), "{golden:?}");
        let directory = copied(&golden);
        for snapshot in snapshots(directory.path()) {
            fs::remove_file(snapshot).unwrap();
        }
        assert_eq!(describe(directory.path()).unwrap(), expected(&golden), "{golden:?}");
    }
}

#[test]
fn a_golden_directory_has_what_can_go_wrong_in_it() {
    for golden in golden() {
        let expected = expected(&golden);
        let audit = &expected["audit"];
        assert_eq!((&audit["ok"], &audit["epochs"]), (&true.into(), &2.into()), "two starts");
        assert_eq!(audit["torn_tail"].as_array().unwrap().len(), 1);
        assert_eq!(snapshots(&golden).len(), 1);
        let holds = expected["drops"][0]["holds"].as_array().unwrap();
        for state in ["confirmed", "released", "expired"] {
            assert!(holds.iter().any(|hold| hold["state"] == state), "{state}");
        }
    }
}
