//! The waiting line: what is asked of it, and what must hold of it after every step.

use std::collections::BTreeSet;

use jangteo::{Phase, WaitId, WaitState};

use super::ledger::admission;
use super::stage::{Life, Stage};
use super::step::Turn;
use crate::auditor::judge;
use crate::command::{Command, Customer, Key, No, Reply, Units};
use crate::in_line::KnownPlace;
use crate::violation::{Violation, require};

type Checked = Result<(), Violation>;

/// Somebody who waits, as the engine has it at this moment.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    id: WaitId,
    pub(super) lines: Units,
}

impl Stage {
    /// Those who wait, the head first, durable or not.
    pub(super) fn line(&self, life: &Life) -> Result<Vec<Waiter>, Violation> {
        let asked = self.shadow.places.open().chain(self.shadow.unanswered());
        let customers: BTreeSet<Customer> = asked.map(|((customer, _), _)| *customer).collect();
        let mut line = Vec::new();
        for customer in customers {
            for wait in life.sale.waits_of(&customer.to_string()).into_parts().0 {
                let unit = |line: jangteo::WaitLine<'_>| (self.plan.place(line.sku), line.quantity);
                if wait.state == WaitState::Waiting {
                    let lines = wait.lines().map(unit).collect();
                    line.push((wait.place, Waiter { id: wait.id, lines }));
                }
            }
        }
        line.sort_by_key(|(place, _)| *place);
        let places = line.iter().map(|(place, _)| *place);
        require(places.eq((1..).map(Some).take(line.len())), "S3", || format!("places: {line:?}"))?;
        Ok(line.into_iter().map(|(_, waiter)| waiter).collect())
    }

    /// INVARIANT(S3): nobody waits for what is there. `before`: who waited before the step.
    pub(super) fn check_line(&mut self, life: &Life, before: &[Waiter]) -> Checked {
        for waiter in before {
            let wait = life.sale.wait(&waiter.id);
            let wait = wait.map_err(|no| Violation::of("K1", format!("{waiter:?}: {no}")))?;
            if wait.into_parts().0.state == WaitState::Granted {
                self.last_number += 1;
                self.happened.served += 1;
            }
        }
        if self.is_unserved {
            self.count_numbers(life);
            return Ok(());
        }
        if life.sale.phase() != Phase::Open || self.is_closed(life) {
            return Ok(());
        }
        let counts = self.counts(life);
        let line = self.line(life)?;
        let fits = line.iter().find(|one| admission(&self.plan, &counts, &one.lines).is_ok());
        require(fits.is_none(), "S3", || format!("{fits:?} waits, and there is {counts:?}"))
    }

    /// Whether units may lie idle although somebody waits for them: while the disk is too short for
    /// a grant, until the engine has looked again; `ticked`: it just did.
    pub(super) fn look_for_room(&mut self, life: &Life, was_short: bool, ticked: bool) {
        let health = life.engine.health();
        let short = health.disk_short || health.latched.is_some();
        self.is_unserved = short || self.is_unserved && (was_short || !ticked);
    }

    /// The last number that was given, as the engine has it.
    pub(super) fn count_numbers(&mut self, life: &Life) {
        let (audit, _) = life.sale.audit().into_parts();
        self.last_number = u32::try_from(audit.holds).unwrap_or(u32::MAX);
    }

    /// What one who waits, or would, does next; none if nobody does.
    pub(super) fn next_in_line(&self, turn: Turn, request: Command) -> Option<Command> {
        let places = &self.shadow.places;
        let drawn = |draw: u32| {
            let recent = places.all().len().min(RECENT);
            let back = (draw as usize).checked_rem(recent)?;
            places.all().iter().rev().nth(back)
        };
        match (turn, request) {
            (Turn::Join, Command::Hold { customer, key, lines }) => {
                Some(Command::Join { customer, key, lines })
            }
            (Turn::Look(draw), _) => drawn(draw).map(|place| Command::Look { wait: place.id }),
            (Turn::Leave(draw), _) => drawn(draw).map(|place| Command::Leave { wait: place.id }),
            (Turn::Again(draw), _) => {
                let waits = |place: &&KnownPlace| places.is_open(place.customer, place.key);
                drawn(draw).filter(waits).map(again)
            }
            (Turn::Join, _) => None,
        }
    }

    /// After a start: every place that was shown is there as shown, and whoever may have been
    /// served meanwhile is asked for.
    pub(super) fn recall_line(&mut self, life: &mut Life) -> Checked {
        let places: Vec<KnownPlace> = self.shadow.places.all().to_vec();
        for known in &places {
            let exchange = self.send(life, Command::Look { wait: known.id })?;
            let shown = matches!(exchange.reply, Reply::Wait(_));
            require(shown || self.storage.has_died(), "J3", || format!("{known:?} is lost"))?;
            judge(&mut self.shadow, &exchange)?;
        }
        let open: Vec<((Customer, Key), Units)> =
            self.shadow.places.open().map(|(who, lines)| (*who, lines.clone())).collect();
        for ((customer, key), lines) in open {
            let exchange =
                self.send(life, Command::Hold { customer, key, lines: lines.clone() })?;
            judge(&mut self.shadow, &exchange)?;
            if exchange.reply == Reply::No(No::Busy) {
                self.shadow.leave_open(customer, key, lines); // not told while the disk is short
            }
        }
        Ok(())
    }
}

/// Among so many of the last who joined.
const RECENT: usize = 12;

/// The request that joined, once more.
fn again(known: &KnownPlace) -> Command {
    Command::Hold { customer: known.customer, key: known.key, lines: known.lines.clone() }
}
