//! Every bound of the gateway, and what breaks without it.

use crate::rate::Rate;

/// The bounds that an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, both wires together: [`CONNECTIONS_MAX`] unless set.
    pub connections: usize,
    /// Connections open at once from one address; 0 is no limit: [`CONNECTIONS_PER_ADDRESS`] unless
    /// set.
    pub connections_per_address: usize,
    /// Replies to new holds that wait for the disk: [`WAITING_HOLDS_MAX`] unless set.
    pub waiting_holds: usize,
    /// How long a RESP connection may send nothing, in milliseconds; 0, which is the default, is
    /// for ever.
    pub idle_ms: u64,
    /// How often one customer may call; no limit unless set.
    pub customer_rate: Option<Rate>,
    /// How often the keys of one name may call; no limit unless set.
    pub key_rate: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            waiting_holds: WAITING_HOLDS_MAX,
            idle_ms: 0,
            customer_rate: None,
            key_rate: None,
        }
    }
}

/// Most arguments of one RESP command, its name included. Without it `*2000000000` would make the
/// server reserve room for arguments that never come.
pub const ARGUMENTS_MAX: usize = 128;
const _: () = assert!(
    4 + 2 * jangteo::limits::LINES_MAX + 6 <= ARGUMENTS_MAX,
    "a hold with every line and every option fits one command"
);

/// Longest RESP command, framing included, in bytes. Without it one connection could have as much
/// memory as it likes to announce.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;

/// Longest inline command (a line as typed into telnet), in bytes. Without it a connection that
/// never sends a line end would be buffered for ever.
pub const INLINE_BYTES_MAX: usize = 4 << 10;
const _: () = assert!(INLINE_BYTES_MAX < COMMAND_BYTES_MAX);

/// Longest `*<count>` or `$<length>` line, its line end included, in bytes. It bounds what is
/// looked at again each time more of such a line arrives.
pub const LENGTH_LINE_MAX: usize = 32;
const _: () = assert!("$-9223372036854775808\r\n".len() <= LENGTH_LINE_MAX);

/// Most bytes of an incomplete RESP command: a connection whose read buffer holds this many never
/// waits for room.
pub const RESP_BUFFER_BYTES: usize = COMMAND_BYTES_MAX + LENGTH_LINE_MAX;

/// Longest name a RESP connection may give itself, in bytes. It is kept while the connection lives.
pub const CLIENT_NAME_MAX: usize = 128;

/// Most connections open at once, both wires together; the next one is told so and closed. Without
/// it a crowd takes every descriptor, the journal's among them.
pub const CONNECTIONS_MAX: usize = 20_000;

/// Most connections that may be asked for.
pub const CONNECTIONS_CEILING: usize = 1_000_000;
const _: () = assert!(CONNECTIONS_MAX <= CONNECTIONS_CEILING);

/// Connections open at once from one address that is not this machine's. Without it one machine
/// takes all the room there is. A proxy and a mobile network have many customers behind one
/// address, so it is not small.
pub const CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Bits of an IPv6 address that tell one from another: who has the rest chooses it freely.
pub const IPV6_PREFIX_BITS: u32 = 64;

/// Replies to new holds that wait for the disk, of all connections together, above which new holds
/// are `overloaded`; half as many again are kept for everything else. Without it a slow disk and
/// many readers fill the memory with replies.
pub const WAITING_HOLDS_MAX: usize = 100_000;
/// Most of them that may be asked for.
pub const WAITING_HOLDS_CEILING: usize = 10_000_000;

/// How often a RESP connection is looked at for whether it gets on, in milliseconds. A command that
/// is as incomplete at one look as at the one before is too slow, so its sender has between one and
/// two of these.
pub const LOOK_MS: u64 = 15_000;
/// How long a RESP connection may be without a credential, where one is needed, or without a first
/// command, in milliseconds.
pub const FIRST_COMMAND_TIMEOUT_MS: u64 = 60_000;
const _: () = assert!(LOOK_MS * 2 <= FIRST_COMMAND_TIMEOUT_MS);
/// Longest time that a connection may be told to be idle for, in milliseconds.
pub const IDLE_CEILING_MS: u64 = 7 * 24 * 3_600_000;

