//! `jangteo key`: a new secret, and what the configuration has to know of it.

use std::io::{self, Write};

use clap::Args;
use jangteo_gateway::access::{Key, Scope};

use super::{Exit, Failure};

/// What `key` is told.
#[derive(Args, Debug)]
#[command(
    after_help = "The secret is printed first and kept nowhere; the stanza behind it goes into \
                        the configuration file, or what its last line says into the environment.\n\
                        Example:\n  jangteo key shop --scope sell"
)]
pub(crate) struct NewKey {
    /// The key's name, also the user over RESP; several keys may share it
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: sell (any customer's holds) or operate (everything)
    #[arg(long)]
    scope: Scope,
}

impl NewKey {
    /// Prints the secret and its stanza.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (key, secret) = Key::generate(&self.name, self.scope)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let (name, scope, hash) = (key.name(), key.scope().name(), key.hash().to_hex());
        let mut out = io::stdout().lock();
        writeln!(out, "{secret}\n")
            .and_then(|()| writeln!(out, "[[keys]]\nname = \"{name}\"\nscope = \"{scope}\""))
            .and_then(|()| writeln!(out, "sha256 = \"{hash}\""))
            .and_then(|()| writeln!(out, "# JANGTEO_KEYS={name}:{scope}:{hash}"))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::io("standard output", &error))?;
        Ok(Exit::Done)
    }
}
