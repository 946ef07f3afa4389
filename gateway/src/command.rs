//! What both wires ask for, in one form, and what comes back.

use jangteo::audit::Audit;
use jangteo::limits::UNITS_MAX;
use jangteo::{
    Hold, HoldOrWait, HoldRequest, Orders, Pending, Phase, Refund, Refusal, Report, Sale, SaleView,
    Wait, check_customer, check_payment,
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
    Refund(RefundAsk<'a>),
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
    /// Pauses, resumes or closes a drop.
    Turn {
        drop: &'a str,
        to: Turn,
    },
    SetStock(StockAsk<'a>),
    Audit {
        drop: &'a str,
    },
    Orders {
        drop: &'a str,
        after: u32,
    },
    Report {
        campaign: &'a str,
    },
    /// Beneficiaries, and what each is expected to get.
    Settle {
        campaign: &'a str,
        expect: &'a [(&'a str, u64)],
    },
}

/// What is to become of a drop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Pause,
    Resume,
    Close,
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

/// What is to come back of an order: without lines all that is left.
#[derive(Debug)]
pub(crate) struct RefundAsk<'a> {
    pub(crate) hold: &'a str,
    /// Names the refund.
    pub(crate) id: Option<&'a str>,
    pub(crate) lines: Asked<'a>,
    /// Left out: the drop's rule.
    pub(crate) restock: Option<bool>,
}

/// How many units there are to be of an item or gift.
#[derive(Debug)]
pub(crate) struct StockAsk<'a> {
    pub(crate) drop: &'a str,
    pub(crate) sku: &'a str,
    pub(crate) total: u32,
    /// What the caller takes the total for.
    pub(crate) was: Option<u32>,
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
    /// Without items and gifts.
    pub(crate) bare: bool,
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
    /// A drop that was changed.
    Changed(Pending<SaleView>),
    Audit(Pending<Audit>),
    /// A page of a drop's orders, and the drop, to go on with.
    Orders(Sale, Pending<Orders>),
    Report(Pending<Report>),
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
            Self::Refund(ask) => ask.check(),
            Self::SetStock(ask) => ask.check(),
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

impl<'a> RefundAsk<'a> {
    /// The engine's form of it.
    pub(crate) fn refund(&self) -> Refund<'a> {
        let mut refund = Refund::all();
        for &(sku, quantity) in &self.lines {
            refund = refund.line(sku, quantity);
        }
        if let Some(id) = self.id {
            refund = refund.id(id);
        }
        if let Some(restock) = self.restock {
            refund = refund.restock(restock);
        }
        refund
    }

    /// What an order would say of the request itself.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.refund().check()
    }
}

impl StockAsk<'_> {
    /// What a drop would say of the request itself.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.total > UNITS_MAX {
            return Err(Refusal::Malformed("total"));
        }
        match self.was {
            Some(was) if was > UNITS_MAX => Err(Refusal::Malformed("was")),
            _ => Ok(()),
        }
    }
}
