//! Flags before environment before file; what is wrong is named; keys are read again on SIGHUP.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use jangteo::Durability;
use jangteo_gateway::access::{Key, Scope, SecretHash};
use jangteo_gateway::config::{BadConfig, Config, Flags, KEYS, Retain, TlsFiles};
use rustix::process::{Pid, Signal, kill_process};

use crate::clients::http;
use crate::tls::{client, fixture};
use crate::tokens::bearer;

/// A folder with files that vanish with it.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Likewise, where only its owner may read it.
    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        let path = self.file(name, text);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn command(&self, more: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jangteo"));
        let ours = std::env::vars_os().map(|(name, _)| name);
        let ours = ours.filter(|name| name.to_string_lossy().starts_with("JANGTEO_"));
        ours.for_each(|name| _ = command.env_remove(name));
        command.arg("serve").args(more).envs(environment.iter().copied());
        command.current_dir(self.0.path());
        command
    }

    /// A service on free ports, in memory.
    pub(crate) fn serve(&self, more: &[&str], environment: &[(&str, &str)], log: Stdio) -> Process {
        let ports = ["--http", "127.0.0.1:0", "--resp", "127.0.0.1:0", "--durability", "memory"];
        let mut command = self.command(&[&ports, more].concat(), environment);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let field = |name: &str| {
            let mut words = ready.trim_end().split(' ').filter_map(|word| word.split_once('='));
            words.find(|(one, _)| *one == name).unwrap_or_else(|| panic!("{ready}")).1.parse()
        };
        let (http, resp) = (field("http").unwrap(), field("resp").unwrap());
        let errors = child.stderr.take().map(BufReader::new);
        Process { child, http, resp, errors, log: String::new() }
    }

    /// How a service that does not start ends.
    fn refused(&self, more: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = self.command(more, environment).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    }
}

/// A running service.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) resp: SocketAddr,
    errors: Option<BufReader<ChildStderr>>,
    log: String,
}

impl Process {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Reads the log until a line has `word`.
    pub(crate) fn wait_for_log(&mut self, word: &str) {
        let errors = self.errors.as_mut().unwrap();
        loop {
            let mut line = String::new();
            assert!(errors.read_line(&mut line).unwrap() > 0, "{word} never comes: {}", self.log);
            self.log.push_str(&line);
            if line.contains(word) {
                return;
            }
        }
    }

