//! A report from a data directory, without an engine.

use std::path::Path;

use super::fold::Counting;
use super::orders::{Later, Orders};
use super::report::{DropSums, Report};
use crate::Timestamp;
use crate::error::Error;
use crate::journal::record::Record;
use crate::journal::recover::{Origin, patiently, read_beside_from, vouched_beside};
use crate::journal::{Directory, Storage};
use crate::replay::Replayed;
use crate::snapshot::{self, EachRead, Loaded};

/// The report of a campaign, from the data directory `path`; `None` if there is no campaign of that
/// id.
///
/// Reads only and takes no lock: it may run beside an engine, and then tells of the records that
/// were durable when it began. Keeps no orders in memory but those of which something came back, or
/// that were paid for late; besides those only the holds that are live at one time, and of a
/// snapshot a 64th of one drop at a time.
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
    report_storage(&Directory::unlocked(&path.as_ref().join("journal"))?, campaign)
}

/// As [`report_directory`], of a journal that lies in `storage`.
///
/// # Errors
/// As [`report_directory`].
pub fn report_storage(storage: &dyn Storage, campaign: &str) -> Result<Option<Report>, Error> {
    patiently(|| report(storage, campaign))
}

/// Orders up to where a snapshot ends, and how far the journal is to be read.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) orders: Orders,
    pub(super) vouched_max: u64,
}

/// Reads a snapshot for its orders. What follows it in the journal is looked at first.
pub(super) struct Beginning<'s> {
    storage: &'s dyn Storage,
    pub(super) begun: Result<Begun, Error>,
}

impl<'s> Beginning<'s> {
    pub(super) fn of(storage: &'s dyn Storage) -> Self {
        Self { storage, begun: Ok(Begun::default()) }
    }
}

impl EachRead for Beginning<'_> {
    fn begin(&mut self, origin: Origin) {
        self.begun = begin(self.storage, origin);
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
fn begin(storage: &dyn Storage, origin: Origin) -> Result<Begun, Error> {
    let vouched_max = vouched_beside(storage, origin)?;
    let mut later = Later::default();
    let mut see = |_: u64, _: Timestamp, record: &Record<'_>| {
        later.see(record);
        Ok(())
    };
    read_beside_from(storage, origin, vouched_max, &mut see)?;
    Ok(Begun { orders: Orders::before(later.finish()), vouched_max })
}

/// What every record comes to that was vouched for at this moment.
fn report(storage: &dyn Storage, campaign: &str) -> Result<Option<Report>, Error> {
    let mut beginning = Beginning::of(storage);
    let loaded = snapshot::newest_each(storage, &mut beginning)?;
    let Loaded { mut replay, origin, passed_over } = loaded;
    let beside = |error: Error| error.beside_snapshots(&passed_over);
    let Begun { mut orders, vouched_max } = beginning.begun.map_err(beside)?;
    let mut apply = |sequence: u64, at: Timestamp, record: &Record<'_>| {
        orders.apply(&mut replay, (sequence, at), record)
    };
    read_beside_from(storage, origin, vouched_max, &mut apply).map_err(beside)?;

    let Some(put) = replay.catalogue.get(campaign) else {
        return Ok(replay.catalogue.report_of_deleted(campaign).cloned());
    };
    let sales = put.indices().filter_map(|index| replay.sales.get(index as usize));
    let campaign = &put.record.campaign;
    let mut all = orders.finish();
    let drop = |sale: &Replayed| {
        let nothing = || Counting::of(&campaign.ledger, campaign, sale.occurrence.number).nothing();
        let mut sums = all.remove(&sale.index).unwrap_or_else(nothing);
        let settled = replay.book.settled(sale.index).cloned();
        // A running engine measures it; what it had measured is in what it settled.
        sums.idle_unit_seconds = settled.as_ref().map_or(0, |s| s.sums.idle_unit_seconds);
        DropSums { drop: sale.id.to_string(), sums, settled }
    };
    let drops: Vec<DropSums> = sales.map(drop).collect();
    Ok(Some(Report::of(campaign, &drops)))
}
