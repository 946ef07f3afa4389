//! The log, on stderr: text for people, or one JSON object a line.

use std::io::{self, IsTerminal};

use jangteo_gateway::config::LogFormat;
use tracing_subscriber::EnvFilter;

/// Logs from now on what `filter` lets through. A program that logs already goes on as it does.
pub(super) fn log_to_stderr(format: LogFormat, filter: &str) {
    // It was read with the configuration.
    let filter = EnvFilter::new(filter);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A line that cannot be written, say because the log's disk is full, is lost: to complain of it
    // on the same stderr would be a panic.
    let log = log.log_internal_errors(false);
    _ = match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
