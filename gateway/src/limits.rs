//! Every bound of the gateway, and what breaks without it.

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

/// Descriptors kept back for everything that is no connection.
pub const DESCRIPTORS_KEPT: usize = 128;

/// First size of a RESP connection's read buffer, in bytes; it grows to [`RESP_BUFFER_BYTES`] for
/// a client that fills it.
pub const RESP_BUFFER_BYTES_FIRST: usize = 8 << 10;
const _: () = assert!(RESP_BUFFER_BYTES_FIRST < RESP_BUFFER_BYTES);

/// Bytes of replies that wait on one RESP connection, above which none of its commands is executed
/// and nothing is read from it. Without it a client that sends and never reads fills the memory.
pub const REPLY_BYTES_MAX: usize = 1 << 20;

/// Replies of one RESP connection that wait for the disk, above which none of its commands is
/// executed.
pub const REPLIES_WAITING_MAX: usize = 16 << 10;

/// Longest HTTP body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Longest head of an HTTP request, in bytes, and most bytes that a connection reads ahead.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Most headers of an HTTP request.
pub const HEADERS_MAX: usize = 64;

/// How long the head of an HTTP request may take, from the moment the connection is open or its
/// last answer was sent: so it also ends idle connections. In milliseconds.
pub const HEAD_TIMEOUT_MS: u64 = 60_000;
/// How long the body of an HTTP request may take, in milliseconds.
pub const BODY_TIMEOUT_MS: u64 = 10_000;

/// How long a client may take no byte of what waits for it before it is cut, in milliseconds.
pub const STALL_TIMEOUT_MS: u64 = 30_000;

/// How long a connection that was answered for the last time is read on, so that the answers are
/// not destroyed by the reset that unread bytes would cause. In milliseconds.
pub const LINGER_MS: u64 = 1_000;

/// How long a stopping service waits for its connections, in milliseconds.
pub const DRAIN_TIMEOUT_MS: u64 = 10_000;
const _: () = assert!(LINGER_MS < DRAIN_TIMEOUT_MS);

/// Waiting records from which a flush is the committer thread's. Below, the worker flushes by
/// itself as soon as it has nothing else to do: that spares two changes of thread.
pub const INLINE_FLUSH_RECORDS_MAX: u64 = 1_000;

/// Commands that a worker executes without once running out of work, after which it asks the
/// committer thread to flush. Without it a crowd of refusals could starve a waiting grant.
pub const COMMANDS_PER_FLUSH_MAX: u32 = 1_024;

/// Most drops in one answer.
pub const DROPS_LISTED_MAX: usize = 1_000;
/// Drops in one answer if the client does not say how many.
pub const DROPS_LISTED: usize = 100;
const _: () = assert!(DROPS_LISTED <= DROPS_LISTED_MAX);

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

/// Most watchers of drops, all drops and both wires together; the next one is `overloaded`. They
/// also leave a quarter of the connections that the system allows to others, or nobody could buy
/// for watchers.
pub const WATCHERS_MAX: usize = 15_000;
const _: () = assert!(4 * WATCHERS_MAX <= 3 * CONNECTIONS_MAX);

/// A watched drop is looked at this often, in milliseconds: so its watchers are told at most four
/// times a second, however many holds there are.
pub const WATCH_PACE_MS: u64 = 250;
const _: () = assert!(2 * WATCH_PACE_MS < HEARTBEAT_MS);

/// Watchers that are woken in one go, and how long the rest waits then, in milliseconds. Without it
/// a hold stands behind a write to everybody who watches.
pub const WATCHERS_WOKEN: usize = 32;
/// See [`WATCHERS_WOKEN`].
pub const WAKE_PAUSE_MS: u64 = 1;

/// What the system keeps of what a watcher has not taken yet, in bytes. Without it the kernel holds
/// megabytes for each that never reads, and it takes hours until one is noticed.
pub const WATCHER_UNSENT_BYTES: usize = 16 << 10;

/// Most drops that one RESP connection is subscribed to.
pub const SUBSCRIPTIONS_MAX: usize = 128;

/// Longest request id that is taken over from a client, in bytes.
pub const REQUEST_ID_MAX: usize = 128;
