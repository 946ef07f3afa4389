//! Which commands there are: one table, from which words are matched, arguments counted, and
//! `COMMAND` answered.

use super::bad_request::BadRequest;
use super::frame::Args;
use super::reply::Reply;
use super::request::Request;
use super::{sale_command as sale, session_command as session, subscribe as channel};
use crate::limits::ARGUMENTS_MAX;

/// One command, or one subcommand.
pub(super) struct Command {
    /// In lower case; a subcommand's begins with its command and `|`.
    name: &'static str,
    /// Fewest and most words, the name's own (one, or two of a subcommand) included.
    words: (usize, usize),
    /// What Redis clients may know of it.
    flags: &'static [&'static str],
    /// Whether the first argument is a key: the drop.
    keyed: bool,
    subcommands: &'static [Self],
    /// Reads the words behind the name; of a command that has subcommands, only without one.
    pub(super) parse: Parse,
}

type Parse = for<'a> fn(Args<'a>) -> Result<Request<'a>, BadRequest<'a>>;

const ANY: usize = ARGUMENTS_MAX;

/// What every command that answers without the engine has in common.
const OWN: &[&str] = &["loading", "stale", "fast"];
/// Likewise, and it is answered before the client has said who it is.
const FIRST: &[&str] = &["loading", "stale", "fast", "no_auth"];
const CHANNEL: &[&str] = &["pubsub", "noscript", "loading", "stale"];
const WRITE: &[&str] = &["write", "fast"];
const READ: &[&str] = &["readonly", "fast"];

const fn command(
    name: &'static str,
    words: (usize, usize),
    flags: &'static [&'static str],
    parse: Parse,
) -> Command {
    Command { name, words, flags, keyed: false, subcommands: &[], parse }
}

impl Command {
    const fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }

    const fn with(self, subcommands: &'static [Self]) -> Self {
        Self { subcommands, ..self }
    }
}

/// The search goes from the front, so what a crowd sends stands there.
static COMMANDS: [Command; 26] = [
    command("drop.hold", (6, ANY), WRITE, sale::hold).keyed(),
    command("drop.confirm", (2, 3), WRITE, sale::confirm),
    command("drop.release", (2, 2), WRITE, sale::release),
    command("drop.extend", (2, 2), WRITE, sale::extend),
    command("drop.refund", (2, ANY), WRITE, sale::refund),
    command("drop.get", (2, 2), READ, sale::get),
    command("drop.find", (3, 3), READ, sale::find).keyed(),
    command("drop.waiting", (2, 2), READ, sale::waiting),
    command("drop.leave", (2, 2), WRITE, sale::leave),
    command("drop.stock", (2, 3), READ, sale::stock).keyed(),
    command("drop.list", (1, 7), READ, sale::list),
    command("auth", (2, ANY), FIRST, session::auth),
    command("client", (2, ANY), OWN, session::client_info).with(&CLIENT),
    command("command", (1, ANY), OWN, session::command_info).with(&COMMAND),
    command("config", (2, ANY), OWN, session::config_get).with(&CONFIG),
    command("echo", (2, 2), OWN, session::echo),
    command("hello", (1, ANY), FIRST, session::hello),
    command("info", (1, ANY), OWN, session::info),
    command("ping", (1, 2), &["fast"], session::ping),
    command("punsubscribe", (1, ANY), CHANNEL, channel::punsubscribe),
    command("quit", (1, ANY), FIRST, session::quit),
    command("reset", (1, 1), FIRST, session::reset),
    command("select", (2, 2), OWN, session::select),
    command("subscribe", (2, ANY), CHANNEL, channel::subscribe),
    command("time", (1, 1), OWN, session::time),
    command("unsubscribe", (1, ANY), CHANNEL, channel::unsubscribe),
];

static CLIENT: [Command; 5] = [
    command("client|getname", (2, 2), OWN, session::client_getname),
    command("client|id", (2, 2), OWN, session::client_id),
    command("client|info", (2, 2), OWN, session::client_info),
    command("client|setinfo", (4, 4), OWN, session::client_setinfo),
    command("client|setname", (3, 3), OWN, session::client_setname),
];

