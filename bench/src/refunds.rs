//! Judges refunds: of a whole order, and of some units of one of its lines.

use jangteo::{HoldId, HoldState};

use crate::auditor::{may_be, of, strange};
use crate::command::{Answer, Exchange, No, Reply, Units};
use crate::known::Known;
use crate::shadow::Shadow;
use crate::violation::{Violation, require};

type Judged = Result<(), Violation>;

/// What came back together with what did before.
fn plus(back: &Units, (item, units): (u16, u32)) -> Units {
    let mut sum = back.clone();
    match sum.iter_mut().find(|(other, _)| *other == item) {
        Some((_, all)) => *all += units,
        None => sum.push((item, units)),
    }
    sum.sort_unstable();
    sum
}

/// Whether an answer shows as come back what may have: all of it exactly where nothing is left.
pub(crate) fn is_fair(known: &Known, answer: &Answer) -> bool {
    let all = answer.back == known.lines;
    let perhaps = known.perhaps_back.map(|line| plus(&known.back, line));
    let some = answer.back == known.back || perhaps.is_some_and(|back| answer.back == back);
    match answer.state {
        HoldState::Refunded => all,
        _ => !all && (some || known.customer.is_shared()),
    }
}

/// Judges a refund of all that is left.
pub(crate) fn judge(shadow: &mut Shadow, exchange: &Exchange, id: HoldId) -> Judged {
    let known = of(shadow, exchange, id)?;
    let may = |state| may_be(known, state, exchange.answered_ms);
    let order = known.state == HoldState::Confirmed;
    match &exchange.reply {
        Reply::Hold(answer) => {
            let fair = (may(HoldState::Confirmed) || may(HoldState::Refunded))
                && (answer.id, answer.state) == (id, HoldState::Refunded)
                && (&answer.lines, &answer.gifts) == (&known.lines, &known.gifts);
            require(fair, "answer", || format!("{known:?} was refunded: {answer:?}"))?;
            if order {
                shadow.changes += 1;
                shadow.gave_back_ns = exchange.answered_ns;
            }
            shadow.turn(id, HoldState::Refunded, None);
            shadow.came_back(id, &answer.lines);
            Ok(())
        }
        Reply::No(No::WrongState) if may(HoldState::Held) || may(HoldState::Released) => Ok(()),
        Reply::No(No::Expired) if may(HoldState::Expired) => {
            shadow.turn(id, HoldState::Expired, None);
            Ok(())
        }
        Reply::Unknown => {
            if order {
                shadow.gave_back_ns = exchange.answered_ns;
                shadow.doubt(id, HoldState::Refunded, None);
            }
            Ok(())
        }
        _ => Err(strange(exchange, &format!("what becomes of {known:?}"))),
    }
}

/// Judges a refund of some units of a line.
pub(crate) fn judge_line(
    shadow: &mut Shadow,
    exchange: &Exchange,
    id: HoldId,
    line: (u16, u32),
) -> Judged {
    let known = of(shadow, exchange, id)?;
    let may = |state| may_be(known, state, exchange.answered_ms);
    let enough = known.left().iter().any(|&(item, units)| item == line.0 && units >= line.1);
    let back = plus(&known.back, line);
    let all = back == known.lines;
    match &exchange.reply {
        Reply::Hold(answer) => {
            let state = if all { HoldState::Refunded } else { HoldState::Confirmed };
            let fair = may(HoldState::Confirmed)
                && enough
                && (answer.id, answer.state, &answer.back) == (id, state, &back)
                && (&answer.lines, &answer.gifts) == (&known.lines, &known.gifts);
            require(fair, "answer", || format!("{line:?} of {known:?} were refunded: {answer:?}"))?;
            shadow.changes += 1;
            shadow.gave_back_ns = exchange.answered_ns;
            if all {
                shadow.turn(id, state, None);
            }
            shadow.came_back(id, &back);
            Ok(())
        }
        Reply::No(No::WrongState)
            if !enough || may(HoldState::Held) || may(HoldState::Released) =>
        {
            Ok(())
        }
        Reply::No(No::Expired) if may(HoldState::Expired) => {
            shadow.turn(id, HoldState::Expired, None);
            Ok(())
        }
        Reply::Unknown => {
            if enough && known.state == HoldState::Confirmed {
                shadow.gave_back_ns = exchange.answered_ns;
                shadow.may_come_back(id, line);
                if all {
                    shadow.doubt(id, HoldState::Refunded, None);
                }
            }
            Ok(())
        }
        _ => Err(strange(exchange, &format!("what becomes of {known:?}"))),
    }
}
