//! What the contract says of the waiting line: who waits, who is served, who leaves.

use std::collections::BTreeMap;
use std::rc::Rc;

use jangteo::{Phase, WaitId, WaitState};

use super::operation::Ask;
use super::reference::{No, Reference, summed};

/// A place in the line, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Known once the engine has told it.
    pub(crate) id: Option<WaitId>,
    pub(crate) ask: Rc<Ask>,
    /// Units by item.
    pub(crate) lines: BTreeMap<usize, u32>,
    /// The hold that it became.
    pub(crate) hold: Option<usize>,
    pub(crate) left: bool,
    /// Not before the first, not after the second, as with a hold's other times.
    pub(crate) joined_ms: (u64, u64),
}

impl Place {
    /// Whether its turn may still come, unless the drop is over.
    pub(super) fn waits(&self) -> bool {
        self.hold.is_none() && !self.left
    }
}

/// What a request got that would rather wait: which, by its place in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Hold(usize),
    Place(usize),
}

impl Reference {
    /// A hold or a place in the line, and whether it is an old one; or why there is neither.
    pub(crate) fn hold_or_wait(&mut self, ask: &Rc<Ask>) -> Result<(Got, bool), No> {
        match self.hold(ask) {
            Ok((hold, replayed)) => Ok((Got::Hold(hold), replayed)),
            Err(No::Waiting(place)) => Ok((Got::Place(place), true)),
            Err(No::SoldOut(_)) => {
                self.line.push(Rc::new(Place {
                    id: None,
                    ask: Rc::clone(ask),
                    lines: summed(&ask.lines),
                    hold: None,
                    left: false,
                    joined_ms: (self.now_ms, self.latest_ms),
                }));
                Ok((Got::Place(self.line.len() - 1), false))
            }
            Err(no) => Err(no),
        }
    }

    /// Those who wait, the head first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, &Rc<Place>)> {
        let over = self.phase >= Phase::Closed;
        self.line.iter().enumerate().filter(move |(_, place)| !over && place.waits())
    }

    /// What became of a place.
    pub(crate) fn wait_state(&self, place: usize) -> WaitState {
        match &*self.line[place] {
            Place { hold: Some(_), .. } => WaitState::Granted,
            Place { left: true, .. } => WaitState::Left,
            _ if self.phase >= Phase::Closed => WaitState::Ended,
            _ => WaitState::Waiting,
        }
    }

    /// How many are served before, and itself; none once it is over.
    pub(crate) fn place(&self, place: usize) -> Option<u32> {
        let ahead = self.waiting().position(|(index, _)| index == place)?;
        Some(u32::try_from(ahead).expect("few") + 1)
    }

    /// Whether anything changed, or why not.
    pub(crate) fn leave(&mut self, place: usize) -> Result<bool, No> {
        match self.wait_state(place) {
            WaitState::Waiting => {
                Rc::make_mut(&mut self.line[place]).left = true;
                Ok(true)
            }
            WaitState::Left => Ok(false),
            _ => Err(No::Plain("wrong_state")),
        }
    }

    /// The first whom it fits gets what is there: all units of all lines or none. Which place
    /// became a hold.
    pub(crate) fn serve_one(&mut self) -> Option<usize> {
        if self.phase != Phase::Open || self.is_over() {
            return None;
        }
        let (place, gifts) = self.first_served()?;
        let (ask, lines) = (Rc::clone(&self.line[place].ask), self.line[place].lines.clone());
        let hold = self.grant(&ask, lines, gifts);
        Rc::make_mut(&mut self.line[place]).hold = Some(hold);
        Some(place)
    }

    /// Everybody gets what is there for him.
    pub(super) fn serve(&mut self) {
        while self.serve_one().is_some() {}
    }

    /// Who is next, if there is enough for anybody, and his gifts.
    pub(super) fn first_served(&self) -> Option<(usize, super::reference::Gifts)> {
        self.waiting().find_map(|(index, place)| Some((index, self.take(&place.lines).ok()?)))
    }
}
