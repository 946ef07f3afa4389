//! What the service and the journal say of a drop, in the crowd's words.

use std::path::Path;

use jangteo::audit::{DirectoryAudit, HoldAudit, audit_directory};
use jangteo::{HoldState, Sale};
use jangteo_loadtest::{HoldState as Seen, Witness, WitnessHold, WitnessItem};

use crate::cli::{Exit, Failure};

/// The running service's own audit, and whether it found nothing.
pub(super) fn of_service(sale: &Sale) -> Result<(Witness, bool), Failure> {
    let unknown = |unknown: jangteo::OutcomeUnknown| Failure::new(Exit::Io, unknown.to_string());
    let (audit, holds) = sale.audit_holds().wait().map_err(unknown)?;
    let items = audit.items.iter().map(|item| &item.reported);
    let witness = Witness {
        items: items.map(item).collect(),
        holds: holds.iter().map(hold).collect(),
        violations: audit.violations.clone(),
    };
    Ok((witness, audit.ok))
}

/// The offline audit of the journal, which shares no state with the service.
pub(super) fn of_journal(directory: &Path, drop: &str) -> Result<(Witness, bool), Failure> {
    let DirectoryAudit { ok, drops, violations, .. } = audit_directory(directory)?;
    let Some(audit) = drops.iter().find(|audit| audit.id == drop) else {
        return Err(Failure::new(Exit::Data, format!("{drop} is not in the journal")));
    };
    let witness = Witness {
        items: audit.items.iter().map(item).collect(),
        holds: audit.holds().iter().map(hold).collect(),
        violations: violations.iter().map(ToString::to_string).collect(),
    };
    Ok((witness, ok))
}

fn item(counted: &jangteo::audit::Counted) -> WitnessItem {
    let available = |units: i64| u64::try_from(units).unwrap_or(0);
    WitnessItem {
        sku: counted.sku.clone(),
        total: counted.total.map(u64::from),
        available: counted.units.available.map(available),
        held: counted.units.held,
        sold: counted.units.sold,
    }
}

fn hold(hold: &HoldAudit) -> WitnessHold {
    WitnessHold {
        id: hold.id.to_string(),
        number: hold.number.into(),
        customer: hold.customer.clone(),
        key: hold.key.clone(),
        state: match hold.state {
            HoldState::Held => Seen::Held,
            HoldState::Confirmed => Seen::Confirmed,
            HoldState::Released => Seen::Released,
            HoldState::Refunded => Seen::Refunded,
            _ => Seen::Expired,
        },
        units: hold.units,
        granted_at_ms: Some(hold.granted_at.as_ms()),
    }
}