/// Buckets of a rate limit: customers, or keys, that are told apart at once. 1 MiB each.
pub const RATE_BUCKETS: usize = 1 << 16;
/// Buckets among which a name has its own.
pub const RATE_BUCKETS_IN_SET: usize = 4;
const _: () = assert!(RATE_BUCKETS.is_multiple_of(RATE_BUCKETS_IN_SET));
/// Highest rate, in calls a second, and largest burst.
pub const RATE_MAX: u32 = 1_000_000;
const _: () = assert!(RATE_MAX as u64 * 1_000_000_000 < u64::MAX / 2, "a burst is nanoseconds");

/// Descriptors kept back for everything that is no connection.
pub const DESCRIPTORS_KEPT: usize = 128;

/// First size of a RESP connection's read buffer, in bytes; it grows to [`RESP_BUFFER_BYTES`] for
/// a client that fills it.
pub const RESP_BUFFER_BYTES_FIRST: usize = 8 << 10;
const _: () = assert!(RESP_BUFFER_BYTES_FIRST < RESP_BUFFER_BYTES);

/// Bytes of replies that wait on one RESP connection, above which none of its commands is executed
/// and nothing is read from it. Without it a client that sends and never reads fills the memory.
pub const REPLY_BYTES_MAX: usize = 1 << 20;

/// Bytes of replies that wait on all RESP connections together, above which each may have
/// [`REPLY_BYTES_FEW`] only. Without it as many clients as there may be, none of which reads, have
/// [`REPLY_BYTES_MAX`] each: 20 GB.
pub const REPLY_BYTES_ALL_MAX: usize = 64 << 20;
/// See [`REPLY_BYTES_ALL_MAX`]. One reply more may come on top of it.
pub const REPLY_BYTES_FEW: usize = 4 << 10;
const _: () = assert!(REPLY_BYTES_FEW < REPLY_BYTES_MAX);
const _: () = assert!(CONNECTIONS_MAX * REPLY_BYTES_FEW <= 2 * REPLY_BYTES_ALL_MAX);

/// Replies of one RESP connection that wait for the disk, above which none of its commands is
/// executed.
pub const REPLIES_WAITING_MAX: usize = 16 << 10;

/// Longest HTTP body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Longest body that is a campaign, in bytes.
pub const CAMPAIGN_BODY_BYTES_MAX: usize = jangteo::limits::CAMPAIGN_BYTES_MAX;

/// Longest head of an HTTP request, in bytes, and most bytes that a connection reads ahead.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Most headers of an HTTP request.
pub const HEADERS_MAX: usize = 64;

/// Longest path of an HTTP request, query included, in bytes.
pub const PATH_BYTES_MAX: usize = 8 << 10;
const _: () = assert!(PATH_BYTES_MAX < HEAD_BYTES_MAX, "a path that is too long is told so");

/// Bytes of answers that wait on one HTTP/1 connection until they are sent together, above which
/// none is added. Without it a client that sends and never reads fills the memory.
pub const CORKED_BYTES_MAX: usize = 64 << 10;

