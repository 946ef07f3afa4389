//! Frames to typed requests.

use super::bad_request::BadRequest;
use super::command_table;
use super::frame::Args;
use super::sale_command::SaleCommand;
use super::session_command::SessionCommand;

/// What one frame asks for. Borrows the frame's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// An empty line or array: Redis gives no answer to it, and neither do we.
    Nothing,
    /// For the connection itself: [`Session::answer`](super::Session::answer) knows all it takes.
    Session(SessionCommand<'a>),
    /// For the engine.
    Sale(SaleCommand<'a>),
}

impl<'a> Request<'a> {
    /// Reads the words of a frame. Names of commands and options may be in either case.
    ///
    /// # Errors
    ///
    /// The command is unknown or its arguments are wrong: send the error and go on, the connection
    /// is none the worse for it.
    pub fn parse(args: Args<'a>) -> Result<Self, BadRequest<'a>> {
        if args.is_empty() {
            return Ok(Self::Nothing);
        }
        let (command, rest) = command_table::find(args)?;
        (command.parse)(rest)
    }
}
