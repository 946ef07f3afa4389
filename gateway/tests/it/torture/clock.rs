//! The real process, whose wall clock is stepped under it (by libfaketime; its monotonic clock
//! runs on, as after a step by an administrator).

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;

use super::client::{Ask, Client, Wire};
use super::seed::now_ms;
use crate::clients::http;
use crate::process::{Served, serve};
use crate::shop::campaign_at;

const TTL: Duration = Duration::from_secs(2);
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// Where Debian and its kin put the library.
fn library() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?.chain(std::fs::read_dir("/usr/lib64").ok()?);
    let folders = places.filter_map(|entry| Some(entry.ok()?.path()));
    let inside = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
    let plain = PathBuf::from("/usr/lib/faketime/libfaketime.so.1");
    std::iter::once(plain).chain(inside).find(|path| path.exists())
}

/// A service whose wall clock is off by as much as we say.
struct Stepped {
    served: Option<Served>,
    folder: tempfile::TempDir,
    library: PathBuf,
    offset_s: i64,
}

impl Stepped {
    fn offset_file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    fn write_offset(&self) {
        let new = self.folder.path().join("offset.new");
        std::fs::write(&new, format!("{:+}s\n", self.offset_s)).unwrap();
        std::fs::rename(new, self.offset_file()).unwrap();
    }

    fn start(&mut self, more: &[&str]) {
        self.write_offset();
        let mut command = serve(&self.folder.path().join("data"), more);
        command.env("LD_PRELOAD", &self.library);
        command.env("FAKETIME_TIMESTAMP_FILE", self.offset_file());
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        self.served = Some(Served::run(command));
    }

    fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    /// How far its clock is from ours, in milliseconds.
    fn off_ms(&self) -> i64 {
        let answer = http(self.served().http, "GET /v1/drops", &[], "");
        let shown = DateTime::parse_from_rfc3339(answer.header("jangteo-time").unwrap()).unwrap();
        shown.timestamp_millis() - now_ms()
    }

    /// Steps the clock, and waits until the service has followed.
    fn step_to(&mut self, offset_s: i64) {
        self.offset_s = offset_s;
        self.write_offset();
        let begun = Instant::now();
        while (self.off_ms() - offset_s * 1_000).abs() > 400 {
            let off_ms = self.off_ms();
            assert!(begun.elapsed() < Duration::from_secs(30), "{off_ms} ms, not {offset_s} s");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn phase(&self, drop: &str) -> String {
        let shown = http(self.served().http, &format!("GET /v1/drops/{drop}"), &[], "").json();
        shown["phase"].as_str().unwrap().to_owned()
    }

    fn take(&self, customer: &str) -> String {
        let (key, lines) = ("k".to_owned(), vec![("a", 1)]);
        let ask = Ask::Hold { customer: customer.to_owned(), key, lines };
        Client::connect(self.served(), Wire::Http).ask(&ask).unwrap().hold().id
    }

    fn state(&self, hold: &str) -> String {
        let ask = Ask::Get { hold: hold.to_owned() };
        Client::connect(self.served(), Wire::Resp).ask(&ask).unwrap().hold().state
    }

    /// Takes a hold, steps the clock, and looks at the hold until it has expired; whether a look
    /// came back before the deadline, so that an early expiry would have been seen.
    fn hold_over_step(&mut self, customer: &str, offset_s: i64) -> bool {
        let asked = Instant::now();
        let hold = self.take(customer);
        self.step_to(offset_s);
        let mut conclusive = false;
        loop {
            let state = self.state(&hold);
            let age = asked.elapsed();
            if age < TTL {
                assert_eq!(state, "held", "{age:?} old, at {offset_s} s");
                conclusive = true;
            }
            if state == "expired" {
                return conclusive;
            }
            assert!(age < Duration::from_secs(60), "{state} for ever, at {offset_s} s");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn campaigns(folder: &Path) -> Vec<String> {
    let now_s = now_ms() / 1_000;
    // Open and without end; open and closed a day on; open only half a day on.
    let three =
        [("t", -HOUR_S / 2, ""), ("u", -HOUR_S / 2, "closes_after = \"2h\""), ("v", DAY_S / 2, "")];
    let write = |(id, from_now_s, schedule): (&str, i64, &str)| {
        let file = folder.join(format!("{id}.toml"));
        let text = campaign_at(id, now_s + from_now_s, schedule, "hold_ttl = \"2s\"");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    three.map(write).to_vec()
}

#[test]
fn steps_of_the_wall_clock_undo_no_phase_and_shorten_no_hold() {
    let Some(library) = library() else {
        eprintln!("NOT RUN: libfaketime is not installed (Debian: faketime)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let files = campaigns(folder.path());
    let mut stepped = Stepped { served: None, folder, library, offset_s: 0 };
    stepped.start(&["--campaign", &files[0], &files[1], &files[2]]);
    assert_eq!(["t-1", "u-1", "v-1"].map(|one| stepped.phase(one)), ["open", "open", "scheduled"]);

    let mut phases = ["open", "open", "scheduled"];
    for offset_s in [1, 0, HOUR_S, 0, -HOUR_S, 0, DAY_S, 0, -DAY_S, 0] {
        let before_s = stepped.offset_s;
        if offset_s == DAY_S {
            phases = ["open", "closed", "open"]; // and so they stay
        }
        let conclusive = (0..20).any(|n| {
            stepped.step_to(before_s);
            stepped.hold_over_step(&format!("c{before_s}-{offset_s}-{n}"), offset_s)
        });
        assert!(conclusive, "the machine was too busy to look in time");
        assert_eq!(["t-1", "u-1", "v-1"].map(|one| stepped.phase(one)), phases, "{offset_s} s");
        eprintln!(
            "a step of {:+} s: phases {phases:?}, no hold expired early",
            offset_s - before_s
        );
    }

    // The same across a restart before the openings, by the clock.
    let hold = stepped.take("last");
    stepped.served.take().unwrap().kill();
    stepped.offset_s = -DAY_S;
    let started = Instant::now();
    stepped.start(&[]);
    let state = stepped.state(&hold);
    assert!(state == "held" || started.elapsed() >= TTL, "{state}");
    assert_eq!(["t-1", "u-1", "v-1"].map(|one| stepped.phase(one)), phases);
    stepped.take("after");
    let audit = http(stepped.served().http, "GET /v1/drops/t-1/audit", &[], "").json();
    assert_eq!(audit["ok"], true, "{audit}");
}