static COMMAND: [Command; 5] = [
    command("command|count", (2, 2), OWN, session::command_count),
    command("command|docs", (2, ANY), OWN, session::command_docs),
    command("command|getkeys", (3, ANY), OWN, session::command_getkeys),
    command("command|info", (2, ANY), OWN, session::command_info),
    command("command|list", (2, ANY), OWN, session::command_list),
];

static CONFIG: [Command; 1] = [command("config|get", (3, ANY), OWN, session::config_get)];

/// Finds the command whose name `args` begin with, counts the words, and takes the name off them.
pub(super) fn find(args: Args<'_>) -> Result<(&'static Command, Args<'_>), BadRequest<'_>> {
    let mut rest = args.clone();
    let name = rest.next().unwrap_or_default();
    let Some(mut found) = named(&COMMANDS, name) else {
        return Err(BadRequest::UnknownCommand(args));
    };
    if !found.subcommands.is_empty()
        && let Some(name) = rest.next()
    {
        found = named(found.subcommands, name)
            .ok_or(BadRequest::UnknownSubcommand(found.name, name))?;
    }
    let (fewest, most) = found.words;
    if args.len() < fewest || most < args.len() {
        return Err(BadRequest::WrongNumberOfArguments(found.name));
    }
    Ok((found, rest))
}

fn named<'c>(commands: &'c [Command], word: &[u8]) -> Option<&'c Command> {
    commands.iter().find(|command| word.eq_ignore_ascii_case(command.own_name().as_bytes()))
}

/// The key of the whole command that `args` spell.
pub(super) fn key(args: Args<'_>) -> Result<&[u8], BadRequest<'_>> {
    let (command, mut rest) = find(args).map_err(|refused| match refused {
        BadRequest::WrongNumberOfArguments(_) => BadRequest::KeysOfWrongNumber,
        _ => BadRequest::KeysOfUnknownCommand,
    })?;
    if command.keyed { rest.next().ok_or(BadRequest::NoKeys) } else { Err(BadRequest::NoKeys) }
}

/// Answers `COMMAND COUNT`.
pub(super) fn write_count(reply: &mut Reply<'_>) {
    reply.integer(COMMANDS.len());
}

/// Answers `COMMAND LIST`.
pub(super) fn write_names(reply: &mut Reply<'_>) {
    reply.array(COMMANDS.len());
    for command in &COMMANDS {
        reply.bulk(command.name);
    }
}

/// Answers `COMMAND INFO`: an entry, or null, for each name; all entries if none is given.
pub(super) fn write_info(names: Args<'_>, reply: &mut Reply<'_>) {
    if names.is_empty() {
        return write_entries(&COMMANDS, reply);
    }
    reply.array(names.len());
    for name in names {
        match described(name) {
            Some(command) => command.write_entry(reply),
            None => reply.null(),
        }
    }
}

/// The command of that name, or the subcommand of that name in full, such as `client|id`.
fn described(name: &[u8]) -> Option<&'static Command> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let command = named(&COMMANDS, words.next()?)?;
    match words.next() {
        Some(word) => named(command.subcommands, word),
        None => Some(command),
    }
}

fn write_entries(commands: &[Command], reply: &mut Reply<'_>) {
    reply.array(commands.len());
    for command in commands {
        command.write_entry(reply);
    }
}

impl Command {
    /// Its name, in lower case; a subcommand's begins with its command and `|`.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The word that calls it.
    fn own_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own_name)| own_name)
    }

    /// The ten elements of Redis 7: name, number of words (negative if that is the fewest), flags,
    /// first key, last key, step, and, all empty but the last, categories, tips, key
    /// specifications and subcommands.
    fn write_entry(&self, reply: &mut Reply<'_>) {
        let (fewest, most) = self.words;
        let arity = i64::try_from(fewest).unwrap_or(i64::MAX);
        reply.array(10);
        reply.bulk(self.name);
        reply.integer(if fewest == most { arity } else { -arity });
        reply.array(self.flags.len());
        for flag in self.flags {
            reply.simple(flag);
        }
        for _ in 0..3 {
            reply.integer(u8::from(self.keyed));
        }
        for _ in 0..3 {
            reply.array(0);
        }
        write_entries(self.subcommands, reply);
    }
}
