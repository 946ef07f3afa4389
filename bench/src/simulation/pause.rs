//! A pause of the drop, and what a crash in it leaves.

use jangteo::{HoldRequest, Pending, Phase, Refusal, SaleView};

use super::stage::{Life, Stage};
use crate::violation::{Violation, require};

type Checked = Result<(), Violation>;

impl Stage {
    /// Pauses the drop, lets time pass, and resumes it: nothing is granted and nothing expires
    /// meanwhile, and every live hold has as much time left as before.
    pub(super) fn pause(&mut self, life: &Life, ms: u64) -> Checked {
        let at_ms = self.now_ms();
        let closes_ms = self.plan.closes_ms().unwrap_or(u64::MAX);
        if life.sale.phase() != Phase::Open || at_ms + ms >= closes_ms {
            return Ok(());
        }
        self.pausing = Some(at_ms);
        let paused = life.sale.pause();
        if matches!(paused, Err(Refusal::Overloaded | Refusal::Unavailable)) {
            self.pausing = None; // nothing was done
        }
        if !self.turned(life, paused, Phase::Paused)? {
            return Ok(());
        }
        let request = HoldRequest::new("c-in-a-pause").line(self.plan.good(0).sku, 1);
        let granted = life.sale.hold(&request).map(|pending| pending.into_parts().0);
        let short = life.engine.health().disk_short;
        let refused = matches!(granted, Err(Refusal::Paused))
            || short && matches!(granted, Err(Refusal::Overloaded | Refusal::Unavailable));
        require(refused, "T1", || format!("in a pause a hold got {granted:?}"))?;
        self.clock.advance(ms);
        let expired = life.engine.tick();
        if self.storage.has_died() {
            return Ok(());
        }
        require(expired == 0, "answer", || format!("{expired} holds expired in a pause"))?;
        let resumed = life.sale.resume();
        if self.turned(life, resumed, Phase::Open)? {
            self.pausing = None;
            self.happened.pauses += 1;
            self.shadow.paused(ms);
        }
        Ok(())
    }

    /// After a start: a crash left the drop paused or not. It goes on in any case; whether it does
    /// already.
    pub(super) fn end_pause(&mut self, life: &Life) -> Result<bool, Violation> {
        let Some(at_ms) = self.pausing else { return Ok(true) };
        self.shadow.may_have_paused(self.now_ms().saturating_sub(at_ms));
        let resumed = match life.sale.phase() {
            Phase::Paused => self.turned(life, life.sale.resume(), Phase::Open)?,
            _ => true,
        };
        if resumed {
            self.pausing = None;
        }
        Ok(resumed)
    }

    /// Whether the answer says that the drop is in that phase now.
    ///
    /// INVARIANT(J4): no answer, and a refusal, only for a reason.
    pub(super) fn turned(
        &self,
        life: &Life,
        answer: Result<Pending<SaleView>, Refusal>,
        phase: Phase,
    ) -> Result<bool, Violation> {
        let told = answer.map(Pending::wait);
        if self.storage.has_died() {
            return Ok(false);
        }
        let health = life.engine.health();
        let latched = health.latched.is_some();
        match told {
            Ok(Ok(view)) => {
                let same = view.phase == phase && life.sale.phase() == phase;
                require(same, "T1", || format!("{:?}, not {phase:?}", view.phase))?;
                Ok(true)
            }
            Ok(Err(_)) if latched => Ok(false),
            Err(Refusal::Overloaded | Refusal::Unavailable) if latched || health.disk_short => {
                Ok(false)
            }
            told => {
                let told = told.map(|told| told.map(|view| view.phase));
                Err(Violation::of("J4", format!("{phase:?}: {told:?}, with {health:?}")))
            }
        }
    }
}