    /// Stops it and returns the whole log.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        self.errors.as_mut().unwrap().read_to_string(&mut self.log).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.log);
        std::mem::take(&mut self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Reads a file with this text, beside these variables.
fn read(text: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Config, BadConfig> {
    let files = Files::new();
    let config = Some(files.file("jangteo.toml", text).into());
    let variable = |name: &str| {
        environment.iter().find(|(one, _)| *one == name).map(|(_, value)| OsString::from(value))
    };
    Config::read(&Flags { config, ..flags }, variable)
}

const FILE: &str = "data = \"/file\"\nhttp = \"127.0.0.1:1\"\nresp = \"127.0.0.1:2\"\n\
    durability = \"buffered\"\ntls = { cert = \"/c\", key = \"/k\" }\n";

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let none = Config::read(&Flags::default(), |_| None).unwrap();
    assert_eq!(none.data.to_str(), Some("./jangteo-data"));
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!((none.http, none.resp), (address(7480), address(7481)));
    assert_eq!((none.durability, none.tls), (Durability::Synced, None));

    let file = read(FILE, &[], Flags::default()).unwrap();
    assert_eq!(file.data.to_str(), Some("/file"));
    assert_eq!(
        (file.http, file.resp, file.durability),
        (address(1), address(2), Durability::Buffered)
    );
    assert_eq!(file.tls, Some(TlsFiles { cert: "/c".into(), key: "/k".into() }));

    let said = [
        ("JANGTEO_HTTP", "127.0.0.1:3"),
        ("JANGTEO_RESP", "127.0.0.1:4"),
        ("JANGTEO_DURABILITY", "memory"),
        ("JANGTEO_DATA", ""),
        ("JANGTEO_TLS_KEY", "/other"),
    ];
    let both = read(FILE, &said, Flags::default()).unwrap();
    assert_eq!(both.data.to_str(), Some("/file"), "an empty variable says nothing");
    assert_eq!(
        (both.http, both.resp, both.durability),
        (address(3), address(4), Durability::Memory)
    );
    assert_eq!(both.tls.unwrap().key.to_str(), Some("/other"));

    let flags = Flags {
        data: Some("/flag".into()),
        http: Some(address(5)),
        durability: Some(Durability::Synced),
        ..Flags::default()
    };
    let all = read(FILE, &said, flags).unwrap();
    assert_eq!((all.http, all.resp, all.durability), (address(5), address(4), Durability::Synced));
    assert_eq!(all.data.to_str(), Some("/flag"));
}

#[test]
fn settled_campaigns_are_kept_for_ever_or_as_long_as_is_said() {
    let days = |days: u64| Retain(Some(std::time::Duration::from_secs(days * 86_400)));
    let flag =
        |text: &str| Flags { retain_settled: Some(text.parse().unwrap()), ..Flags::default() };
    let variable = [("JANGTEO_RETAIN_SETTLED", "2weeks")];
    let file = "retain_settled = \"90days\"\n";
    let table = [
        (("", &[][..], Flags::default()), Retain(None)),
        ((file, &[], Flags::default()), days(90)),
        ((file, &variable, Flags::default()), days(14)),
        ((file, &variable, flag("1d")), days(1)),
        ((file, &variable, flag("never")), Retain(None)),
    ];
    for (said, expected) in table {
        let (text, environment, flags) = said;
        assert_eq!(read(text, environment, flags).unwrap().retain_settled, expected);
    }
    for wrong in ["90", "soon", "-1days", "1 month"] {
        let text = format!("retain_settled = \"{wrong}\"\n");
        let bad = read(&text, &[], Flags::default()).unwrap_err().to_string();
        assert!(bad.contains(":1:18 retain_settled: expected never, or a duration"), "{bad}");
    }
}

#[test]
fn keys_of_the_environment_stand_in_for_those_of_the_file() {
    let hash = |text: &str| SecretHash::of(text.as_bytes()).to_hex();
    let file = format!("[[keys]]\nname = \"a\"\nscope = \"sell\"\nsha256 = \"{}\"\n", hash("1"));
    let counts = |environment: &[(&str, &str)]| {
        read(&file, environment, Flags::default()).unwrap().keyring().unwrap().counts()
    };
    assert_eq!(counts(&[]), (1, 0));
    let two = format!("a:sell:{}, b:operate:{}", hash("2"), hash("3"));
    assert_eq!(counts(&[("JANGTEO_KEYS", &two)]), (2, 0));
}

#[test]
fn everything_that_is_wrong_is_named_with_its_line() {
    let hash = SecretHash::of(b"x").to_hex();
    let text = format!(
        "data = 1\nhttp = \"localhost\"\nrespp = \"127.0.0.1:1\"\ndurability = \"some\"\n\
         [tls]\ncert = \"\"\nkeys = 1\n\
         [[keys]]\nname = \"a b\"\nscope = \"buy\"\nsha256 = \"{hash}0\"\n\
         [[keys]]\nname = \"a\"\nscope = \"sell\"\nsha256 = \"{hash}\"\nsecret = \"jt_1\"\n\
         [[token_keys]]\nalg = \"none\"\naudience = \"a\"\n\
         [[token_keys]]\nalg = \"EdDSA\"\npublic = \"short\"\naudience = \"a\"\n\
         [[token_keys]]\nalg = \"EdDSA\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
         [[token_keys]]\nalg = \"HS256\"\nsecret = \"short\"\naudience = \"a\"\n\
         [[token_keys]]\nalg = \"HS256\"\nsecret_file = \"/none/of/this\"\naudience = \"a\"\n"
    );
    let bad = read(&text, &[("JANGTEO_RESP", "x")], Flags::default()).unwrap_err().to_string();
    let lines: Vec<&str> = bad.lines().collect();
    let expected = [
        ":1:8 data: expected a text",
        ":2:8 http: expected an IP address",
        ":3:1 respp: unknown key; known here: data, http, resp,",
        ":4:14 durability: ",
        " tls.key: is missing",
        ":6:8 tls.cert: must not be empty",
        ":7:1 tls.keys: unknown key; known here: cert, key",
        ":9:8 keys[0].name: the name must be",
        ":10:9 keys[0].scope: the scope must be",
        ":11:10 keys[0].sha256: the hash must be",
        ":16:1 keys[1].secret: unknown key; known here: name, scope, sha256",
        ":18:7 token_keys[0].alg: must be",
        ":22:10 token_keys[1].public: must be a public key",
        " token_keys[2].audience: is missing",
        " token_keys[2]: EdDSA needs public",
        ":29:10 token_keys[3].secret: a secret must have",
        ":33:15 token_keys[4].secret_file: /none/of/this",
        "JANGTEO_RESP: expected an IP address",
    ];
    for one in expected {
        assert_eq!(lines.iter().filter(|line| line.contains(one)).count(), 1, "{one} in\n{bad}");
    }
    assert_eq!(lines.len(), expected.len(), "{bad}");

    let broken = read("data = \nhttp = \"127.0.0.1:1\"\n[[keys\n", &[], Flags::default());
    let broken = broken.unwrap_err().to_string();
    assert!(broken.lines().all(|line| line.contains("not TOML")), "{broken}");
    assert!(broken.contains(".toml:1:") && broken.contains(".toml:3:"), "{broken}");
}

#[test]
fn a_bad_configuration_exits_78_and_says_why() {
    let files = Files::new();
    let unknown = files.file("unknown.toml", "colour = \"red\"\n");
    let half = files.file("half.toml", "[tls]\ncert = \"c.pem\"\n");
    let open = files.file("open.toml", "http = \"0.0.0.0:0\"\n");
    let loud = files.file("loud.toml", "log = \"loud\"\n");
    let (cert, key) = (fixture("one-cert.pem"), fixture("two-key.pem"));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let hash = SecretHash::of(b"x").to_hex();
    let (twice, bad) = (format!("a:sell:{hash},b:sell:{hash}"), format!("a:sell:{hash},b:sell"));
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let table: [Case<'_>; 14] = [
        (&["--config", &unknown], &[], "unknown.toml:1:1 colour: unknown key"),
        (&[], &[("JANGTEO_CONFIG", &unknown)], "unknown.toml:1:1 colour"),
        (&["--config", &half], &[], "tls.key: is missing"),
        (&["--config", "none.toml"], &[], "none.toml: "),
        (&["--config", &open], &[], "http: 0.0.0.0:0: without a key only a loopback address"),
        (&["--tls-cert", cert, "--tls-key", key], &[], "tls.key: "),
        (&[], &[("JANGTEO_HTTP", "here")], "JANGTEO_HTTP: expected"),
        (&[], &[("JANGTEO_KEYS", &twice)], "keys: two keys have the same hash"),
        (&[], &[("JANGTEO_KEYS", &bad)], "JANGTEO_KEYS: a key is name:scope:sha256"),
        (&["--log", "warning"], &[], "--log: expected off, error, warn, info, debug or trace"),
        (&["--log", "info,jangteo"], &[], "--log: expected off, error, warn"),
        (&["--log", "jangteo=loud"], &[], "--log: expected off, error, warn"),
        (&[], &[("JANGTEO_LOG", "infos")], "JANGTEO_LOG: expected off, error, warn"),
        (&["--config", &loud], &[], "loud.toml:1:7 log: expected off, error, warn"),
    ];
    for (more, environment, said) in table {
        let (code, stderr) = files.refused(more, environment);
        assert_eq!(code, Some(78), "{more:?}: {stderr}");
        assert!(stderr.contains(said), "{more:?}: {stderr}");
        assert!(!stderr.contains(&hash), "{stderr}");
    }
}

#[test]
fn what_is_logged_is_a_level_or_targets_with_levels() {
    for log in ["off", "error", "WARN", "trace", "info,jangteo=debug", "jangteo::requests=trace"] {
        let said = Flags { log: Some(log.to_owned()), ..Flags::default() };
        assert_eq!(Config::read(&said, |_| None).unwrap().log, log);
    }
}

#[test]
fn a_secret_that_everybody_may_read_is_refused_and_one_of_its_group_is_not() {
    let files = Files::new();
    let shared = files.secret("shared.secret", &"x".repeat(32));
    let key = std::fs::read_to_string(fixture("one-key.pem")).unwrap();
    let key = files.secret("key.pem", &key);
    let config = files.file(
        "jangteo.toml",
        &format!("[[token_keys]]\nalg = \"HS256\"\nsecret_file = \"{shared}\"\naudience = \"a\"\n"),
    );
    let cert = fixture("one-cert.pem");
    let tls = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", &key];
    let table: [(&str, &[&str], &str); 2] = [
        (&shared, &["--config", &config], "token_keys[0].secret_file: "),
        (&key, &tls, "tls.key: "),
    ];
    for (file, more, named) in table {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o640)).unwrap();
        drop(files.serve(more, &[], Stdio::null()));
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
        let (code, stderr) = files.refused(more, &[]);
        assert_eq!(code, Some(78), "{stderr}");
        let said = format!("{named}{file}: everybody may read or change it");
        assert!(stderr.contains(&said), "{said}: {stderr}");
    }
}

