//! The commands of the documents, copied and run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Served;

const OPERATING: &str = include_str!("../../../docs/operating.md");
const WALK: &str = "From file to settlement";
/// Where the pages say the service speaks HTTP.
const HTTP: &str = "127.0.0.1:7480";
/// How blocks begin that are not run here.
const NOT_RUN: [&str; 3] = [
    "cargo ",     // other steps of the build run these
    "RUSTFLAGS=", // likewise
    "umask ",     // writes where the machine keeps its secrets
];

/// The shell blocks of a text, in order.
fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn is_run(block: &str) -> bool {
    !NOT_RUN.iter().any(|start| block.starts_with(start))
}

/// Those of the walk.
fn walk() -> Vec<String> {
    let text = OPERATING.split(&format!("\n## {WALK}\n")).nth(1).expect("the section is there");
    let mut walk = blocks(text.split("\n## ").next().unwrap());
    walk.retain(|block| is_run(block));
    walk
}

/// Whether these programs are there; says so if not.
fn has(programs: &str) -> bool {
    let script = format!("for one in {programs}; do command -v $one; done");
    let found = shell(Path::new("/"), &script).output().is_ok_and(|found| found.status.success());
    if !found {
        println!("NOT RUN: one of {programs} is not installed");
    }
    found
}

/// The service as a page starts it, but at ports that are free.
fn serve(directory: &Path, command: &str) -> Served {
    let mut service = shell(directory, &format!("exec {command}"));
    service.env("JANGTEO_HTTP", "127.0.0.1:0").env("JANGTEO_RESP", "127.0.0.1:0");
    service.stdout(Stdio::piped()).stderr(Stdio::null());
    Served::run(service)
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
    if !has("curl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let blocks = walk();
    let serves = |block: &String| block.starts_with("jangteo serve ");
    let at = blocks.iter().position(serves).expect("the service is started");
    let before = run(here, &blocks[..at].concat());
    assert!(before.contains("donation of 50% to hope-bridge: at most 250,000 KRW"), "{before}");
    assert!(before.ends_with("\nGO\n"), "{before}");

    let served = serve(here, &blocks[at]);
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
    let orders = fs::read_to_string(here.join("orders.csv")).unwrap();
    assert_eq!(orders.lines().count(), 2, "{orders}");
    assert!(orders.contains(",muan-coop,onion-3kg,2,") && orders.contains("toss-1"), "{orders}");
    assert!(here.join("market-backup/journal").is_dir());
    assert_eq!(served.terminate(), Some(0));
}

/// What a script needs to go on after a stream that has no end, and to stop where a reply is an
/// error.
const CLIENTS: &str = r#"
curl() { command curl -f --max-time 2 "$@" || test $? = 28; }
redis-cli() { command redis-cli -e "$@"; }
"#;

#[test]
fn every_other_command_of_the_documents_works_as_it_is_written() {
    if !has("curl redis-cli openssl") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
    let mut pages: Vec<_> = pages.filter(|page| page.extension() == Some("md".as_ref())).collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));

    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::os::unix::fs::symlink(fs::canonicalize(root.join("docs")).unwrap(), here.join("docs"))
        .unwrap();
    let served = serve(here, "jangteo serve --campaign docs/campaigns/try-it.toml");
    let (http, resp) = (served.http.to_string(), format!("-p {}", served.resp.port()));
    // The one that a page's reader has just been given.
    let hold = format!(
        "$(curl -s 'http://{http}/v1/drops/try-it-1/holds?customer=c-1' | \
         sed 's/^{{\"holds\":\\[{{\"id\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    let mut count = 0;
    for page in pages {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            if !is_run(&block) || walk().contains(&block) {
                continue;
            }
            let block = block.replace(HTTP, &http).replace("-p 7481", &resp);
            run(here, &format!("{CLIENTS}{}", block.replace("HOLD_ID", &hold)));
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} blocks were found");
    let sale = run(here, &format!("curl -sf http://{http}/v1/drops/try-it-1"));
    assert!(sale.contains(r#""held":5,"sold":1"#), "what the pages sell was sold: {sale}");
    assert_eq!(served.terminate(), Some(0));
}
