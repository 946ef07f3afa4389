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
