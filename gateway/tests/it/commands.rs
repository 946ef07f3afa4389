//! `check`, `audit`, `snapshot`, `backup` and `restore`, run as a person would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::clients::http;
use crate::process::Served;
use crate::shop::Shop;
use jangteo::{Campaign, Engine, HoldRequest};
use serde_json::Value;

fn jangteo(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_jangteo")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn file(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const GOOD: &str = r#"
[campaign]
id = "m"
title = "장터"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
repeats = "FREQ=WEEKLY;BYDAY=WE;COUNT=2"
closes_after = "6days"
[[items]]
sku = "onion"
title = "양파"
price = 5003
list_price = 10000
stock = 2001
eligible = ["x"]
[[items]]
sku = "leek"
title = "대파"
price = 2000
stock = 100
drops = [2]
[[ledger]]
kind = "donation"
beneficiary = "bridge"
rate = "50%"
[[ledger]]
kind = "credit"
beneficiary = [{ id = "old", share = "60%" }, { id = "young", share = "40%" }]
rate = "1%"
eligible = "x"
settles = "2020-12-31T23:59:59"
"#;

#[test]
fn every_command_explains_itself_with_an_example() {
    let (code, out, _) = jangteo(&["--help"]);
    let commands = out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands.map_while(|line| line.split_whitespace().next()).collect();
    assert!(code == 0 && commands.len() == 11 && commands.contains(&"audit"), "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let (code, out, _) = jangteo(&[command, "--help"]);
        let example = format!("jangteo {command} ");
        let shown = out.split_once("Example").is_some_and(|(_, shown)| {
            shown.lines().any(|line| format!("{} ", line.trim()).starts_with(&example))
        });
        assert!(code == 0 && shown, "{command}: {out}");
    }
    let (code, _, err) = jangteo(&["demo", "--customers", "0"]);
    assert!(code == 64 && err.contains("--customers"), "{err}");
}

#[test]
fn a_file_that_cannot_be_read_keeps_none_after_it_from_being_checked() {
    let directory = tempfile::tempdir().unwrap();
    let good = file(directory.path(), "good.toml", GOOD);
    let none = directory.path().join("none.toml").to_str().unwrap().to_owned();
    let (code, out, err) = jangteo(&["check", &none, &good]);
    assert_eq!(code, 74, "{err}");
    assert!(err.contains(&none) && out.contains("m-1"), "{err}{out}");
    let (code, out, _) = jangteo(&["check", "--json", &none, &good]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"], &report["files"][0]["ok"]), (74, &false.into(), &true.into()));
}

#[test]
fn check_says_what_a_campaign_means() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "good.toml", GOOD);
    let (code, out, err) = jangteo(&["check", &path]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for line in [
        "opens  Wed 2020-05-06 10:00:00 +09:00  =  2020-05-06T01:00:00.000Z",
        "2,001 x onion, 양파, at 5,003 (list price 10,000)",
        "2 drops, 4,102 units, full price 20,222,006 KRW",
        // 10,011,003 and 10,211,003, halved and rounded down each.
        "donation of 50% to bridge: at most 10,111,002 KRW",
        "credit of 1% to old, young: at most 200,220 KRW",
        "warning: every drop is over",
    ] {
        assert!(out.contains(line), "lacks {line:?}:\n{out}");
    }
    let (code, out, _) = jangteo(&["check", "--json", &path]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)));
    let campaign = &report["files"][0]["campaign"];
    assert_eq!(campaign["drops"][1]["id"], "m-2");
    assert_eq!(campaign["drops"][1]["full_price"], 10_211_003);
    assert_eq!(campaign["ledger_at_most"][0]["amount"], 10_111_002);
}

#[test]
fn unlimited_stock_has_no_bound_unless_it_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let dear = file(directory.path(), "d.toml", GOOD.replace("2001", "\"unlimited\""));
    let out = jangteo(&["check", &dear]).1;
    assert!(out.contains("donation of 50% to bridge: at most unlimited KRW"), "{out}");
    let free = GOOD.replace("2001", "\"unlimited\"").replace("price = 5003", "price = 0");
    let out = jangteo(&["check", &file(directory.path(), "f.toml", free)]).1;
    assert!(out.contains("2 drops, unlimited units, full price 200,000 KRW"), "{out}");
}

