//! A drop counted anew.

use jangteo::audit::{Audit as Audited, Compared, Counted, HoldCounts, Units};
use serde::Serialize;
use utoipa::ToSchema;

/// Every hold of a drop counted at one sequence, and compared with the counters at that sequence.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct Audit {
    /// Whether everything agrees.
    ok: bool,
    drop: String,
    /// The record after which everything here was true.
    sequence: u64,
    items: Vec<ComparedShown>,
    gifts: Vec<ComparedShown>,
    /// Holds ever granted, in any state.
    holds: u64,
    /// Those by state.
    states: StatesShown,
    /// Confirmed holds.
    orders: u64,
    /// What does not agree, in plain words.
    violations: Vec<String>,
}

/// As the counters have it, and as the holds add up.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditedItem)]
struct ComparedShown {
    sku: String,
    /// Units in all; null: unlimited.
    #[schema(required = true)]
    total: Option<u32>,
    /// Below 0 where units were oversold; null: unlimited.
    #[schema(required = true)]
    available: Option<i64>,
    held: u64,
    sold: u64,
    recomputed: UnitsShown,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditedUnits)]
struct UnitsShown {
    #[schema(required = true)]
    available: Option<i64>,
    held: u64,
    sold: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditedHolds)]
struct StatesShown {
    held: u64,
    confirmed: u64,
    released: u64,
    expired: u64,
    refunded: u64,
}

impl From<Audited> for Audit {
    fn from(audit: Audited) -> Self {
        let Audited { ok, drop, sequence, items, gifts, holds, states, orders, violations } = audit;
        let HoldCounts { held, confirmed, released, expired, refunded } = states;
        let compared = |all: Vec<Compared>| all.into_iter().map(ComparedShown::from).collect();
        Self {
            ok,
            drop,
            sequence,
            items: compared(items),
            gifts: compared(gifts),
            holds,
            states: StatesShown { held, confirmed, released, expired, refunded },
            orders,
            violations,
        }
    }
}

impl From<Compared> for ComparedShown {
    fn from(Compared { reported, recomputed }: Compared) -> Self {
        let Counted { sku, total, units: Units { available, held, sold } } = reported;
        Self { sku, total, available, held, sold, recomputed: recomputed.into() }
    }
}

impl From<Units> for UnitsShown {
    fn from(Units { available, held, sold }: Units) -> Self {
        Self { available, held, sold }
    }
}
