//! The one table of what each caller may do, on either wire.
//!
//! | call | none | customer's token | `sell` | `operate` |
//! |---|---|---|---|---|
//! | drops | yes | yes | yes | yes |
//! | hold, find | no | own, within the token's drop and area | yes | yes |
//! | get, release, extend; a wait, leave | no | own | yes | yes |
//! | confirm | no | own, whose total is 0 | yes | yes |
//! | refund | no | no | yes | yes |
//! | pause, resume, close, stock, audit, orders and everything else | no | no | no | yes |
//!
//! What is not allowed is decided before anything is looked up, but for whose a hold or a wait is:
//! another's is answered as one that does not exist.

use jangteo::{Hold, Refusal, Sale, Wait};

use super::caller::Caller;
use super::key::Scope;
use super::token::Token;
use crate::command::{Command, Refused};

const OTHER_DROP: &str = "the token is for another drop";

/// What a call needs at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Customer,
    Sell,
    Operate,
}

/// Why a caller may not. The text says what is not allowed, never to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// A credential is needed.
    Unauthenticated,
    /// The credential is not valid.
    Unknown,
    /// The credential does not go as far as this call.
    Call(&'static str),
    /// It does not go as far as this customer, drop or area.
    Subject(&'static str),
}

impl Caller {
    /// Whether the caller may make a call of this kind at all.
    pub(crate) const fn permits(&self, need: Need) -> Result<(), Denied> {
        match (self, need) {
            (Self::Unknown, _) => Err(Denied::Unknown),
            (Self::Anyone | Self::Key(Scope::Operate, _), _) | (_, Need::Nothing) => Ok(()),
            (Self::Stranger, _) => Err(Denied::Unauthenticated),
            (Self::Customer(_) | Self::Key(Scope::Sell, _), Need::Customer)
            | (Self::Key(Scope::Sell, _), Need::Sell) => Ok(()),
            (Self::Customer(_), Need::Sell) => Err(Denied::Call("the call needs a key")),
            (Self::Customer(_) | Self::Key(Scope::Sell, _), Need::Operate) => {
                Err(Denied::Call("the call needs a key of scope operate"))
            }
        }
    }
}

impl Command<'_> {
    const fn need(&self) -> Need {
        match self {
            Self::Drop { .. } | Self::Drops(_) => Need::Nothing,
            Self::Hold(_)
            | Self::Find { .. }
            | Self::Get { .. }
            | Self::Confirm { .. }
            | Self::Release { .. }
            | Self::Extend { .. }
            | Self::Wait { .. }
            | Self::Leave { .. } => Need::Customer,
            Self::Refund(_) => Need::Sell,
            Self::Turn { .. }
            | Self::SetStock(_)
            | Self::Audit { .. }
            | Self::Orders { .. }
            | Self::Report { .. }
            | Self::Settle { .. } => Need::Operate,
        }
    }
}

/// Whether the caller may run the command, as far as that can be told without looking anything up;
/// fills in what a token says and the command leaves open.
pub(crate) fn admit<'a>(caller: &'a Caller, command: &mut Command<'a>) -> Result<(), Denied> {
    caller.permits(command.need())?;
    let Caller::Customer(token) = caller else { return Ok(()) };
    match command {
        Command::Hold(ask) => {
            bind(&mut ask.customer, Some(token.customer()), "customer: not the token's")?;
            bind(&mut Some(ask.drop), token.only_drop(), OTHER_DROP)?;
            bind(&mut ask.area, token.only_area(), "area: not the token's")
        }
        Command::Find { drop, customer } => {
            bind(customer, Some(token.customer()), "customer: not the token's")?;
            bind(&mut Some(*drop), token.only_drop(), OTHER_DROP)
        }
        _ => Ok(()),
    }
}

/// What the call says has to be what the token says; if the call says nothing, it says that.
fn bind<'a>(
    said: &mut Option<&'a str>,
    bound: Option<&'a str>,
    why: &'static str,
) -> Result<(), Denied> {
    match bound {
        Some(bound) if *said.get_or_insert(bound) != bound => Err(Denied::Subject(why)),
        _ => Ok(()),
    }
}

/// Whether the caller may do something to a hold, `confirm` it or anything else. `look` shows the
/// hold, and is asked only if it matters.
pub(crate) fn admit_to_hold(
    caller: &Caller,
    confirm: bool,
    look: impl FnOnce() -> Result<Hold, Refusal>,
) -> Result<(), Refused> {
    match caller {
        Caller::Customer(token) => Ok(admit_customer(token, confirm, &look()?)?),
        _ => Ok(()),
    }
}

/// Whether the caller may see a wait or leave it. `look` shows the wait, and is asked only if it
/// matters.
pub(crate) fn admit_to_wait(
    caller: &Caller,
    look: impl FnOnce() -> Result<Wait, Refusal>,
) -> Result<(), Refused> {
    let Caller::Customer(token) = caller else { return Ok(()) };
    let wait = look()?;
    if wait.customer() != token.customer() {
        return Err(Refusal::UnknownWait.into());
    }
    Ok(within_drop(token, wait.sale())?)
}

/// A hold never changes its customer, drop or total, so what is decided here stays right until the
/// command has run.
fn admit_customer(token: &Token, confirm: bool, hold: &Hold) -> Result<(), Refused> {
    if hold.customer() != token.customer() {
        return Err(Refusal::UnknownHold.into());
    }
    within_drop(token, hold.sale())?;
    if confirm && hold.total().amount != 0 {
        return Err(Denied::Call("a customer confirms only what costs nothing").into());
    }
    Ok(())
}

fn within_drop(token: &Token, sale: &Sale) -> Result<(), Denied> {
    match token.only_drop() {
        Some(drop) if drop != sale.id() => Err(Denied::Subject(OTHER_DROP)),
        _ => Ok(()),
    }
}
