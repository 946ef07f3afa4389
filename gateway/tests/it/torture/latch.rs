//! The real process, whose disk refuses a write in the middle of a drop.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use super::client::{Ask, Client, Wire};
use super::drop::{Crowd, totals, wire};
use super::journal::Journal;
use super::seed::{rng, seed};
use crate::clients::http;
use crate::process::{Served, serve};
use crate::shop::{campaign_file, items};

const STOCK: [(&str, u64); 2] = [("a", 200_000), ("b", 200_000)];

const TRIES: u64 = 10;

/// The same command, to which a write beyond the limit for files is an error and not its death.
fn with_errors_for_signals(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, _) in command.get_envs() {
        shell.env_remove(name);
    }
    shell
}

#[test]
fn a_failed_write_latches_the_real_process_and_a_restart_resolves_what_was_unknown() {
    latch(|_| Stdio::piped());
}

#[test]
fn a_service_whose_log_cannot_be_written_goes_on_without_it() {
    // The limit befalls the log as well, as a full disk would.
    latch(|folder| File::create(folder.join("log")).unwrap().into());
}

/// A write that fails while nobody waits for it shows nothing: then another one does.
fn latch(log: impl Fn(&Path) -> Stdio) {
    let waited = (0..TRIES).any(|number| latched(number, &log));
    assert!(waited, "nobody ever waited for the write that failed");
}

/// Whether somebody waited for the write that failed; then all the rest holds.
fn latched(number: u64, log: impl Fn(&Path) -> Stdio) -> bool {
    let mut rng = rng(seed(), number);
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("t.toml"), folder.path().join("data"));
    let stock = STOCK.map(|(sku, units)| (sku, u32::try_from(units).unwrap()));
    std::fs::write(&file, campaign_file("limit_per_customer = 2", &items(&stock))).unwrap();
    let command = serve(&data, &["--campaign", file.to_str().unwrap()]);
    let mut command = with_errors_for_signals(&command);
    command.stdout(Stdio::piped()).stderr(log(folder.path()));
    let served = Served::run(command);
    let is_heard = served.child.stderr.is_some();
    let mut journals: Vec<Journal> = (0..8).map(|n| Journal::new(format!("c{n}"))).collect();
    let tolerated = &["overloaded", "outcome_unknown", "unavailable"];
    journals.iter_mut().for_each(|one| one.tolerated = tolerated);
    let crowd = Crowd { takes: 1_000, settle: true };
    crowd.shop(&served, &mut journals, &mut rng, |rng, _| {
        thread::sleep(Duration::from_millis(rng.random_range(20..200)));
        let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Fsize).maximum };
        prlimit(Some(served.pid()), Resource::Fsize, limit).unwrap();
        let begun = Instant::now();
        while http(served.http, "GET /readyz", &[], "").status == 200 {
            assert!(begun.elapsed() < Duration::from_secs(30), "no write failed");
            thread::sleep(Duration::from_millis(2));
        }
        Instant::now()
    });
    let unknown = journals.iter().flat_map(|one| &one.entries);
    let unknown = unknown.filter(|entry| entry.doubt.is_some()).count();
    if unknown == 0 {
        return false;
    }
    let ready = http(served.http, "GET /readyz", &[], "");
    assert_eq!((ready.status, ready.code().as_str()), (503, "unavailable"));
    assert_eq!(http(served.http, "GET /livez", &[], "").status, 200);
    let mut read = 0;
    for (n, journal) in journals.iter().enumerate() {
        let mut client = Client::connect(&served, wire(n));
        let certain = journal.entries.iter().filter(|one| one.doubt.is_none());
        for known in certain.filter(|one| one.told.is_some()).take(20) {
            let shown = client.ask(&known.get()).unwrap().hold();
            assert_eq!(shown.id, known.told.as_ref().unwrap().id);
            read += 1;
        }
    }
    assert!(read > 0, "nobody was served before");
    for wire in [Wire::Http, Wire::Resp] {
        let ask = Ask::Hold { customer: "x".into(), key: "k".into(), lines: vec![("a", 1)] };
        assert_eq!(Client::connect(&served, wire).ask(&ask).unwrap().code(), "unavailable");
    }
    let (code, said) = served.terminate_and_listen();
    assert_eq!(code, Some(74), "{said}");
    assert_eq!(said.matches("ERROR").count(), usize::from(is_heard), "{said}");
    assert_eq!(said.matches("the journal failed: ").count(), 2 * usize::from(is_heard), "{said}");
    for secret in ["c0-", "key-", "pay-"] {
        assert!(!said.contains(secret), "{said}");
    }

    let again = Served::start(&data, &[]);
    for (n, journal) in journals.iter_mut().enumerate() {
        journal.check_all(&mut Client::connect(&again, wire(n)));
    }
    totals(&again, &journals, &STOCK);
    true
}
