//! Campaign files, recurrence rules, data directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jangteo::{Campaign, Engine, Error, InvalidCampaign, ManualClock, Timestamp};

use super::driver::Fuzz;
use super::wires::corpus;
use crate::shop::{OPENS_MS, campaign_file, items};

const WORDS: [&str; 30] = [
    "=",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "\"\"\"",
    "'",
    "\n",
    "#",
    ".",
    ",",
    ":",
    "campaign",
    "schedule",
    "rules",
    "items",
    "gifts",
    "ledger",
    "repeats",
    "opens",
    "skip",
    "stock",
    "\\u0000",
    "unlimited",
    "2020-02-30T25:61:61",
    "Europe/Lisbon",
    "\u{c7a5}",
];

/// The class of a campaign: what its first fault is about, or how often it opens.
fn class(parsed: Result<Campaign, InvalidCampaign>) -> String {
    match parsed {
        Ok(campaign) => {
            let opens: Vec<Timestamp> =
                campaign.occurrences().iter().map(|one| one.opens_at).collect();
            assert!((1..=1_000).contains(&opens.len()));
            assert!(opens.windows(2).all(|pair| pair[0] < pair[1]), "{opens:?}");
            format!("fine, {} times", opens.len())
        }
        Err(invalid) => {
            let first = invalid.faults.first().expect("a fault");
            let letters = |text: &str| text.split(|c: char| !c.is_ascii_lowercase()).count();
            format!("{} {}", first.key.trim_end_matches(char::is_numeric), letters(&first.detail))
        }
    }
}

fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/campaigns");
    let mut texts = vec![campaign_file("", &items(&[("a", 9)]))];
    texts.extend(
        ["try-it.toml", "uroad-2020.toml"]
            .map(|name| std::fs::read_to_string(folder.join(name)).unwrap()),
    );
    texts
}

#[test]
fn campaign_files_in_toml() {
    let fuzz = Fuzz {
        name: "campaign_files_in_toml",
        corpus: &corpus("campaign_files_in_toml"),
        seeds: examples().into_iter().map(String::into_bytes).collect(),
        words: &WORDS,
        changes: 500,
    };
    fuzz.run(|input| class(Campaign::parse(&String::from_utf8_lossy(input))));
}

#[test]
fn campaign_files_in_json() {
    let json = |text: &String| serde_json::to_vec(&Campaign::parse(text).unwrap()).unwrap();
    let fuzz = Fuzz {
        name: "campaign_files_in_json",
        corpus: &corpus("campaign_files_in_json"),
        seeds: examples().iter().map(json).collect(),
        words: &WORDS,
        changes: 500,
    };
    fuzz.run(|input| class(Campaign::parse_json(&String::from_utf8_lossy(input))));
}

#[test]
fn recurrence_rules() {
    let words = [
        "FREQ=",
        "WEEKLY",
        "DAILY",
        "MONTHLY",
        "YEARLY",
        "SECONDLY",
        ";",
        "BYDAY=",
        "MO",
        "-1SU",
        "BYMONTHDAY=",
        "BYSETPOS=",
        "BYHOUR=",
        "INTERVAL=",
        "COUNT=",
        "UNTIL=",
        "20201231T235959Z",
        "WKST=",
        "BYWEEKNO=",
        "BYYEARDAY=",
        "=",
        ",",
    ];
    let seeds = [
        "FREQ=WEEKLY;BYDAY=WE;COUNT=8",
        "FREQ=DAILY;COUNT=2",
        "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20201231T235959Z",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=3",
    ];
    let fuzz = Fuzz {
        name: "recurrence_rules",
        corpus: &corpus("recurrence_rules"),
        seeds: seeds.map(|rule| rule.as_bytes().to_vec()).to_vec(),
        words: &words,
        changes: 300,
    };
    let file = campaign_file("", &items(&[("a", 9)]));
    fuzz.run(|input| {
        let rule = serde_json::to_string(&String::from_utf8_lossy(input)).unwrap();
        class(Campaign::parse(&file.replace("\"FREQ=DAILY;COUNT=2\"", &rule)))
    });
}

/// The files of the first version's directory, in order.
fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/v1/journal");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn directories() {
    let golden = golden();
    // The first byte says which file the others replace.
    let seed = |(at, path): (usize, &PathBuf)| {
        [vec![u8::try_from(at).unwrap()], std::fs::read(path).unwrap()].concat()
    };
    let fuzz = Fuzz {
        name: "directories",
        corpus: &corpus("directories"),
        seeds: golden.iter().enumerate().map(seed).collect(),
        words: &[],
        changes: 40,
    };
    fuzz.run(|input| {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        std::fs::create_dir(&journal).unwrap();
        let replaced = usize::from(*input.first().unwrap_or(&0)) % golden.len();
        for (at, path) in golden.iter().enumerate() {
            let to = journal.join(path.file_name().unwrap());
            match input.get(1..).filter(|_| at == replaced) {
                Some(bytes) => std::fs::write(to, bytes).unwrap(),
                None => _ = std::fs::copy(path, to).unwrap(),
            }
        }
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(OPENS_MS)));
        let options = Engine::options().data(directory.path()).segment_bytes(1 << 20);
        match options.clock(clock).background(false).open() {
            Ok(engine) => {
                for sale in engine.sales() {
                    assert!(sale.audit().wait().unwrap().ok, "{}", sale.id());
                }
                format!("opens, {} passed over", engine.snapshots_passed_over().len())
            }
            Err(Error::Corrupt(_)) => format!("corrupt, file {replaced}"),
            Err(error) => panic!("{error}"),
        }
    });
}