#[test]
fn one_of_a_thing_is_told_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let one = GOOD.replace("COUNT=2", "COUNT=1").replace("2001", "1").replace("drops = [2]\n", "");
    let one = file(directory.path(), "one.toml", one.replace("stock = 100\n", "stock = 0\n"));
    let out = jangteo(&["check", &one]).1;
    assert!(out.contains("\n1 drop, 1 unit, full price 5,003 KRW\n"), "{out}");
    let data = directory.path().join("data");
    let engine = Engine::options().data(&data).segment_bytes(1 << 16).open().unwrap();
    engine.flush().unwrap();
    drop(engine);
    let out = jangteo(&["audit", data.to_str().unwrap()]).1;
    assert!(out.starts_with("1 record in 1 batch, "), "{out}");
    assert!(out.contains(", 1 start\n"), "{out}");
}

#[test]
fn check_names_every_fault_by_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let good = file(directory.path(), "good.toml", GOOD);
    let text = GOOD.replace("price = 5003", "price = -1").replace("rate = \"1%\"", "rat = \"1%\"");
    let bad = file(directory.path(), "bad.toml", text);
    let latin = file(directory.path(), "latin.toml", b"[campaign]\nid = \"\xe9\"\n");
    let (code, out, _) = jangteo(&["check", &good, &bad, &latin]);
    assert_eq!(code, 65);
    assert!(out.contains(&format!("{bad}:14:9 items[0].price: ")), "{out}");
    assert!(out.contains(&format!("{bad}:31:1 ledger[1].rat: ")), "{out}");
    assert!(out.contains(&format!("{latin}:2:1: is not UTF-8")), "{out}");
    assert!(out.contains("4,102 units"), "the good one is shown:\n{out}");
    let (code, out, _) = jangteo(&["check", "--json", &bad]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (65, &Value::Bool(false)));
    assert_eq!(report["files"][0]["faults"][0]["line"], 14);

    let (code, _, err) = jangteo(&["check", "/nowhere/at-all.toml"]);
    assert_eq!(code, 74);
    assert!(err.contains("/nowhere/at-all.toml"), "{err}");
    assert_eq!(jangteo(&["check"]).0, 64);
}

/// A directory in which `m-1` sold one unit and holds another.
fn sold(directory: &Path) -> Engine {
    let engine = Engine::options().data(directory).segment_bytes(1 << 16).open().unwrap();
    let text = GOOD.replace("closes_after = \"6days\"\n", "");
    engine.put(Campaign::parse(&text).unwrap()).unwrap();
    let sale = engine.sale("m-1").unwrap();
    let hold = |customer| {
        let request = HoldRequest::new(customer).line("onion", 1).key("k");
        sale.hold(&request).unwrap().wait().unwrap().id
    };
    let id = hold("c-secret");
    sale.confirm(&id, "p").unwrap().wait().unwrap();
    hold("c-other");
    engine
}

#[test]
fn audit_counts_what_the_journal_holds_running_or_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let mut engine = Some(sold(directory.path()));
    for running in [true, false] {
        engine = engine.filter(|_| running);
        let (code, out, err) = jangteo(&["audit", path]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.into_iter().find(|row| row.starts_with(&["m-1", "open"])).unwrap();
        assert_eq!(row, ["m-1", "open", "onion", "2,001", "1,999", "1", "1"]);
        assert!(out.contains("ok: every rule holds at every record"), "{out}");
        assert!(!out.contains("c-secret"), "{out}");
        let (code, out, _) = jangteo(&["audit", path, "--json"]);
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, &found["ok"], &found["drops"][0]["orders"]),
            (0, &true.into(), &1.into())
        );
        assert!(!out.contains("c-secret"), "{out}");
    }
}

