//! A settlement: what a campaign came to is fixed by one record, and whoever pays it out can rely
//! on it.
//!
//! A rule can be settled once every drop of the campaign is over: closed, and no hold live. From
//! then on nothing accrues any more, and refunds only take away from what all get together. So
//! orders can be counted while refunds go on: if no unit is missing as the record is appended,
//! nothing has changed.
//!
//! A credit with a date settles by itself, apart from the other rules; `settle` settles whatever is
//! left. Rules that were settled before are settled again along with others: that nets what was
//! refunded meanwhile. A drop is settled when all rules are.

use super::report::{DropSums, Report};
use crate::Timestamp;
use crate::book::Book;
use crate::campaign::Campaign;
use crate::engine::{Engine, EngineCore};
use crate::journal::record::Record;
use crate::journal::settlement::{Settled, Settlement};
use crate::journal::{Class, Room, Stamp};
use crate::limits::SETTLE_TRIES_MAX;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::sale::Sale;

/// Which rules are asked for.
#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    /// Those whose date has come.
    Due(Timestamp),
}

/// Something was refunded or put while the orders were counted; nothing was appended.
struct Changed;

impl Engine {
    /// Settles a campaign: every rule that is not settled yet. Again: the same answer.
    ///
    /// `expect` names beneficiaries and what each is to get in all; the others may get anything.
    ///
    /// # Errors
    /// [`UnknownCampaign`](Refusal::UnknownCampaign); [`WrongState`](Refusal::WrongState) until
    /// every drop is closed and no hold is live; [`Conflict`](Refusal::Conflict) if a beneficiary
    /// gets another amount than expected; [`Overloaded`](Refusal::Overloaded), also while so much
    /// is refunded that no count stays true; [`Unavailable`](Refusal::Unavailable).
    pub fn settle(
        &self,
        campaign: &str,
        expect: &[(&str, u64)],
    ) -> Result<Pending<Report>, Refusal> {
        self.core().settle(campaign, Which::All, expect)
    }
}

impl EngineCore {
    /// Settles the credits whose date has come, where they can be.
    pub(crate) fn settle_due(&self) {
        let now = self.shared.clock.now();
        let mut due: Vec<Sale> = self.current();
        due.retain(|sale| sale.campaign().ledger.iter().any(|rule| is_due(rule.settles, now)));
        due.dedup_by(|a, b| a.campaign_id() == b.campaign_id());
        for sale in due {
            let (id, which) = (sale.campaign_id(), Which::Due(now));
            // NOTE: looked at first, since the answer to what is settled counts all orders. What
            // cannot be settled yet is looked at again a moment later.
            let sales = self.sales_of(id);
            if self
                .shared
                .journal
                .read(|book, _| matches!(to_settle(book, &sales, which), Ok(Some(_))))
            {
                let _ = self.settle(id, which, &[]);
            }
        }
    }

    fn settle(
        &self,
        id: &str,
        which: Which,
        expect: &[(&str, u64)],
    ) -> Result<Pending<Report>, Refusal> {
        let _one_at_a_time = self.settling.lock();
        let _watch = self.shared.journal.pass(Class::New)?;
        for _ in 0..SETTLE_TRIES_MAX {
            let sales = self.sales_of(id);
            let campaign = sales.first().ok_or(Refusal::UnknownCampaign)?.campaign();
            let rules = self.shared.journal.read(|book, _| to_settle(book, &sales, which));
            let Some(rules) = rules? else { return self.settled_before(&sales, expect) };
            let drops = self.drop_sums(&sales);
            let accrued = drops.iter().map(|drop| &*drop.sums.accrued);
            check_expected(&campaign, expect, &accrued)?;
            if let Ok(report) = self.append_settlement(&campaign, &sales, rules, drops) {
                return Ok(report);
            }
        }
        Err(Refusal::Overloaded)
    }

    /// The answer to whoever settles what is settled.
    fn settled_before(
        &self,
        sales: &[Sale],
        expect: &[(&str, u64)],
    ) -> Result<Pending<Report>, Refusal> {
        let campaign = sales.first().ok_or(Refusal::UnknownCampaign)?.campaign();
        let drops = self.drop_sums(sales);
        let settled = drops.iter().filter_map(|drop| Some(&*drop.settled.as_ref()?.sums.accrued));
        check_expected(&campaign, expect, &settled)?;
        let sequence = self.shared.journal.last_sequence();
        let report = Report::of(&campaign, &drops);
        Ok(Pending::new(&self.shared.journal, sequence, report))
    }

