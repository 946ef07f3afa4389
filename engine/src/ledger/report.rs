//! What a campaign came to: orders, money, and what follows from them, in all and for each drop.

use serde::{Deserialize, Serialize};

use super::fold::Counting;
use crate::campaign::{Campaign, LedgerKind};
use crate::engine::{Engine, EngineCore};
use crate::journal::settlement::{Settled, Sums};
use crate::pending::Pending;
use crate::sale::Sale;

/// What a campaign came to. Serialises as the `Report` of the HTTP interface; amounts are in minor
/// units of the currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The campaign's id.
    pub campaign: String,
    /// ISO 4217.
    pub currency: String,
    /// All drops together.
    #[serde(flatten)]
    pub total: LedgerFigures,
    /// Each drop, in the order of the schedule.
    pub drops: Vec<DropReport>,
    /// Seconds that units were free while somebody waited for no more than that many, summed over
    /// units, since the engine was started; offline, what the settlement had measured.
    pub idle_unit_seconds: u64,
}

/// What one drop came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropReport {
    /// The drop's id.
    pub drop: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: LedgerFigures,
    /// As in [`Report::idle_unit_seconds`].
    pub idle_unit_seconds: u64,
}

/// Orders, money, and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFigures {
    /// Holds that were ever confirmed.
    pub orders: u64,
    /// Units of items that were confirmed.
    pub units: u64,
    /// Those of them that came back.
    pub refunded_units: u64,
    /// What was to be paid for the units that were confirmed.
    pub spend: u64,
    /// What of it came back.
    pub refunds: u64,
    /// One row for each beneficiary of each rule, in the order of the file.
    pub ledger: Vec<LedgerRow>,
}

/// What one beneficiary gets under one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Who gives.
    pub kind: LedgerKind,
    /// Who receives.
    pub beneficiary: String,
    /// The sum over orders, after refunds.
    pub accrued: u64,
    /// What was settled; 0 before the settlement.
    pub settled: u64,
    /// What has to be added to `settled`, since something was refunded after the settlement. For
    /// all beneficiaries of a rule together 0 or below; of three or more one may get more, since
    /// what is left of an order is shared anew.
    pub adjustment: i64,
}

/// One drop's part of a report.
pub(crate) struct DropSums {
    pub(crate) drop: String,
    pub(crate) sums: Sums,
    pub(crate) settled: Option<Settled>,
}

impl Report {
    /// The report of a campaign whose drops came to these sums.
    pub(crate) fn of(campaign: &Campaign, drops: &[DropSums]) -> Self {
        let mut total = LedgerFigures { ledger: rows(campaign).collect(), ..Default::default() };
        let mut idle_unit_seconds = 0;
        let drops = drops.iter().map(|DropSums { drop, sums, settled }| {
            let figures = LedgerFigures::of(campaign, sums, settled.as_ref());
            total.add(&figures);
            idle_unit_seconds += sums.idle_unit_seconds;
            let idle_unit_seconds = sums.idle_unit_seconds;
            DropReport { drop: drop.clone(), figures, idle_unit_seconds }
        });
        let drops = drops.collect();
        let (id, currency) = (campaign.id.clone(), campaign.currency.clone());
        Self { campaign: id, currency, total, drops, idle_unit_seconds }
    }
}

/// Empty rows of a ledger.
fn rows(campaign: &Campaign) -> impl Iterator<Item = LedgerRow> {
    campaign.ledger.iter().flat_map(|rule| {
        rule.beneficiaries.iter().map(|share| LedgerRow {
            kind: rule.kind,
            beneficiary: share.id.clone(),
            accrued: 0,
            settled: 0,
            adjustment: 0,
        })
    })
}

/// The rule that each amount of a ledger belongs to.
pub(super) fn rule_of_each(campaign: &Campaign) -> impl Iterator<Item = u16> {
    campaign
        .ledger
        .iter()
        .zip(0..)
        .flat_map(|(rule, place)| rule.beneficiaries.iter().map(move |_| place))
}

