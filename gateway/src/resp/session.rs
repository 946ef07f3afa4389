//! One connection's state, and the answers that need nothing else.

use super::command_table;
use super::info::{self, REDIS_VERSION, ServerFacts};
use super::reply::{Protocol, Reply};
use super::session_command::{Credentials, HelloCommand, SessionCommand};

/// What the server remembers of one connection. `I` is who a client can turn out to be.
///
/// ```
/// use jangteo_gateway::resp::{After, Credentials, Parser, Request, ServerFacts, Session};
///
/// let mut session = Session::new(1, None);
/// let key = |given: &Credentials<'_>| (given.secret == b"jt_1").then_some("shop");
/// let facts = ServerFacts {
///     version: "0.1.0",
///     loading: false,
///     now_ms: 1_588_122_000_000,
///     started_ms: 1_588_122_000_000,
///     connections: 1,
///     watchers: 0,
///     updates_encoded: 0,
/// };
/// let mut out = Vec::new();
/// let mut parser = Parser::default();
/// let frame = parser.next(b"AUTH shop jt_1\r\n")?.expect("a whole line");
/// if let Ok(Request::Session(command)) = Request::parse(frame.args) {
///     assert_eq!(session.answer(command, &facts, key, &mut out), After::GoOn);
/// }
/// assert_eq!(session.identity(), Some(&"shop"));
/// assert_eq!(out, b"+OK\r\n");
/// # Ok::<(), jangteo_gateway::resp::ProtocolError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session<I> {
    id: u64,
    protocol: Protocol,
    name: String,
    /// Who everybody is; `Some` if no key is configured.
    anonymous: Option<I>,
    identity: Option<I>,
}

/// What to do with the connection once the answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum After {
    /// Read on.
    GoOn,
    /// Close it: the client said goodbye.
    Close,
}

pub(super) const AUTHENTICATION_REQUIRED: &str = "NOAUTH Authentication required.";
const AUTHENTICATION_REQUIRED_FOR_HELLO: &str = "NOAUTH HELLO must be called with the client \
    already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to \
    authenticate the client and select the RESP protocol version at the same time";
const NOTHING_TO_AUTHENTICATE: &str = "ERR AUTH <password> called without any password configured \
    for the default user. Are you sure your configuration is correct?";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
pub(super) const LOADING: &str = "LOADING jangteo is loading the dataset in memory";

impl<I: Clone> Session<I> {
    /// A connection that has just been accepted. `id` is the server's number for it; `anonymous`
    /// is who a client is without a secret: nobody, as soon as a key is configured.
    #[must_use]
    pub fn new(id: u64, anonymous: Option<I>) -> Self {
        let identity = anonymous.clone();
        Self { id, protocol: Protocol::default(), name: String::new(), anonymous, identity }
    }

    /// The server's number for the connection.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The protocol to answer in.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Who the client is; `None` until it has said so.
    #[must_use]
    pub const fn identity(&self) -> Option<&I> {
        self.identity.as_ref()
    }

    /// Looks again at who the client is, after what that rests on has changed. `anonymous` is who a
    /// client without a secret is now, and `judge` says who this one is, if anybody.
    pub fn judge_again(&mut self, anonymous: Option<I>, judge: impl FnOnce(&I) -> Option<I>) {
        let identity = self.identity.as_ref().and_then(judge);
        self.identity = identity.or_else(|| anonymous.clone());
        self.anonymous = anonymous;
    }

