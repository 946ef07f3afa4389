//! What is old is dropped, and the machine stops at every call that changes something meanwhile:
//! whatever is left of the files, the engine starts with all that was acknowledged, from either
//! snapshot, and a second implementation finds every campaign whole that is not over.

use std::sync::Arc;
use std::time::Duration;

use jangteo::audit::audit_storage;
use jangteo::limits::RETENTION_LOOK_MS;
use jangteo::{
    Campaign, Engine, FileName, HoldId, HoldRequest, HoldState, ManualClock, Storage, Timestamp,
    make_snapshot,
};

use crate::faulty::{Call, FaultyStorage, Medium, Trouble};
use crate::plan::OPENS_MS;
use crate::rng::Rng;
use crate::violation::{Violation, require};

const CAMPAIGNS: u32 = 5;
const SEGMENT_BYTES: u64 = 4 << 10;
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// When it is looked at: what was settled is older than is kept, by an hour.
const LATER_MS: u64 = OPENS_MS + 30 * 86_400_000 + 3_600_000;
/// Looks in a row: more than there are segments that may go.
const LOOKS: u32 = 60;
/// Of 100 things that were not flushed, how many survive a loss of power.
const AFTERMATHS: [u32; 3] = [0, 50, 100];

const CAMPAIGN: &str = r#"
[campaign]
id = "ID"
title = "one of several"
currency = "KRW"
time_zone = "Asia/Seoul"
[schedule]
opens = "2020-04-29T10:00:00"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 100
"#;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Segments that were dropped with nothing in the way.
    pub dropped: u64,
    /// Calls at which the machine stopped.
    pub calls: u64,
    /// Files, sectors and names that were lost, or came back.
    pub lost: u64,
}

impl Tried {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            dropped: self.dropped + other.dropped,
            calls: self.calls + other.calls,
            lost: self.lost + other.lost,
        }
    }
}

/// A directory with a past, and what was acknowledged in it.
struct Ground {
    medium: Medium,
    /// Holds of campaigns that were not deleted.
    holds: Vec<(HoldId, HoldState)>,
    /// Drops of campaigns that go on, and how many holds they have.
    open: Vec<(String, u64)>,
}

/// What becomes of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Settled,
    Deleted,
    GoesOn,
}

/// Drops what is old of a past drawn from `seed`, and stops at each call.
///
/// # Errors
/// INVARIANT(J3): what is left does not start, or lacks something.
pub fn drop_old(seed: u64) -> Result<Tried, Violation> {
    let mut rng = Rng::stream(seed, 11);
    let ground = Ground::of(&mut rng)?;
    let calm = FaultyStorage::of(ground.medium.clone());
    let before = segments(&calm)?;
    let counts = looks(&calm)?;
    let after = segments(&calm)?;
    let dropped = before.iter().take_while(|id| !after.contains(id)).count();
    let mut tried = Tried { dropped: dropped as u64, ..Tried::default() };
    ground.check(&calm)?;
    for (call, from, to) in counts {
        for number in from + 1..=to {
            let storage = FaultyStorage::of(ground.medium.clone());
            storage.plan(call, number, Trouble::Die);
            looks(&storage)?;
            tried.calls += storage.happened();
            let percent = AFTERMATHS.get(rng.place(AFTERMATHS.len())).copied().unwrap_or(50);
            tried.lost += storage.lose_power(&mut rng, percent);
            ground.check(&storage).map_err(|violation| Violation {
                text: format!("seed {seed}, {call:?} {number}: {}", violation.text),
                ..violation
            })?;
        }
    }
    Ok(tried)
}

/// Starts an engine and has it look again and again. Of each call that changes something: how often
/// it was made before, and by the end.
fn looks(storage: &FaultyStorage) -> Result<Vec<(Call, u64, u64)>, Violation> {
    let (engine, clock) = start(storage, LATER_MS)?;
    let changing = Call::ALL.into_iter().filter(|call| call.changes());
    let before: Vec<(Call, u64)> = changing.map(|call| (call, storage.count(call))).collect();
    for _ in 0..LOOKS {
        clock.advance(RETENTION_LOOK_MS);
        engine.tick();
    }
    Ok(before.into_iter().map(|(call, from)| (call, from, storage.count(call))).collect())
}

fn start(storage: &FaultyStorage, now_ms: u64) -> Result<(Engine, Arc<ManualClock>), Violation> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_ms(now_ms)));
    let options = Engine::options().storage(Arc::new(storage.process())).clock(clock.clone());
    let options = options.segment_bytes(SEGMENT_BYTES).background(false).id_seed([1, 2]);
    let engine = options.retain_settled(KEPT).snapshot_after(u64::MAX).open();
    let engine =
        engine.map_err(|error| Violation::of("J3", format!("it does not start: {error}")))?;
    Ok((engine, clock))
}

