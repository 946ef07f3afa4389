//! The `DROP.*` commands: what they ask for, and how their words are read.
//!
//! Texts are UTF-8; what else they have to be, and whether such a thing exists, is the engine's to
//! judge, as over HTTP.

use smallvec::SmallVec;

use super::bad_request::BadRequest;
use super::frame::Args;
use super::request::Request;
use super::word::integer;

/// A command for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaleCommand<'a> {
    /// `DROP.HOLD`: set units aside for one customer.
    Hold(HoldCommand<'a>),
    /// `DROP.CONFIRM`: a hold was paid for.
    Confirm {
        /// The hold's id.
        hold: &'a str,
        /// The payment's reference; may be left out where the total is 0.
        payment: Option<&'a str>,
    },
    /// `DROP.RELEASE`: give a hold's units back.
    Release {
        /// The hold's id.
        hold: &'a str,
    },
    /// `DROP.EXTEND`: move a hold's deadline.
    Extend {
        /// The hold's id.
        hold: &'a str,
    },
    /// `DROP.REFUND`: units of an order come back.
    Refund(RefundCommand<'a>),
    /// `DROP.GET`: show a hold.
    Get {
        /// The hold's id.
        hold: &'a str,
    },
    /// `DROP.FIND`: show a customer's holds.
    Find {
        /// The drop's id.
        drop: &'a str,
        /// The customer's name.
        customer: &'a str,
    },
    /// `DROP.WAITING`: show a place in the line.
    Waiting {
        /// The wait's id.
        wait: &'a str,
    },
    /// `DROP.LEAVE`: leave the line.
    Leave {
        /// The wait's id.
        wait: &'a str,
    },
    /// `DROP.STOCK`: count units.
    Stock {
        /// The drop's id.
        drop: &'a str,
        /// Only of this item.
        sku: Option<&'a str>,
    },
    /// `DROP.LIST`: show the drops.
    List(ListCommand<'a>),
}

impl SaleCommand<'_> {
    /// The command's name, in lower case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hold(_) => "drop.hold",
            Self::Confirm { .. } => "drop.confirm",
            Self::Release { .. } => "drop.release",
            Self::Extend { .. } => "drop.extend",
            Self::Refund(_) => "drop.refund",
            Self::Get { .. } => "drop.get",
            Self::Find { .. } => "drop.find",
            Self::Waiting { .. } => "drop.waiting",
            Self::Leave { .. } => "drop.leave",
            Self::Stock { .. } => "drop.stock",
            Self::List(_) => "drop.list",
        }
    }
}

/// `DROP.HOLD drop customer numlines sku qty [sku qty ...] [KEY k] [AREA a] [WAIT] [BRIEF]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldCommand<'a> {
    /// The drop's id.
    pub drop: &'a str,
    /// Who wants the units.
    pub customer: &'a str,
    /// Items and how many units of each, as sent: at least one line, not summed, quantities from 0.
    pub lines: SmallVec<[(&'a str, u32); 2]>,
    /// The idempotency key.
    pub key: Option<&'a str>,
    /// The delivery area.
    pub area: Option<&'a str>,
    /// Join the line if too few units are there.
    pub wait: bool,
    /// Answer with the hold's id or the refusal's word alone.
    pub brief: bool,
}

/// `DROP.REFUND hold [ID r] [numlines sku qty ...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundCommand<'a> {
    /// The hold's id.
    pub hold: &'a str,
    /// Names the refund.
    pub id: Option<&'a str>,
    /// Items and how many units of each, as sent; none for all that is left.
    pub lines: SmallVec<[(&'a str, u32); 2]>,
}

/// `DROP.LIST [PHASE p] [LIMIT n] [AFTER id]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListCommand<'a> {
    /// Only drops in this phase, as sent.
    pub phase: Option<&'a str>,
    /// At most this many, as sent.
    pub limit: Option<u32>,
    /// Only drops behind this one.
    pub after: Option<&'a str>,
}

type Parsed<'a> = Result<Request<'a>, BadRequest<'a>>;

pub(super) fn hold(mut args: Args<'_>) -> Parsed<'_> {
    let drop = word(&mut args, "drop")?;
    let customer = word(&mut args, "customer")?;
    let mut command = HoldCommand {
        drop,
        customer,
        lines: lines(&mut args)?,
        key: None,
        area: None,
        wait: false,
        brief: false,
    };
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"key") {
            once(&mut command.key, word(&mut args, "key")?)?;
        } else if option.eq_ignore_ascii_case(b"area") {
            once(&mut command.area, word(&mut args, "area")?)?;
        } else if option.eq_ignore_ascii_case(b"brief") && !command.brief {
            command.brief = true;
        } else if option.eq_ignore_ascii_case(b"wait") && !command.wait {
            command.wait = true;
        } else {
            return Err(BadRequest::Syntax);
        }
    }
    Ok(Request::Sale(SaleCommand::Hold(command)))
}

