//! Why a call was refused, in more than its code: looked up once it was, so that a call that is not
//! refused pays nothing for it. What is said is what the caller may see anyway.

use std::borrow::Cow;

use jangteo::limits::{
    AREA_MAX, CUSTOMER_MAX, KEY_MAX, LINES_MAX, PAYMENT_MAX, QUANTITY_MAX, SKU_MAX, UNITS_MAX,
};
use jangteo::{LedgerRow, Phase, Refusal, Report, SaleView};

use super::head::named;
use super::holds::durable;
use super::problem::{Members, Problem};
use crate::app::App;
use crate::codes::Code;
use crate::command::Refused;

/// The rule that a part of a request breaks. The engine calls parts by their names in Rust.
pub(super) fn rule(part: &'static str) -> Cow<'static, str> {
    let visible = |name: &str, most: usize| format!("{name}: 1 to {most} visible ASCII characters");
    let text = match part {
        "area" => visible(part, AREA_MAX),
        "customer" => visible(part, CUSTOMER_MAX),
        "key" => visible("Idempotency-Key", KEY_MAX),
        "lines" => format!("lines: 1 to {LINES_MAX} items"),
        "payment" => visible(part, PAYMENT_MAX) + ", needed unless the total is 0",
        "quantity" => {
            format!("quantity: 1 to {QUANTITY_MAX} units of an item, its lines together")
        }
        "refund" => visible(part, PAYMENT_MAX),
        "sku" => visible(part, SKU_MAX),
        "total" | "was" => format!("{part}: at most {UNITS_MAX}"),
        other => return other.into(),
    };
    text.into()
}

/// The problem of a call about a hold, which the caller may see: `wrong_state` says in which state
/// it is.
pub(super) async fn of_hold(app: &App, hold: &str, refused: Refused) -> Problem {
    let wrong = matches!(refused, Refused::Sale(Refusal::WrongState));
    let Some(pending) = app.dispatcher.hold_now(hold).filter(|_| wrong) else {
        return Problem::of(app, refused).await;
    };
    // INVARIANT(J6): a state is told once its record is durable.
    match durable(app, pending).await {
        Ok(hold) => {
            let members = Members { state: Some(hold.state), ..Members::default() };
            let detail = format!("the hold is {}", hold.state.name());
            Problem::new(Code::WrongState, detail).with(members)
        }
        Err(problem) => problem,
    }
}

/// The problem of setting stock: `conflict` says what the total is.
pub(super) async fn of_stock(app: &App, drop: &str, sku: &str, refused: Refused) -> Problem {
    let stale = matches!(refused, Refused::Sale(Refusal::Conflict));
    let total = app.dispatcher.drop_now(drop).filter(|_| stale).and_then(|view| total(&view, sku));
    let Some(total) = total else { return Problem::of(app, refused).await };
    let members = Members { total: Some(total), ..Members::default() };
    Problem::new(Code::Conflict, format!("was: the total is {total}")).with(members)
}

/// Of an item or a gift; a sealed drop shows none.
fn total(view: &SaleView, sku: &str) -> Option<u32> {
    let item = view.items.iter().flatten().find(|item| item.sku == sku).map(|item| item.total);
    let gift = || view.gifts.iter().flatten().find(|gift| gift.sku == sku).map(|gift| gift.total);
    item.or_else(gift).flatten()
}

/// The problem of a settlement: `wrong_state` says what has to end first, `conflict` who would get
/// something else.
pub(super) async fn of_settlement(
    app: &App,
    campaign: &str,
    expect: &[(&str, u64)],
    refused: Refused,
) -> Problem {
    let why = match refused {
        Refused::Sale(Refusal::WrongState) => unsettled(&app.dispatcher.drops_now(campaign)),
        Refused::Sale(Refusal::Conflict) => match app.dispatcher.report_now(campaign) {
            Some(pending) => match durable(app, pending).await {
                Ok(report) => unexpected(&report, expect, &app.dispatcher.drops_now(campaign)),
                Err(problem) => return problem,
            },
            None => None,
        },
        _ => None,
    };
    match why {
        Some(why) => why,
        None => Problem::of(app, refused).await,
    }
}

/// The first drop that is not closed, or else of which units are held.
fn unsettled(drops: &[SaleView]) -> Option<Problem> {
    let held = |view: &SaleView| view.items.iter().flatten().map(|item| item.held).sum::<u64>();
    let is_over = |view: &&SaleView| matches!(view.phase, Phase::Closed | Phase::Settled);
    let going_on = drops.iter().find(|view| !is_over(view)).map(|view| (view, None));
    let holding = || drops.iter().map(|view| (view, Some(held(view)))).find(|(_, n)| *n > Some(0));
    let (view, held) = going_on.or_else(holding)?;
    let detail = match held {
        None => format!("{} is not closed: it is {}", view.id, view.phase.name()),
        Some(held) => format!("{} has {held} units in holds that are live", view.id),
    };
    let members = Members { drop: Some(view.id.clone()), held, ..Members::default() };
    Some(Problem::new(Code::WrongState, detail).with(members))
}

/// The first beneficiary that gets another amount than expected, or is none.
fn unexpected(report: &Report, expect: &[(&str, u64)], drops: &[SaleView]) -> Option<Problem> {
    let is_settled = drops.iter().all(|view| view.phase == Phase::Settled);
    let amount = |row: &LedgerRow| if is_settled { row.settled } else { row.accrued };
    let rows = |id: &str| {
        let all = report.total.ledger.iter();
        all.filter(|row| row.beneficiary == id).map(amount).reduce(u64::saturating_add)
    };
    expect.iter().find_map(|(id, expected)| {
        let gets = rows(id);
        if gets.unwrap_or_default() == *expected {
            return None;
        }
        let who = named("expect: ", id);
        let detail = match gets {
            Some(gets) => format!("{who} gets {gets}, not {expected}"),
            None => format!("{who} is no beneficiary of this campaign"),
        };
        let beneficiary = gets.map(|_| (*id).to_owned());
        let members = Members { beneficiary, amount: gets, ..Members::default() };
        Some(Problem::new(Code::Conflict, detail).with(members))
    })
}
