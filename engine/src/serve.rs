//! Who in the waiting line gets what is there.

use crate::admission;
use crate::buyers::BuyerRef;
use crate::fault::{Fault, planted};
use crate::grant::Ask;
use crate::ids::Slot;
use crate::journal::Class;
use crate::line::{Line, left};
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::sale::SaleCore;

impl SaleCore {
    /// Gives what is there to the line, the first whom it fits first. If the disk is short, an
    /// error and nothing more: then nobody else may take anything either.
    ///
    /// IMPORTANT: under the basket mutex, whose line this is, and under no shard's lock.
    pub(crate) fn serve(&self, line: &mut Line) -> Result<(), Refusal> {
        if line.is_empty() || planted(Fault::LinePassedBy) {
            return Ok(());
        }
        match self.phase.get() {
            Phase::Open => {}
            Phase::Scheduled | Phase::Paused => return Ok(()),
            Phase::Closed | Phase::Settled => {
                line.end(&self.goods);
                return Ok(());
            }
        }
        if !line.may_fit(&self.goods) {
            return Ok(());
        }
        // Nobody takes of these meanwhile but this loop; so everybody was asked with so many there,
        // at least.
        let mut least = line.units(&self.goods);
        let (mut seen, mut all_asked) = (0, true);
        while line.may_fit(&self.goods)
            && let Some((joined, waiting)) = line.next(seen)
        {
            seen = joined;
            if self.goods.has_units(&waiting.lines) {
                let _watch = self.shared.journal.pass(Class::New)?;
                if self.hand_over(waiting.slot) {
                    line.remove(&self.goods, joined);
                } else {
                    all_asked = false;
                }
                for (good, units) in &mut least {
                    *units = left(&self.goods, *good).min(*units);
                }
            } else if planted(Fault::LineBlocked) {
                break;
            }
        }
        if all_asked {
            line.nobody_at = least;
        }
        Ok(())
    }

    /// Likewise, where nothing is locked. `stepped_ms`: by how much the clock was, since the last
    /// time.
    pub(crate) fn serve_line(&self, stepped_ms: i64) {
        let mut line = self.basket.lock();
        line.pass_over(stepped_ms);
        // A disk that is short is looked at again.
        let _ = self.serve(&mut line);
        if self.phase.get() == Phase::Open {
            line.measure(&self.goods, self.shared.clock.now());
        }
    }

    /// Makes a wait a hold, if its units are there. One record.
    fn hand_over(&self, slot: Slot) -> bool {
        let mut shard = self.shard(slot.shard);
        let wait = shard.wait(slot.row).cloned().expect("the line names waits that are there");
        let Some(row) = shard.next_row() else { return false };
        let Ok(gifts) = admission::take_basket(&self.goods, &wait.lines) else { return false };
        let customer = shard.waiter(&wait).to_owned();
        let ask = Ask {
            customer: &customer,
            key: &wait.key,
            area: &wait.area,
            hash: self.hash(&customer),
            lines: wait.lines.clone(),
            unknown_sku: false,
            wait: Some(slot.row),
        };
        let buyer = BuyerRef { name: &customer, hash: ask.hash, row: Some(wait.buyer) };
        let hold = Slot { row, ..slot };
        self.record(&ask, &mut shard, &buyer, &self.draft(hold), gifts, true).is_ok()
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use std::sync::Arc;

    use crate::journal::record::{Line, Lines};
    use crate::{Campaign, Engine, HoldRequest, ManualClock, Timestamp, admission};

    const FILE: &str = r#"
        campaign = { id = "t", title = "t", currency = "KRW", time_zone = "Asia/Seoul" }
        schedule = { opens = "2020-04-29T10:00:00" }
        items = [{ sku = "a", title = "a", price = 1, stock = 1 }]
    "#;

    #[test]
    fn neither_a_pause_nor_a_step_of_the_clock_is_idle_time() {
        const HOUR_MS: u64 = 3_600_000;
        for pauses in [true, false] {
            let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_588_122_000_000)));
            let options = Engine::options().durability(crate::Durability::Memory);
            let engine = options.clock(clock.clone()).background(false).open().unwrap();
            engine.put(Campaign::parse(FILE).unwrap()).unwrap();
            let sale = engine.sale("t-1").unwrap();
            drop(sale.hold(&HoldRequest::new("h").line("a", 1)).unwrap());
            let waits = HoldRequest::new("w").line("a", 1);
            drop(sale.hold_or_wait(&waits).unwrap());
            engine.tick();

            // A unit that the line could have and does not get, for two seconds.
            let lines = Lines::from_slice(&[Line { item: 0, quantity: 1 }]);
            let moves = sale.0.goods.moves(&lines, 0);
            sale.0.put_back(&moves);
            sale.0.basket.lock().measure(&sale.0.goods, engine.now());
            clock.advance(2_000);
            if pauses {
                drop(sale.pause().unwrap());
                clock.advance(HOUR_MS);
            } else {
                clock.step(HOUR_MS.cast_signed());
            }
            {
                let _line = sale.0.basket.lock();
                assert!(admission::take_basket(&sale.0.goods, &lines).is_ok());
                admission::decide(&sale.0.goods, &moves, false);
            }
            if pauses {
                drop(sale.resume().unwrap());
            }
            engine.tick();
            assert_eq!(sale.idle_unit_seconds(), 2, "{pauses}");
        }
    }
}