pub(super) fn confirm(mut args: Args<'_>) -> Parsed<'_> {
    let hold = word(&mut args, "hold")?;
    let payment = optional_word(&mut args, "payment")?;
    Ok(Request::Sale(SaleCommand::Confirm { hold, payment }))
}

pub(super) fn release(mut args: Args<'_>) -> Parsed<'_> {
    Ok(Request::Sale(SaleCommand::Release { hold: word(&mut args, "hold")? }))
}

pub(super) fn extend(mut args: Args<'_>) -> Parsed<'_> {
    Ok(Request::Sale(SaleCommand::Extend { hold: word(&mut args, "hold")? }))
}

pub(super) fn refund(mut args: Args<'_>) -> Parsed<'_> {
    let hold = word(&mut args, "hold")?;
    let mut rest = args.clone();
    let named = rest.next().is_some_and(|option| option.eq_ignore_ascii_case(b"id"));
    let id = if named {
        args = rest;
        Some(word(&mut args, "refund")?)
    } else {
        None
    };
    let lines = if args.is_empty() { SmallVec::new() } else { lines(&mut args)? };
    if args.is_empty() {
        Ok(Request::Sale(SaleCommand::Refund(RefundCommand { hold, id, lines })))
    } else {
        Err(BadRequest::Syntax)
    }
}

pub(super) fn get(mut args: Args<'_>) -> Parsed<'_> {
    Ok(Request::Sale(SaleCommand::Get { hold: word(&mut args, "hold")? }))
}

pub(super) fn find(mut args: Args<'_>) -> Parsed<'_> {
    let drop = word(&mut args, "drop")?;
    let customer = word(&mut args, "customer")?;
    Ok(Request::Sale(SaleCommand::Find { drop, customer }))
}

pub(super) fn waiting(mut args: Args<'_>) -> Parsed<'_> {
    Ok(Request::Sale(SaleCommand::Waiting { wait: word(&mut args, "wait")? }))
}

pub(super) fn leave(mut args: Args<'_>) -> Parsed<'_> {
    Ok(Request::Sale(SaleCommand::Leave { wait: word(&mut args, "wait")? }))
}

pub(super) fn stock(mut args: Args<'_>) -> Parsed<'_> {
    let drop = word(&mut args, "drop")?;
    let sku = optional_word(&mut args, "sku")?;
    Ok(Request::Sale(SaleCommand::Stock { drop, sku }))
}

pub(super) fn list(mut args: Args<'_>) -> Parsed<'_> {
    let mut command = ListCommand::default();
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"phase") {
            once(&mut command.phase, word(&mut args, "phase")?)?;
        } else if option.eq_ignore_ascii_case(b"limit") {
            once(&mut command.limit, number(&mut args)?)?;
        } else if option.eq_ignore_ascii_case(b"after") {
            once(&mut command.after, word(&mut args, "after")?)?;
        } else {
            return Err(BadRequest::Syntax);
        }
    }
    Ok(Request::Sale(SaleCommand::List(command)))
}

/// Reads `numlines` and as many pairs of SKU and quantity.
fn lines<'a>(args: &mut Args<'a>) -> Result<SmallVec<[(&'a str, u32); 2]>, BadRequest<'a>> {
    let count = number(args)?;
    if count == 0 {
        return Err(BadRequest::Malformed("numlines must be at least 1"));
    }
    // NOTE: `count` is only what the client says; a frame's words bound how often this goes round.
    (0..count).map(|_| Ok((word(args, "sku")?, number(args)?))).collect()
}

/// The next word, which has to be there and UTF-8; `what` names it in the error.
fn word<'a>(args: &mut Args<'a>, what: &'static str) -> Result<&'a str, BadRequest<'a>> {
    optional_word(args, what)?.ok_or(BadRequest::Syntax)
}

fn optional_word<'a>(
    args: &mut Args<'a>,
    what: &'static str,
) -> Result<Option<&'a str>, BadRequest<'a>> {
    let Some(bytes) = args.next() else { return Ok(None) };
    std::str::from_utf8(bytes).map(Some).map_err(|_| BadRequest::Malformed(what))
}

/// The next word, which has to be there and a number from 0.
fn number<'a>(args: &mut Args<'a>) -> Result<u32, BadRequest<'a>> {
    let number = integer(args.next().ok_or(BadRequest::Syntax)?);
    number.and_then(|number| u32::try_from(number).ok()).ok_or(BadRequest::NotAnInteger)
}

/// Sets an option that may be given once.
fn once<T>(option: &mut Option<T>, value: T) -> Result<(), BadRequest<'static>> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadRequest::Syntax),
    }
}