#[test]
fn audit_explains_files_starts_and_one_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let engine = sold(directory.path());
    let sale = engine.sale("m-1").unwrap();
    let hold = sale.find("c-secret").wait().unwrap().remove(0);
    let id = hold.id.to_string();
    let (code, out, err) = jangteo(&["audit", path]);
    assert_eq!((code, err.as_str()), (0, ""));
    let rows: Vec<Vec<_>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row.starts_with(&["1", "1", "1", "0"])), "a start: {out}");
    let segment = rows.iter().find(|row| row.iter().any(|c| c.ends_with("001.segment"))).unwrap();
    assert_eq!(segment[1..3], ["1", "1"], "{out}");

    let (code, out, err) = jangteo(&["audit", path, "--hold", &id]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("hold {id}: number 1 of m-1, 1 x onion")), "{out}");
    let rows: Vec<Vec<_>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    let steps: Vec<_> = rows.iter().filter(|row| row.len() > 4 && row.contains(&"byte")).collect();
    assert_eq!(steps.iter().map(|row| row[2]).collect::<Vec<_>>(), ["granted", "confirmed"]);
    assert_eq!(steps.iter().map(|row| row[3]).collect::<Vec<_>>(), ["held", "confirmed"]);
    let (_, json, _) = jangteo(&["audit", path, "--hold", &id, "--json"]);
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&found["hold"], &found["ok"]), (&id.as_str().into(), &true.into()));
    assert_eq!(found["steps"][1]["what"], "confirmed");
    assert!(found["steps"][1]["offset"].as_u64().unwrap() > 0);
    for text in [out, json] {
        assert!(!text.contains("c-secret"), "{text}");
    }
    let strange = format!("{}{}", &id[..25], if id.ends_with('0') { '1' } else { '0' });
    let (code, out, err) = jangteo(&["audit", path, "--hold", &strange]);
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(err.contains(&format!("there is no hold {strange}")), "{err}");
    assert_eq!(jangteo(&["audit", path, "--hold", "x"]).0, 64);
}

#[test]
fn audit_says_what_is_no_longer_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let shop = Shop::with_a_past(directory.path());
    assert!(!jangteo(&["audit", path]).1.contains("no longer kept"));
    let hold = shop.engine.sale("t-1").unwrap().find("c-0").wait().unwrap().remove(0);
    shop.forget(2);
    let (code, out, err) = jangteo(&["audit", path]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let found: Value = serde_json::from_str(&jangteo(&["audit", path, "--json"]).1).unwrap();
    let not_kept = &found["not_kept"];
    let first = not_kept["first_sequence"].as_u64().unwrap();
    assert!(first > 1 && not_kept["passed_over"].as_u64().unwrap() > 0, "{not_kept}");
    let line = format!("records before {first} are no longer kept; of 2 drops that began there");
    assert!(out.contains(&line) && not_kept["drops"].as_array().unwrap().len() == 2, "{out}");
    let (code, _, err) = jangteo(&["audit", path, "--hold", &hold.id.to_string()]);
    let why = format!("hold {}: its records are no longer kept, those before {first}", hold.id);
    assert!(code == 64 && err.contains(&why), "{code}: {err}");
    let (code, out, err) = jangteo(&["report", path, "t"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}

#[test]
fn audit_names_file_and_byte_of_what_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    drop(sold(directory.path()));
    let segment = directory.path().join("journal/000000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(8).position(|window| window == b"c-secret").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (code, _, err) = jangteo(&["audit", path]);
    assert_eq!(code, 65, "{err}");
    let at = format!("000000000001.segment: byte {}", place / 512 * 512);
    assert!(err.contains(&at), "{err}");

    let (code, _, err) = jangteo(&["audit", "/nowhere/at-all"]);
    assert_eq!(code, 74);
    assert!(err.contains("/nowhere/at-all"), "{err}");
}

#[test]
fn a_directory_that_lost_everything_is_not_taken_for_one_in_which_nothing_happened() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, copy, gone) = (at("data"), at("copy"), at("gone"));
    let other = at("other");
    for made in [&format!("{data}/journal"), &other] {
        std::fs::create_dir_all(made).unwrap();
    }
    let file = file(directory.path(), "file", String::new());
    for (path, why) in [
        (&data, "its journal has no segment"),
        (&other, "it has no journal, so it is no data directory"),
        (&file, ""),
        (&gone, "there is no such directory"),
    ] {
        let calls = [
            vec!["audit", path],
            vec!["snapshot", path],
            vec!["backup", path, &copy],
            vec!["restore", path, &copy],
            vec!["report", path, "t"],
        ];
        for call in calls {
            let (code, _, err) = jangteo(&call);
            let told = err.contains(&format!("{path}: {why}"));
            assert!(code == 74 && told, "{call:?} ended with {code}: {err}");
            assert!(!Path::new(&copy).exists() && !Path::new(&gone).exists(), "{call:?}");
        }
    }
}

#[test]
fn a_json_campaign_that_check_takes_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let json = Campaign::parse(GOOD).unwrap().to_json();
    let path = file(directory.path(), "good.JSON", json);
    assert_eq!(jangteo(&["check", &path]).0, 0);
    let data = directory.path().join("data");
    let served = Served::start(&data, &["--campaign", &path]);
    assert_eq!(http(served.http, "GET /v1/drops/m-1", &[], "").json()["id"], "m-1");
}

