//! A report from a data directory, without an engine.

use std::io;
use std::path::Path;

use super::fold::Counting;
use super::orders::Orders;
use super::parts::{Later, Look};
use super::report::{DropSums, Report};
use crate::Timestamp;
use crate::error::Error;
use crate::journal::beside::{patiently, read_beside_from, vouched_beside};
use crate::journal::record::Record;
use crate::journal::recover::Origin;
use crate::journal::{Directory, Storage};
use crate::limits::REPORT_LATER_MAX;
use crate::replay::{Replay, Replayed};
use crate::snapshot::{self, EachRead, Loaded};

/// The report of a campaign, from the data directory `path`; `None` if there is no campaign of that
/// id.
///
/// Reads only and takes no lock: it may run beside an engine, and then tells of the records that
/// were durable when it began. Keeps in memory the holds that are live at one time, and of a
/// snapshot a 64th of one drop at a time; of orders only so many of those of which something came
/// back or that were paid for late as [`REPORT_LATER_MAX`] says. Where there are more, what comes
/// before is read again for the next so many.
///
/// # Errors
/// [`Error::Corrupt`] with file and byte; [`Error::Io`], also if there is no such directory.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// drop(jangteo::Engine::open(path)?);
/// assert_eq!(jangteo::report_directory(path, "uroad-2020")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn report_directory(path: impl AsRef<Path>, campaign: &str) -> Result<Option<Report>, Error> {
    report_storage(&Directory::in_data(path.as_ref())?, campaign)
}

/// As [`report_directory`], of a journal that lies in `storage`.
///
/// # Errors
/// As [`report_directory`].
pub fn report_storage(storage: &dyn Storage, campaign: &str) -> Result<Option<Report>, Error> {
    report_in_parts(storage, campaign, REPORT_LATER_MAX)
}

/// Likewise, with at most so many orders that come back or are paid for late kept at a time.
fn report_in_parts(
    storage: &dyn Storage,
    campaign: &str,
    later_max: usize,
) -> Result<Option<Report>, Error> {
    patiently(storage, || report(storage, campaign, later_max))
}

/// Orders up to where a snapshot ends, and the last record of each part of what follows.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) orders: Orders,
    pub(super) ends: Vec<u64>,
}

/// Reads a snapshot for its orders. What follows it in the journal is looked at first.
pub(super) struct Beginning<'s> {
    storage: &'s dyn Storage,
    later_max: usize,
    pub(super) begun: Result<Begun, Error>,
}

impl<'s> Beginning<'s> {
    pub(super) fn of(storage: &'s dyn Storage, later_max: usize) -> Self {
        Self { storage, later_max, begun: Ok(Begun::default()) }
    }
}

impl EachRead for Beginning<'_> {
    fn begin(&mut self, origin: Origin) {
        self.begun = begin(self.storage, origin, self.later_max);
    }

    fn read(&mut self, sale: &mut Replayed, place: usize) -> Result<(), &'static str> {
        match &mut self.begun {
            Ok(begun) => begun.orders.take(sale, place),
            // Whether the snapshot can be read is still to be known.
            Err(_) => {
                sale.shards = Vec::new();
                Ok(())
            }
        }
    }
}

/// The first look at what follows `origin`, up to what is vouched for at this moment.
fn begin(storage: &dyn Storage, origin: Origin, later_max: usize) -> Result<Begun, Error> {
    let vouched_max = vouched_beside(storage, origin)?;
    let mut look = Look::new(later_max);
    let mut see = |sequence: u64, _: Timestamp, record: &Record<'_>| {
        look.see(sequence, record);
        Ok(())
    };
    read_beside_from(storage, origin, vouched_max, &mut see)?;
    let (later, ends) = look.finish(vouched_max);
    Ok(Begun { orders: Orders::before(later), ends })
}

/// Applies what follows `origin`, one part after the other.
pub(super) fn apply_parts(
    storage: &dyn Storage,
    origin: Origin,
    begun: Begun,
    replay: &mut Replay,
) -> Result<Orders, Error> {
    let Begun { mut orders, ends } = begun;
    let mut applied = origin.sequence;
    for (place, &end) in ends.iter().enumerate() {
        if place > 0 && origin != Origin::default() {
            follow_snapshot(storage, origin, &mut orders)?;
        }
        let next_end = ends.get(place + 1).copied().unwrap_or(end);
        let mut later = Later::default();
        let mut take = |sequence: u64, at: Timestamp, record: &Record<'_>| {
            if sequence <= applied {
                orders.follow(record);
            } else if sequence <= end {
                return orders.apply(replay, (sequence, at), record);
            } else {
                later.see(record);
            }
            Ok(())
        };
        read_beside_from(storage, origin, next_end, &mut take)?;
        orders.go_on(later.finish());
        applied = end;
    }
    Ok(orders)
}

/// Looks for what a part names in the snapshot that was read before.
fn follow_snapshot(
    storage: &dyn Storage,
    origin: Origin,
    orders: &mut Orders,
) -> Result<(), Error> {
    // It could be read a moment ago, so an engine has removed it; who begins again finds another.
    let gone = |why: String| Error::Io(io::Error::new(io::ErrorKind::NotFound, why));
    snapshot::load_each(storage, origin.sequence, &mut Following(orders)).map_err(gone)?;
    Ok(())
}

struct Following<'o>(&'o mut Orders);

impl EachRead for Following<'_> {
    fn begin(&mut self, _: Origin) {}

    fn read(&mut self, sale: &mut Replayed, place: usize) -> Result<(), &'static str> {
        self.0.follow_shard(sale, place)
    }
}

/// What every record comes to that was vouched for at this moment.
fn report(
    storage: &dyn Storage,
    campaign: &str,
    later_max: usize,
) -> Result<Option<Report>, Error> {
    let mut beginning = Beginning::of(storage, later_max);
    let loaded = snapshot::newest_each(storage, &mut beginning)?;
    let Loaded { mut replay, origin, passed_over } = loaded;
    let orders = beginning.begun.and_then(|begun| apply_parts(storage, origin, begun, &mut replay));
    let orders = orders.map_err(|error| error.beside_snapshots(&passed_over))?;

    let Some(put) = replay.catalogue.get(campaign) else {
        return Ok(replay.catalogue.report_of_deleted(campaign).cloned());
    };
    let sales = put.indices().filter_map(|index| replay.sales.get(index as usize));
    let campaign = &put.record.campaign;
    let mut all = orders.finish();
    let drop = |sale: &Replayed| {
        let counting = || Counting::of(&campaign.ledger, campaign, sale.occurrence.number);
        let nothing = || counting().nothing().finish();
        let mut sums = all.remove(&sale.index).unwrap_or_else(nothing);
        let settled = replay.book.settled(sale.index).cloned();
        // A running engine measures it; what it had measured is in what it settled.
        sums.idle_unit_seconds = settled.as_ref().map_or(0, |s| s.sums.idle_unit_seconds);
        DropSums { drop: sale.id.to_string(), sums, settled }
    };
    let drops: Vec<DropSums> = sales.map(drop).collect();
    Ok(Some(Report::of(campaign, &drops)))
}

#[cfg(test)]
#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod tests;
