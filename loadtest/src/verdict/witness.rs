//! What somebody other than the clients says about the sale.

use crate::call::HoldState;

/// The state of one drop as the service's audit, or the offline audit of the journal, gives it.
///
/// The caller fills it in, both after [`send`](crate::send) has returned and with nothing
/// happening between the two.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Every item of the drop.
    pub items: Vec<WitnessItem>,
    /// Every hold of the drop ever granted, in any state and order.
    pub holds: Vec<WitnessHold>,
    /// What the audit itself found broken, in words.
    pub violations: Vec<String>,
}

/// Units of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessItem {
    /// The item.
    pub sku: String,
    /// Units of the drop; none: as many as are asked for.
    pub total: Option<u64>,
    /// Neither held nor sold; none where there is no total.
    pub available: Option<u64>,
    /// In live holds that are not paid.
    pub held: u64,
    /// In confirmed holds.
    pub sold: u64,
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessHold {
    /// Its id, as text.
    pub id: String,
    /// Its number in the drop.
    pub number: u64,
    /// Whose it is.
    pub customer: String,
    /// Its idempotency key, if it was asked for with one.
    pub key: Option<String>,
    /// Its state now.
    pub state: HoldState,
    /// Units of all its lines, without gifts.
    pub units: u64,
    /// When it was granted, in Unix milliseconds, if the witness knows.
    pub granted_at_ms: Option<u64>,
}

impl Witness {
    pub(crate) fn item(&self, sku: &str) -> Option<&WitnessItem> {
        self.items.iter().find(|item| item.sku == sku)
    }

    /// Units in holds of one state.
    pub(crate) fn units_in(&self, state: HoldState) -> u64 {
        self.holds.iter().filter(|hold| hold.state == state).map(|hold| hold.units).sum()
    }
}
