//! The RESP wire: bytes to typed requests, answers to bytes, and connections that do both.
//!
//! `frame` cuts the byte stream into commands (`inline` splits those typed by hand),
//! `command_table` says which commands there are, `request` turns one into a typed [`Request`]
//! (`sale_command` and `session_command` hold the two kinds), `sale_reply` answers the first kind
//! and `session` the second, `subscribe` those about channels, `reply` writes RESP2 and RESP3,
//! `output` keeps replies until they may be seen, `connection` brings it all together, and
//! [`serve`] listens.
//!
//! ```
//! use jangteo_gateway::resp::{Parser, Protocol, Reply, Request, SaleCommand};
//!
//! let mut parser = Parser::default();
//! let frame = parser.next(b"DROP.GET 00000400000000000000000007\r\n")?.expect("a whole line");
//! let mut out = Vec::new();
//! let mut reply = Reply::new(Protocol::Resp3, &mut out);
//! match Request::parse(frame.args) {
//!     Ok(Request::Sale(SaleCommand::Get { hold })) => reply.bulk(hold),
//!     Ok(_) => unreachable!("the line above says otherwise"),
//!     Err(refused) => reply.error(refused),
//! }
//! assert_eq!(out, b"$26\r\n00000400000000000000000007\r\n");
//! # Ok::<(), jangteo_gateway::resp::ProtocolError>(())
//! ```

mod bad_request;
mod command_table;
mod connection;
mod frame;
mod info;
mod inline;
mod output;
mod patience;
mod reply;
mod request;
mod sale_command;
mod sale_reply;
mod serve;
mod session;
mod session_command;
mod subscribe;
mod wait_reply;
mod word;

pub use bad_request::BadRequest;
pub use frame::{Args, Frame, Parser, ProtocolError, encode_command};
pub use info::ServerFacts;
pub use reply::{Protocol, Reply};
pub use request::Request;
pub use sale_command::{HoldCommand, ListCommand, RefundCommand, SaleCommand};
pub use serve::serve;
pub(crate) use serve::serve_app;
pub use session::{After, Session};
pub use session_command::{Credentials, HelloCommand, SessionCommand};
pub use subscribe::ChannelCommand;
