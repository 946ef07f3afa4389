//! What may happen to a drop, as drawn; which hold or instant is meant is settled when it happens.

use std::fmt;

use proptest::prelude::*;

use super::terms::{GIFTS, ITEMS, Terms, terms};

/// A well-formed request for units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) customer: u8,
    pub(crate) key: Option<u8>,
    /// Items by place, and how many units; the same item may come twice.
    pub(crate) lines: Vec<(usize, u32)>,
    /// `None`: none given; else whether it is the one that is always served.
    pub(crate) area: Option<bool>,
}

/// A well-formed refund, or one that names no units of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refunding {
    pub(crate) name: Option<u8>,
    /// As in a request for units; none: all that is left.
    pub(crate) lines: Vec<(usize, u32)>,
    pub(crate) restock: Option<bool>,
}

/// What is done to the phase by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Pause,
    Resume,
    Close,
}

/// What the caller takes a total for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    NotSaid,
    Right,
    Wrong,
}

/// A payment reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    Missing,
    Number(u8),
    TooLong,
}

/// Where time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jump {
    Seconds(u32),
    /// To the next deadline of a live hold, or a millisecond before it.
    Deadline {
        before: bool,
    },
    Opening {
        before: bool,
    },
    Closing {
        before: bool,
    },
}

/// How the engine ends before it is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order: everything is flushed.
    Clean,
    /// Killed: what was written is in the cache.
    Killed,
    /// With the machine: what was not flushed is there or not, sector by sector.
    PowerLoss,
}

/// What is wrong with a request for units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    NoLines,
    NoUnits,
    TooManyUnits,
    TooManyUnitsTogether,
    TooManyLines,
    NoCustomer,
    LongCustomer,
    SpaceInKey,
    LongKey,
    EmptyArea,
}

/// One step. `hold` counts the holds seen so far, modulo their number. `wait`: whether the answer
/// is waited for; if not, the next crash may take the change away.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `joins`: rather waits in line than hears that all is sold.
    Hold {
        ask: Ask,
        joins: bool,
        wait: bool,
    },
    /// The request that got this hold, once more.
    Again {
        hold: usize,
        reordered: bool,
    },
    /// The request that got this place in the line, once more; `place` counts as `hold` does.
    AgainInLine {
        place: usize,
        joins: bool,
    },
    LookAtPlace {
        place: usize,
    },
    Leave {
        place: usize,
        wait: bool,
    },
    /// A customer's places in the line.
    Places {
        customer: u8,
    },
    Malformed(Wrong),
    Confirm {
        hold: usize,
        payment: Payment,
        wait: bool,
    },
    Release {
        hold: usize,
        wait: bool,
    },
    Extend {
        hold: usize,
        wait: bool,
    },
    Refund {
        hold: usize,
        refunding: Refunding,
        wait: bool,
    },
    Turn {
        turn: Turn,
        wait: bool,
    },
    /// `good` counts the items, then the gifts.
    SetStock {
        good: usize,
        total: u32,
        was: Was,
        wait: bool,
    },
    Get {
        hold: usize,
    },
    Find {
        customer: u8,
    },
    Tick,
    /// Time passes that the engine's own thread takes to notice.
    Pass {
        ms: u64,
    },
    Jump(Jump),
    /// The wall clock is put forward or back.
    Step {
        ms: i64,
    },
    Restart {
        end: End,
        away_ms: u64,
        stepped_ms: i64,
    },
    /// The same campaign again, or another of the same name.
    Put {
        changed: Option<Box<Terms>>,
    },
}

