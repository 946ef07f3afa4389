//! The commands that Redis clients send of their own accord: what they ask for, and how their words
//! are read. Each has its answer in `session`.

use std::fmt;

use super::bad_request::BadRequest;
use super::frame::Args;
use super::reply::Protocol;
use super::request::Request;
use super::word::{integer, visible};
use crate::limits::CLIENT_NAME_MAX;

/// A command for the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand<'a> {
    /// `HELLO [2|3] [AUTH user secret] [SETNAME name]`.
    Hello(HelloCommand<'a>),
    /// `AUTH [user] secret`.
    Auth(Credentials<'a>),
    /// `PING [message]`.
    Ping(Option<&'a [u8]>),
    /// `ECHO message`.
    Echo(&'a [u8]),
    /// `SELECT 0`.
    Select,
    /// `QUIT`.
    Quit,
    /// `RESET`.
    Reset,
    /// `CLIENT SETINFO LIB-NAME|LIB-VER value`.
    ClientSetInfo,
    /// `CLIENT SETNAME name`; an empty name takes it away.
    ClientSetName(&'a str),
    /// `CLIENT GETNAME`.
    ClientGetName,
    /// `CLIENT ID`.
    ClientId,
    /// `CLIENT INFO`.
    ClientInfo,
    /// `COMMAND` and `COMMAND INFO [name ...]`: these commands, or all if none is named.
    CommandInfo(Args<'a>),
    /// `COMMAND COUNT`.
    CommandCount,
    /// `COMMAND DOCS [name ...]`.
    CommandDocs,
    /// `COMMAND LIST`.
    CommandList,
    /// `COMMAND GETKEYS name argument ...`: the key of that command.
    CommandGetKeys(&'a [u8]),
    /// `INFO [section ...]`: these sections, or all if none is named.
    Info(Args<'a>),
    /// `TIME`.
    Time,
    /// `CONFIG GET parameter ...`.
    ConfigGet,
}

/// `HELLO [2|3] [AUTH user secret] [SETNAME name]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelloCommand<'a> {
    /// The protocol to go on with; the present one if left out.
    pub protocol: Option<Protocol>,
    /// Who the client says it is.
    pub auth: Option<Credentials<'a>>,
    /// The name the connection is to have.
    pub name: Option<&'a str>,
}

/// Who a client says it is. Shown without the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The key's name; `None` from `AUTH secret`, the form that is older than users.
    pub user: Option<&'a [u8]>,
    /// The secret itself.
    pub secret: &'a [u8],
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.map(|user| user.escape_ascii().to_string());
        f.debug_struct("Credentials").field("user", &user).finish_non_exhaustive()
    }
}

type Parsed<'a> = Result<Request<'a>, BadRequest<'a>>;

// The command table has counted the words before any of these is called, so a word that is not
// there can only be an option's value.

pub(super) fn hello(mut args: Args<'_>) -> Parsed<'_> {
    let mut command = HelloCommand::default();
    if let Some(version) = args.next() {
        command.protocol = match integer(version).ok_or(BadRequest::ProtocolVersion)? {
            2 => Some(Protocol::Resp2),
            3 => Some(Protocol::Resp3),
            _ => return Err(BadRequest::UnsupportedProtocol),
        };
    }
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"auth") && 2 <= args.len() {
            let user = args.next();
            command.auth = args.next().map(|secret| Credentials { user, secret });
        } else if option.eq_ignore_ascii_case(b"setname") && !args.is_empty() {
            command.name = args.next().map(name).transpose()?;
        } else {
            return Err(BadRequest::HelloOption(option));
        }
    }
    session(SessionCommand::Hello(command))
}

pub(super) fn auth(mut args: Args<'_>) -> Parsed<'_> {
    let credentials = match (args.next(), args.next(), args.next()) {
        (Some(secret), None, None) => Credentials { user: None, secret },
        (user, Some(secret), None) => Credentials { user, secret },
        _ => return Err(BadRequest::Syntax),
    };
    session(SessionCommand::Auth(credentials))
}

pub(super) fn ping(mut args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Ping(args.next()))
}

pub(super) fn echo(mut args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Echo(args.next().unwrap_or_default()))
}

pub(super) fn select(mut args: Args<'_>) -> Parsed<'_> {
    match args.next().and_then(integer) {
        Some(0) => session(SessionCommand::Select),
        Some(_) => Err(BadRequest::NoDatabase),
        None => Err(BadRequest::NotAnInteger),
    }
}

pub(super) fn quit(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Quit)
}

pub(super) fn reset(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Reset)
}

pub(super) fn client_setinfo(mut args: Args<'_>) -> Parsed<'_> {
    let attribute = args.next().unwrap_or_default();
    let known =
        ["lib-name", "lib-ver"].iter().any(|one| attribute.eq_ignore_ascii_case(one.as_bytes()));
    if !known {
        return Err(BadRequest::ClientAttribute(attribute));
    }
    session(SessionCommand::ClientSetInfo)
}

pub(super) fn client_setname(mut args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::ClientSetName(name(args.next().unwrap_or_default())?))
}

pub(super) fn client_getname(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::ClientGetName)
}

pub(super) fn client_id(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::ClientId)
}

pub(super) fn client_info(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::ClientInfo)
}

pub(super) fn command_info(args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::CommandInfo(args))
}

pub(super) fn command_count(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::CommandCount)
}

pub(super) fn command_docs(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::CommandDocs)
}

pub(super) fn command_list(mut args: Args<'_>) -> Parsed<'_> {
    match args.next() {
        None => session(SessionCommand::CommandList),
        Some(_) => Err(BadRequest::Syntax),
    }
}

pub(super) fn command_getkeys(args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::CommandGetKeys(super::command_table::key(args)?))
}

pub(super) fn info(args: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Info(args))
}

pub(super) fn time(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::Time)
}

pub(super) fn config_get(_: Args<'_>) -> Parsed<'_> {
    session(SessionCommand::ConfigGet)
}

fn session(command: SessionCommand<'_>) -> Parsed<'_> {
    Ok(Request::Session(command))
}

/// A connection's name: visible ASCII, so that it cannot break the line `CLIENT INFO` answers.
fn name(bytes: &[u8]) -> Result<&str, BadRequest<'_>> {
    if CLIENT_NAME_MAX < bytes.len() {
        return Err(BadRequest::Malformed("client name is too long"));
    }
    visible(bytes).ok_or(BadRequest::ClientName)
}
