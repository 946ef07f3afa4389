//! What happens next: drawn from the seed and the number of the step alone, so that leaving one
//! step out changes no other.

use crate::faulty::Trouble;
use crate::rng::Rng;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A client's next command; whether its answer is waited for, or only looked at.
    Ask {
        /// Whether it waits until the answer is durable.
        waits: bool,
    },
    /// Time passes.
    Pass {
        /// Milliseconds.
        ms: u64,
        /// Whether the engine then does what is due.
        tick: bool,
    },
    /// The drop is paused, and resumed again.
    Pause {
        /// Milliseconds in between.
        ms: u64,
    },
    /// One who waits in line, or would, does something.
    InLine {
        /// What.
        turn: Turn,
        /// Whether it waits until the answer is durable.
        waits: bool,
    },
    /// Units of one line of an order come back.
    RefundLine {
        /// Whether somebody waits until the answer is durable.
        waits: bool,
    },
    /// The stock of a good is set.
    Stock {
        /// Its place in the plan.
        good: u16,
        /// Units in all.
        total: u32,
        /// Whether somebody waits until the answer is durable.
        waits: bool,
    },
    /// The drop is closed by hand.
    Close,
    /// The wall clock is put forward or back, and the engine follows.
    Clock {
        /// Milliseconds.
        step_ms: i64,
    },
    /// A campaign is put: the one that is sold, again; or another one, with so many units.
    Put {
        /// Units; none: the one that is sold.
        units: Option<u32>,
    },
    /// The journal is flushed.
    Flush,
    /// A call of the storage will go wrong.
    Plan {
        /// So many calls from now.
        calls: u64,
        /// How.
        trouble: Trouble,
    },
    /// The disk has room for so many bytes more; none: plenty.
    Room {
        /// Bytes.
        bytes: Option<u64>,
    },
    /// The process is killed; the machine goes on, or loses power.
    Crash {
        /// Whether it loses power.
        power: bool,
    },
    /// The engine ends in good order and is started again.
    Restart,
}

/// What one does who waits in line; which one is drawn from those that joined last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Asks for units, and rather waits than hears that all are sold.
    Join,
    /// Looks.
    Look(u32),
    /// Asks for the hold under the same key.
    Again(u32),
    /// Leaves.
    Leave(u32),
}

/// How a start of the engine after a crash goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Whether the machine lost power before.
    pub(super) power: bool,
    /// What goes wrong in so many calls.
    pub(super) plan: Option<(u64, Trouble)>,
}

const TROUBLES: [Trouble; 4] = Trouble::TOLD;

fn told(rng: &mut Rng) -> Trouble {
    TROUBLES.get(rng.place(TROUBLES.len())).copied().unwrap_or(Trouble::Eio)
}

impl Step {
    /// Step `number` of `seed`.
    #[must_use]
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut rng = Rng::stream(seed, number << 1);
        match rng.below(1_000) {
            0..50 => Self::Pass { ms: u64::from(rng.below(3_000)), tick: rng.chance(70) },
            50..58 => Self::Pass { ms: u64::from(9_000 + rng.below(60_000)), tick: true },
            58..70 => {
                let step_ms = i64::from(rng.below(240_000)) - 120_000;
                Self::Clock { step_ms: if rng.chance(50) { step_ms } else { step_ms / 40 } }
            }
            70..74 => {
                let units = rng.chance(60).then(|| 1 + rng.below(9));
                Self::Put { units }
            }
            74..90 => Self::Flush,
            90..95 => Self::Plan { calls: u64::from(1 + rng.below(16)), trouble: told(&mut rng) },
            95..98 => Self::Plan { calls: u64::from(1 + rng.below(24)), trouble: Trouble::Die },
            98..101 => Self::Crash { power: rng.chance(70) },
            101..103 => Self::Restart,
            103..106 => Self::Room { bytes: Some(u64::from(rng.below(24)) << 10) },
            106..124 => Self::Room { bytes: None },
            124..129 => Self::Pause { ms: u64::from(1 + rng.below(20_000)) },
            129..229 => {
                let turn = match rng.below(100) {
                    0..60 => Turn::Join,
                    60..75 => Turn::Look(rng.below(64)),
                    75..90 => Turn::Again(rng.below(64)),
                    _ => Turn::Leave(rng.below(64)),
                };
                Self::InLine { turn, waits: rng.chance(50) }
            }
            229..237 => {
                let good = u16::try_from(rng.below(6)).unwrap_or(0);
                Self::Stock { good, total: rng.below(70), waits: rng.chance(50) }
            }
            238..250 => Self::RefundLine { waits: rng.chance(50) },
            237 if rng.chance(30) => Self::Close,
            _ => Self::Ask { waits: rng.chance(50) },
        }
    }
}

impl Start {
    /// How start `life` goes, after step `number` of `seed`.
    pub(super) fn draw(seed: u64, number: u64, life: u64) -> Self {
        let mut rng = Rng::stream(seed ^ (life << 40), (number << 1) | 1);
        let power = rng.chance(60);
        let calls = u64::from(1 + rng.below(30));
        let plan = match rng.below(100) {
            0..20 => Some((calls, Trouble::Die)),
            20..35 => Some((calls, told(&mut rng))),
            _ => None,
        };
        Self { power, plan }
    }
}
