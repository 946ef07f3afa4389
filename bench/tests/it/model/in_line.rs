//! What those do who wait, on the engine and on the model.

use std::rc::Rc;

use jangteo::{EventData, EventKind, Ticket, Wait, WaitId, WaitState};

use super::compare::{Same, same, same_hold, same_places, same_wait};
use super::operation::Ask;
use super::reference::{No, Reference};
use super::run::{Stage, Undecided};

impl Stage<'_> {
    /// Units that came free have gone to those in the line whom they fit, a record each: a crash
    /// may take the last of them.
    pub(super) fn serve(&mut self) -> Same {
        loop {
            let before = self.world.clone();
            let Some(place) = self.world.serve_one() else { return self.learn_holds() };
            let hold = self.world.line[place].hold;
            self.undecided.push(Undecided { before, hold, place: Some(place) });
        }
    }

    /// The engine tells the ids of holds that were granted from the line, and only of those.
    pub(super) fn learn_holds(&mut self) -> Same {
        for place in 0..self.world.line.len() {
            let Some(hold) = self.world.line[place].hold else { continue };
            let Some(id) =
                self.world.line[place].id.filter(|_| self.world.holds[hold].id.is_none())
            else {
                continue;
            };
            let wait = self.sale.wait(&id).map_err(|refusal| refusal.to_string())?;
            let wait = wait.into_parts().0;
            same_wait(&wait, place, &self.world)?;
            let id = wait.hold.ok_or("a wait that was granted names no hold")?;
            let held = self.sale.get(&id).map_err(|refusal| refusal.to_string())?;
            same_hold(&held.into_parts().0, &self.world.holds[hold], &self.world)?;
            self.learn(id, hold);
            self.seen.count("served from the line", 1);
        }
        Ok(())
    }

    /// An answer about a place in the line, as `told` is about a hold.
    pub(super) fn told_place(
        &mut self,
        ticket: &Ticket,
        place: usize,
        wait: bool,
        before: Option<Reference>,
    ) -> Same {
        let undecided = |before| Undecided { before, hold: None, place: Some(place) };
        self.undecided.extend(before.map(undecided));
        if wait {
            ticket.wait().map_err(|unknown| unknown.to_string())?;
            self.shown_places(|_, index| index == place);
        }
        Ok(())
    }

    /// INVARIANT(J6): what was shown of these places no crash takes away: the holds that they
    /// became, and the closing that ended them, neither.
    fn shown_places(&mut self, these: impl Fn(&Reference, usize) -> bool) {
        let places = 0..self.world.line.len();
        let these: Vec<usize> = places.filter(|place| these(&self.world, *place)).collect();
        let ended = |place: &usize| self.world.wait_state(*place) == WaitState::Ended;
        if these.iter().any(ended) {
            self.undecided.clear();
        }
        self.durable(|world, undecided| {
            let its = |place: &usize| {
                let hold = world.line[*place].hold;
                undecided.place == Some(*place) || hold.is_some() && undecided.hold == hold
            };
            these.iter().any(its)
        });
    }

    pub(super) fn joined(&mut self, engine: &Wait, place: usize, replayed: bool) -> Same {
        same("replayed", &engine.replayed, &replayed)?;
        self.seen.count(if replayed { "waits already" } else { "joined the line" }, 1);
        if !replayed {
            let new = Rc::make_mut(&mut self.world.line[place]);
            new.id = Some(engine.id);
            self.places.push((engine.id, Rc::clone(&new.ask)));
        }
        same_wait(engine, place, &self.world)
    }

    fn known_place(&self, place: usize) -> Option<(WaitId, Rc<Ask>)> {
        let count = self.places.len().max(1);
        self.places.get(place % count).cloned()
    }

    pub(super) fn again_in_line(&mut self, place: usize, joins: bool) -> Same {
        let Some((_, ask)) = self.known_place(place) else { return Ok(()) };
        self.hold(&ask, joins, true)
    }

    pub(super) fn look_at_place(&mut self, place: usize) -> Same {
        let Some((id, _)) = self.known_place(place) else { return Ok(()) };
        let answer = self.sale.wait(&id);
        let Some(index) = self.world.find_place(&id) else {
            return self.refused(answer, &No::Plain("unknown_wait"));
        };
        let (wait, ticket) = answer.map_err(|refusal| refusal.to_string())?.into_parts();
        self.told_place(&ticket, index, true, None)?;
        self.seen.count(wait.state.name(), 1);
        same_wait(&wait, index, &self.world)
    }

    pub(super) fn leave(&mut self, place: usize, wait: bool) -> Same {
        let Some((id, _)) = self.known_place(place) else { return Ok(()) };
        let before = self.world.clone();
        let answer = self.sale.leave(&id);
        let Some(index) = self.world.find_place(&id) else {
            return self.refused(answer, &No::Plain("unknown_wait"));
        };
        match self.world.leave(index) {
            Err(no) => self.refused(answer, &no),
            Ok(changed) => {
                self.seen.count(if changed { "left the line" } else { "told again" }, 1);
                let answer = answer.map_err(|refusal| format!("the engine refuses: {refusal}"))?;
                let (left, ticket) = answer.into_parts();
                self.told_place(&ticket, index, wait, changed.then_some(before))?;
                same_wait(&left, index, &self.world)
            }
        }
    }

    pub(super) fn list_places(&mut self, customer: u8) -> Same {
        same_places(&self.sale, customer, &self.world)?;
        self.shown_places(|world, place| world.line[place].ask.customer == customer);
        Ok(())
    }

    /// Numbers of holds that expired, in the order of the journal.
    pub(super) fn expired(&self) -> Result<Vec<u32>, String> {
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = self.engine().events(after, 1_000).map_err(|error| error.to_string())?;
            for event in &page.list {
                if let (EventKind::HoldExpired, EventData::Hold(hold)) = (event.kind, &event.data) {
                    numbers.push(hold.number);
                }
            }
            if !page.more {
                return Ok(numbers);
            }
            after = Some(page.through);
        }
    }
}