/// Streams of one HTTP/2 connection at once; the next one is refused. Each may hold a body and an
/// answer.
pub const STREAMS_MAX: u32 = 100;
/// Streams of one HTTP/2 connection that were opened and reset before they were looked at; one more
/// ends the connection. Without it a client makes work without ever waiting for an answer.
pub const STREAM_RESETS_MAX: usize = 20;
/// Streams of one HTTP/2 connection that were reset since they broke the rules; one more ends the
/// connection.
pub const STREAM_ERRORS_MAX: usize = 100;
/// Bytes of bodies that one HTTP/2 connection may send ahead, all streams together.
pub const CONNECTION_WINDOW_BYTES: usize = 256 << 10;
const _: () = assert!(BODY_BYTES_MAX <= CONNECTION_WINDOW_BYTES, "a body fits");
/// Bytes of one HTTP connection that are read before others have their turn: of HTTP/2 a thousand
/// PINGs, a few tenths of a millisecond.
pub const TURN_BYTES: usize = 16 << 10;
/// Bytes of an answer that one stream of HTTP/2 keeps ready for the connection.
pub const STREAM_SEND_BYTES_MAX: usize = 64 << 10;
/// How long a stream of HTTP/2 may not move, in milliseconds: its client gives no window for what
/// it asked for. Streams of events move at least every [`HEARTBEAT_MS`].
pub const STREAM_STALL_MS: u64 = 2 * STALL_TIMEOUT_MS;
const _: () = assert!(HEARTBEAT_MS < STREAM_STALL_MS && BODY_TIMEOUT_MS < STREAM_STALL_MS);

/// How long the head of an HTTP request may take, from the moment the connection is open or its
/// last answer was sent: so it also ends idle connections. In milliseconds.
pub const HEAD_TIMEOUT_MS: u64 = 60_000;
/// How long the body of an HTTP request may take, in milliseconds.
pub const BODY_TIMEOUT_MS: u64 = 10_000;

/// Bytes of a body of HTTP/2 that are read and thrown away although its call is answered already,
/// at most. Without it a client that never ends would be read for [`BODY_TIMEOUT_MS`].
pub const UNREAD_BYTES_MAX: usize = 4 << 20;
const _: () = assert!(CAMPAIGN_BODY_BYTES_MAX < UNREAD_BYTES_MAX, "every good body fits");

/// How long a client may take less than [`STALL_BYTES_MIN`] of what waits for it before it is cut,
/// in milliseconds.
pub const STALL_TIMEOUT_MS: u64 = 30_000;
/// Bytes that a client has to take in [`STALL_TIMEOUT_MS`] while more wait. Without it one that
/// takes a byte now and then keeps its replies in memory for ever.
pub const STALL_BYTES_MIN: usize = 16 << 10;

/// How long a connection that was answered for the last time is read on, so that the answers are
/// not destroyed by the reset that unread bytes would cause. In milliseconds.
pub const LINGER_MS: u64 = 1_000;

/// Connections that were turned away and are read on so, of one listener at once; above, they are
/// closed as they are. Without it a crowd takes the descriptors that are kept for the rest.
pub const TURNED_AWAY_MAX: usize = 32;
const _: () = assert!(4 * TURNED_AWAY_MAX <= DESCRIPTORS_KEPT);
/// Bytes that are read of each, at most: a whole request.
pub const TURNED_AWAY_BYTES_MAX: u64 = (HEAD_BYTES_MAX + BODY_BYTES_MAX) as u64;

/// How long a stopping service waits for its connections, in milliseconds.
pub const DRAIN_TIMEOUT_MS: u64 = 10_000;
const _: () = assert!(LINGER_MS < DRAIN_TIMEOUT_MS);

/// Waiting records from which a flush is the committer thread's. Below, the worker flushes by
/// itself as soon as it has nothing else to do: that spares two changes of thread.
pub const INLINE_FLUSH_RECORDS_MAX: u64 = 1_000;

/// Commands that a worker executes without once running out of work, after which it asks the
/// committer thread to flush. Without it a crowd of refusals could starve a waiting grant.
pub const COMMANDS_PER_FLUSH_MAX: u32 = 1_024;

/// Bytes of drops or campaigns with which a page is complete, however few it has; more are behind
/// its `next`. A thousand drops of a thousand items would be a gigabyte, for anybody who asks.
pub const PAGE_BYTES: usize = 2 << 20;

/// Most drops in one answer.
pub const DROPS_LISTED_MAX: usize = 1_000;
/// Drops in one answer if the client does not say how many.
pub const DROPS_LISTED: usize = 100;
const _: () = assert!(DROPS_LISTED <= DROPS_LISTED_MAX);

