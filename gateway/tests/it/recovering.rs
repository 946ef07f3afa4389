//! A service that still reads its journal back: it listens, says so, and answers on the same
//! connections once it is done.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use jangteo::{Campaign, Engine};
use jangteo_gateway::access::{Access, Key, Keyring, Scope};
use jangteo_gateway::{Limits, Service};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::clients::{Resp, http, read_to_end};
use crate::process::{Served, jangteo, run, serve};
use crate::shop::{any_port, campaign_file, items};
use crate::tokens::{bearer, token_keys};

const LOADING: &str = "-LOADING jangteo is loading the dataset in memory";
/// Longer than any process takes to end.
const PATIENCE: Duration = Duration::from_secs(30);
const HOLD: &str = "DROP.HOLD t-1 c-1 1 a 1 KEY k";
const BODY: &str = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;

/// A service whose recovery has come to a file that says nothing: a pipe in a snapshot's place.
struct Held {
    child: Child,
    log: BufReader<ChildStderr>,
    http: SocketAddr,
    resp: SocketAddr,
}

impl Held {
    fn start(data: &Path, pipe: &Path) -> Self {
        mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut child = serve(data, &[]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it never listens");
        }
        let address = |name: &str| {
            let mut words = line.split_whitespace().filter_map(|word| word.split_once('='));
            words.find(|(one, _)| *one == name).unwrap().1.parse().unwrap()
        };
        Self { http: address("http"), resp: address("resp"), child, log }
    }

