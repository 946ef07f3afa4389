//! What came back, in terms that all faces have in common.

use jangteo::{Hold, SaleView, Wait};

/// What a command came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// HTTP's code of a refusal.
    pub(super) refused: Option<String>,
    /// What a refusal says of the units, the opening, and the holds that count.
    pub(super) available: Option<u64>,
    pub(super) opens_at_ms: Option<u64>,
    pub(super) counting: Vec<usize>,
    pub(super) holds: Vec<Shown>,
    pub(super) waits: Vec<WaitShown>,
    /// SKU, total, available, held, sold; -1 where unlimited.
    pub(super) stock: Vec<(String, [i64; 4])>,
    /// Id, phase, sold out, opening.
    pub(super) drops: Vec<(String, String, bool, u64)>,
}

/// A hold without its id: its place among those granted instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) place: usize,
    pub(super) state: String,
    pub(super) number: u64,
    pub(super) total: u64,
    pub(super) expires_at_ms: Option<u64>,
    pub(super) payment: Option<String>,
    pub(super) replayed: bool,
    pub(super) lines: Vec<(String, u64)>,
    pub(super) gifts: Vec<(String, u64)>,
}

/// A wait without its id: its place among those that were seen instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WaitShown {
    pub(super) id: usize,
    pub(super) state: String,
    /// In the line; -1 if in none.
    pub(super) place: i64,
}

/// The ids that one engine gave to holds and to waits, in the order in which they were seen.
#[derive(Debug, Default)]
pub(super) struct Ids {
    holds: Vec<String>,
    waits: Vec<String>,
}

impl Ids {
    /// The place of an id; its first is where it goes.
    pub(super) fn place(&mut self, id: &str) -> usize {
        place(&mut self.holds, id)
    }

    pub(super) fn all(&self) -> &[String] {
        &self.holds
    }

    /// Likewise of a wait.
    pub(super) fn place_of_wait(&mut self, id: &str) -> usize {
        place(&mut self.waits, id)
    }

    pub(super) fn waits(&self) -> &[String] {
        &self.waits
    }
}

fn place(seen: &mut Vec<String>, id: &str) -> usize {
    let known = seen.iter().position(|one| one == id);
    known.unwrap_or_else(|| {
        seen.push(id.to_owned());
        seen.len() - 1
    })
}

impl Outcome {
    pub(super) fn refused(code: impl Into<String>) -> Self {
        Self { refused: Some(code.into()), ..Self::default() }
    }
}

impl Shown {
    pub(super) fn of(hold: &Hold, ids: &mut Ids) -> Self {
        Self {
            place: ids.place(&hold.id.to_string()),
            state: hold.state.name().to_owned(),
            number: hold.number.into(),
            total: hold.total().amount,
            expires_at_ms: hold.expires_at.map(|at| at.as_ms()),
            payment: hold.payment().map(str::to_owned),
            replayed: hold.replayed,
            lines: hold.lines().map(|line| (line.sku.to_owned(), line.quantity.into())).collect(),
            gifts: hold.gifts().map(|gift| (gift.sku.to_owned(), gift.quantity.into())).collect(),
        }
    }
}

impl WaitShown {
    pub(super) fn of(wait: &Wait, ids: &mut Ids) -> Self {
        Self {
            id: ids.place_of_wait(&wait.id.to_string()),
            state: wait.state.name().to_owned(),
            place: wait.place.map_or(-1, i64::from),
        }
    }
}

/// The counts of a drop, as far as it shows any.
pub(super) fn stock(view: &SaleView) -> Vec<(String, [i64; 4])> {
    let units = |units: Option<u32>| units.map_or(-1, i64::from);
    let count = |units: u64| i64::try_from(units).unwrap();
    let items = view.items.iter().flatten();
    let counts = items.map(|item| {
        let four = [units(item.total), units(item.available), count(item.held), count(item.sold)];
        (item.sku.clone(), four)
    });
    counts.collect()
}
