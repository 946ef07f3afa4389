//! `DROP.*` commands to the engine, and its answers to replies.

use jangteo::{Hold, HoldOrWait, ItemView, Phase, Refusal, SaleView, Ticket};

use super::reply::Reply;
use super::sale_command::{HoldCommand, ListCommand, RefundCommand, SaleCommand};
use super::session::{AUTHENTICATION_REQUIRED, LOADING};
use super::wait_reply::{WAIT, write_wait};
use crate::access::{Caller, Denied};
use crate::codes::Code;
use crate::command::{Answer, Command, Filter, HoldAsk, RefundAsk, Refused};
use crate::dispatch::Dispatcher;
use crate::limits::{DROPS_LISTED, DROPS_LISTED_MAX};

/// Executes `command` for `caller` and writes its reply; returns what the reply has to wait for.
pub(super) fn answer<'a>(
    dispatcher: &Dispatcher,
    caller: &'a Caller,
    command: SaleCommand<'a>,
    reply: &mut Reply<'_>,
) -> Option<Ticket> {
    let brief = matches!(command, SaleCommand::Hold(HoldCommand { brief: true, .. }));
    let leaves = matches!(command, SaleCommand::Leave { .. });
    let sku = if let SaleCommand::Stock { sku, .. } = command { sku } else { None };
    let verb = command.name();
    let answer = typed(command).and_then(|command| dispatcher.run(caller, command));
    match answer {
        Ok(Answer::HoldOrWait(pending)) => {
            let (held, ticket) = pending.into_parts();
            match held {
                HoldOrWait::Hold(hold) if brief => reply.bulk(hold.id.to_text()),
                HoldOrWait::Hold(hold) => write_hold(&hold, reply),
                HoldOrWait::Wait(_) if brief => reply.bulk(WAIT),
                HoldOrWait::Wait(wait) => write_wait(&wait, reply),
            }
            Some(ticket)
        }
        Ok(Answer::Hold(pending)) => {
            let (hold, ticket) = pending.into_parts();
            write_hold(&hold, reply);
            Some(ticket)
        }
        Ok(Answer::Wait(pending)) => {
            let (wait, ticket) = pending.into_parts();
            if leaves {
                reply.simple("OK");
            } else {
                write_wait(&wait, reply);
            }
            Some(ticket)
        }
        Ok(Answer::Found(pending, _)) => {
            let (holds, ticket) = pending.into_parts();
            reply.array(holds.len());
            holds.iter().for_each(|hold| write_hold(hold, reply));
            Some(ticket)
        }
        Ok(Answer::Drop(view)) => {
            write_stock(&view, sku, reply);
            None
        }
        Ok(Answer::Drops(views, _)) => {
            reply.array(views.len());
            views.iter().for_each(|view| write_drop(view, reply));
            None
        }
        Ok(Answer::Audit(_) | Answer::Changed(_) | Answer::Orders(..) | Answer::Report(_)) => {
            unreachable!("no command of this wire asks for that")
        }
        Err(Refused::Denied(denied)) => {
            write_denied(denied, verb, reply);
            None
        }
        Err(refused) => write_refused(refused, brief, reply),
    }
}

/// Answers somebody who has not said who it is. `malformed` comes first, as over HTTP.
pub(super) fn refuse_stranger(command: SaleCommand<'_>, reply: &mut Reply<'_>) {
    match typed(command).and_then(|command| Ok(command.check()?)) {
        Ok(()) => reply.error(AUTHENTICATION_REQUIRED),
        Err(refused) => _ = write_refused(refused, false, reply),
    }
}

