//! The commands of `docs/operating.md`, copied and run: one sale from its file to its settlement.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Served;

const PAGE: &str = include_str!("../../../docs/operating.md");
/// Where the page says the service listens.
const HTTP: &str = "127.0.0.1:7480";

/// The shell blocks of a section, in order.
fn blocks(section: &str) -> Vec<String> {
    let text = PAGE.split(&format!("\n## {section}\n")).nth(1).expect("the section is there");
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A shell in that directory that finds our `jangteo` and stops at the first failure.
fn shell(directory: &Path, script: &str) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_jangteo")).parent().unwrap();
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(directory).env("PATH", path);
    for name in ["JANGTEO_DATA", "JANGTEO_DURABILITY", "JANGTEO_LOG", "JANGTEO_CONFIG"] {
        command.env_remove(name);
    }
    command
}

/// What the script printed; it has to go through.
fn run(directory: &Path, script: &str) -> String {
    let output = shell(directory, script).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out
}

#[test]
fn the_walk_from_file_to_settlement_works_as_it_is_written() {
    if shell(Path::new("/"), "command -v curl").output().is_ok_and(|found| !found.status.success())
    {
        println!("NOT RUN: curl is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let blocks = blocks("From file to settlement");
    let serves = |block: &String| block.starts_with("jangteo serve ");
    let at = blocks.iter().position(serves).expect("the service is started");
    let before = run(here, &blocks[..at].concat());
    assert!(before.contains("donation of 50% to hope-bridge: at most 250,000 KRW"), "{before}");
    assert!(before.ends_with("\nGO\n"), "{before}");

    let mut service = shell(here, &format!("exec {}", blocks[at]));
    service.env("JANGTEO_HTTP", "127.0.0.1:0").env("JANGTEO_RESP", "127.0.0.1:0");
    let served = Served::run({
        service.stdout(Stdio::piped()).stderr(Stdio::null());
        service
    });
    let after = blocks[at + 1..].concat();
    assert!(after.matches(HTTP).count() >= 3, "{after}");
    let after = run(here, &after.replace(HTTP, &served.http.to_string()));
    for said in [
        r#""phase":"paused""#,
        r#""total":120,"available":118,"held":0,"sold":2"#,
        r#""phase":"closed""#,
        r#""accrued":5000,"settled":0"#,
        r#""accrued":5000,"settled":5000"#,
    ] {
        assert!(after.contains(said), "lacks {said}:\n{after}");
    }
    let orders = std::fs::read_to_string(here.join("orders.csv")).unwrap();
    assert_eq!(orders.lines().count(), 2, "{orders}");
    assert!(orders.contains(",muan-coop,onion-3kg,2,") && orders.contains("toss-1"), "{orders}");
    assert!(here.join("market-backup/journal").is_dir());
    assert_eq!(served.terminate(), Some(0));
}