    /// INVARIANT(L1): appends what the drops come to only if nothing has changed since they were
    /// counted.
    fn append_settlement(
        &self,
        campaign: &Campaign,
        sales: &[Sale],
        rules: Vec<u16>,
        mut drops: Vec<DropSums>,
    ) -> Result<Pending<Report>, Changed> {
        let _no_put = self.catalogue.lock();
        let same = |(a, b): (&Sale, &Sale)| a.0.index == b.0.index;
        let current = self.sales_of(&campaign.id);
        if current.len() != sales.len() || !current.iter().zip(sales).all(same) {
            return Err(Changed);
        }
        let whole = rules.len() == campaign.ledger.len();
        let first_sale = sales.iter().map(|sale| sale.0.index).min().unwrap_or_default();
        let indices = sales.iter().map(|sale| sale.0.index);
        let sums = indices.zip(drops.iter().map(|drop| drop.sums.clone())).collect();
        let settlement = Settlement { rules, drops: sums };
        let now = self.shared.clock.now();
        let stamp = self.shared.journal.append(now, Room::Own, |book, _: Stamp| {
            if !is_still(book, sales, &settlement) {
                return Err(Changed);
            }
            book.settle(&settlement, whole);
            if whole {
                sales.iter().for_each(|sale| sale.0.phase.set(book.page(sale.0.index)));
            }
            Ok(Record::Settled { first_sale, settlement: settlement.clone() })
        })?;
        for drop in &mut drops {
            let (rules, sums) = (settlement.rules.clone(), drop.sums.clone());
            drop.settled = Some(Settled { rules, sums });
        }
        let report = Report::of(campaign, &drops);
        Ok(Pending::new(&self.shared.journal, stamp.sequence, report))
    }
}

fn is_due(settles: Option<Timestamp>, now: Timestamp) -> bool {
    settles.is_some_and(|at| at <= now)
}

/// The rules that a settlement has to settle, ascending; `None` if it was made already.
fn to_settle(book: &Book, sales: &[Sale], which: Which) -> Result<Option<Vec<u16>>, Refusal> {
    let campaign = sales.first().map(Sale::campaign);
    let ledger = campaign.as_ref().map(|campaign| &*campaign.ledger).unwrap_or_default();
    let was = |rule: u16, sale: &Sale| {
        book.settled(sale.0.index).is_some_and(|settled| settled.rules.contains(&rule))
    };
    let asked = |rule: u16| match which {
        Which::All => true,
        Which::Due(now) => {
            ledger.get(usize::from(rule)).is_some_and(|rule| is_due(rule.settles, now))
        }
    };
    let rules = || (0..).take(ledger.len());
    let left = match which {
        Which::All => sales.iter().any(|sale| book.page(sale.0.index).phase != Phase::Settled),
        Which::Due(_) => {
            rules().any(|rule| asked(rule) && !sales.iter().all(|sale| was(rule, sale)))
        }
    };
    if !left {
        return Ok(None);
    }
    if !sales.iter().all(|sale| book.page(sale.0.index).is_over()) {
        return Err(Refusal::WrongState);
    }
    let along = |rule: &u16| asked(*rule) || sales.iter().any(|sale| was(*rule, sale));
    Ok(Some(rules().filter(along).collect()))
}

/// Whether the drops are still over, and as many units are sold as were counted.
fn is_still(book: &Book, sales: &[Sale], counted: &Settlement) -> bool {
    sales.iter().zip(&counted.drops).all(|(sale, (_, sums))| {
        let items = sale.campaign().items_in(sale.0.number()).count();
        let page = book.page(sale.0.index);
        page.is_over() && page.sold(items) == sums.units - sums.refunded_units
    })
}

/// Whether the beneficiaries get in all what is expected. `drops`: the amounts of each.
fn check_expected<'a>(
    campaign: &Campaign,
    expect: &[(&str, u64)],
    drops: &(impl Iterator<Item = &'a [u64]> + Clone),
) -> Result<(), Refusal> {
    let names = || campaign.ledger.iter().flat_map(|rule| &rule.beneficiaries);
    let gets = |id: &str| {
        let of_drop = |amounts: &'a [u64]| {
            let own = names().zip(amounts).filter(|(share, _)| share.id == id);
            own.map(|(_, amount)| amount).sum::<u64>()
        };
        drops.clone().map(of_drop).sum::<u64>()
    };
    if expect.iter().all(|(id, amount)| gets(id) == *amount) {
        Ok(())
    } else {
        Err(Refusal::Conflict)
    }
}
