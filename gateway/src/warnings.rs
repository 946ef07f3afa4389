//! What an operator should look after although the service takes requests.

use std::sync::Arc;

use jangteo::{Engine, Phase, Sale};

use crate::app::App;
use crate::clock_sync::ClockSync;
use crate::limits::{DISK_LOW_BYTES, NO_GOODS_MS};

/// What there is to say to everybody, and to those who may know what is still sealed as well.
pub(crate) async fn warnings(app: &Arc<App>, operator: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(place) = app.dispatcher.torn_tail() {
        warnings.push(format!("torn_tail: a batch nobody was told of was cut short, {place}"));
    }
    for place in app.dispatcher.snapshots_passed_over() {
        warnings.push(format!("snapshot: one could not be read and was passed over, {place}"));
    }
    if let Some(why) = app.dispatcher.engine().and_then(Engine::retention_failure) {
        warnings.push(format!("retention: what is old cannot be dropped, {why}"));
    }
    if let Some(place) = app.dispatcher.engine().and_then(Engine::events_damage) {
        warnings.push(format!("events: the journal is damaged where some of them lie, {place}"));
    }
    if let Some(bytes) = disk_free(app).await.filter(|bytes| *bytes < DISK_LOW_BYTES) {
        warnings.push(format!("disk_low: {} MiB are free", bytes >> 20));
    }
    if (app.clock_sync)() == ClockSync::Adrift {
        warnings.push("clock: it is not synchronised, and drops open by it".to_owned());
    }
    // INVARIANT(T1): that a sealed drop has nothing yet is told to nobody else.
    if let Some(sale) = app.dispatcher.engine().and_then(without_goods).filter(|_| operator) {
        let (id, opens_at) = (sale.id(), sale.opens_at());
        warnings.push(format!("no_goods: {id} opens at {opens_at} and has no items"));
    }
    warnings
}

/// The next drop, if it opens soon and has no items.
pub(crate) fn without_goods(engine: &Engine) -> Option<Sale> {
    let sales = engine.sales();
    let next = sales.into_iter().find(|sale| sale.phase() == Phase::Scheduled)?;
    let soon = next.opens_at() <= engine.now().plus_ms(NO_GOODS_MS);
    (soon && !has_goods(&next)).then_some(next)
}

fn has_goods(sale: &Sale) -> bool {
    let occurrence = sale.id().rsplit('-').next().and_then(|number| number.parse().ok());
    occurrence.is_none_or(|number| sale.campaign().items_in(number).next().is_some())
}

/// Asked on a thread that may wait for files, and not at all while enough of them do.
async fn disk_free(app: &Arc<App>) -> Option<u64> {
    let room = Arc::clone(&app.metrics.scrapers).try_acquire_owned().ok()?;
    let engine = app.dispatcher.engine()?.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let figures = engine.figures();
        drop(room);
        figures.disk_free_bytes
    });
    asked.await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::drain;
    use crate::flushing::Flushing;

    #[tokio::test]
    async fn a_clock_that_nobody_keeps_right_is_warned_of_and_an_unknown_one_is_not() {
        let table: [(fn() -> ClockSync, bool); 3] = [
            (|| ClockSync::Adrift, true),
            (|| ClockSync::Synchronised, false),
            (|| ClockSync::Unknown, false),
        ];
        for (clock_sync, warned) in table {
            let (_stopper, drain) = drain::pair();
            let engine = Engine::in_memory();
            let mut app = App::new(engine, Access::loopback(), Flushing::Demanded, drain);
            app.clock_sync = clock_sync;
            let all = warnings(&Arc::new(app), false).await;
            let found = all.iter().any(|warning| warning.starts_with("clock: "));
            assert_eq!(found, warned, "{:?}: {all:?}", clock_sync());
        }
    }
}