/// Most campaigns in one answer.
pub const CAMPAIGNS_LISTED_MAX: usize = 1_000;
/// Campaigns in one answer if the client does not say how many.
pub const CAMPAIGNS_LISTED: usize = 100;
const _: () = assert!(CAMPAIGNS_LISTED <= CAMPAIGNS_LISTED_MAX);

/// Most keys, and most keys for customers' tokens. Every key is looked at for every credential.
pub const KEYS_MAX: usize = 256;
/// Longest name of a key, in bytes.
pub const KEY_NAME_MAX: usize = 64;
/// Longest credential that is looked at, in bytes: a longer one is not valid. It bounds what a
/// stranger can make the service hash and verify.
pub const CREDENTIAL_BYTES_MAX: usize = 4 << 10;
const _: () = assert!(CREDENTIAL_BYTES_MAX < HEAD_BYTES_MAX);
/// Longest `kid` and `audience` of a key for tokens, in bytes.
pub const TOKEN_TEXT_MAX: usize = 128;
/// Shortest secret for HMAC with SHA-256, in bytes: a shorter one is weaker than the hash.
pub const HMAC_SECRET_BYTES_MIN: usize = 32;

/// Longest file of secrets, or of a private key, in bytes: what lies there by mistake is not read
/// whole.
pub const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// How long the handshake of a TLS connection may take, in milliseconds.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;

/// Events in one answer, at most, and if the client does not say how many.
pub const EVENTS_LISTED_MAX: usize = jangteo::limits::EVENTS_MAX;
/// Events in one piece of a stream, at most: what waits for a slow reader is two pieces.
pub const EVENTS_STREAMED: usize = 100;
const _: () = assert!(EVENTS_STREAMED <= EVENTS_LISTED_MAX);

/// Requests for events under way at once, streams among them; the next one is `overloaded`. Each
/// may hold two pieces of events and read files.
pub const EVENT_READERS_MAX: usize = 64;

/// A stream of events that has nothing to say sends a comment this often, in milliseconds, so that
/// whoever stands between does not take it for dead.
pub const HEARTBEAT_MS: u64 = 15_000;

/// A stream that has caught up with the journal looks again after this time at the earliest, in
/// milliseconds: what was flushed meanwhile is read in one go. Without it every flush would wake
/// every reader.
pub const EVENTS_PACE_MS: u64 = 10;

/// From this long before its opening a drop without items is warned about, in milliseconds.
pub const NO_GOODS_MS: u64 = 24 * 3_600_000;
/// The kernel's bound on the error of its clock from which it vouches for nothing, in microseconds:
/// the ceiling at which it stops counting. It begins there, and gets there again about nine hours
/// after the last correction.
pub const CLOCK_ERROR_MAX_US: u64 = 16_000_000;
/// Below so many free bytes the disk is warned about: long before new holds are refused.
pub const DISK_LOW_BYTES: u64 = 2 << 30;

/// Drops whose units are measured, those that opened last. It bounds what a scrape answers.
pub const DROPS_MEASURED_MAX: usize = 100;
/// Scrapes under way at once; each looks into every drop.
pub const SCRAPERS_MAX: usize = 2;

/// Most watchers of drops, all drops and both wires together; the next one is `overloaded`. They
/// also leave a quarter of the connections that the system allows to others, or nobody could buy
/// for watchers.
pub const WATCHERS_MAX: usize = 15_000;
const _: () = assert!(4 * WATCHERS_MAX <= 3 * CONNECTIONS_MAX);

/// A watched drop is looked at this often, in milliseconds: so its watchers are told at most four
/// times a second, however many holds there are.
pub const WATCH_PACE_MS: u64 = 250;
const _: () = assert!(2 * WATCH_PACE_MS < HEARTBEAT_MS);

