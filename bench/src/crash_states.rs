//! Every state that a crash may leave: the log of a scene is played again up to each change, and
//! what was not flushed by then is lost in every way. The real engine starts on each, and what it
//! finds is checked against what was acknowledged and what was issued.

use jangteo::audit::audit_storage;

use crate::faulty::{FaultyStorage, Logged, Medium, Trouble};
use crate::rng::Rng;
use crate::scene::{Expected, Scene};
use crate::violation::Violation;

const COMMANDS: u32 = 60;
const SEGMENT_BYTES: u64 = 4 << 10;
/// Random losses at each change.
const LOSSES: u32 = 3;
/// One state in so many is struck again in its recovery, and audited offline.
const AGAIN_EVERY: u64 = 8;

/// States that were tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// All of them.
    pub states: u64,
    /// With everything kept: a killed process.
    pub killed: u64,
    /// With nothing kept that was not flushed.
    pub lost: u64,
    /// With some sectors and directory entries lost, by chance.
    pub torn: u64,
    /// With the last batch cut at one byte.
    pub cut: u64,
    /// With a second crash in the recovery from the first.
    pub again: u64,
}

impl Tried {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            states: self.states + other.states,
            killed: self.killed + other.killed,
            lost: self.lost + other.lost,
            torn: self.torn + other.torn,
            cut: self.cut + other.cut,
            again: self.again + other.again,
        }
    }
}

/// Tries every state of one scene.
///
/// # Errors
/// The first that an engine does not come back from as it must.
pub fn try_all(seed: u64) -> Result<Tried, Violation> {
    let scene = Scene::play(seed, COMMANDS, SEGMENT_BYTES, seed.is_multiple_of(2))?;
    let mut trial = Trial { scene: &scene, rng: Rng::stream(seed, 7), tried: Tried::default() };
    let batches: Vec<usize> = (0..scene.log.len()).filter(|&at| is_batch(&scene.log, at)).collect();
    let cut_at = batches.get(trial.rng.place(batches.len().max(1))).copied();
    let mut medium = Medium::default();
    for at in 0..=scene.log.len() {
        let told = |violation: Violation| Violation {
            text: format!("seed {seed}, after change {at}: {}", violation.text),
            ..violation
        };
        trial.losses(&medium, at).map_err(told)?;
        let Some(change) = scene.log.get(at) else { break };
        if let (Logged::Write(name, from, bytes), true) = (change, cut_at == Some(at)) {
            for cut in 1..bytes.len() {
                let mut torn = medium.clone();
                let written = torn.write(*name, bytes.get(..cut).unwrap_or(bytes), *from);
                written.map_err(|error| Violation::of("harness", error.to_string()))?;
                trial.state(torn, at, true).map_err(told)?;
                trial.tried.cut += 1;
            }
        }
        apply(&mut medium, change).map_err(told)?;
    }
    Ok(trial.tried)
}

fn is_batch(log: &[Logged], at: usize) -> bool {
    matches!(log.get(at), Some(Logged::Write(_, _, bytes)) if bytes.iter().any(|&byte| byte != 0))
}

fn apply(medium: &mut Medium, change: &Logged) -> Result<(), Violation> {
    let applied = match change {
        Logged::Create(name) => medium.create(*name),
        Logged::Remove(name) => medium.remove(*name),
        Logged::Write(name, at, bytes) => medium.write(*name, bytes, *at),
        Logged::Sync(name) => medium.sync(*name),
        Logged::SyncDirectory => {
            medium.sync_directory();
            Ok(())
        }
    };
    applied.map_err(|error| Violation::of("harness", error.to_string()))
}

struct Trial<'s> {
    scene: &'s Scene,
    rng: Rng,
    tried: Tried,
}

impl Trial<'_> {
    /// What the end of the machine leaves of `medium`, in several ways.
    fn losses(&mut self, medium: &Medium, at: usize) -> Result<(), Violation> {
        self.state(medium.clone(), at, true)?;
        self.tried.killed += 1;
        let mut bare = medium.clone();
        if bare.lose_power(&mut || false) == 0 {
            return Ok(()); // everything was flushed: the same state
        }
        self.state(bare, at, false)?;
        self.tried.lost += 1;
        for _ in 0..LOSSES {
            let mut torn = medium.clone();
            let rng = &mut self.rng;
            torn.lose_power(&mut || rng.chance(50));
            self.state(torn, at, false)?;
            self.tried.torn += 1;
        }
        Ok(())
    }

    /// Starts on one state. `cached`: the machine lives, so what a read shows is not all durable.
    fn state(&mut self, medium: Medium, at: usize, cached: bool) -> Result<(), Violation> {
        let expected = self.scene.after(at);
        self.tried.states += 1;
        if self.tried.states.is_multiple_of(AGAIN_EVERY) {
            self.again(medium.clone(), &expected)?;
        }
        let storage = FaultyStorage::of(medium);
        let engine = self.start(&storage, &expected)?;
        expected.check(&engine)?;
        if cached && self.tried.states.is_multiple_of(AGAIN_EVERY) {
            // What this process shows must survive what follows.
            let shown = self.scene.state(&engine);
            storage.kill();
            drop(engine);
            let rng = &mut self.rng;
            storage.lose_power(rng, 30);
            let engine = self.start(&storage, &expected)?;
            let still = self.scene.state(&engine);
            if shown != still {
                return Err(Violation::of("J3", "what a second process showed is lost"));
            }
        }
        Ok(())
    }

    fn start(
        &self,
        storage: &FaultyStorage,
        expected: &Expected<'_>,
    ) -> Result<jangteo::Engine, Violation> {
        let started = self.scene.start(storage, expected.now_ms);
        started.map_err(|error| Violation::of("J3", format!("it does not start: {error}")))
    }

    /// A second crash, at any call of the recovery from the first.
    fn again(&mut self, medium: Medium, expected: &Expected<'_>) -> Result<(), Violation> {
        let calm = FaultyStorage::of(medium.clone());
        drop(self.start(&calm, expected)?);
        let calls = u32::try_from(calm.calls()).unwrap_or(u32::MAX);
        let storage = FaultyStorage::of(medium);
        storage.plan_any(u64::from(1 + self.rng.below(calls)), Trouble::Die);
        drop(self.scene.start(&storage, expected.now_ms));
        if self.rng.chance(50) {
            storage.kill();
        } else {
            storage.lose_power(&mut self.rng, 50);
        }
        let engine = self.start(&storage, expected)?;
        expected.check(&engine)?;
        let found = audit_storage(&storage);
        let found = found.map_err(|error| Violation::of("J3", error.to_string()))?;
        if !found.ok {
            return Err(Violation::of("audit", format!("{:?}", found.violations)));
        }
        self.tried.again += 1;
        Ok(())
    }
}
