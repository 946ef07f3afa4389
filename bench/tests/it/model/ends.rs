//! How an engine ends, and what must be there when it is opened again.

use std::path::Path;

use jangteo::audit::audit_directory;
use jangteo::{Directory, HoldRequest, HoldState, Refusal, Storage};
use jangteo_bench::faulty::FaultyStorage;

use super::compare::{Same, same, same_hold, same_wait, same_world};
use super::operation::End;
use super::reference::{No, Reference};
use super::run::{AUDITED, Stage, open};
use super::terms::item_sku;

impl Stage<'_> {
    pub(super) fn restart(&mut self, end: End, away_ms: u64, stepped_ms: i64) -> Same {
        let mut may_be = match end {
            End::Clean => Vec::new(),
            _ => self.undecided.drain(..).map(|undecided| undecided.before).collect(),
        };
        self.undecided.clear();
        may_be.push(self.world.clone());
        match end {
            End::Clean => {}
            End::Killed => self.storage.kill(),
            End::PowerLoss => {
                self.storage.lose_power(&mut self.rng, 40);
            }
        }
        // The old engine goes; what is left of it can be read and changes nothing.
        drop(self.engine.take());
        let answer = self.sale.hold(&HoldRequest::new("c-1").line(item_sku(0), 1));
        self.refused(answer, &No::Plain("unavailable"))?;

        self.clock.advance(away_ms);
        if stepped_ms != 0 {
            self.clock.step(stepped_ms);
            jangteo::Clock::resync(&*self.clock);
        }
        let now_ms = jangteo::Clock::now(&*self.clock).as_ms();
        self.lives[1] += 1;
        self.engine = Some(open(&self.storage, &self.clock, self.lives)?);
        self.sale = self.engine().sale("t-1").ok_or("the drop is gone")?;
        let (latest_ms, count) = (self.world.latest_ms.max(now_ms), may_be.len());
        let mut differs = String::new();
        for (number, mut world) in may_be.into_iter().enumerate().rev() {
            (world.latest_ms, world.now_ms) = (latest_ms, now_ms);
            world.step_ms = if stepped_ms == 0 { self.world.step_ms } else { 0 };
            world.restart();
            match self.same_everything(&world) {
                Ok(()) => {
                    self.world = world;
                    self.learn_holds()?;
                    self.seen.count("changes lost", (count - 1 - number) as u64);
                    let what = ["restarted", "killed", "without power"];
                    self.seen.count(what[end as usize], 1);
                    return Ok(());
                }
                Err(what) => differs = format!("{differs}\n  {} changes kept: {what}", number),
            }
        }
        Err(format!("what was left fits no state that it may have been in: {differs}"))
    }

    /// Whatever can be asked, asked of both.
    fn same_everything(&self, world: &Reference) -> Same {
        same_world(&self.sale, world)?;
        for (id, _) in &self.known {
            match (self.sale.get(id), world.find(id)) {
                (Err(Refusal::UnknownHold), None) => {}
                (Ok(pending), Some(index)) => {
                    let hold = pending.wait().map_err(|unknown| unknown.to_string())?;
                    same_hold(&hold, &world.holds[index], world)?;
                }
                (engine, index) => return Err(format!("{id:?}: {engine:?}, {index:?}")),
            }
        }
        for (id, _) in &self.places {
            match (self.sale.wait(id), world.find_place(id)) {
                (Err(Refusal::UnknownWait), None) => {}
                (Ok(pending), Some(index)) => {
                    let wait = pending.wait().map_err(|unknown| unknown.to_string())?;
                    same_wait(&wait, index, world)?;
                }
                (engine, index) => return Err(format!("{id:?}: {engine:?}, {index:?}")),
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Same {
        self.tick()?;
        self.same_everything(&self.world)?;
        self.seen.count("sequences", 1);
        if self.seen.0["sequences"] % AUDITED != 1 {
            return Ok(());
        }
        let Stage { engine, storage, world, seen, .. } = self;
        drop(engine);
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        save(&storage, &directory.path().join("journal")).map_err(|error| error.to_string())?;
        let found = audit_directory(directory.path()).map_err(|error| error.to_string())?;
        same("violations of the files", &found.violations, &Vec::new())?;
        let drop = found.drops.last().ok_or("no drop in the files")?;
        let holds = [
            (drop.holds.held, HoldState::Held),
            (drop.holds.confirmed, HoldState::Confirmed),
            (drop.holds.released, HoldState::Released),
            (drop.holds.expired, HoldState::Expired),
            (drop.holds.refunded, HoldState::Refunded),
        ];
        for (count, state) in holds {
            let model = world.holds.iter().filter(|held| held.state == state).count();
            same("holds in the files", &count, &(model as u64))?;
        }
        seen.count("files audited", 1);
        Ok(())
    }
}

/// Writes what lies in memory to a directory.
fn save(storage: &FaultyStorage, path: &Path) -> std::io::Result<()> {
    let directory = Directory::lock(path)?;
    for name in storage.list()? {
        let from = storage.open(name)?;
        let mut bytes = vec![0; usize::try_from(from.length()?).expect("it lies in memory")];
        from.read_at(&mut bytes, 0)?;
        directory.create(name)?.write_at(&bytes, 0)?;
    }
    Ok(())
}
