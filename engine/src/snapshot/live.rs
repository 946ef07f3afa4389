//! An engine that has ended, as something to store: no shard and no page changes any more.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use super::pace::Asker;
use super::write::{EachShard, State};
use crate::book::Page;
use crate::catalogue::Catalogue;
use crate::engine::EngineCore;
use crate::housekeeping::Stop;
use crate::journal::settlement::Settled;
use crate::sale::Sale;

/// An engine's drops, as they were when it ended.
pub(crate) struct Ended<'e> {
    engine: &'e EngineCore,
    sales: Vec<Sale>,
}

impl<'e> Ended<'e> {
    pub(crate) fn new(engine: &'e EngineCore) -> Self {
        Self { engine, sales: engine.sales.read().clone() }
    }

    fn sale(&self, index: usize) -> &Sale {
        self.sales.get(index).expect("there are that many drops")
    }
}

impl State for Ended<'_> {
    fn drops(&self) -> usize {
        self.sales.len()
    }

    fn page(&self, index: usize) -> Page {
        self.sale(index).page().0
    }

    fn steps(&self) -> Vec<(u64, i64)> {
        self.engine.shared.journal.read(|book, _| book.steps().to_vec())
    }

    fn settled(&self) -> BTreeMap<u32, Settled> {
        self.engine.shared.journal.read(|book, _| book.all_settled().clone())
    }

    fn shards(&self, index: usize, each: &mut EachShard<'_>) -> io::Result<()> {
        let shards = self.sale(index).0.shards();
        shards.enumerate().try_for_each(|(place, shard)| each(place, &shard))
    }

    fn stands_at(&self, sequence: u64) -> bool {
        self.engine.shared.journal.last_sequence() == sequence
    }

    fn catalogue(&self) -> impl Deref<Target = Catalogue> {
        self.engine.catalogue.lock()
    }
}

/// An engine wants it as long as it runs.
impl Asker for Stop {
    fn gave_up(&self) -> bool {
        self.is_stopping()
    }

    fn pause(&self, pause: Duration) {
        self.wait(pause);
    }
}
