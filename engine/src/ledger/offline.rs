//! A report from a data directory, without an engine.

use std::path::Path;

use super::fold::Counting;
use super::report::{DropSums, Report};
use crate::error::Error;
use crate::journal::recover::{patiently, vouched_beside};
use crate::journal::{Directory, Storage};
use crate::replay::{Replay, Replayed};
use crate::snapshot;

/// The report of a campaign, from the data directory `path`; `None` if there is no campaign of that
/// id.
///
/// Reads only and takes no lock: it may run beside an engine, and then tells of the records that
/// were durable when it began. Keeps every hold in memory.
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
    let storage = Directory::unlocked(&path.as_ref().join("journal"))?;
    let replay = patiently(|| replay(&storage))?;
    Ok(report(&replay, campaign))
}

/// What every record comes to that was vouched for at this moment.
fn replay(storage: &dyn Storage) -> Result<Replay, Error> {
    let loaded = snapshot::newest(storage)?;
    let vouched_max = vouched_beside(storage, loaded.origin)?;
    let (replay, _) = snapshot::replay_to(storage, loaded, vouched_max, &())?;
    Ok(replay)
}

fn report(replay: &Replay, campaign: &str) -> Option<Report> {
    let put = replay.catalogue.get(campaign)?;
    let sales = put.indices().filter_map(|index| replay.sales.get(index as usize));
    let campaign = &put.record.campaign;
    let drop = |sale: &Replayed| {
        let counting = Counting::of(&campaign.ledger, campaign, sale.occurrence.number);
        let mut sums = counting.nothing();
        for shard in &sale.shards {
            counting.add(&mut sums, shard, 0..shard.rows());
        }
        sums.idle_unit_seconds = replay.book.page(sale.index).idle_unit_seconds();
        let settled = replay.book.settled(sale.index).cloned();
        DropSums { drop: sale.id.to_string(), sums, settled }
    };
    let drops: Vec<DropSums> = sales.map(drop).collect();
    Some(Report::of(campaign, &drops))
}
