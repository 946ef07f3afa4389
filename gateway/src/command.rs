//! What both wires ask for, in one form, and what comes back.

use jangteo::audit::Audit;
use jangteo::limits::{AREA_MAX, CUSTOMER_MAX, KEY_MAX, LINES_MAX, PAYMENT_MAX, QUANTITY_MAX};
use jangteo::{Hold, HoldRequest, Pending, Phase, Refusal, SaleView};
use smallvec::SmallVec;

use crate::access::Denied;

/// A command for the engine. Borrows the request it came in.
#[derive(Debug)]
pub(crate) enum Command<'a> {
    Hold(HoldAsk<'a>),
    Confirm {
        hold: &'a str,
        payment: Option<&'a str>,
    },
    Release {
        hold: &'a str,
    },
    Extend {
        hold: &'a str,
    },
    Get {
        hold: &'a str,
    },
    /// The customer can be left out by one who has a token; likewise in [`HoldAsk`].
    Find {
        drop: &'a str,
        customer: Option<&'a str>,
    },
    Drop {
        drop: &'a str,
    },
    Drops(Filter<'a>),
    Audit {
        drop: &'a str,
    },
}

/// What a customer asks for.
#[derive(Debug)]
pub(crate) struct HoldAsk<'a> {
    pub(crate) drop: &'a str,
    pub(crate) customer: Option<&'a str>,
    pub(crate) lines: Asked<'a>,
    pub(crate) key: Option<&'a str>,
    pub(crate) area: Option<&'a str>,
}

/// Items and how many units of each.
pub(crate) type Asked<'a> = SmallVec<[(&'a str, u32); 2]>;

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
    Denied(Denied),
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Sale(refusal)
    }
}

impl Command<'_> {
    /// What is wrong with the command by itself: `malformed` comes before what the caller may do.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Hold(ask) => ask.check(),
            Self::Confirm { payment, .. } => check_payment(*payment),
            Self::Find { customer: Some(customer), .. } => check_customer(customer),
            _ => Ok(()),
        }
    }
}

impl<'a> HoldAsk<'a> {
    /// The engine's form of it.
    pub(crate) fn request(&self) -> HoldRequest<'a> {
        let mut request = HoldRequest::new(self.customer.unwrap_or_default());
        for &(sku, quantity) in &self.lines {
            request = request.line(sku, quantity);
        }
        if let Some(key) = self.key {
            request = request.key(key);
        }
        if let Some(area) = self.area {
            request = request.area(area);
        }
        request
    }

    /// What a drop would say of the request itself: for one that does not exist, since `malformed`
    /// comes before `unknown_drop`.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.customer.map_or(Ok(()), check_customer)?;
        self.key.map_or(Ok(()), |key| check_text(key, KEY_MAX, "key"))?;
        self.area.map_or(Ok(()), |area| check_text(area, AREA_MAX, "area"))?;
        let mut summed: Asked<'_> = SmallVec::new();
        for &(sku, quantity) in &self.lines {
            match summed.iter_mut().find(|(other, _)| *other == sku) {
                Some((_, sum)) => *sum = sum.saturating_add(quantity),
                None => summed.push((sku, quantity)),
            }
            let last = summed.iter().find(|(other, _)| *other == sku);
            let sum = last.map_or(0, |(_, sum)| *sum);
            if quantity == 0 || QUANTITY_MAX < sum {
                return Err(Refusal::Malformed("quantity"));
            }
        }
        let fits = !summed.is_empty() && summed.len() <= LINES_MAX;
        if fits { Ok(()) } else { Err(Refusal::Malformed("lines")) }
    }
}

pub(crate) fn check_customer(customer: &str) -> Result<(), Refusal> {
    check_text(customer, CUSTOMER_MAX, "customer")
}

pub(crate) fn check_payment(payment: Option<&str>) -> Result<(), Refusal> {
    payment.map_or(Ok(()), |payment| check_text(payment, PAYMENT_MAX, "payment"))
}

fn check_text(text: &str, most: usize, what: &'static str) -> Result<(), Refusal> {
    let fine = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic());
    if fine { Ok(()) } else { Err(Refusal::Malformed(what)) }
}
