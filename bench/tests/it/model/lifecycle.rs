//! What the contract says of a drop that is paused, resumed and closed by hand, and of its stock.

use jangteo::Phase;
use jangteo::limits::UNITS_MAX;

use super::operation::Turn;
use super::reference::{No, Pause, Reference};
use super::terms::ITEMS;

impl Reference {
    /// What becomes of the phase, or why not.
    pub(crate) fn by_hand(&mut self, turn: Turn) -> Result<(), No> {
        if turn == Turn::Close {
            self.close();
            return Ok(());
        }
        if self.phase >= Phase::Closed {
            return Err(No::Plain("wrong_state"));
        }
        if turn == Turn::Resume {
            self.unpause();
            self.turn();
            return Ok(());
        }
        self.turn(); // what is due comes first
        match self.phase {
            Phase::Paused => Ok(()),
            from @ (Phase::Scheduled | Phase::Open) => {
                self.pause = Some(Pause { at_ms: self.now_ms, from });
                self.phase = Phase::Paused;
                Ok(())
            }
            _ => Err(No::Plain("wrong_state")),
        }
    }

    /// Closes for good.
    pub(super) fn close(&mut self) {
        self.unpause();
        self.phase = Phase::Closed;
    }

    /// Every live hold's deadline is later by the length of the pause.
    pub(super) fn unpause(&mut self) {
        let Some(pause) = self.pause.take() else { return };
        let pause_ms = self.now_ms.saturating_sub(pause.at_ms);
        self.live().for_each(|held| held.expires_ms += pause_ms);
        self.phase = pause.from;
    }

    /// The total of an item, or, after the items, of a gift is set anew.
    pub(crate) fn set_stock(
        &mut self,
        good: usize,
        total: u32,
        was: Option<u32>,
    ) -> Result<(), No> {
        if total > UNITS_MAX {
            return Err(No::Plain("malformed"));
        }
        let Some(&before) = self.totals.get(good) else { return Err(No::Plain("unknown_sku")) };
        if was.is_some() && was != before {
            return Err(No::Plain("conflict"));
        }
        let units = good.checked_sub(ITEMS).map_or_else(|| self.item(good), |gift| self.gift(gift));
        let low = u64::from(total) < units.held + units.sold;
        if before.is_none() || low || self.phase >= Phase::Closed {
            return Err(No::Plain("wrong_state"));
        }
        self.totals[good] = Some(total);
        Ok(())
    }
}