    /// The exit code of a process that was told to stop, once it has ended; none if it does not.
    fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Lets it go on for as long as the file lives, and waits until it says that it is ready.
    fn let_go(&mut self, pipe: &Path) -> (File, String) {
        let both_ends = OpenOptions::new().read(true).write(true).open(pipe).unwrap();
        let mut ready = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        (both_ends, ready)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn a_service_that_reads_its_journal_back_says_so_and_then_answers() {
    let directory = tempfile::tempdir().unwrap();
    let campaign = directory.path().join("t.toml");
    std::fs::write(&campaign, campaign_file("", &items(&[("a", 9)]))).unwrap();
    let data = directory.path().join("data");
    let before = Served::start(&data, &["--campaign", campaign.to_str().unwrap()]);
    let first = Resp::connect(before.resp).one(HOLD);
    before.kill();

    let pipe = data.join("journal/00000000000000000001.snapshot");
    let mut held = Held::start(&data, &pipe);
    let mut client = Resp::connect(held.resp);
    assert_eq!(client.one("PING"), LOADING);
    assert!(client.one("HELLO 2").starts_with("*14 "));
    let info = client.one("INFO persistence");
    assert!(info.contains("loading:1 loading_eta_seconds:1"), "{info}");
    let brief = format!("{HOLD} BRIEF");
    for command in [HOLD, &brief, "DROP.LIST", "DROP.GET x", "DROP.STOCK none", "DROP.FIND t-1 c"] {
        assert_eq!(client.one(command), LOADING, "{command}");
    }
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 a 0"), "-ERR malformed: quantity");
    assert!(client.one("GET a").starts_with("-ERR unknown command 'GET'"));

    assert_eq!(http(held.http, "GET /livez", &[], "").status, 200);
    let calls = [
        ("GET /readyz", ""),
        ("GET /v1/drops", ""),
        ("GET /v1/drops/t-1", ""),
        ("GET /v1/drops/t-1/holds?customer=c-1", ""),
        ("GET /v1/drops/t-1/audit", ""),
        ("GET /v1/holds/x", ""),
        ("GET /v1/events", ""),
        ("POST /v1/drops/t-1/holds", BODY),
        ("POST /v1/drops/t%2d1/holds", BODY),
        ("POST /v1/holds/x/confirm", "{}"),
        ("POST /v1/holds/x/release", ""),
        ("POST /v1/holds/x/extend", ""),
    ];
    for (line, body) in calls {
        let answer = http(held.http, line, &[], body);
        assert_eq!((answer.status, answer.code().as_str()), (503, "recovering"), "{line}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{line}");
        assert!(answer.header("jangteo-time").is_some(), "{line}");
    }
    assert_eq!(http(held.http, "POST /v1/drops/t-1/holds", &[], "{").code(), "malformed");

    let (_open, ready) = held.let_go(&pipe);
    assert!(ready.starts_with("ready http="), "{ready}");
    assert_eq!(client.one("PING"), "+PONG");
    assert!(client.one("INFO persistence").contains("loading:0"));
    assert_eq!(client.one(HOLD), first.replace("replayed :0", "replayed :1"));
    let answer = http(held.http, "GET /readyz", &[], "");
    assert!(answer.body.contains("00001.snapshot"), "{answer:?}");
    kill_process(Pid::from_child(&held.child), Signal::TERM).unwrap();
    std::io::copy(&mut held.log, &mut std::io::sink()).unwrap();
    assert_eq!(held.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_service_that_is_told_to_stop_while_it_reads_its_journal_back_ends_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let campaign = directory.path().join("t.toml");
    std::fs::write(&campaign, campaign_file("", &items(&[("a", 9)]))).unwrap();
    let data = directory.path().join("data");
    let before = Served::start(&data, &["--campaign", campaign.to_str().unwrap()]);
    let first = Resp::connect(before.resp).one(HOLD);
    before.kill();
    for signal in [Signal::TERM, Signal::INT] {
        let pipe = data.join("journal/00000000000000000001.snapshot");
        let mut held = Held::start(&data, &pipe);
        let mut client = Resp::connect(held.resp);
        assert_eq!(client.one(HOLD), LOADING);
        // Nothing lets the recovery go on.
        kill_process(Pid::from_child(&held.child), signal).unwrap();
        assert_eq!(read_to_end(&mut client.0), "");
        assert_eq!(held.end(), Some(0), "{signal:?}");
        std::fs::remove_file(&pipe).unwrap();
    }
    let again = Served::start(&data, &[]);
    let replayed = first.replace("replayed :0", "replayed :1");
    assert_eq!(Resp::connect(again.resp).one(HOLD), replayed);
}

#[test]
fn what_is_wrong_with_the_directory_is_told_before_a_port_that_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let served = Served::start(&data, &[]);
    let again = |data: &Path| {
        let (http, resp) = (served.http.to_string(), served.resp.to_string());
        let mut command = jangteo();
        command.args(["serve", "--http", &http, "--resp", &resp, "--data"]).arg(data);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = again(&data);
    assert_eq!(code, Some(75), "{said}");
    let (code, said) = again(&directory.path().join("other"));
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains(&served.http.to_string()), "{said}");

    std::fs::write(directory.path().join("file"), "").unwrap();
    let (code, said) = run(&directory.path().join("file"), &[]);
    assert_eq!(code, Some(74), "{said}");
    served.kill();
    // The name of a snapshot says which records there were. A client is connected meanwhile.
    let pipe = data.join("journal/00000000000009999999.snapshot");
    let mut held = Held::start(&data, &pipe);
    let mut client = Resp::connect(held.resp);
    assert_eq!(client.one("PING"), LOADING);
    let (_open, ready) = held.let_go(&pipe);
    assert_eq!(ready, "");
    assert_eq!(held.child.wait().unwrap().code(), Some(65));
    assert_eq!(read_to_end(&mut client.0), "");
}

#[test]
fn a_stranger_learns_nothing_of_a_service_that_recovers() {
    let (key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    let access = Access::by(Keyring::new(vec![key], token_keys()).unwrap());
    let service =
        Service::start_recovering((any_port(), any_port()), access, None, Limits::default())
            .unwrap();
    let mut stranger = Resp::connect(service.resp());
    let (malformed, good) = ("DROP.HOLD t-1 c-1 1 a x", HOLD);
    let close = |command| [Some(command), Some("QUIT")];
    assert_eq!(stranger.until_close(&close(good)), "-NOAUTH Authentication required. +OK");
    let reply = Resp::connect(service.resp()).until_close(&close(malformed));
    assert_eq!(reply, "-ERR value is not an integer or out of range +OK");
    let line = "POST /v1/drops/t-1/holds";
    assert_eq!(http(service.http(), line, &[], BODY).code(), "unauthenticated");
    assert_eq!(http(service.http(), "GET /v1/events", &[], "").code(), "unauthenticated");
    assert_eq!(http(service.http(), line, &[], "{").code(), "malformed");
    let shop = bearer(&secret);
    assert_eq!(http(service.http(), line, &[&shop], BODY).code(), "recovering");
    assert_eq!(http(service.http(), "GET /v1/events", &[&shop], "").code(), "forbidden");
    let mut client = Resp::connect(service.resp());
    assert_eq!(client.all(&[&format!("AUTH {secret}"), good]), format!("+OK {LOADING}"));

    let engine = Engine::in_memory();
    engine.put(Campaign::parse(&campaign_file("", &items(&[("a", 9)]))).unwrap()).unwrap();
    service.recovered(engine);
    assert!(client.one(good).starts_with("*18 "));
    assert_eq!(http(service.http(), line, &[&shop], BODY).status, 201);
}
