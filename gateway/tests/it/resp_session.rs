//! The answers a connection gives for itself, byte for byte.

use jangteo_gateway::resp::{After, Credentials, Protocol, Request, ServerFacts, Session};

use crate::wire::args;

const FACTS: ServerFacts = ServerFacts {
    version: "0.1.0",
    loading: false,
    now_ms: 1_588_122_000_042,
    started_ms: 1_588_121_990_000,
    connections: 3,
    watchers: 2,
    updates_encoded: 7,
};

/// A connection to a server that knows one key, or none.
struct Connection {
    session: Session<&'static str>,
    facts: ServerFacts,
}

impl Connection {
    fn open() -> Self {
        Self { session: Session::new(7, Some("anybody")), facts: FACTS }
    }

    fn guarded() -> Self {
        Self { session: Session::new(7, None), facts: FACTS }
    }

    fn send(&mut self, line: &str) -> (String, After) {
        let mut out = Vec::new();
        let after = match Request::parse(args(line)) {
            Ok(Request::Session(command)) => {
                self.session.answer(command, &self.facts, key, &mut out)
            }
            other => panic!("{line}: {other:?}"),
        };
        (String::from_utf8(out).unwrap(), after)
    }

    /// What `line` is answered with on a connection that stays open.
    fn answer(&mut self, line: &str) -> String {
        let (answer, after) = self.send(line);
        assert_eq!(after, After::GoOn, "{line}");
        answer
    }

    fn check(&mut self, line: &str, expected: &str) {
        assert_eq!(self.answer(line), expected, "{line}");
    }
}

