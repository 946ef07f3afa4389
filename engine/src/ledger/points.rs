//! What one customer has to give.

use super::fold::Counting;
use crate::campaign::LedgerKind;
use crate::engine::Engine;
use crate::pending::Pending;

impl Engine {
    /// A customer's points: what the credit rules of a campaign accrued for the customer's orders,
    /// after refunds, and was not donated yet. A settlement donates every point and leaves 0.
    /// `None` if there is no campaign of that id.
    #[must_use]
    pub fn points(&self, campaign: &str, customer: &str) -> Option<Pending<u64>> {
        let core = self.core();
        let sales = core.sales_of(campaign);
        let campaign = sales.first()?.campaign();
        let ledger = &campaign.ledger;
        let mut points = 0_u64;
        for sale in &sales {
            let hash = sale.0.hash(customer);
            let Some(shard) = sale.0.shard_if_made(sale.0.shard_of(hash)) else { continue };
            let counting = Counting::of(ledger, &sale.campaign(), sale.0.number());
            let donated: Vec<u16> = core.shared.journal.read(|book, _| {
                book.settled(sale.0.index).map(|settled| settled.rules.clone()).unwrap_or_default()
            });
            let orders = shard.holds_of(shard.buyer(customer, hash).row);
            for amounts in orders.filter_map(|row| counting.of_order(&shard, row)) {
                for ((rule, place), amount) in ledger.iter().zip(0..).zip(amounts) {
                    if rule.kind == LedgerKind::Credit && !donated.contains(&place) {
                        points = points.saturating_add(amount);
                    }
                }
            }
        }
        let sequence = core.shared.journal.last_sequence();
        Some(Pending::new(&core.shared.journal, sequence, points))
    }
}
