//! What a campaign came to.

use jangteo::{
    DropReport as Drop, LedgerFigures, LedgerKind, LedgerRow as Row, Report as Reported,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::words;

/// What a campaign came to: amounts are in minor units of the currency.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct Report {
    campaign: String,
    currency: String,
    /// Holds that were ever confirmed.
    orders: u64,
    /// Units of items that were confirmed.
    units: u64,
    /// Those of them that came back.
    refunded_units: u64,
    /// What was to be paid for the units that were confirmed.
    spend: u64,
    /// What of it came back.
    refunds: u64,
    /// One for each beneficiary of each rule, in the order of the file.
    ledger: Vec<LedgerRow>,
    /// Each drop, in the order of the schedule.
    drops: Vec<DropReport>,
    /// Seconds that units were free while somebody waited for them, summed over units.
    idle_unit_seconds: u64,
}

/// What one drop came to.
#[derive(Serialize, ToSchema)]
struct DropReport {
    drop: String,
    orders: u64,
    units: u64,
    refunded_units: u64,
    spend: u64,
    refunds: u64,
    ledger: Vec<LedgerRow>,
    idle_unit_seconds: u64,
}

/// What one beneficiary gets under one rule.
#[derive(Serialize, ToSchema)]
struct LedgerRow {
    #[schema(schema_with = kinds)]
    kind: LedgerKind,
    beneficiary: String,
    /// The sum over orders, after refunds.
    accrued: u64,
    /// 0 before the settlement.
    settled: u64,
    /// What was refunded after the settlement. For all beneficiaries of a rule together 0 or below;
    /// of three or more one may get more, since what is left of an order is shared anew.
    adjustment: i64,
}

fn kinds() -> utoipa::openapi::Object {
    words(&["donation", "credit"])
}

impl From<Reported> for Report {
    fn from(report: Reported) -> Self {
        let Reported { campaign, currency, total, drops, idle_unit_seconds } = report;
        let LedgerFigures { orders, units, refunded_units, spend, refunds, ledger } = total;
        Self {
            campaign,
            currency,
            orders,
            units,
            refunded_units,
            spend,
            refunds,
            ledger: ledger.into_iter().map(LedgerRow::from).collect(),
            drops: drops.into_iter().map(DropReport::from).collect(),
            idle_unit_seconds,
        }
    }
}

impl From<Drop> for DropReport {
    fn from(Drop { drop, figures, idle_unit_seconds }: Drop) -> Self {
        let LedgerFigures { orders, units, refunded_units, spend, refunds, ledger } = figures;
        let ledger = ledger.into_iter().map(LedgerRow::from).collect();
        Self { drop, orders, units, refunded_units, spend, refunds, ledger, idle_unit_seconds }
    }
}

impl From<Row> for LedgerRow {
    fn from(Row { kind, beneficiary, accrued, settled, adjustment }: Row) -> Self {
        Self { kind, beneficiary, accrued, settled, adjustment }
    }
}
