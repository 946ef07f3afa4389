//! The endpoints of a configuration.

use std::path::Path;

use jangteo::Durability;

use super::fault::Fault;
use super::reader::{Field, Table};
use crate::limits::WEBHOOKS_MAX;
use crate::webhooks::{Secrets, Wanted, Webhook};

/// All of `[[webhooks]]`.
pub(super) fn webhooks(list: &Field<'_, '_>) -> Option<Vec<Webhook>> {
    let mut seen = Vec::new();
    let all = list.each(|table| {
        let webhook = webhook(table)?;
        if seen.contains(&webhook.address) {
            return table.fault("its url was given before: one endpoint has one list of events");
        }
        seen.push(webhook.address.clone());
        Some(webhook)
    })?;
    if WEBHOOKS_MAX < all.len() {
        return list.fault("must be at most 16");
    }
    Some(all)
}

fn webhook(table: &mut Table<'_, '_>) -> Option<Webhook> {
    let address = table.required("url").and_then(|field| field.parsed(str::parse));
    let secrets = table.required("secret_file");
    let secrets = secrets.and_then(|field| field.parsed(|path| Secrets::read(Path::new(path))));
    let wanted = match table.find("events") {
        None => Some(Wanted::everything()),
        Some(field) => wanted(&field),
    };
    Some(Webhook { address: address?, secrets: secrets?, wanted: wanted? })
}

fn wanted(field: &Field<'_, '_>) -> Option<Wanted> {
    let patterns = field.texts(str::parse::<Wanted>)?;
    let all = patterns.into_iter().map(Ok).reduce(|all, one| all?.and(one?));
    match all {
        None => field.fault("must not be empty: leave it out for every event"),
        Some(Ok(all)) => Some(all),
        Some(Err(why)) => field.fault(why),
    }
}

/// Whether there is anything to send.
pub(super) fn kept(webhooks: &[Webhook], durability: Durability) -> Result<(), Fault> {
    if webhooks.is_empty() || durability != Durability::Memory {
        return Ok(());
    }
    let (place, key) = ("configuration".to_owned(), "webhooks".to_owned());
    let detail = "there are no events where durability is memory".to_owned();
    Err(Fault { place, key, detail })
}
