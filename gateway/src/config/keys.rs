//! Every key of the configuration, once: the documentation is compared with this table.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its path in the file; `[]` for each of a list.
    pub key: &'static str,
    /// The variable of the environment that stands in for it, if one does.
    pub environment: Option<&'static str>,
    /// The flag of `serve` that stands in for both, if one does.
    pub flag: Option<&'static str>,
    /// What it is if nothing says so.
    pub default: &'static str,
    /// What it may be.
    pub range: &'static str,
}

const fn row(
    key: &'static str,
    environment: Option<&'static str>,
    flag: Option<&'static str>,
    default: &'static str,
    range: &'static str,
) -> KeyRow {
    KeyRow { key, environment, flag, default, range }
}

/// All keys.
#[rustfmt::skip]
pub const KEYS: [KeyRow; 29] = [
    row("data", Some("JANGTEO_DATA"), Some("--data"), "`./jangteo-data`", "a directory; made if it is not there"),
    row("http", Some("JANGTEO_HTTP"), Some("--http"), "`127.0.0.1:7480`", "IP address and port; port 0 picks one"),
    row("resp", Some("JANGTEO_RESP"), Some("--resp"), "`127.0.0.1:7481`", "IP address and port; port 0 picks one"),
    row("durability", Some("JANGTEO_DURABILITY"), Some("--durability"), "`synced`", "`synced`, `buffered` or `memory`"),
    row("retain_settled", Some("JANGTEO_RETAIN_SETTLED"), Some("--retain-settled"), "`never`", "`never`, or a duration such as `90days` or `12h`"),
    row("tls.cert", Some("JANGTEO_TLS_CERT"), Some("--tls-cert"), "no TLS", "a PEM file: the chain, the service's own certificate first"),
    row("tls.key", Some("JANGTEO_TLS_KEY"), Some("--tls-key"), "no TLS", "a PEM file that not everybody may read: the certificate's private key"),
    row("log", Some("JANGTEO_LOG"), Some("--log"), "`info`", "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,jangteo=debug`"),
    row("log_format", Some("JANGTEO_LOG_FORMAT"), Some("--log-format"), "`text`", "`text` or `json`"),
    row("limits.connections", Some("JANGTEO_CONNECTIONS"), None, "`20000`", "1 to 1000000"),
    row("limits.connections_per_address", Some("JANGTEO_CONNECTIONS_PER_ADDRESS"), None, "`1000`", "0 to 1000000; 0 is no limit"),
    row("limits.waiting_holds", Some("JANGTEO_WAITING_HOLDS"), None, "`100000`", "1 to 10000000"),
    row("limits.idle_seconds", Some("JANGTEO_IDLE_SECONDS"), None, "`0`", "0 to 604800; 0 is for ever"),
    row("rate_limits.customer_per_second", Some("JANGTEO_CUSTOMER_PER_SECOND"), None, "no limit", "1 to 1000000"),
    row("rate_limits.customer_burst", Some("JANGTEO_CUSTOMER_BURST"), None, "as many as a second", "1 to 1000000"),
    row("rate_limits.key_per_second", Some("JANGTEO_KEY_PER_SECOND"), None, "no limit", "1 to 1000000"),
    row("rate_limits.key_burst", Some("JANGTEO_KEY_BURST"), None, "as many as a second", "1 to 1000000"),
    row("keys[].name", Some("JANGTEO_KEYS"), None, "no keys", "1 to 64 letters, digits, dots, underscores and hyphens"),
    row("keys[].scope", Some("JANGTEO_KEYS"), None, "none", "`sell` or `operate`"),
    row("keys[].sha256", Some("JANGTEO_KEYS"), None, "none", "64 hexadecimal digits; each once; at most 256 keys"),
    row("token_keys[].alg", None, None, "no token keys", "`EdDSA` or `HS256`"),
    row("token_keys[].kid", None, None, "none", "1 to 128 characters"),
    row("token_keys[].public", None, None, "none", "with `EdDSA` only: 32 bytes in base64, or PEM"),
    row("token_keys[].secret", None, None, "none", "with `HS256` only: at least 32 bytes"),
    row("token_keys[].secret_file", None, None, "none", "instead of `secret`: a file with it that not everybody may read; a line end at its end is left out"),
    row("token_keys[].audience", None, None, "none", "1 to 128 characters"),
    row("webhooks[].url", None, None, "no webhooks", "`https://` to anywhere, or `http://` to this machine; each once; at most 16"),
    row("webhooks[].secret_file", None, None, "none", "a file that not everybody may read: 1 to 4 secrets, one a line, each `whsec_` and 24 to 64 bytes in base64"),
    row("webhooks[].events", None, None, "every event", "a list of 1 to 32: an event such as `hold.granted`, all of a kind such as `hold.*`, or `*`"),
];