fn key(given: &Credentials<'_>) -> Option<&'static str> {
    let known = given.user.is_none_or(|user| user == b"shop");
    (known && given.secret == b"jt_1").then_some("shop")
}

const OK: &str = "+OK\r\n";
const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
const NO_PASSWORD: &str = "-ERR AUTH <password> called without any password configured for the \
    default user. Are you sure your configuration is correct?\r\n";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const HELLO_2: &str = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n\
    $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n\
    $6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
const HELLO_3: &str = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n\
    $5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n\
    $6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";

#[test]
fn hello_switches_the_protocol_and_reports() {
    let mut connection = Connection::open();
    connection.check("HELLO", HELLO_2);
    connection.check("HELLO 3 SETNAME till-4", HELLO_3);
    assert_eq!(connection.session.protocol(), Protocol::Resp3);
    connection.check("CLIENT GETNAME", "$6\r\ntill-4\r\n");
    connection.check("HELLO", HELLO_3);
    connection.check("HELLO 2", HELLO_2);
}

#[test]
fn without_a_key_there_is_nothing_to_authenticate() {
    let mut connection = Connection::open();
    connection.check("AUTH jt_1", NO_PASSWORD);
    connection.check("AUTH shop jt_1", WRONGPASS);
    connection.check("HELLO 3 AUTH shop jt_1", WRONGPASS);
    assert_eq!(connection.session.protocol(), Protocol::Resp2, "a refused HELLO changes nothing");
    assert_eq!(connection.session.identity(), Some(&"anybody"));
    connection.check("AUTH default jt_1", OK);
    connection.check("HELLO 3 AUTH default jt_1", HELLO_3);
    assert_eq!(connection.session.identity(), Some(&"anybody"));
}

#[test]
fn with_a_key_a_stranger_may_only_say_who_it_is() {
    let mut connection = Connection::guarded();
    for line in ["PING", "ECHO a", "INFO", "COMMAND", "CLIENT ID", "CLIENT SETNAME a", "SELECT 0"] {
        connection.check(line, NOAUTH);
    }
    assert!(connection.answer("HELLO 3").starts_with("-NOAUTH HELLO must be called with"));
    connection.check("AUTH jt_2", WRONGPASS);
    connection.check("AUTH kiosk jt_1", WRONGPASS);
    connection.check("HELLO 3 AUTH shop jt_2 SETNAME a", WRONGPASS);
    assert_eq!(connection.session.identity(), None);

    connection.check("HELLO 3 AUTH shop jt_1", HELLO_3);
    assert_eq!(connection.session.identity(), Some(&"shop"));
    connection.check("CLIENT GETNAME", "_\r\n");
    connection.check("AUTH jt_2", WRONGPASS);
    assert_eq!(connection.session.identity(), Some(&"shop"), "a slip does not log out");
}

#[test]
fn reset_makes_the_connection_as_new() {
    let mut connection = Connection::guarded();
    connection.check("AUTH jt_1", OK);
    connection.check("CLIENT SETNAME till-4", OK);
    connection.check("HELLO 3", HELLO_3);
    connection.check("RESET", "+RESET\r\n");
    connection.check("PING", NOAUTH);
    assert_eq!(connection.session.protocol(), Protocol::Resp2);
    connection.check("AUTH jt_1", OK);
    connection.check("CLIENT GETNAME", "$-1\r\n");
    connection.check("CLIENT ID", ":7\r\n");

    let mut connection = Connection::open();
    connection.check("RESET", "+RESET\r\n");
    connection.check("PING", "+PONG\r\n");
}

#[test]
fn quit_closes_whoever_asks() {
    assert_eq!(Connection::open().send("QUIT"), (OK.to_owned(), After::Close));
    assert_eq!(Connection::guarded().send("QUIT now"), (OK.to_owned(), After::Close));
}

#[test]
fn the_small_commands_are_answered_as_redis_does() {
    let table = [
        ("PING", "+PONG\r\n"),
        ("PING 'a b'", "$3\r\na b\r\n"),
        ("ECHO hi", "$2\r\nhi\r\n"),
        ("SELECT 0", OK),
        ("CLIENT SETINFO LIB-NAME redis-py", OK),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETNAME till-4", OK),
        ("CLIENT GETNAME", "$6\r\ntill-4\r\n"),
        ("CLIENT INFO", "$29\r\nid=7 name=till-4 db=0 resp=2\n\r\n"),
        ("CLIENT SETNAME ''", OK),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT ID", ":7\r\n"),
        ("TIME", "*2\r\n$10\r\n1588122000\r\n$5\r\n42000\r\n"),
        ("CONFIG GET save", "*0\r\n"),
        ("COMMAND DOCS", "*0\r\n"),
        ("COMMAND GETKEYS drop.hold d-1 c-1 1 onion 1", "*1\r\n$3\r\nd-1\r\n"),
    ];
    let mut connection = Connection::open();
    for (line, expected) in table {
        connection.check(line, expected);
    }
    connection.check("HELLO 3", HELLO_3);
    connection.check("CONFIG GET save", "%0\r\n");
    connection.check("COMMAND DOCS", "%0\r\n");
}

#[test]
fn command_info_describes_the_commands_there_are() {
    let mut connection = Connection::open();
    let hold = "*10\r\n$9\r\ndrop.hold\r\n:-6\r\n*2\r\n+write\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
        *0\r\n*0\r\n*0\r\n*0\r\n";
    let get = "*10\r\n$8\r\ndrop.get\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:0\r\n:0\r\n:0\r\n\
        *0\r\n*0\r\n*0\r\n*0\r\n";
    let config = "*10\r\n$6\r\nconfig\r\n:-2\r\n*3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n\
        :0\r\n*0\r\n*0\r\n*0\r\n*1\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n*3\r\n+loading\r\n\
        +stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
    connection.check(
        "COMMAND INFO DROP.HOLD nosuch drop.get config",
        &format!("*4\r\n{hold}$-1\r\n{get}{config}"),
    );
    let id = "*10\r\n$9\r\nclient|id\r\n:2\r\n*3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n\
        *0\r\n*0\r\n*0\r\n*0\r\n";
    connection
        .check("COMMAND INFO Client|ID client|nosuch ping|a", &format!("*3\r\n{id}$-1\r\n$-1\r\n"));
    let count: usize = {
        let answer = connection.answer("COMMAND COUNT");
        answer.trim_start_matches(':').trim_end().parse().unwrap()
    };
    let names = connection.answer("COMMAND LIST");
    assert!(names.starts_with(&format!("*{count}\r\n")));
    let all = connection.answer("COMMAND");
    assert!(all.starts_with(&format!("*{count}\r\n{hold}")));
    assert_eq!(all, connection.answer("COMMAND INFO"));
    for name in names.split("\r\n").filter(|name| name.starts_with(|c: char| c.is_alphabetic())) {
        assert!(all.contains(&format!("\r\n{name}\r\n")), "{name} is listed but not described");
    }
}

#[test]
fn info_names_the_version_and_the_role() {
    let mut connection = Connection::open();
    let server = "# Server\r\nredis_version:7.4.0\r\nredis_mode:standalone\r\n\
        jangteo_version:0.1.0\r\nuptime_in_seconds:10\r\n";
    let clients = "# Clients\r\nconnected_clients:3\r\n";
    let persistence = "# Persistence\r\nloading:0\r\n";
    let replication = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";
    let stats = "# Stats\r\nwatchers:2\r\nupdates_encoded:7\r\n";
    let all = [server, clients, persistence, stats, replication].join("\r\n");
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    connection.check("INFO", &bulk(&all));
    connection.check("INFO everything", &bulk(&all));
    connection.check("INFO SERVER", &bulk(server));
    let two = [server, replication].join("\r\n");
    connection.check("INFO replication server", &bulk(&two));
    connection.check("INFO keyspace", &bulk(""));
}

#[test]
fn while_the_journal_is_replayed_clients_are_told_to_wait() {
    let mut connection = Connection::open();
    connection.facts.loading = true;
    connection.check("HELLO 3", HELLO_3);
    let info = connection.answer("INFO persistence");
    assert!(info.contains("\r\nloading:1\r\nloading_eta_seconds:1\r\n"), "{info}");
    connection.check("PING", "-LOADING jangteo is loading the dataset in memory\r\n");
    connection.facts.loading = false;
    connection.check("PING", "+PONG\r\n");
}
