//! What is answered to a request that cannot be understood, in Redis's exact words where clients
//! and people know them.

use std::fmt;

use super::frame::Args;

/// Why a frame is not a request. [`fmt::Display`] gives the error to send.
///
/// IMPORTANT: the text echoes the client's own words back to it, customers and keys among them; it
/// belongs on that connection and in no log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest<'a> {
    /// No such command; its name and its arguments.
    UnknownCommand(Args<'a>),
    /// No such subcommand: the command, in lower case, and what came after it.
    UnknownSubcommand(&'static str, &'a [u8]),
    /// Too few or too many arguments for this command.
    WrongNumberOfArguments(&'static str),
    /// An option that does not exist, comes twice or lacks its value.
    Syntax,
    /// A word that should be a number is not one, or it does not fit.
    NotAnInteger,
    /// A value that can never be right; what it is.
    Malformed(&'static str),
    /// `HELLO` with something that is not a number.
    ProtocolVersion,
    /// `HELLO` with a number other than 2 and 3.
    UnsupportedProtocol,
    /// `HELLO` with an option it does not have, or one that lacks its value.
    HelloOption(&'a [u8]),
    /// A connection's name with a space or a control character.
    ClientName,
    /// `CLIENT SETINFO` of an attribute that does not exist.
    ClientAttribute(&'a [u8]),
    /// `SELECT` of a database other than 0.
    NoDatabase,
    /// A command that a RESP2 connection cannot execute while it is subscribed to something.
    Subscribed(&'static str),
    /// `COMMAND GETKEYS` of a command that does not exist.
    KeysOfUnknownCommand,
    /// `COMMAND GETKEYS` of a command with too few or too many arguments.
    KeysOfWrongNumber,
    /// `COMMAND GETKEYS` of a command without a key.
    NoKeys,
}

impl fmt::Display for BadRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::UnknownCommand(args) => return unknown_command(args.clone(), f),
            Self::UnknownSubcommand(command, word) => {
                let (word, help) = (Echo(word, ECHO_MAX), command.to_ascii_uppercase());
                return write!(f, "ERR unknown subcommand '{word}'. Try {help} HELP.");
            }
            Self::WrongNumberOfArguments(command) => {
                return write!(f, "ERR wrong number of arguments for '{command}' command");
            }
            Self::Subscribed(command) => {
                return write!(
                    f,
                    "ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING \
                     / QUIT / RESET are allowed in this context"
                );
            }
            Self::Malformed(what) => return write!(f, "ERR malformed: {what}"),
            Self::HelloOption(option) => {
                let option = Echo(option, ECHO_MAX);
                return write!(f, "ERR Syntax error in HELLO option '{option}'");
            }
            Self::ClientAttribute(attribute) => {
                return write!(f, "ERR Unrecognized option '{}'", Echo(attribute, ECHO_MAX));
            }
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::ProtocolVersion => "ERR Protocol version is not an integer or out of range",
            Self::UnsupportedProtocol => "NOPROTO unsupported protocol version",
            Self::ClientName => {
                "ERR Client names cannot contain spaces, newlines or special characters."
            }
            Self::NoDatabase => "ERR DB index is out of range",
            Self::KeysOfUnknownCommand => "ERR Invalid command specified",
            Self::KeysOfWrongNumber => "ERR Invalid number of arguments specified for command",
            Self::NoKeys => "ERR The command has no key arguments",
        };
        f.write_str(text)
    }
}

impl std::error::Error for BadRequest<'_> {}

/// Most bytes of a client's own words in an error, as in Redis.
const ECHO_MAX: usize = 128;

fn unknown_command(mut args: Args<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = Echo(args.next().unwrap_or_default(), ECHO_MAX);
    write!(f, "ERR unknown command '{name}', with args beginning with: ")?;
    let mut room = ECHO_MAX;
    for argument in args {
        write!(f, "'{}' ", Echo(argument, room))?;
        room = room.saturating_sub(argument.len() + "'' ".len());
        if room == 0 {
            break;
        }
    }
    Ok(())
}

/// The beginning of a client's words as text, at most this many bytes of them.
struct Echo<'a>(&'a [u8], usize);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..self.1).unwrap_or(self.0);
        for chunk in shown.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}
