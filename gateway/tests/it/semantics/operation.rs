//! Commands as they are drawn: mostly good, and each part of them sometimes not.

use proptest::prelude::*;
use proptest::sample::select;

/// A command, or time that passes.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Hold {
        drop: &'static str,
        customer: String,
        lines: Vec<(&'static str, u32)>,
        key: Option<String>,
        area: Option<&'static str>,
        wait: bool,
    },
    Confirm(HoldName, Option<String>),
    Release(HoldName),
    Extend(HoldName),
    /// Without lines all that is left.
    Refund {
        hold: HoldName,
        id: Option<String>,
        lines: Vec<(&'static str, u32)>,
    },
    Get(HoldName),
    Find {
        drop: &'static str,
        customer: String,
    },
    /// Shows a wait; the name is one of a wait, here and in the next.
    Waiting(HoldName),
    Leave(HoldName),
    Stock {
        drop: &'static str,
    },
    Drops {
        phase: Option<&'static str>,
        limit: Option<u32>,
        after: Option<&'static str>,
    },
    Wait {
        ms: u64,
    },
    /// Pause, resume or close.
    Turn {
        drop: &'static str,
        verb: &'static str,
    },
    SetStock {
        drop: &'static str,
        sku: &'static str,
        total: u32,
        was: Option<u32>,
    },
}

/// Which hold a command is about. Ids differ from engine to engine, so those that were granted are
/// counted.
#[derive(Clone, Debug)]
pub(super) enum HoldName {
    /// One of those there are; if there is none, a text.
    Granted(prop::sample::Index),
    Text(&'static str),
}

/// Ids that no hold has, well formed or not.
const NO_HOLDS: [&str; 3] = ["x", "00000000000000000000000000", "00000020000004zhah50d8ab6j"];

fn mostly<T: Clone + std::fmt::Debug + 'static>(good: Vec<T>, odd: Vec<T>) -> BoxedStrategy<T> {
    prop_oneof![24 => select(good), 1 => select(odd)].boxed()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn drops() -> BoxedStrategy<&'static str> {
    mostly(vec!["t-1", "t-1", "t-1", "t-1", "t-1", "t-2"], vec!["none", "T-1"])
}

fn customers() -> BoxedStrategy<String> {
    let odd = ["c".repeat(65), String::new(), "c 1".to_owned(), "\u{e9}".to_owned()];
    let good = texts(&["c-1", "c-1", "c-2", "c-3", "c-4", "c-5"]);
    mostly([good, vec!["c".repeat(64)]].concat(), odd.to_vec())
}

fn keys() -> BoxedStrategy<String> {
    let good = [texts(&["k-1", "k-1", "k-2", "k-3"]), vec!["k".repeat(128)]].concat();
    mostly(good, vec!["k".repeat(129), "k 1".to_owned()])
}

fn payments() -> BoxedStrategy<String> {
    let good = [texts(&["p-1", "p-1", "p-2"]), vec!["p".repeat(128)]].concat();
    mostly(good, vec!["p".repeat(129), String::new(), "p 1".to_owned()])
}

fn lines() -> impl Strategy<Value = Vec<(&'static str, u32)>> {
    let skus = || mostly(vec!["a", "a", "b", "free"], vec!["z", "g", "a b", ""]);
    let units = || mostly(vec![1, 1, 1, 2, 3], vec![0, 4, 1_000, 1_001, u32::MAX]);
    let some = |count| prop::collection::vec((skus(), units()), count);
    prop_oneof![40 => some(1..4), 1 => some(0..1), 1 => some(20..22)]
}

fn names() -> impl Strategy<Value = HoldName> {
    prop_oneof![
        12 => any::<prop::sample::Index>().prop_map(HoldName::Granted),
        1 => select(NO_HOLDS.to_vec()).prop_map(HoldName::Text),
    ]
}

fn refund() -> impl Strategy<Value = Operation> {
    let ids = prop::option::of(mostly(texts(&["r-1", "r-2"]), texts(&["", "r 1"])));
    let lines = prop_oneof![Just(Vec::new()), lines()];
    (names(), ids, lines).prop_map(|(hold, id, lines)| Operation::Refund { hold, id, lines })
}

/// What operators do.
fn operators() -> impl Strategy<Value = Operation> {
    let verbs = mostly(vec!["pause", "resume", "resume"], vec!["close"]);
    let turn = (drops(), verbs).prop_map(|(drop, verb)| Operation::Turn { drop, verb });
    let skus = mostly(vec!["a", "b", "g"], vec!["free", "z"]);
    let total = mostly((0..12).collect(), vec![1_000_000_000, 1_000_000_001, u32::MAX]);
    let was = prop::option::weighted(0.3, mostly(vec![3, 4, 9], vec![u32::MAX]));
    let stock = (drops(), skus, total, was);
    let stock =
        stock.prop_map(|(drop, sku, total, was)| Operation::SetStock { drop, sku, total, was });
    prop_oneof![turn, stock]
}

fn operation() -> impl Strategy<Value = Operation> {
    let areas = prop_oneof![
        20 => Just(Some("seoul")),
        1 => Just(None),
        1 => select(vec!["busan", "a b", ""]).prop_map(Some),
    ];
    let wait = prop::bool::weighted(0.4);
    let hold = (drops(), customers(), lines(), prop::option::of(keys()), areas, wait);
    let hold = hold.prop_map(|(drop, customer, lines, key, area, wait)| Operation::Hold {
        drop,
        customer,
        lines,
        key,
        area,
        wait,
    });
    let phase = prop::option::of(mostly(
        vec!["scheduled", "open", "paused", "closed"],
        vec!["ajar", "settled"],
    ));
    let limit = prop::option::of(mostly(vec![1, 2, 1_000], vec![0, 1_001]));
    let after = prop::option::of(mostly(vec!["t-1", "t-2"], vec!["none"]));
    let list = (phase, limit, after);
    let list = list.prop_map(|(phase, limit, after)| Operation::Drops { phase, limit, after });
    let wait = mostly(vec![1, 1_000, 30_000, 60_000, 120_000], vec![3_600_000]);
    prop_oneof![
        20 => hold,
        8 => (names(), prop::option::of(payments())).prop_map(|(n, p)| Operation::Confirm(n, p)),
        4 => names().prop_map(Operation::Release),
        4 => names().prop_map(Operation::Extend),
        6 => refund(),
        4 => operators(),
        3 => names().prop_map(Operation::Get),
        3 => names().prop_map(Operation::Waiting),
        2 => names().prop_map(Operation::Leave),
        3 => (drops(), customers()).prop_map(|(drop, customer)| Operation::Find { drop, customer }),
        3 => drops().prop_map(|drop| Operation::Stock { drop }),
        2 => list,
        5 => wait.prop_map(|ms| Operation::Wait { ms }),
    ]
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..60)
}