/// Watchers that are woken in one go, and how long the rest waits then at least, in milliseconds.
/// Without it a hold stands behind a write to everybody who watches.
pub const WATCHERS_WOKEN: usize = 32;
/// See [`WATCHERS_WOKEN`].
pub const WAKE_PAUSE_MS: u64 = 1;
/// The rest waits so many times as long as the woken ones took: so the crowd of one drop that is
/// told all the time has about a quarter of the worker's, and buyers the rest.
pub const WAKE_REST: u32 = 3;
/// But it waits no longer than this, in milliseconds, or a worker that is busy would stop the
/// telling. So of a round over all watchers the pauses alone leave room for the comment that says
/// that a stream lives.
pub const WAKE_PAUSE_MAX_MS: u64 = 10;
const _: () = assert!(WAKE_PAUSE_MS <= WAKE_PAUSE_MAX_MS);
const _: () =
    assert!((WATCHERS_MAX / WATCHERS_WOKEN) as u64 * WAKE_PAUSE_MAX_MS < HEARTBEAT_MS / 2);

/// What the system keeps of what a watcher has not taken yet, in bytes. Without it the kernel holds
/// megabytes for each that never reads, and it takes hours until one is noticed.
pub const WATCHER_UNSENT_BYTES: usize = 16 << 10;

/// Most drops that one RESP connection is subscribed to.
pub const SUBSCRIPTIONS_MAX: usize = 128;

/// Longest request id that is taken over from a client, in bytes.
pub const REQUEST_ID_MAX: usize = 128;

/// Most endpoints of webhooks. Each reads the feed for itself and keeps a page of it.
pub const WEBHOOKS_MAX: usize = 16;
/// Longest address of an endpoint, in bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2 << 10;
/// Most patterns of one endpoint; each is looked at for every event.
pub const WEBHOOK_PATTERNS_MAX: usize = 32;
/// Most secrets of one endpoint: the old and the new one while they change, and some to spare.
pub const WEBHOOK_SECRETS_MAX: usize = 4;
/// Shortest secret of an endpoint, in bytes, as Standard Webhooks has it.
pub const WEBHOOK_SECRET_BYTES_MIN: usize = 24;
/// Longest secret of an endpoint, in bytes, likewise.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 64;

/// How long connecting to an endpoint may take, in milliseconds.
pub const WEBHOOK_CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long an attempt may take from its beginning to the status that answers it, in milliseconds.
/// Without it an endpoint that hangs is never tried again.
pub const WEBHOOK_TIMEOUT_MS: u64 = 15_000;
const _: () = assert!(WEBHOOK_CONNECT_TIMEOUT_MS < WEBHOOK_TIMEOUT_MS);
/// Bytes of an answer's body that are read, and thrown away, so that its connection can be used
/// again; a longer one costs the connection.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 16 << 10;
/// How long that reading may take, in milliseconds: the answer is known by then.
pub const WEBHOOK_ANSWER_TIMEOUT_MS: u64 = 1_000;

/// How long an endpoint is left alone after a failure, in milliseconds; doubled with each one more.
pub const WEBHOOK_BACKOFF_FIRST_MS: u64 = 1_000;
/// Longest time that an endpoint is left alone, in milliseconds, also if it asks for more: when it
/// is well again, what waits must not wait much longer.
pub const WEBHOOK_BACKOFF_MAX_MS: u64 = 300_000;
const _: () = assert!(WEBHOOK_BACKOFF_FIRST_MS < WEBHOOK_BACKOFF_MAX_MS);

/// Deliveries after which an endpoint's place is stored, so at most so many come twice after a
/// crash.
pub const WEBHOOK_UNSAVED_MAX: u32 = 100;
/// An endpoint's place is stored, too, when nothing has happened for so long, in milliseconds.
pub const WEBHOOK_SAVE_MS: u64 = 1_000;
/// An endpoint that has got everything looks again after this time at the earliest, in
/// milliseconds. Without it every flush would make every endpoint read files.
pub const WEBHOOK_PACE_MS: u64 = 100;
const _: () = assert!(WEBHOOK_PACE_MS < WEBHOOK_SAVE_MS);
/// How long a delivery that is under way may go on when its endpoint's stream is to end, in
/// milliseconds.
pub const WEBHOOK_STOP_MS: u64 = 1_000;
const _: () = assert!(WEBHOOK_STOP_MS < DRAIN_TIMEOUT_MS);