#[test]
fn a_new_key_opens_the_service_that_its_stanza_is_given_to() {
    let made = |name: &str, scope: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jangteo"));
        let output = command.args(["key", name, "--scope", scope]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = made("shop", "sell");
    let (secret, stanza) = printed.split_once("\n\n").unwrap();
    assert!(secret.starts_with("jt_") && !stanza.contains("jt_"), "{printed}");
    assert_ne!(printed, made("shop", "sell"));
    let files = Files::new();
    let config = files.file("jangteo.toml", stanza);
    let served = files.serve(&["--config", &config], &[], Stdio::null());
    let find = "GET /v1/drops/t-1/holds?customer=c";
    assert_eq!(http(served.http, find, &[&bearer(secret)], "").code(), "unknown_drop");
    assert_eq!(http(served.http, find, &[], "").code(), "unauthenticated");
    let keys = stanza.trim_end().lines().last().unwrap().strip_prefix("# JANGTEO_KEYS=").unwrap();
    let served = files.serve(&[], &[("JANGTEO_KEYS", keys)], Stdio::null());
    assert_eq!(http(served.http, find, &[&bearer(secret)], "").code(), "unknown_drop");
    assert_eq!(http(served.http, find, &[], "").code(), "unauthenticated");
    for args in [["key", "shop", "--scope", "buy"], ["key", "a b", "--scope", "sell"]] {
        let mut misuse = Command::new(env!("CARGO_BIN_EXE_jangteo"));
        assert_eq!(misuse.args(args).output().unwrap().status.code(), Some(64));
    }
}

#[test]
fn with_a_key_any_address_is_served() {
    let files = Files::new();
    let (key, _) = Key::generate("shop", Scope::Sell).unwrap();
    let keys = format!("shop:sell:{}", key.hash().to_hex());
    let mut command = files.command(
        &["--http", "0.0.0.0:0", "--resp", "[::]:0", "--durability", "memory"],
        &[("JANGTEO_KEYS", &keys)],
    );
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    _ = child.kill();
    _ = child.wait();
    assert!(ready.starts_with("ready http=0.0.0.0:"), "{ready}");
}

/// The status of a call with this secret, if the service has the certificate that is trusted.
fn status(at: SocketAddr, trusted: &str, secret: &str) -> Option<String> {
    let mut stream = client(at, trusted, &[]);
    let head = "GET /v1/drops/t-1/holds?customer=c HTTP/1.1\r\nHost: x\r\nConnection: close";
    let request = format!("{head}\r\n{}\r\n\r\n", bearer(secret));
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.get(9..12).map(str::to_owned)
}

#[test]
fn a_hangup_brings_new_keys_and_a_new_certificate_or_leaves_all_as_it_was() {
    let files = Files::new();
    let stanza = |key: &Key| {
        let (name, hash) = (key.name(), key.hash().to_hex());
        format!("[[keys]]\nname = \"{name}\"\nscope = \"sell\"\nsha256 = \"{hash}\"\n")
    };
    let copy = |pair: &str| {
        for part in ["cert", "key"] {
            let text = std::fs::read_to_string(fixture(&format!("{pair}-{part}.pem"))).unwrap();
            files.secret(&format!("{part}.pem"), &text);
        }
    };
    let (old, first) = Key::generate("shop", Scope::Sell).unwrap();
    let (new, second) = Key::generate("shop", Scope::Sell).unwrap();
    let tls = "tls = { cert = \"cert.pem\", key = \"key.pem\" }\n";
    copy("one");
    let config = files.file("jangteo.toml", &format!("{tls}{}", stanza(&old)));
    let mut served = files.serve(&["--config", &config], &[], Stdio::piped());
    let (at, pid) = (served.http, Pid::from_child(&served.child));
    let status = |trusted: &str, secret: &str| status(at, trusted, secret);
    let found = Some("404".to_owned());
    assert_eq!(status("one-cert.pem", &first), found);

    copy("two");
    files.file("jangteo.toml", &format!("{tls}{}{}", stanza(&old), stanza(&new)));
    kill_process(pid, Signal::HUP).unwrap();
    served.wait_for_log("keys were read again");
    assert_eq!(status("one-cert.pem", &first), None);
    assert_eq!(status("two-cert.pem", &first), found);
    assert_eq!(status("two-cert.pem", &second), found);

    for wrong in [tls.to_owned(), "nonsense".to_owned(), stanza(&old)] {
        files.file("jangteo.toml", &wrong);
        kill_process(pid, Signal::HUP).unwrap();
        served.wait_for_log("stay as they were");
        assert_eq!(status("two-cert.pem", &second), found, "{wrong}");
    }
    files.file("jangteo.toml", &format!("{tls}{}", stanza(&new)));
    kill_process(pid, Signal::HUP).unwrap();
    served.wait_for_log("keys were read again");
    assert_eq!(status("two-cert.pem", &first), Some("401".to_owned()));
    assert_eq!(status("two-cert.pem", &second), found);
    served.stop();
}

/// What stands between the backticks that begin a row.
fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)
}

