//! Frames to typed requests.

use super::bad_request::BadRequest;
use super::command_table;
use super::frame::Args;
use super::sale_command::SaleCommand;
use super::session_command::SessionCommand;
use super::subscribe::ChannelCommand;

/// What one frame asks for. Borrows the frame's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// An empty line or array: Redis gives no answer to it, and neither do we.
    Nothing,
    /// For the connection itself: [`Session::answer`](super::Session::answer) knows all it takes.
    Session(SessionCommand<'a>),
    /// For the connection's subscriptions.
    Channel(ChannelCommand<'a>),
    /// For the engine.
    Sale(SaleCommand<'a>),
}

impl<'a> Request<'a> {
    /// Whether Redis executes it on a RESP2 connection that is subscribed to something.
    pub(super) const fn fits_subscriber(&self) -> bool {
        use SessionCommand::{Ping, Quit, Reset};
        matches!(self, Self::Nothing | Self::Channel(_) | Self::Session(Ping(_) | Quit | Reset))
    }

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