impl LedgerFigures {
    fn of(campaign: &Campaign, sums: &Sums, settled: Option<&Settled>) -> Self {
        let amounts = rule_of_each(campaign).zip(&sums.accrued).enumerate();
        let amounts = amounts.map(|(place, (rule, &accrued))| {
            let settled = settled.filter(|settled| settled.rules.contains(&rule));
            let settled = settled.and_then(|settled| settled.sums.accrued.get(place).copied());
            // INVARIANT(L1): a settlement leaves nothing; what came back since is shown apart.
            let adjustment = settled
                .map_or(0, |settled| accrued.cast_signed().saturating_sub(settled.cast_signed()));
            (accrued, settled.unwrap_or(0), adjustment)
        });
        let ledger = rows(campaign).zip(amounts).map(|(row, (accrued, settled, adjustment))| {
            LedgerRow { accrued, settled, adjustment, ..row }
        });
        Self {
            orders: sums.orders,
            units: sums.units,
            refunded_units: sums.refunded_units,
            spend: sums.spend,
            refunds: sums.refunds,
            ledger: ledger.collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.units += other.units;
        self.refunded_units += other.refunded_units;
        self.spend = self.spend.saturating_add(other.spend);
        self.refunds = self.refunds.saturating_add(other.refunds);
        for (sum, row) in self.ledger.iter_mut().zip(&other.ledger) {
            sum.accrued = sum.accrued.saturating_add(row.accrued);
            sum.settled = sum.settled.saturating_add(row.settled);
            sum.adjustment = sum.adjustment.saturating_add(row.adjustment);
        }
    }
}

impl Engine {
    /// What a campaign came to so far: a fold over all of its orders, durable when all of them are.
    /// `None` if there is no campaign of that id.
    ///
    /// Takes about a second for some millions of orders; sales go on meanwhile, and each order is
    /// taken as it is when its turn comes.
    ///
    /// Of a campaign that was deleted: what it came to then.
    #[must_use]
    pub fn report(&self, campaign: &str) -> Option<Pending<Report>> {
        let core = self.core();
        let sales = core.sales_of(campaign);
        if sales.is_empty() {
            let kept = core.catalogue.lock().report_of_deleted(campaign).cloned()?;
            return Some(Pending::new(
                &core.shared.journal,
                core.shared.journal.last_sequence(),
                kept,
            ));
        }
        let drops = core.drop_sums(&sales);
        let report = Report::of(&sales.first()?.campaign(), &drops);
        let sequence = core.shared.journal.last_sequence();
        Some(Pending::new(&core.shared.journal, sequence, report))
    }
}

impl EngineCore {
    /// The current drops of a campaign, in the order of its schedule.
    pub(super) fn sales_of(&self, campaign: &str) -> Vec<Sale> {
        let mut sales = self.current();
        sales.retain(|sale| sale.campaign_id() == campaign);
        sales.sort_by_key(|sale| sale.0.number());
        sales
    }

    /// What the drops of one campaign come to, each with its settlement.
    pub(crate) fn drop_sums(&self, sales: &[Sale]) -> Vec<DropSums> {
        // Before the orders: what is settled meanwhile must not look like an adjustment.
        let settled: Vec<Option<Settled>> = self
            .shared
            .journal
            .read(|book, _| sales.iter().map(|sale| book.settled(sale.0.index).cloned()).collect());
        let Some(first) = sales.first() else { return Vec::new() };
        let campaign = first.campaign();
        let ledger = &campaign.ledger;
        let drop = |(sale, settled): (&Sale, Option<Settled>)| {
            let counting = Counting::of(ledger, &sale.campaign(), sale.0.number());
            DropSums { drop: sale.id().to_owned(), sums: sale.sums(&counting), settled }
        };
        sales.iter().zip(settled).map(drop).collect()
    }
}
