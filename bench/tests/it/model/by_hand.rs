//! What an operator and a seller do, on the engine and on the model.

use jangteo::{Pending, Refund, Refusal, SaleView};

use super::compare::{Same, code, same, same_refusal, same_view};
use super::operation::{Refunding, Turn, Was};
use super::reference::{No, Reference};
use super::run::{Stage, Undecided};
use super::terms::{good_sku, item_sku};

impl Stage<'_> {
    pub(super) fn refund(&mut self, hold: usize, refunding: &Refunding, wait: bool) -> Same {
        let name = refunding.name.map(|name| format!("r-{name}"));
        let mut refund = Refund::all();
        for &(item, units) in &refunding.lines {
            refund = refund.line(item_sku(item), units);
        }
        refund = name.iter().fold(refund, |refund, name| refund.id(name));
        refund = refunding.restock.iter().fold(refund, |refund, restock| refund.restock(*restock));
        if refunding.lines.iter().any(|&(_, units)| units == 0) {
            let Some((id, _)) = self.known(hold) else { return Ok(()) };
            let answer = self.sale.refund(&id, &refund);
            return self.refused(answer, &No::Plain("malformed"));
        }
        let what = if refunding.lines.is_empty() { "refunded whole" } else { "refunded in part" };
        let model = |world: &mut Reference, index| world.refund(index, refunding);
        self.settle(hold, wait, what, model, |sale, id| sale.refund(id, &refund))
    }

    pub(super) fn turn(&mut self, turn: Turn, wait: bool) -> Same {
        let wait = wait || self.world.hides();
        let before = self.world.clone();
        // What is due is a record of its own, before a pause and after a resumption.
        let mut between = before.clone();
        match turn {
            Turn::Pause => between.turn(),
            Turn::Resume => between.unpause(),
            Turn::Close => {}
        }
        let expected = self.world.by_hand(turn);
        let (what, answer) = match turn {
            Turn::Pause => ("paused by hand", self.sale.pause()),
            Turn::Resume => ("resumed", self.sale.resume()),
            Turn::Close => ("closed by hand", self.sale.close()),
        };
        let changed = before.phase != self.world.phase;
        self.seen.count(what, u64::from(changed && expected.is_ok()));
        self.shows(answer, expected, vec![before, between], wait)
    }

    pub(super) fn set_stock(&mut self, good: usize, total: u32, was: Was, wait: bool) -> Same {
        let wait = wait || self.world.hides();
        let before = self.world.clone();
        let is = before.totals.get(good).copied().flatten().unwrap_or(3);
        let was = match was {
            Was::NotSaid => None,
            Was::Right => Some(is),
            Was::Wrong => Some(is + 1),
        };
        let expected = self.world.set_stock(good, total, was);
        let answer = self.sale.set_stock(good_sku(good), total, was);
        self.seen.count("stock set", u64::from(expected.is_ok()));
        self.shows(answer, expected, vec![before], wait)
    }

    /// The engine's answer shows the drop as the model has it. It is waited for; or else a crash
    /// may leave one of the states `before`.
    fn shows(
        &mut self,
        answer: Result<Pending<SaleView>, Refusal>,
        expected: Result<(), No>,
        before: Vec<Reference>,
        wait: bool,
    ) -> Same {
        let undecided =
            before.into_iter().map(|before| Undecided { before, hold: None, place: None });
        self.undecided.extend(undecided);
        self.serve()?; // of this very step
        match (answer, expected) {
            (Err(refusal), Err(no)) => {
                self.seen.count(code(&no), 1);
                same_refusal(refusal, &no)
            }
            (Ok(pending), Ok(())) if wait => {
                // INVARIANT(J6): what a drop shows no crash takes away.
                let view = pending.wait().map_err(|unknown| unknown.to_string())?;
                self.undecided.clear();
                same_view(view, &self.world)
            }
            (Ok(pending), Ok(())) => same_view(pending.into_parts().0, &self.world),
            (answer, expected) => same("answer", &answer.is_ok(), &expected.is_ok())
                .map_err(|what| format!("{what}: {:?}, {expected:?}", answer.err())),
        }
    }
}
