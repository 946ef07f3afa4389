//! What SIGHUP does: keys, certificate and webhooks are read again.

use jangteo_gateway::access::{Access, LastKey};
use jangteo_gateway::config::Flags;
use jangteo_gateway::{Tls, Webhooks};

use super::notify::{Stands, notify};
use super::serve::{configuration, keyring};

/// What can change while the service runs, and where it is read from.
pub(super) struct Reload<'s> {
    pub(super) flags: &'s Flags,
    pub(super) access: &'s Access,
    pub(super) tls: Option<&'s Tls>,
    pub(super) webhooks: &'s Webhooks,
}

impl Reload<'_> {
    /// Takes everything over from the configuration as it is now. If anything in it is wrong, all
    /// stays as it was.
    pub(super) fn run(&self) {
        notify(Stands::Reloading);
        match self.try_run() {
            Ok((keys, token_keys, webhooks)) => {
                tracing::info!(keys, token_keys, webhooks, "keys were read again");
            }
            Err(why) => {
                why.lines().for_each(|line| tracing::error!("{line}"));
                tracing::error!("keys, certificate and webhooks stay as they were");
            }
        }
        notify(Stands::Ready);
    }

    /// How many keys, keys for tokens and webhooks there are now.
    fn try_run(&self) -> Result<(usize, usize, usize), String> {
        let config = configuration(self.flags).map_err(|failure| failure.to_string())?;
        let keyring = keyring(&config).map_err(|failure| failure.to_string())?;
        let (keys, token_keys) = keyring.counts();
        if keyring.is_empty() && !self.access.is_open() {
            return Err(LastKey.to_string());
        }
        let webhooks = config.webhooks.len();
        let plan = self.webhooks.plan(config.webhooks);
        let plan = plan.map_err(|error| format!("webhooks: {error}"))?;
        match (self.tls, &config.tls) {
            (Some(tls), Some(files)) => {
                tls.replace(&files.cert, &files.key).map_err(|bad| bad.to_string())?;
            }
            (None, None) => {}
            _ => return Err("tls: to begin or end encryption, start the service again".to_owned()),
        }
        self.access.replace(keyring).map_err(|last| last.to_string())?;
        self.webhooks.follow(plan);
        Ok((keys, token_keys, webhooks))
    }
}
