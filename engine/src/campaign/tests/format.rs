//! Broken and hostile texts.

use super::super::*;
use super::{FULL, faults, full_with, line_of};
use crate::limits::{CAMPAIGN_BYTES_MAX, FAULTS_MAX};

#[test]
fn broken_toml_is_reported_by_line_and_key() {
    let cases = [
        ("price = 4000", "price = 40o0", "items[0].price", "40o0"),
        ("price = 4000", "price 4000", "items[0].price", "price 4000"),
        ("title = \"비누\"", "title = \"비누", "items[0].title", "title = \"비누"),
        (
            "hold_ttl = \"90s\"",
            "hold_ttl = \"90s\"\nhold_ttl = \"1m\"",
            "rules.hold_ttl",
            "hold_ttl = \"1m\"",
        ),
        ("[rules]", "[rules", "rules", "[rules"),
        ("[[gifts]]", "[campaign]\n[[gifts]]", "campaign", "[campaign]\n[[gifts]]"),
    ];
    for (from, to, key, line) in cases {
        let file = full_with(from, to);
        let faults = faults(&file);
        assert_eq!(faults.len(), 1, "{to}: {faults:?}");
        assert_eq!((faults[0].key.as_str(), faults[0].line), (key, line_of(&file, line)), "{to}");
        assert!(faults[0].detail.starts_with("not TOML: "), "{}", faults[0]);
    }
}

#[test]
fn broken_lines_do_not_hide_other_faults() {
    let file = full_with("price = 4000", "price 4000")
        .replace("quantity = 2", "quantity = \"two\"")
        .replace("\"KRW\"", "KRW")
        .replace("shipping = 0", "shiping = 0");
    let found: Vec<_> = faults(&file).into_iter().map(|fault| fault.key).collect();
    let expected =
        ["campaign.currency", "rules.shiping", "items[0].price", "items[0].gift.quantity"];
    assert_eq!(found, expected);
}

#[test]
fn broken_json_is_reported_by_line() {
    let json = "{\n  \"campaign\": {\"id\": \"a\",}\n}";
    let faults = Campaign::parse_json(json).unwrap_err().faults;
    assert_eq!((faults.len(), faults[0].line), (1, 2));
    assert_eq!(faults[0].detail, "not JSON: trailing comma");
    for text in ["", "null", "[]", "3", "\"x\"", "{} {}"] {
        assert!(!Campaign::parse_json(text).unwrap_err().faults.is_empty(), "{text}");
    }
}

#[test]
fn a_json_key_given_twice_is_a_fault() {
    let json = Campaign::parse(FULL).unwrap().to_json();
    let twice = json.replacen("\"hold_ttl\":", "\"hold_ttl\":\"1s\",\"hold_ttl\":", 1);
    let faults = Campaign::parse_json(&twice).unwrap_err().faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].to_string(), "0:0 rules.hold_ttl: is given twice");
}

#[test]
fn json_numbers_must_be_integers() {
    let json = Campaign::parse(FULL).unwrap().to_json();
    for (number, detail) in [
        ("4000.5", "found a number with a fraction"),
        ("4e3", "found a number with a fraction"),
        ("99999999999999999999999", "must be from 0 to 450359962737"),
        ("-1", "must be from 0 to 450359962737"),
        ("\"4000\"", "found a text"),
        ("null", "is missing"),
    ] {
        let changed = json.replacen("\"price\":4000", &format!("\"price\":{number}"), 1);
        let faults = Campaign::parse_json(&changed).unwrap_err().faults;
        assert_eq!((faults.len(), faults[0].key.as_str()), (1, "items[0].price"));
        assert!(faults[0].detail.contains(detail), "{number}: {}", faults[0].detail);
    }
}

#[test]
fn deep_nesting_is_refused() {
    let depth = CAMPAIGN_BYTES_MAX / 2 - 10;
    for deep in [
        format!("a={}", "[".repeat(depth)),
        format!("a={}1{}", "[".repeat(depth), "]".repeat(depth)),
        format!("a={}", "{a=".repeat(depth / 2)),
        format!("a{} = 1", ".a".repeat(depth)),
        format!("[a{}]", ".a".repeat(depth)),
    ] {
        assert!(!faults(&deep).is_empty());
    }
    for deep in ["[".repeat(depth), "{\"a\":".repeat(depth / 3)] {
        let faults = Campaign::parse_json(&deep).unwrap_err().faults;
        assert!(faults[0].detail.contains("recursion limit"), "{}", faults[0]);
    }
}

#[test]
fn long_files_are_refused_unread() {
    let long = format!("{FULL}#{}", "x".repeat(CAMPAIGN_BYTES_MAX));
    assert_eq!(faults(&long)[0].to_string(), "0:0: longer than 1048576 bytes");
    assert!(Campaign::parse_json(&long).unwrap_err().faults[0].detail.contains("longer"));
}

#[test]
fn faults_beyond_the_limit_are_counted() {
    let keys: String = (0..FAULTS_MAX + 7).map(|n| format!("k{n} = 1\n")).collect();
    let faults = faults(&format!("{keys}{FULL}"));
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert_eq!(faults.last().unwrap().detail, "7 more faults are not listed");
}

#[test]
fn lines_and_columns_count_characters() {
    let file = full_with("title = \"공연\"", "\"제목\" = 1").replace('\n', "\r\n");
    let faults = faults(&file);
    let shown: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let line = line_of(&file, "\"제목\"");
    assert_eq!(shown[0], format!("{}:1 items[1].title: is missing", line - 2));
    assert!(shown[1].starts_with(&format!("{line}:1 items[1].\"제목\": unknown key")), "{shown:?}");
    let file = full_with("id = \"youth\", share = \"40%\"", "id = \"청년\", share = \"40%\"");
    let faults = super::faults(&file);
    let line = file.lines().find(|line| line.contains("청년")).unwrap();
    let column = line[..line.find("\"청년").unwrap()].len() + 1; // ASCII up to there
    assert_eq!((faults[0].line, faults[0].column as usize), (line_of(&file, "청년"), column));
}
