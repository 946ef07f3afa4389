//! What both wires ask for, in one form, and what comes back.

use jangteo::audit::Audit;
use jangteo::{Hold, HoldRequest, Pending, Phase, Refusal, SaleView};
use smallvec::SmallVec;

/// A command for the engine. Borrows the request it came in.
#[derive(Debug)]
pub(crate) enum Command<'a> {
    Hold { drop: &'a str, request: HoldRequest<'a> },
    Confirm { hold: &'a str, payment: Option<&'a str> },
    Release { hold: &'a str },
    Extend { hold: &'a str },
    Get { hold: &'a str },
    Find { drop: &'a str, customer: &'a str },
    Drop { drop: &'a str },
    Drops(Filter<'a>),
    Audit { drop: &'a str },
}

/// Which drops to list.
#[derive(Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) campaign: Option<&'a str>,
    /// Any of these; all if none is named.
    pub(crate) phases: SmallVec<[Phase; 2]>,
    pub(crate) limit: usize,
    /// Only drops behind this one.
    pub(crate) after: Option<&'a str>,
}

/// What the engine answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Hold(Pending<Hold>),
    Holds(Pending<Vec<Hold>>),
    Drop(Box<SaleView>),
    /// The drops, and whether there are more behind the last.
    Drops(Vec<SaleView>, bool),
    Audit(Pending<Audit>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refused {
    Sale(Refusal),
    /// A broken invariant.
    Broken,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Sale(refusal)
    }
}

/// What a customer asks for, from the parts that either wire brings.
pub(crate) fn hold_request<'a>(
    customer: &'a str,
    lines: impl IntoIterator<Item = (&'a str, u32)>,
    key: Option<&'a str>,
    area: Option<&'a str>,
) -> HoldRequest<'a> {
    let all = |request: HoldRequest<'a>, (sku, quantity)| request.line(sku, quantity);
    let mut request = lines.into_iter().fold(HoldRequest::new(customer), all);
    if let Some(key) = key {
        request = request.key(key);
    }
    if let Some(area) = area {
        request = request.area(area);
    }
    request
}
