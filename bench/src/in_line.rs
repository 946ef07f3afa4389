//! What one client knows of its places in the waiting line, and what replies about them may be.

use std::collections::{BTreeMap, HashMap};

use jangteo::{HoldId, WaitId, WaitState};

use crate::command::{Command, Customer, Exchange, Key, No, Place, Reply, Units};
use crate::shadow::Shadow;
use crate::violation::{Violation, require};

type Judged = Result<(), Violation>;

/// A place in the line as its client knows it.
#[derive(Clone, Debug)]
pub struct KnownPlace {
    /// Its id.
    pub id: WaitId,
    /// Whose.
    pub customer: Customer,
    /// The key it was asked for under.
    pub key: Key,
    /// Units of items.
    pub lines: Units,
    /// What became of it, when it was heard of last.
    pub state: WaitState,
    /// The hold that it became.
    pub hold: Option<HoldId>,
    /// Whether it was left without an answer that tells.
    pub perhaps_left: bool,
}

/// All places that one client heard of.
#[derive(Debug, Default)]
pub struct Places {
    all: Vec<KnownPlace>,
    by_id: HashMap<WaitId, usize>,
    /// Requests that wait, or have become holds that were not heard of.
    open: BTreeMap<(Customer, Key), Units>,
}

impl Places {
    /// In the order of hearing.
    #[must_use]
    pub fn all(&self) -> &[KnownPlace] {
        &self.all
    }

    /// Requests that wait, or have become holds that were not heard of.
    pub fn open(&self) -> impl Iterator<Item = (&(Customer, Key), &Units)> {
        self.open.iter()
    }

    /// How many those are.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Whether that request is one of them.
    #[must_use]
    pub fn is_open(&self, customer: Customer, key: Key) -> bool {
        self.open.contains_key(&(customer, key))
    }

    /// A request is over, or its hold was heard of.
    pub fn close(&mut self, customer: Customer, key: Key) {
        self.open.remove(&(customer, key));
    }

    fn get(&self, id: WaitId) -> Option<&KnownPlace> {
        self.by_id.get(&id).and_then(|&at| self.all.get(at))
    }
}

/// A request under `key` is answered with a place in the line.
pub(crate) fn joined(
    shadow: &mut Shadow,
    exchange: &Exchange,
    request: (Customer, Key, &Units),
    place: &Place,
) -> Judged {
    let (customer, key, lines) = request;
    require(place.lines == *lines, "K1", || format!("waits for {lines:?}, as {place:?}"))?;
    shadow.settle_open(customer, key);
    if shadow.places.get(place.id).is_none() {
        let (id, state) = (place.id, WaitState::Waiting);
        let lines = lines.clone();
        let known = KnownPlace { id, customer, key, lines, state, hold: None, perhaps_left: false };
        shadow.places.by_id.insert(id, shadow.places.all.len());
        shadow.places.open.insert((customer, key), known.lines.clone());
        shadow.places.all.push(known);
        shadow.changes += 1;
    }
    seen(shadow, exchange, place)
}

/// Judges a look at a place, or that it was left.
pub(crate) fn judge(shadow: &mut Shadow, exchange: &Exchange, id: WaitId) -> Judged {
    let strange = |expected: &str| {
        let Exchange { command, reply, .. } = exchange;
        Violation::of("answer", format!("{command:?} got {reply:?}, not {expected}"))
    };
    let known = shadow.places.get(id).ok_or_else(|| strange("a place of this client"))?;
    let leaves = matches!(exchange.command, Command::Leave { .. });
    match &exchange.reply {
        Reply::Unknown if leaves => {
            may_be_left(shadow, id);
            Ok(())
        }
        Reply::Unknown => Ok(()),
        Reply::Wait(place) if !leaves => seen(shadow, exchange, place),
        Reply::Wait(place) => {
            let may = matches!(known.state, WaitState::Waiting | WaitState::Left);
            require(may && place.state == WaitState::Left, "answer", || {
                format!("{known:?} was left: {place:?}")
            })?;
            may_be_left(shadow, id);
            seen(shadow, exchange, place)
        }
        // It has become a hold, or its drop is over.
        Reply::No(No::WrongState) if leaves && known.state != WaitState::Left => Ok(()),
        _ => Err(strange("what becomes of a place")),
    }
}

fn may_be_left(shadow: &mut Shadow, id: WaitId) {
    let at = shadow.places.by_id.get(&id).copied();
    let known = at.and_then(|at| shadow.places.all.get_mut(at));
    known.into_iter().for_each(|known| known.perhaps_left = true);
}

/// An answer shows a known place as it is.
///
/// INVARIANT(J1): what was shown of it stands.
fn seen(shadow: &mut Shadow, exchange: &Exchange, place: &Place) -> Judged {
    let closes_ms = shadow.plan().closes_ms().unwrap_or(u64::MAX);
    let over = exchange.answered_ms.max(exchange.reached_ms) >= closes_ms;
    let at = shadow.places.by_id.get(&place.id).copied();
    let known = at.and_then(|at| shadow.places.all.get_mut(at)).expect("it is known by now");
    let same = place.lines == known.lines && (known.hold.is_none() || known.hold == place.hold);
    require(same, "K1", || format!("{known:?} was shown as {place:?}"))?;
    let may = place.state == known.state
        || known.state == WaitState::Waiting
            && match place.state {
                WaitState::Granted => true,
                WaitState::Left => known.perhaps_left,
                WaitState::Ended => over,
                _ => false,
            };
    let waits = place.place.is_some_and(|place| place > 0) == (place.state == WaitState::Waiting);
    let held = place.hold.is_some() == (place.state == WaitState::Granted);
    require(may && waits && held, "answer", || format!("{known:?} was shown as {place:?}"))?;
    (known.state, known.hold) = (place.state, place.hold);
    if matches!(known.state, WaitState::Left | WaitState::Ended) {
        let request = (known.customer, known.key);
        shadow.places.open.remove(&request);
    }
    Ok(())
}