#[test]
fn a_backup_of_a_live_directory_is_restored_as_a_new_incarnation() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, copy, again) = (at("data"), at("copy"), at("again"));
    let engine = sold(Path::new(&data));
    // The idle engine soon vouches for its last batch; no snapshot holds more than that.
    let made = || {
        let (code, out, err) = jangteo(&["snapshot", &data]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        out
    };
    let all = std::iter::repeat_with(made).take(500).any(|out| out.contains("7 records"));
    assert!(all, "seven records are vouched for");
    let out = jangteo(&["snapshot", &data]).1;
    assert!(out.contains("there already, with 7 records"), "{out}");
    for (command, from, to, incarnation) in
        [("backup", &data, &copy, 1), ("restore", &copy, &again, 2)]
    {
        let (code, out, err) = jangteo(&[command, from, to, "--json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let made: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&made["ok"], &made["incarnation"]), (&true.into(), &incarnation.into()));
        assert_eq!(made["last_sequence"], 7);
        let (code, _, err) = jangteo(&[command, from, to]);
        assert_eq!(code, 64, "{err}");
        assert_eq!(err, format!("jangteo: {to}: is not empty; choose another\n"));
        assert!(Path::new(to).join("journal/00000000000000000007.snapshot").exists());
    }
    drop(engine);
    let found = Engine::options().data(&again).open().unwrap();
    assert!(found.snapshots_passed_over().is_empty() && found.torn_tail().is_none());
    let sale = found.sale("m-1").unwrap();
    assert_eq!(sale.find("c-secret").wait().unwrap()[0].payment(), Some("p"));
    assert_eq!(sale.find("c-other").wait().unwrap().len(), 1);
    drop(found);
    let found: Value = serde_json::from_str(&jangteo(&["audit", &again, "--json"]).1).unwrap();
    assert_eq!((&found["ok"], &found["incarnation"]), (&true.into(), &2.into()));

    // One that was broken off, in whatever way, does not start as a shorter journal.
    let used = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
    };
    let files = std::fs::read_dir(Path::new(&copy).join("journal")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|end| end == "segment"));
    let longest = segments.max_by_key(used).unwrap();
    let bytes = std::fs::read(&longest).unwrap();
    std::fs::write(&longest, &bytes[..used(&longest) / 2 / 512 * 512]).unwrap();
    let (code, _, err) = jangteo(&["restore", &copy, &at("broken")]);
    assert_eq!(code, 65, "{err}");
    assert!(err.contains("were durable"), "{err}");
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let directory = tempfile::tempdir().unwrap();
    drop(sold(&directory.path().join("data")));
    std::os::unix::fs::symlink("data", directory.path().join("link")).unwrap();
    let before = std::fs::read_dir(directory.path().join("data")).unwrap().count();
    let within = "lies in data";
    let goes_up = "goes up (`..`) from a directory that does not exist";
    for command in ["backup", "restore"] {
        for (to, why) in [
            ("data/x", within),
            ("data/x/y", within),
            ("data/journal/x", within),
            ("link/x", within),
            ("data/../data/x", within),
            ("data/.", within),
            ("none/../data/x", goes_up),
            ("none/../data/journal/x", goes_up),
            ("none/../copy", goes_up),
        ] {
            let mut run = Command::new(env!("CARGO_BIN_EXE_jangteo"));
            let run = run.current_dir(directory.path()).args([command, "data", to]);
            let Output { status, stderr, .. } = run.output().unwrap();
            let err = String::from_utf8(stderr).unwrap();
            assert_eq!(status.code(), Some(64), "{command} {to}: {err}");
            assert_eq!(err, format!("jangteo: {to}: {why}; choose another\n"));
        }
    }
    assert_eq!(std::fs::read_dir(directory.path().join("data")).unwrap().count(), before);
    assert!(!directory.path().join("none").exists());
}

#[test]
fn what_cannot_be_copied_is_named() {
    let (code, _, err) = jangteo(&["backup", "/nowhere/at-all", "/nowhere/copy"]);
    assert_eq!(code, 74);
    assert!(err.contains("/nowhere/at-all"), "{err}");
    let (code, _, err) = jangteo(&["snapshot", "/nowhere/at-all"]);
    assert_eq!(code, 74);
    assert!(err.contains("/nowhere/at-all"), "{err}");
}