fn segments(storage: &FaultyStorage) -> Result<Vec<FileName>, Violation> {
    let mut names = storage.list().map_err(harness)?;
    names.retain(|name| matches!(name, FileName::Segment(_)));
    Ok(names)
}

fn harness(error: impl std::fmt::Display) -> Violation {
    Violation::of("harness", error.to_string())
}

impl Ground {
    /// Some campaigns one after the other, one of which goes on, with ends by force between; one
    /// snapshot somewhere on the way, and one at the end.
    fn of(rng: &mut Rng) -> Result<Self, Violation> {
        let storage = FaultyStorage::new();
        let mut engine = start(&storage, OPENS_MS)?.0;
        let goes_on = 1 + rng.below(CAMPAIGNS - 2);
        let snapshot_at = rng.below(CAMPAIGNS - 1);
        let mut ground = Self { medium: Medium::default(), holds: Vec::new(), open: Vec::new() };
        for number in 0..CAMPAIGNS {
            let fate = match rng.below(3) {
                _ if number == goes_on => Fate::GoesOn,
                0 => Fate::Deleted,
                _ => Fate::Settled,
            };
            ground.campaign(&engine, number, fate, rng)?;
            if number == snapshot_at {
                snapshot(&engine, &storage)?;
            }
            if rng.chance(50) {
                // What nothing vouches for yet is written again, in the place of what is there.
                storage.kill();
                drop(engine);
                engine = start(&storage, OPENS_MS)?.0;
            }
        }
        snapshot(&engine, &storage)?;
        drop(engine);
        ground.medium = storage.medium();
        Ok(ground)
    }

    fn campaign(
        &mut self,
        engine: &Engine,
        number: u32,
        fate: Fate,
        rng: &mut Rng,
    ) -> Result<(), Violation> {
        let id = format!("c{number}");
        let campaign = Campaign::parse(&CAMPAIGN.replace("ID", &id)).map_err(harness)?;
        engine.put(campaign).map_err(harness)?;
        let drop_id = format!("{id}-1");
        let sale = engine.sale(&drop_id).ok_or_else(|| harness("no drop"))?;
        let mut holds = Vec::new();
        for order in 0..12 + rng.below(12) {
            let customer = format!("{id}-{order}");
            let request = HoldRequest::new(&customer).line("a", 1);
            let held = sale.hold(&request).map_err(harness)?.wait().map_err(harness)?;
            let ended =
                if rng.chance(70) { sale.confirm(&held.id, "p") } else { sale.release(&held.id) };
            let ended = ended.map_err(harness)?.wait().map_err(harness)?;
            holds.push((ended.id, ended.state));
        }
        if fate == Fate::GoesOn {
            self.open.push((drop_id, holds.len() as u64));
        } else {
            sale.close().map_err(harness)?.wait().map_err(harness)?;
            engine.settle(&id, &[]).map_err(harness)?.wait().map_err(harness)?;
        }
        if fate == Fate::Deleted {
            engine.delete(&id).map_err(harness)?.wait().map_err(harness)?;
        } else {
            self.holds.extend(holds);
        }
        Ok(())
    }

    /// Looks at what is there, once as it is, and once with the newest snapshot damaged.
    fn check(&self, storage: &FaultyStorage) -> Result<(), Violation> {
        let found =
            audit_storage(storage).map_err(|error| Violation::of("J3", error.to_string()))?;
        if let Some(violation) = found.violations.first() {
            return Err(Violation::of("audit", violation.to_string()));
        }
        for (drop, holds) in &self.open {
            let judged = found.drops.iter().find(|judged| judged.id == *drop);
            let judged = judged.map_or(0, |judged| judged.holds.all());
            require(judged == *holds, "J3", || {
                format!("{drop} goes on, and {judged} of its {holds} holds are kept")
            })?;
        }
        let damaged = FaultyStorage::of(storage.medium());
        if let Some(newest @ FileName::Snapshot(_)) = damaged.list().map_err(harness)?.pop() {
            damaged.flip(newest, 999);
        }
        for storage in [FaultyStorage::of(storage.medium()), damaged] {
            let (engine, _clock) = start(&storage, LATER_MS)?;
            for (id, state) in &self.holds {
                let hold = engine.sale_of(id).and_then(|sale| sale.get(id).ok());
                let now = hold.map(|hold| hold.into_parts().0.state);
                require(now == Some(*state), "J3", || format!("{id} was {state:?}, is {now:?}"))?;
            }
        }
        Ok(())
    }
}

/// Makes one of everything so far.
fn snapshot(engine: &Engine, storage: &FaultyStorage) -> Result<(), Violation> {
    engine.flush_soon(); // and vouch for it
    make_snapshot(&storage.process()).map_err(harness)?.ok_or_else(|| harness("no snapshot"))?;
    Ok(())
}