impl fmt::Debug for Operation {
    /// On one line, whatever the flags: a sequence is read as a list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patience = |wait: &bool| if *wait { "" } else { ", without waiting" };
        match self {
            Self::Hold { ask: Ask { customer, key, lines, area }, joins, wait } => {
                let (what, wait) = (if *joins { "HoldOrWait" } else { "Hold" }, patience(wait));
                write!(f, "{what}(c-{customer} key {key:?} lines {lines:?} area {area:?}{wait})")
            }
            Self::AgainInLine { place, joins } => write!(f, "AgainInLine({place}, joins {joins})"),
            Self::LookAtPlace { place } => write!(f, "LookAtPlace({place})"),
            Self::Leave { place, wait } => write!(f, "Leave({place}{})", patience(wait)),
            Self::Places { customer } => write!(f, "Places(c-{customer})"),
            Self::Again { hold, reordered } => write!(f, "Again({hold}, reordered {reordered})"),
            Self::Malformed(wrong) => write!(f, "Malformed({wrong:?})"),
            Self::Confirm { hold, payment, wait } => {
                write!(f, "Confirm({hold}, {payment:?}{})", patience(wait))
            }
            Self::Release { hold, wait } => write!(f, "Release({hold}{})", patience(wait)),
            Self::Extend { hold, wait } => write!(f, "Extend({hold}{})", patience(wait)),
            Self::Refund { hold, refunding, wait } => {
                let Refunding { name, lines, restock } = refunding;
                let wait = patience(wait);
                write!(f, "Refund({hold} name {name:?} lines {lines:?} restock {restock:?}{wait})")
            }
            Self::Turn { turn, wait } => write!(f, "{turn:?}({})", patience(wait)),
            Self::SetStock { good, total, was, wait } => {
                write!(f, "SetStock({good}, {total}, was {was:?}{})", patience(wait))
            }
            Self::Get { hold } => write!(f, "Get({hold})"),
            Self::Find { customer } => write!(f, "Find(c-{customer})"),
            Self::Tick => write!(f, "Tick"),
            Self::Pass { ms } => write!(f, "Pass({ms} ms)"),
            Self::Jump(jump) => write!(f, "Jump({jump:?})"),
            Self::Step { ms } => write!(f, "Step({ms} ms)"),
            Self::Restart { end, away_ms, stepped_ms } => {
                write!(f, "Restart({end:?}, away {away_ms} ms, clock stepped {stepped_ms} ms)")
            }
            Self::Put { changed } => write!(f, "Put({changed:?})"),
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let key = prop_oneof![2 => Just(None), 3 => (0..6_u8).prop_map(Some)];
    // Place 4 is an item that does not exist.
    let units = prop_oneof![5 => Just(1_u32), 2 => Just(2), 1 => Just(3)];
    let line = (prop_oneof![16 => 0..4_usize, 1 => Just(4)], units);
    let lines = prop_oneof![
        8 => proptest::collection::vec(line.clone(), 1),
        3 => proptest::collection::vec(line, 2..4),
    ];
    let area = prop_oneof![2 => Just(None), 6 => Just(Some(true)), 1 => Just(Some(false))];
    (0..6_u8, key, lines, area).prop_map(|(customer, key, lines, area)| Ask {
        customer,
        key,
        lines,
        area,
    })
}

fn refunding() -> impl Strategy<Value = Refunding> {
    let units = prop_oneof![1 => Just(0_u32), 12 => Just(1), 4 => Just(2)];
    let line = (prop_oneof![16 => 0..4_usize, 1 => Just(4)], units);
    let lines = prop_oneof![
        1 => Just(Vec::new()),
        5 => proptest::collection::vec(line, 1..3),
    ];
    let name = prop_oneof![2 => Just(None), 3 => (0..3_u8).prop_map(Some)];
    let restock = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (name, lines, restock).prop_map(|(name, lines, restock)| Refunding { name, lines, restock })
}

/// What an operator does.
fn operating() -> impl Strategy<Value = Operation> {
    let wait = || prop::bool::weighted(0.5);
    let turn = prop_oneof![
        8 => Just(Turn::Pause),
        20 => Just(Turn::Resume),
        1 => Just(Turn::Close),
    ];
    let was = prop_oneof![Just(Was::NotSaid), Just(Was::Right), Just(Was::Wrong)];
    let total = prop_oneof![12 => 0..12_u32, 1 => Just(u32::MAX)];
    prop_oneof![
        1 => (turn, wait()).prop_map(|(turn, wait)| Operation::Turn { turn, wait }),
        1 => (0..=ITEMS + GIFTS, total, was, wait())
            .prop_map(|(good, total, was, wait)| Operation::SetStock { good, total, was, wait }),
    ]
}

fn jump() -> impl Strategy<Value = Jump> {
    prop_oneof![
        3 => (1..120_u32).prop_map(Jump::Seconds),
        1 => (120..4_000_u32).prop_map(Jump::Seconds),
        9 => any::<bool>().prop_map(|before| Jump::Deadline { before }),
        3 => any::<bool>().prop_map(|before| Jump::Opening { before }),
        1 => prop::bool::weighted(0.7).prop_map(|before| Jump::Closing { before }),
    ]
}

fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        Just(Wrong::NoLines),
        Just(Wrong::NoUnits),
        Just(Wrong::TooManyUnits),
        Just(Wrong::TooManyUnitsTogether),
        Just(Wrong::TooManyLines),
        Just(Wrong::NoCustomer),
        Just(Wrong::LongCustomer),
        Just(Wrong::SpaceInKey),
        Just(Wrong::LongKey),
        Just(Wrong::EmptyArea),
    ]
}