fn typed(command: SaleCommand<'_>) -> Result<Command<'_>, Refused> {
    Ok(match command {
        SaleCommand::Hold(HoldCommand { drop, customer, lines, key, area, wait, brief: _ }) => {
            Command::Hold(HoldAsk { drop, customer: Some(customer), lines, key, area, wait })
        }
        SaleCommand::Confirm { hold, payment } => Command::Confirm { hold, payment },
        SaleCommand::Release { hold } => Command::Release { hold },
        SaleCommand::Extend { hold } => Command::Extend { hold },
        SaleCommand::Refund(RefundCommand { hold, id, lines }) => {
            Command::Refund(RefundAsk { hold, id, lines, restock: None })
        }
        SaleCommand::Get { hold } => Command::Get { hold },
        SaleCommand::Find { drop, customer } => Command::Find { drop, customer: Some(customer) },
        SaleCommand::Waiting { wait } => Command::Wait { wait },
        SaleCommand::Leave { wait } => Command::Leave { wait },
        SaleCommand::Stock { drop, sku: _ } => Command::Drop { drop },
        SaleCommand::List(ListCommand { phase, limit, after }) => {
            let limit = limit.map_or(Ok(DROPS_LISTED), usize::try_from);
            let limit = limit.ok().filter(|limit| (1..=DROPS_LISTED_MAX).contains(limit));
            let limit = limit.ok_or(Refusal::Malformed("limit"))?;
            let phase = phase.map(str::parse::<Phase>).transpose();
            let phases = phase.map_err(|()| Refusal::Malformed("phase"))?.into_iter().collect();
            Command::Drops(Filter { campaign: None, phases, limit, after, bare: true })
        }
    })
}

fn write_hold(hold: &Hold, reply: &mut Reply<'_>) {
    reply.map(9);
    reply.bulk("id");
    reply.bulk(hold.id.to_text());
    reply.bulk("state");
    reply.bulk(hold.state.name());
    reply.bulk("number");
    reply.integer(hold.number);
    reply.bulk("total");
    reply.integer(hold.total().amount);
    reply.bulk("expires_at_ms");
    match hold.expires_at {
        Some(at) => reply.integer(at.as_ms()),
        None => reply.integer(-1),
    }
    reply.bulk("payment");
    match hold.payment() {
        Some(payment) => reply.bulk(payment),
        None => reply.null(),
    }
    reply.bulk("replayed");
    reply.integer(u8::from(hold.replayed));
    reply.bulk("lines");
    reply.array(2 * hold.lines().len());
    for line in hold.lines() {
        reply.bulk(line.sku);
        reply.integer(line.quantity);
    }
    reply.bulk("gifts");
    reply.array(2 * hold.gifts().count());
    for gift in hold.gifts() {
        reply.bulk(gift.sku);
        reply.integer(gift.quantity);
    }
}

/// INVARIANT(T1): a sealed drop is answered as one without items.
fn write_stock(view: &SaleView, sku: Option<&str>, reply: &mut Reply<'_>) {
    let items = view.items.as_deref().unwrap_or_default();
    match sku {
        None => {
            reply.array(items.len());
            items.iter().for_each(|item| write_item(item, reply));
        }
        Some(sku) => match items.iter().find(|item| item.sku == sku) {
            Some(item) => {
                reply.array(1);
                write_item(item, reply);
            }
            None => reply.error(Code::UnknownSku.row().word),
        },
    }
}

fn write_item(item: &ItemView, reply: &mut Reply<'_>) {
    let units = |units: Option<u32>| units.map_or(-1, i64::from);
    reply.map(5);
    reply.bulk("sku");
    reply.bulk(&item.sku);
    reply.bulk("total");
    reply.integer(units(item.total));
    reply.bulk("available");
    reply.integer(units(item.available));
    reply.bulk("held");
    reply.integer(item.held);
    reply.bulk("sold");
    reply.integer(item.sold);
}

fn write_drop(view: &SaleView, reply: &mut Reply<'_>) {
    reply.map(4);
    reply.bulk("id");
    reply.bulk(&view.id);
    reply.bulk("phase");
    reply.bulk(view.phase.name());
    reply.bulk("sold_out");
    reply.integer(u8::from(view.sold_out));
    reply.bulk("opens_at_ms");
    reply.integer(view.opens_at.as_ms());
}

/// Writes why a command about the drop's channel is not executed.
pub(super) fn refuse(refused: Refused, verb: &str, reply: &mut Reply<'_>) {
    match refused {
        Refused::Denied(denied) => write_denied(denied, verb, reply),
        // Only a hold can be refused in a way that has to wait for the disk.
        refused => _ = write_refused(refused, false, reply),
    }
}

/// In Redis's words, with `BRIEF` too.
fn write_denied(denied: Denied, verb: &str, reply: &mut Reply<'_>) {
    match denied {
        Denied::Unauthenticated | Denied::Unknown => reply.error(AUTHENTICATION_REQUIRED),
        Denied::Call(_) => reply
            .error(format_args!("NOPERM this user has no permissions to run the '{verb}' command")),
        Denied::Subject(_) => reply.error(
            "NOPERM this user has no permissions to access one of the keys used as arguments",
        ),
    }
}

fn write_refused(refused: Refused, brief: bool, reply: &mut Reply<'_>) -> Option<Ticket> {
    let refusal = match refused {
        Refused::Sale(refusal) => refusal,
        Refused::TooOften(early) => {
            let word = Code::RateLimited.row().word;
            if brief {
                reply.bulk(word);
            } else {
                let retry_after_ms = early.retry_after_ms();
                reply.error(format_args!("{word} retry_after_ms={retry_after_ms}"));
            }
            return None;
        }
        Refused::Recovering => {
            reply.error(LOADING);
            return None;
        }
        Refused::Broken | Refused::Denied(_) => {
            let row = Code::Internal.row();
            reply.error(format_args!("{} {}", row.word, row.name));
            return None;
        }
    };
    let row = Code::of(&refusal).row();
    let word = row.word;
    // INVARIANT(J6): the limit's answer is about the customer's holds, with `BRIEF` too.
    if let Refusal::LimitReached(pending) = refusal {
        let (holds, ticket) = pending.into_parts();
        if brief {
            reply.bulk(word);
        } else {
            reply.error(Limit { word, holds: &holds });
        }
        return Some(ticket);
    }
    match refusal {
        _ if brief && !row.is_fault() => reply.bulk(word),
        Refusal::Malformed(what) => reply.error(format_args!("{word} malformed: {what}")),
        Refusal::SoldOut { available } => {
            reply.error(format_args!("{word} available={available}"));
        }
        Refusal::NotOpen { opens_at } => {
            reply.error(format_args!("{word} opens_at_ms={}", opens_at.as_ms()));
        }
        _ => reply.error(word),
    }
    None
}

/// The limit's error: the holds that count, newest first.
struct Limit<'a> {
    word: &'static str,
    holds: &'a [Hold],
}

impl std::fmt::Display for Limit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word)?;
        self.holds.iter().try_for_each(|hold| write!(f, " hold={}", hold.id))
    }
}
