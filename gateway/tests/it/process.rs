//! The `jangteo` command as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::{Resp, http, read_to_end};
use crate::shop::{campaign_file, items};

/// `jangteo serve` on ports that were free.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) resp: SocketAddr,
    pub(crate) ready: String,
}

pub(crate) fn jangteo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jangteo"));
    for name in
        ["JANGTEO_HTTP", "JANGTEO_RESP", "JANGTEO_DATA", "JANGTEO_DURABILITY", "JANGTEO_LOG"]
    {
        command.env_remove(name);
    }
    command
}

/// The command that serves a directory at ports that are free.
pub(crate) fn serve(data: &Path, more: &[&str]) -> Command {
    let mut command = jangteo();
    command.args(["serve", "--http", "127.0.0.1:0", "--resp", "127.0.0.1:0", "--data"]);
    command.arg(data).args(more).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

impl Served {
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        Self::run(serve(data, more))
    }

    /// Starts a command that serves, and waits until it is ready.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready = ready.trim_end().to_owned();
        let field = |name: &str| {
            let mut words = ready.split(' ').filter_map(|word| word.split_once('='));
            words.find(|(one, _)| *one == name).unwrap_or_else(|| panic!("{ready}")).1
        };
        let (http, resp) = (field("http").parse().unwrap(), field("resp").parse().unwrap());
        Self { child, http, resp, ready }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// SIGKILL, and the end of the process.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and returns the exit code, and what was said on a piped stderr.
    pub(crate) fn terminate_and_listen(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let mut said = String::new();
        self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        (self.child.wait().unwrap().code(), said)
    }

    /// Sends SIGTERM and returns the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let code = self.child.wait().unwrap().code();
        std::mem::forget(self);
        code
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs `serve` where it is to fail: its exit code and what it said.
pub(crate) fn run(data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = serve(data, more).stderr(Stdio::piped()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn serve_says_when_it_is_ready_and_exits_0_when_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let campaign = file(directory.path(), "t.toml", &campaign_file("", &items(&[("a", 9)])));
    let data = directory.path().join("data");
    let served = Served::start(&data, &["--campaign", &campaign]);
    let (http_at, resp_at) = (served.http, served.resp);
    let expected =
        format!("ready http={http_at} resp={resp_at} data={} durability=synced", data.display());
    assert_eq!(served.ready, expected);
    assert_eq!(http(http_at, "GET /readyz", &[], "").status, 200);
    let mut client = Resp::connect(resp_at);
    let first = client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k BRIEF");

    let (code, said) = run(&data, &[]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("in use"), "{said}");

    assert_eq!(served.terminate(), Some(0));
    assert_eq!(read_to_end(&mut client.0), "");
    let again = Served::start(&data, &[]);
    let mut client = Resp::connect(again.resp);
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k BRIEF"), first);
}

#[test]
fn a_bad_campaign_stops_a_first_start_and_no_restart() {
    let directory = tempfile::tempdir().unwrap();
    let good = campaign_file("", &items(&[("a", 9)]));
    let bad = good.replace("price = 1000", "price = -1").replace("\"KRW\"", "\"won\"");
    let path = file(directory.path(), "t.toml", &bad);
    let data = directory.path().join("data");
    let (code, said) = run(&data, &["--campaign", &path]);
    assert_eq!(code, Some(65), "{said}");
    let placed = said.lines().filter(|line| line.starts_with(&format!("{path}:")));
    assert_eq!(placed.count(), 2, "every fault begins with its place: {said}");
    assert!(said.contains("items[0].price: "), "{said}");

    std::fs::write(&path, &good).unwrap();
    assert_eq!(Served::start(&data, &["--campaign", &path]).terminate(), Some(0));
    let broken = good.replace("title = \"test\"", "title = ");
    for edit in [bad, broken, good.replace("stock = 9", "stock = 8")] {
        std::fs::write(&path, &edit).unwrap();
        let served = Served::start(&data, &["--campaign", &path]);
        let mut client = Resp::connect(served.resp);
        assert!(client.one("DROP.STOCK t-1").contains("total :9"), "{edit}");
        assert_eq!(served.terminate(), Some(0));
    }
}

#[test]
fn a_start_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let good = campaign_file("", &items(&[("a", 9)]));
    let bad = file(directory.path(), "bad.toml", &good.replace("price = 1000", "price = -1"));
    let other = file(directory.path(), "other.toml", &good.replace("\"t\"", "\"u\""));
    let good = file(directory.path(), "good.toml", &good);
    let typo = directory.path().join("typo.toml").to_str().unwrap().to_owned();
    let data = directory.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let listen = |http: &str, resp: &str| {
        let mut command = jangteo();
        command.args(["serve", "--http", http, "--resp", resp, "--campaign", &other, "--data"]);
        let Output { status, stderr, .. } = command.arg(&data).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let no_port = || {
        let any = "127.0.0.1:0";
        for (http, resp, key) in [(&*taken, any, "http"), (any, &*taken, "resp")] {
            let (code, said) = listen(http, resp);
            let variable = format!("JANGTEO_{}", key.to_uppercase());
            let why = format!(
                "{key}: {taken}: address already in use; choose another with --{key} or {variable}"
            );
            assert!(code == Some(74) && said.contains(&why), "{code:?}: {said}");
        }
    };
    let no_file = |more: &[&str]| {
        let (code, said) = run(&data, more);
        assert!(code == Some(74) && said.contains("typo.toml: "), "{code:?}: {said}");
    };
    no_port();
    no_file(&["--campaign", &typo]);
    no_file(&["--campaign", &good, &typo]);
    assert_eq!(run(&data, &["--campaign", &good, &bad]).0, Some(65));
    assert!(!data.exists(), "a new directory is not begun");

    assert_eq!(Served::start(&data, &["--campaign", &good]).terminate(), Some(0));
    let audit = || jangteo().args(["audit", "--json"]).arg(&data).output().unwrap().stdout;
    let before = audit();
    no_port();
    no_file(&["--campaign", &typo]);
    no_file(&["--campaign", &other, &typo]);
    assert_eq!(String::from_utf8(audit()), String::from_utf8(before));
}

#[test]
fn misuse_has_its_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let nothing = directory.path().join("nothing.toml");
    let nothing = nothing.to_str().unwrap();
    let table: [(&[&str], i32, &str); 7] = [
        (&["--nonsense"], 64, "--nonsense"),
        (&["--durability", "some"], 64, "synced"),
        (&["--durability", "memory", "--campaign", nothing], 74, "nothing.toml"),
        (&["--http", "127.0.0.1:99999"], 64, "99999"),
        (&["--http", "localhost:7480"], 64, "expected an IP address and a port, such as 127.0.0.1"),
        (&[], 78, "http: 0.0.0.0:0"),
        (&[], 78, "resp: [::]:0"),
    ];
    for (more, code, said) in table {
        let mut command = jangteo();
        command.arg("serve").arg("--data").arg(&data).args(more);
        match said {
            "http: 0.0.0.0:0" => _ = command.env("JANGTEO_HTTP", "0.0.0.0:0"),
            "resp: [::]:0" => _ = command.env("JANGTEO_RESP", "[::]:0"),
            _ => {}
        }
        let Output { status, stderr, .. } = command.output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(code), "{more:?}: {stderr}");
        assert!(stderr.contains(said), "{more:?}: {stderr}");
    }
    assert_eq!(jangteo().output().unwrap().status.code(), Some(64));
    let version = jangteo().arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
    assert!(version.stdout.starts_with(b"jangteo "));
    let mut taken = String::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = jangteo();
    command.args(["serve", "--durability", "memory", "--http", &address, "--resp", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stderr.take().unwrap().read_to_string(&mut taken).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(74), "{taken}");
    assert!(taken.contains(&address), "{taken}");
}
