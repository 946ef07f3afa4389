//! Words to requests: what each command means, and the words of each refusal.

use jangteo_gateway::resp::{
    Credentials, HelloCommand, HoldCommand, ListCommand, Parser, Protocol, RefundCommand, Request,
    SaleCommand, SessionCommand, encode_command,
};
use smallvec::{SmallVec, smallvec};

use crate::wire::args;

fn check(line: &str, expected: Request<'static>) {
    assert_eq!(Request::parse(args(line)), Ok(expected), "{line}");
}

fn check_sale(line: &str, expected: SaleCommand<'static>) {
    check(line, Request::Sale(expected));
}

fn check_session(line: &str, expected: SessionCommand<'static>) {
    check(line, Request::Session(expected));
}

fn check_refused(line: &str, expected: &str) {
    let refused = Request::parse(args(line)).unwrap_err();
    assert_eq!(refused.to_string(), expected, "{line}");
}

fn hold(lines: SmallVec<[(&'static str, u32); 2]>) -> HoldCommand<'static> {
    HoldCommand {
        drop: "d-1",
        customer: "c-1",
        lines,
        key: None,
        area: None,
        wait: false,
        brief: false,
    }
}

#[test]
fn a_hold_says_what_for_whom_and_how() {
    let one = hold(smallvec![("onion", 1)]);
    check_sale("DROP.HOLD d-1 c-1 1 onion 1", SaleCommand::Hold(one.clone()));
    check_sale("drop.hold d-1 c-1 1 onion 1", SaleCommand::Hold(one.clone()));
    let two = hold(smallvec![("onion", 2), ("garlic", 1000)]);
    check_sale("DROP.HOLD d-1 c-1 2 onion 2 garlic 1000", SaleCommand::Hold(two));
    let all = HoldCommand { key: Some("k-1"), area: Some("seoul"), brief: true, ..one.clone() };
    check_sale(
        "DROP.HOLD d-1 c-1 1 onion 1 KEY k-1 AREA seoul BRIEF",
        SaleCommand::Hold(all.clone()),
    );
    check_sale("DROP.HOLD d-1 c-1 1 onion 1 brief area seoul key k-1", SaleCommand::Hold(all));
    let waits = HoldCommand { wait: true, ..one.clone() };
    check_sale("DROP.HOLD d-1 c-1 1 onion 1 wait", SaleCommand::Hold(waits));
    let odd = HoldCommand { key: Some("BRIEF"), ..one };
    check_sale("DROP.HOLD d-1 c-1 1 onion 1 KEY BRIEF", SaleCommand::Hold(odd));
    check_sale("DROP.HOLD d-1 c-1 1 onion 0", SaleCommand::Hold(hold(smallvec![("onion", 0)])));
}

#[test]
fn a_hold_of_twenty_lines_with_every_option_is_read() {
    let mut line = "DROP.HOLD d-1 c-1 20".to_owned();
    for item in 0..20 {
        line += &format!(" sku-{item} {item}");
    }
    line += " KEY k AREA a BRIEF";
    match Request::parse(args(&line)) {
        Ok(Request::Sale(SaleCommand::Hold(hold))) => {
            assert_eq!(hold.lines.len(), 20);
            assert_eq!(hold.lines[19], ("sku-19", 19));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_hold_is_refused_with_a_reason() {
    let table = [
        ("DROP.HOLD d-1 c-1 1 onion", "ERR wrong number of arguments for 'drop.hold' command"),
        ("DROP.HOLD d-1 c-1 2 onion 1", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 2 onion 1 KEY k", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 4294967295 onion 1", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 0 onion 1", "ERR malformed: numlines must be at least 1"),
        ("DROP.HOLD d-1 c-1 x onion 1", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 -1 onion 1", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion -1", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion 01", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion 1.0", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion 4294967296", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion ''", "ERR value is not an integer or out of range"),
        ("DROP.HOLD d-1 c-1 1 onion 1 KEY", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 1 onion 1 KEY a KEY a", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 1 onion 1 BRIEF BRIEF", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 1 onion 1 garlic 1", "ERR syntax error"),
        ("DROP.HOLD d-1 c-1 1 onion 1 WAIT BRIEF WAIT", "ERR syntax error"),
        (r#"DROP.HOLD "\xff" c-1 1 onion 1"#, "ERR malformed: drop"),
        (r#"DROP.HOLD d-1 "\xff" 1 onion 1"#, "ERR malformed: customer"),
        (r#"DROP.HOLD d-1 c-1 1 "\xff" 1"#, "ERR malformed: sku"),
        (r#"DROP.HOLD d-1 c-1 1 onion 1 KEY "\xff""#, "ERR malformed: key"),
        (r#"DROP.HOLD d-1 c-1 1 onion 1 AREA "\xff""#, "ERR malformed: area"),
    ];
    for (line, expected) in table {
        check_refused(line, expected);
    }
}

#[test]
fn the_other_sale_commands_are_read() {
    let (hold, drop) = ("h-1", "d-1");
    check_sale("DROP.CONFIRM h-1 toss-9", SaleCommand::Confirm { hold, payment: Some("toss-9") });
    check_sale("DROP.CONFIRM h-1", SaleCommand::Confirm { hold, payment: None });
    check_sale("DROP.RELEASE h-1", SaleCommand::Release { hold });
    check_sale("DROP.EXTEND h-1", SaleCommand::Extend { hold });
    let refund = |id, lines: &[(&'static str, u32)]| {
        SaleCommand::Refund(RefundCommand { hold, id, lines: lines.iter().copied().collect() })
    };
    check_sale("DROP.REFUND h-1", refund(None, &[]));
    check_sale("drop.refund h-1 id r-1", refund(Some("r-1"), &[]));
    check_sale("DROP.REFUND h-1 2 a 1 b 2", refund(None, &[("a", 1), ("b", 2)]));
    check_sale("DROP.REFUND h-1 ID r-1 1 a 1", refund(Some("r-1"), &[("a", 1)]));
    check_sale("Drop.Get h-1", SaleCommand::Get { hold });
    check_sale("DROP.WAITING w-1", SaleCommand::Waiting { wait: "w-1" });
    check_sale("DROP.LEAVE w-1", SaleCommand::Leave { wait: "w-1" });
    check_sale("DROP.FIND d-1 c-1", SaleCommand::Find { drop, customer: "c-1" });
    check_sale("DROP.STOCK d-1", SaleCommand::Stock { drop, sku: None });
    check_sale("DROP.STOCK d-1 onion", SaleCommand::Stock { drop, sku: Some("onion") });
    check_sale("DROP.LIST", SaleCommand::List(ListCommand::default()));
    check_sale(
        "DROP.LIST after d-1 LIMIT 10 Phase open",
        SaleCommand::List(ListCommand { phase: Some("open"), limit: Some(10), after: Some("d-1") }),
    );
}

#[test]
fn the_other_sale_commands_are_refused_with_a_reason() {
    let table = [
        ("DROP.CONFIRM", "ERR wrong number of arguments for 'drop.confirm' command"),
        ("DROP.CONFIRM h p x", "ERR wrong number of arguments for 'drop.confirm' command"),
        (r#"DROP.CONFIRM h "\xff""#, "ERR malformed: payment"),
        (r#"DROP.GET "\xff""#, "ERR malformed: hold"),
        ("DROP.RELEASE", "ERR wrong number of arguments for 'drop.release' command"),
        ("DROP.WAITING", "ERR wrong number of arguments for 'drop.waiting' command"),
        ("DROP.LEAVE w x", "ERR wrong number of arguments for 'drop.leave' command"),
        ("DROP.EXTEND h x", "ERR wrong number of arguments for 'drop.extend' command"),
        ("DROP.REFUND h ID", "ERR syntax error"),
        ("DROP.REFUND h x", "ERR value is not an integer or out of range"),
        ("DROP.REFUND h 0", "ERR malformed: numlines must be at least 1"),
        ("DROP.REFUND h 1 a", "ERR syntax error"),
        ("DROP.REFUND h 1 a 1 b", "ERR syntax error"),
        ("DROP.REFUND h 1 a 1 ID r", "ERR syntax error"),
        ("DROP.FIND d", "ERR wrong number of arguments for 'drop.find' command"),
        ("DROP.STOCK d s x", "ERR wrong number of arguments for 'drop.stock' command"),
        ("DROP.LIST LIMIT", "ERR syntax error"),
        ("DROP.LIST LIMIT x", "ERR value is not an integer or out of range"),
        ("DROP.LIST PHASE a PHASE b", "ERR syntax error"),
        ("DROP.LIST d-1", "ERR syntax error"),
        (
            "DROP.LIST LIMIT 1 AFTER a PHASE open x",
            "ERR wrong number of arguments for 'drop.list' command",
        ),
    ];
    for (line, expected) in table {
        check_refused(line, expected);
    }
}

#[test]
fn what_clients_send_on_connecting_is_read() {
    let credentials = |user: Option<&'static str>, secret: &'static str| Credentials {
        user: user.map(str::as_bytes),
        secret: secret.as_bytes(),
    };
    let hello = |protocol, auth, name| SessionCommand::Hello(HelloCommand { protocol, auth, name });
    check_session("HELLO", hello(None, None, None));
    check_session("hello 2", hello(Some(Protocol::Resp2), None, None));
    check_session(
        "HELLO 3 AUTH shop jt_1 SETNAME till-4",
        hello(Some(Protocol::Resp3), Some(credentials(Some("shop"), "jt_1")), Some("till-4")),
    );
    check_session("AUTH jt_1", SessionCommand::Auth(credentials(None, "jt_1")));
    check_session("AUTH shop jt_1", SessionCommand::Auth(credentials(Some("shop"), "jt_1")));
    check_session("ping", SessionCommand::Ping(None));
    check_session("PING 'a b'", SessionCommand::Ping(Some(b"a b")));
    check_session("ECHO a", SessionCommand::Echo(b"a"));
    check_session("SELECT 0", SessionCommand::Select);
    check_session("CLIENT SETINFO LIB-NAME redis-py", SessionCommand::ClientSetInfo);
    check_session("CLIENT setinfo lib-ver 8.0.0", SessionCommand::ClientSetInfo);
    check_session("CLIENT SETNAME till-4", SessionCommand::ClientSetName("till-4"));
    check_session("CLIENT SETNAME ''", SessionCommand::ClientSetName(""));
    check_session("client getname", SessionCommand::ClientGetName);
    check_session("CLIENT ID", SessionCommand::ClientId);
    check_session("CLIENT INFO", SessionCommand::ClientInfo);
    check_session("COMMAND COUNT", SessionCommand::CommandCount);
    check_session("COMMAND DOCS drop.hold", SessionCommand::CommandDocs);
    check_session("COMMAND LIST", SessionCommand::CommandList);
    check_session(
        "COMMAND GETKEYS drop.hold d-1 c-1 1 onion 1",
        SessionCommand::CommandGetKeys(b"d-1"),
    );
    check_session("CONFIG GET save", SessionCommand::ConfigGet);
    check_session("TIME", SessionCommand::Time);
    check_session("QUIT", SessionCommand::Quit);
    check_session("RESET", SessionCommand::Reset);
    check("", Request::Nothing);
}

#[test]
fn what_clients_send_is_refused_in_rediss_words() {
    let table = [
        ("HELLO x", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        ("HELLO 1 AUTH a", "NOPROTO unsupported protocol version"),
        ("HELLO 3 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 setname", "ERR Syntax error in HELLO option 'setname'"),
        ("HELLO 3 RAW", "ERR Syntax error in HELLO option 'RAW'"),
        (
            "HELLO 3 SETNAME 'a b'",
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        ("AUTH", "ERR wrong number of arguments for 'auth' command"),
        ("AUTH a b c", "ERR syntax error"),
        ("SELECT 1", "ERR DB index is out of range"),
        ("SELECT x", "ERR value is not an integer or out of range"),
        ("PING a b", "ERR wrong number of arguments for 'ping' command"),
        ("ECHO", "ERR wrong number of arguments for 'echo' command"),
        ("CLIENT", "ERR wrong number of arguments for 'client' command"),
        ("CLIENT SETNAME", "ERR wrong number of arguments for 'client|setname' command"),
        ("CLIENT SETINFO LIB-OS x", "ERR Unrecognized option 'LIB-OS'"),
        ("CLIENT TRACKING ON", "ERR unknown subcommand 'TRACKING'. Try CLIENT HELP."),
        (
            "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
            "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
        ),
        ("CONFIG SET a b", "ERR unknown subcommand 'SET'. Try CONFIG HELP."),
        ("COMMAND LIST FILTERBY", "ERR syntax error"),
        ("COMMAND GETKEYS nosuch a", "ERR Invalid command specified"),
        ("COMMAND GETKEYS drop.hold a", "ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYS ping", "ERR The command has no key arguments"),
    ];
    for (line, expected) in table {
        check_refused(line, expected);
    }
    check_refused(
        &format!("CLIENT SETNAME {}", "x".repeat(129)),
        "ERR malformed: client name is too long",
    );
}

#[test]
fn an_unknown_command_is_named_with_the_beginning_of_its_arguments() {
    let unknown = "ERR unknown command ";
    let table = [
        ("GET", "'GET', with args beginning with: ".to_owned()),
        ("set a 'b c'", "'set', with args beginning with: 'a' 'b c' ".to_owned()),
        ("PSUBSCRIBE d", "'PSUBSCRIBE', with args beginning with: 'd' ".to_owned()),
        ("SUNSUBSCRIBE", "'SUNSUBSCRIBE', with args beginning with: ".to_owned()),
        ("'' a", "'', with args beginning with: 'a' ".to_owned()),
        (r#"GET "\xff""#, "'GET', with args beginning with: '\u{fffd}' ".to_owned()),
    ];
    for (line, expected) in table {
        check_refused(line, &format!("{unknown}{expected}"));
    }
    let long = "x".repeat(200);
    let cut = &long[..128];
    check_refused(&long, &format!("{unknown}'{cut}', with args beginning with: "));
    check_refused(
        &format!("GET {long} never"),
        &format!("{unknown}'GET', with args beginning with: '{cut}' "),
    );
    let (fills, rest) = ("y".repeat(100), "z".repeat(25));
    check_refused(
        &format!("GET {fills} {long} never"),
        &format!("{unknown}'GET', with args beginning with: '{fills}' '{}' ", &long[..25]),
    );
    check_refused(
        &format!("GET {fills} {rest} never"),
        &format!("{unknown}'GET', with args beginning with: '{fills}' '{rest}' "),
    );
}

#[test]
fn a_secret_is_not_shown() {
    let shown = format!("{:?}", Request::parse(args("AUTH shop jt_secret")));
    assert!(shown.contains("shop") && !shown.contains("jt_secret"), "{shown}");
}

#[test]
fn a_line_end_within_a_name_is_refused() {
    let mut wire = Vec::new();
    encode_command(&[b"CLIENT", b"SETNAME", b"a\r\nb"], &mut wire);
    let mut parser = Parser::default();
    let frame = parser.next(&wire).unwrap().unwrap();
    assert_eq!(
        Request::parse(frame.args).unwrap_err().to_string(),
        "ERR Client names cannot contain spaces, newlines or special characters."
    );
}
