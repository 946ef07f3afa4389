//! What both wires ask for, in one form, and what comes back.

use jangteo::audit::Audit;
use jangteo::{
    Hold, HoldOrWait, HoldRequest, Pending, Phase, Refusal, SaleView, Wait, check_customer,
    check_payment,
};
use smallvec::SmallVec;

use crate::access::Denied;
use crate::rate::TooOften;

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
    Wait {
        wait: &'a str,
    },
    Leave {
        wait: &'a str,
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
    /// Rather wait than hear that too few units are there.
    pub(crate) wait: bool,
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
    /// To a request for a hold.
    HoldOrWait(Pending<HoldOrWait>),
    Hold(Pending<Hold>),
    /// What a customer has, and waits for.
    Found(Pending<Vec<Hold>>, Pending<Vec<Wait>>),
    Wait(Pending<Wait>),
    Drop(Box<SaleView>),
    /// The drops, and whether there are more behind the last.
    Drops(Vec<SaleView>, bool),
    Audit(Pending<Audit>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refused {
    Sale(Refusal),
    /// The engine is not there yet.
    Recovering,
    /// A broken invariant.
    Broken,
    Denied(Denied),
    TooOften(TooOften),
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<TooOften> for Refused {
    fn from(early: TooOften) -> Self {
        Self::TooOften(early)
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

/// Stands for a customer who is still to be named: well-formed, and never asked for.
const UNNAMED: &str = "-";

impl<'a> HoldAsk<'a> {
    /// The engine's form of it.
    pub(crate) fn request(&self) -> HoldRequest<'a> {
        let all = |request: HoldRequest<'a>, &(sku, quantity): &(&'a str, u32)| {
            request.line(sku, quantity)
        };
        let named = HoldRequest::new(self.customer.unwrap_or(UNNAMED));
        let mut request = self.lines.iter().fold(named, all);
        if let Some(key) = self.key {
            request = request.key(key);
        }
        if let Some(area) = self.area {
            request = request.area(area);
        }
        request
    }

    /// What a drop would say of the request itself.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.request().check()
    }
}