    /// Appends the answer to `command` to `out`. `authenticate` looks the credentials up.
    pub fn answer(
        &mut self,
        command: SessionCommand<'_>,
        facts: &ServerFacts,
        authenticate: impl FnOnce(&Credentials<'_>) -> Option<I>,
        out: &mut Vec<u8>,
    ) -> After {
        let after = if command == SessionCommand::Quit { After::Close } else { After::GoOn };
        let changed = self.change(&command, facts, authenticate);
        let mut reply = Reply::new(self.protocol, out);
        match changed {
            Ok(()) => self.report(command, facts, &mut reply),
            Err(refused) => reply.error(refused),
        }
        after
    }

    /// Does what `command` does to the session, or says why not and leaves it as it was.
    fn change(
        &mut self,
        command: &SessionCommand<'_>,
        facts: &ServerFacts,
        authenticate: impl FnOnce(&Credentials<'_>) -> Option<I>,
    ) -> Result<(), &'static str> {
        match command {
            SessionCommand::Hello(HelloCommand { protocol, auth, name }) => {
                if let Some(credentials) = auth {
                    self.authenticate(credentials, authenticate)?;
                }
                if self.identity.is_none() {
                    return Err(AUTHENTICATION_REQUIRED_FOR_HELLO);
                }
                if let Some(name) = name {
                    (*name).clone_into(&mut self.name);
                }
                self.protocol = protocol.unwrap_or(self.protocol);
            }
            SessionCommand::Auth(credentials) => self.authenticate(credentials, authenticate)?,
            SessionCommand::Reset => *self = Self::new(self.id, self.anonymous.take()),
            SessionCommand::Quit => {}
            _ if self.identity.is_none() => return Err(AUTHENTICATION_REQUIRED),
            SessionCommand::ClientSetName(name) => (*name).clone_into(&mut self.name),
            SessionCommand::Ping(_) if facts.loading => return Err(LOADING),
            _ => {}
        }
        Ok(())
    }

    fn authenticate(
        &mut self,
        credentials: &Credentials<'_>,
        authenticate: impl FnOnce(&Credentials<'_>) -> Option<I>,
    ) -> Result<(), &'static str> {
        if self.anonymous.is_some() {
            // As Redis's user `default` without a password, which takes any.
            return match credentials.user {
                None => Err(NOTHING_TO_AUTHENTICATE),
                Some(b"default") => Ok(()),
                Some(_) => Err(WRONG_PASSWORD),
            };
        }
        self.identity = Some(authenticate(credentials).ok_or(WRONG_PASSWORD)?);
        Ok(())
    }

    /// Writes what `command`, now done, is answered with.
    fn report(&self, command: SessionCommand<'_>, facts: &ServerFacts, reply: &mut Reply<'_>) {
        match command {
            SessionCommand::Auth(_)
            | SessionCommand::ClientSetInfo
            | SessionCommand::ClientSetName(_)
            | SessionCommand::Quit
            | SessionCommand::Select => reply.simple("OK"),
            SessionCommand::Reset => reply.simple("RESET"),
            SessionCommand::Hello(_) => self.write_hello(reply),
            SessionCommand::Ping(None) => reply.simple("PONG"),
            SessionCommand::Ping(Some(message)) | SessionCommand::Echo(message) => {
                reply.bulk(message);
            }
            SessionCommand::ClientGetName if self.name.is_empty() => reply.null(),
            SessionCommand::ClientGetName => reply.bulk(&self.name),
            SessionCommand::ClientId => reply.integer(self.id),
            SessionCommand::ClientInfo => {
                let (id, name, resp) = (self.id, &self.name, self.protocol.number());
                reply.bulk(format!("id={id} name={name} db=0 resp={resp}\n"));
            }
            SessionCommand::CommandInfo(names) => command_table::write_info(names, reply),
            SessionCommand::CommandCount => command_table::write_count(reply),
            SessionCommand::CommandList => command_table::write_names(reply),
            SessionCommand::CommandDocs | SessionCommand::ConfigGet => reply.map(0),
            SessionCommand::CommandGetKeys(key) => {
                reply.array(1);
                reply.bulk(key);
            }
            SessionCommand::Info(sections) => reply.bulk(info::text(facts, &sections)),
            SessionCommand::Time => {
                reply.array(2);
                reply.bulk((facts.now_ms / 1_000).to_string());
                reply.bulk((facts.now_ms % 1_000 * 1_000).to_string());
            }
        }
    }

    fn write_hello(&self, reply: &mut Reply<'_>) {
        reply.map(7);
        // NOTE: not our own name. A client that looks at `server` asks which wire it has in front
        // of it, and version, mode and role below are Redis's too; INFO says who we are.
        reply.bulk("server");
        reply.bulk("redis");
        reply.bulk("version");
        reply.bulk(REDIS_VERSION);
        reply.bulk("proto");
        reply.integer(self.protocol.number());
        reply.bulk("id");
        reply.integer(self.id);
        reply.bulk("mode");
        reply.bulk("standalone");
        reply.bulk("role");
        reply.bulk("master");
        reply.bulk("modules");
        reply.array(0);
    }
}