fn step_ms() -> impl Strategy<Value = i64> {
    prop_oneof![-7_200_000..7_200_000_i64, -90_000..90_000_i64]
}

fn restart() -> impl Strategy<Value = Operation> {
    let end = prop_oneof![Just(End::Clean), Just(End::Killed), Just(End::PowerLoss)];
    let away_ms = prop_oneof![2 => Just(0_u64), 2 => 1..100_000_u64, 1 => 1..2_000_000_u64];
    let stepped_ms = prop_oneof![4 => Just(0_i64), 1 => step_ms()];
    (end, away_ms, stepped_ms).prop_map(|(end, away_ms, stepped_ms)| Operation::Restart {
        end,
        away_ms,
        stepped_ms,
    })
}

fn settlement() -> impl Strategy<Value = Operation> {
    let wait = || prop::bool::weighted(0.5);
    let payment = prop_oneof![
        2 => Just(Payment::Missing),
        8 => (0..2_u8).prop_map(Payment::Number),
        1 => Just(Payment::TooLong),
    ];
    let hold = || 0..400_usize;
    prop_oneof![
        4 => (hold(), payment, wait())
            .prop_map(|(hold, payment, wait)| Operation::Confirm { hold, payment, wait }),
        4 => (hold(), wait()).prop_map(|(hold, wait)| Operation::Release { hold, wait }),
        3 => (hold(), wait()).prop_map(|(hold, wait)| Operation::Extend { hold, wait }),
        3 => (hold(), refunding(), wait())
            .prop_map(|(hold, refunding, wait)| Operation::Refund { hold, refunding, wait }),
        2 => hold().prop_map(|hold| Operation::Get { hold }),
        3 => (hold(), any::<bool>())
            .prop_map(|(hold, reordered)| Operation::Again { hold, reordered }),
    ]
}

/// What somebody does who waits.
fn in_line() -> impl Strategy<Value = Operation> {
    let place = || 0..400_usize;
    prop_oneof![
        3 => (place(), any::<bool>())
            .prop_map(|(place, joins)| Operation::AgainInLine { place, joins }),
        3 => place().prop_map(|place| Operation::LookAtPlace { place }),
        2 => (place(), any::<bool>()).prop_map(|(place, wait)| Operation::Leave { place, wait }),
        1 => (0..7_u8).prop_map(|customer| Operation::Places { customer }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        80 => (ask(), prop::bool::weighted(0.5), prop::bool::weighted(0.5))
            .prop_map(|(ask, joins, wait)| Operation::Hold { ask, joins, wait }),
        80 => settlement(),
        20 => in_line(),
        14 => operating(),
        6 => (0..7_u8).prop_map(|customer| Operation::Find { customer }),
        5 => wrong().prop_map(Operation::Malformed),
        6 => Just(Operation::Tick),
        6 => (1..100_u64).prop_map(|ms| Operation::Pass { ms }),
        17 => jump().prop_map(Operation::Jump),
        3 => step_ms().prop_map(|ms| Operation::Step { ms }),
        3 => restart(),
        3 => prop_oneof![
            Just(Operation::Put { changed: None }),
            terms().prop_map(|terms| Operation::Put { changed: Some(Box::new(terms)) }),
        ],
    ]
}

/// A drop, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// Where chance begins while it is played: ids, shards, what a loss of power takes.
    pub(crate) seed: u64,
    pub(crate) terms: Terms,
    /// Begins a minute before the opening instead of at it.
    pub(crate) early: bool,
    pub(crate) operations: Vec<Operation>,
}

/// A sequence of that many operations.
pub(crate) fn sequences(operations: usize) -> impl Strategy<Value = Sequence> {
    let operations = proptest::collection::vec(operation(), operations);
    (terms(), prop::bool::weighted(0.4), operations)
        .prop_map(|(terms, early, operations)| Sequence { seed: 0, terms, early, operations })
}