#[test]
fn every_key_is_documented_with_its_default_and_its_range() {
    let text = include_str!("../../../docs/operating.md");
    let table = text.split("\n### Every key\n").nth(1).expect("the section is there");
    let table = table.split("\n#").next().unwrap();
    let documented: BTreeSet<&str> = table.lines().filter_map(first_cell).collect();
    let known: BTreeSet<&str> = KEYS.iter().map(|row| row.key).collect();
    assert_eq!(documented, known);
    for row in KEYS {
        let line = table.lines().find(|line| first_cell(line) == Some(row.key)).unwrap();
        let code = |name: Option<&str>| name.map_or(String::new(), |name| format!("`{name}`"));
        let cells = [
            format!("`{}`", row.key),
            code(row.environment),
            code(row.flag),
            row.default.to_owned(),
            row.range.to_owned(),
        ];
        let found: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(found, cells);
    }
}

/// The table and the reader know the same keys: each table of the file lists what it knows.
#[test]
fn every_key_that_is_read_is_in_the_table() {
    let tables = [
        ("", "zz = 1\n"),
        ("tls.", "[tls]\nzz = 1\n"),
        ("limits.", "[limits]\nzz = 1\n"),
        ("rate_limits.", "[rate_limits]\nzz = 1\n"),
        ("keys[].", "[[keys]]\nzz = 1\n"),
        ("token_keys[].", "[[token_keys]]\nzz = 1\n"),
        ("webhooks[].", "[[webhooks]]\nzz = 1\n"),
    ];
    let mut read_keys = BTreeSet::new();
    for (prefix, text) in tables {
        let bad = read(text, &[], Flags::default()).unwrap_err().to_string();
        let known = bad.split("known here: ").nth(1).unwrap().lines().next().unwrap();
        for key in known.split(", ") {
            let tables = ["tls", "keys", "token_keys", "limits", "rate_limits", "webhooks"];
            if !(prefix.is_empty() && tables.contains(&key)) {
                read_keys.insert(format!("{prefix}{key}"));
            }
        }
    }
    assert_eq!(read_keys, KEYS.iter().map(|row| row.key.to_owned()).collect());
}

#[test]
fn the_reference_file_in_the_documents_is_valid() {
    let text = include_str!("../../../docs/operating.md");
    let file = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let secret = Files::new();
    let secret = secret.secret("secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n");
    let file = file.replace("/etc/jangteo/webhooks.secret", &secret);
    let config = read(&file, &[], Flags::default()).unwrap_or_else(|bad| panic!("{bad}"));
    assert_eq!(config.keyring().unwrap().counts(), (2, 1));
    assert_eq!(config.webhooks.len(), 1);
}
