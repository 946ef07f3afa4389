//! Compares every reply with what the shadow predicts, and teaches the shadow what is new.
//!
//! The order of checks is the contract's: key, phase, limit, stock. What depends on other clients
//! (whether units are left, what became of a shared customer's hold) is left open here and settled
//! by the [`invariants`](crate::invariants).

use jangteo::{HoldId, HoldState};

use crate::command::{Answer, Command, Customer, Exchange, Key, No, Payment, Place, Reply, Units};
use crate::in_line;
use crate::known::Known;
use crate::plan::{OPENS_MS, Profile};
use crate::refunds;
use crate::shadow::{Granted, Shadow};
use crate::violation::{Violation, require};

/// Most holds that `find` lists.
const LISTED_MAX: usize = jangteo::limits::HOLDS_LISTED_MAX;

type Judged = Result<(), Violation>;

/// Judges one exchange of the client whose shadow this is.
///
/// # Errors
/// The violation, if the reply cannot be.
pub fn judge(shadow: &mut Shadow, exchange: &Exchange) -> Judged {
    shadow.operations += 1;
    if exchange.reply == Reply::No(No::Busy) {
        return Ok(());
    }
    match &exchange.command {
        Command::Hold { customer, key, lines } | Command::Join { customer, key, lines } => {
            Holding { shadow, exchange, customer: *customer, key: *key, lines }.judge()
        }
        Command::Look { wait } | Command::Leave { wait } => in_line::judge(shadow, exchange, *wait),
        Command::Confirm { hold, payment } => confirm(shadow, exchange, *hold, *payment),
        Command::Release { hold } => release(shadow, exchange, *hold),
        Command::Refund { hold } => refunds::judge(shadow, exchange, *hold),
        Command::RefundLine { hold, line, .. } => {
            refunds::judge_line(shadow, exchange, *hold, *line)
        }
        Command::Extend { hold } => extend(shadow, exchange, *hold),
        Command::Get { hold } => match &exchange.reply {
            Reply::Hold(answer) => seen(shadow, exchange, *hold, answer),
            Reply::Unknown => Ok(()),
            _ => Err(strange(exchange, "a hold that was granted")),
        },
        Command::Find { customer } => find(shadow, exchange, *customer),
        Command::Pass { .. } => {
            shadow.gave_back_ns = exchange.answered_ns;
            if let Reply::Passed(Some(expired)) = exchange.reply {
                shadow.changes += expired;
            }
            Ok(())
        }
    }
}

pub(crate) fn strange(exchange: &Exchange, expected: &str) -> Violation {
    let Exchange { command, reply, .. } = exchange;
    Violation::of("answer", format!("{command:?} got {reply:?}, not {expected}"))
}

struct Holding<'a> {
    shadow: &'a mut Shadow,
    exchange: &'a Exchange,
    customer: Customer,
    key: Key,
    lines: &'a Units,
}

impl Holding<'_> {
    fn judge(self) -> Judged {
        let known = self.shadow.by_key(self.customer, self.key).cloned();
        match known {
            Some(known) => self.repeated(&known),
            None => self.fresh(),
        }
    }

    /// INVARIANT(K1): the same key and request get the same hold, another request `key_reused`.
    fn repeated(self, known: &Known) -> Judged {
        let same = known.lines == *self.lines;
        match &self.exchange.reply {
            Reply::Hold(answer) if same => {
                require(answer.id == known.id && answer.replayed, "K1", || {
                    format!("{:?} again got {answer:?}, not {}", self.exchange.command, known.id)
                })?;
                seen(self.shadow, self.exchange, known.id, answer)
            }
            Reply::No(No::KeyReused) if !same => Ok(()),
            Reply::Unknown => Ok(()),
            _ if same => Err(self.wrong("K1", &format!("{}", known.id))),
            _ => Err(self.wrong("K1", "key_reused")),
        }
    }

    fn wrong(&self, invariant: &'static str, expected: &str) -> Violation {
        Violation { invariant, ..strange(self.exchange, expected) }
    }

    fn fresh(mut self) -> Judged {
        let (sent_ms, answered_ms) = (self.exchange.sent_ms, self.exchange.answered_ms);
        // Phases never run back, though the clock may.
        let reached_ms = self.exchange.reached_ms;
        let (sent_at, answered_at) = (sent_ms.max(reached_ms), answered_ms.max(reached_ms));
        let plan = self.shadow.plan();
        let closes_ms = plan.closes_ms().unwrap_or(u64::MAX);
        let asked: u32 = self.lines.iter().map(|&(_, units)| units).sum();
        let limit = if plan.limit == 0 { u32::MAX } else { plan.limit };
        let (surely, _) = self.shadow.units(self.customer, answered_ms);
        let (_, at_most) = self.shadow.units(self.customer, sent_ms);
        let over = surely.saturating_add(asked) > limit;
        let unheard = self.shadow.is_unanswered(self.customer, self.key);
        let may_be_over = self.customer.is_shared() || at_most.saturating_add(asked) > limit;
        let joins = matches!(self.exchange.command, Command::Join { .. });
        match &self.exchange.reply {
            // What was asked before the closing is told after it.
            Reply::Wait(place) if unheard => self.joined(place),
            Reply::Hold(answer) if unheard && answer.replayed => self.granted(answer),
            Reply::Unknown if unheard && answered_at >= closes_ms => self.left_open(),
            Reply::No(No::NotOpen) if sent_at < OPENS_MS => Ok(()),
            Reply::No(No::Closed) if answered_at >= closes_ms => Ok(()),
            // INVARIANT(T1): whole requests before the opening or after the closing.
            _ if answered_at < OPENS_MS => Err(self.wrong("T1", "not_open")),
            _ if sent_at >= closes_ms => Err(self.wrong("T1", "closed")),
            Reply::No(No::KeyReused) if self.customer.is_shared() || unheard => Ok(()),
            Reply::No(No::Limit(holds)) if may_be_over => self.limited(holds),
            // A limit reached by a hold that is not durable is not told.
            Reply::Unknown if over && !unheard => Ok(()),
            // INVARIANT(C1): what this customer has is known.
            _ if over && !unheard => Err(self.wrong("C1", "limit_reached")),
            Reply::Hold(answer) => self.granted(answer),
            Reply::Wait(place) if joins && !place.replayed => self.joined(place),
            Reply::No(No::SoldOut { available }) if !joins => self.sold_out(*available),
            Reply::Unknown => self.left_open(),
            Reply::No(No::Limit(_)) => Err(self.wrong("C1", "a hold within the limit")),
            _ => Err(self.wrong("answer", "a hold or sold_out")),
        }
    }

    fn left_open(self) -> Judged {
        self.shadow.leave_open(self.customer, self.key, self.lines.clone());
        Ok(())
    }

    fn joined(self, place: &Place) -> Judged {
        in_line::joined(self.shadow, self.exchange, (self.customer, self.key, self.lines), place)
    }

    /// The holds that count are listed, and no others.
    fn limited(&self, holds: &[Answer]) -> Judged {
        if self.customer.is_shared() {
            return require(!holds.is_empty(), "C1", || "a limit reached by nothing".to_owned());
        }
        for answer in holds {
            let known = self.shadow.by_id(answer.id);
            let its =
                known.is_some_and(|known| known.customer == self.customer && known.may_keep());
            let counts = matches!(answer.state, HoldState::Held | HoldState::Confirmed);
            let heard = its || !self.shadow.is_settled(self.customer);
            require(heard && counts, "C1", || format!("{answer:?} counts for no limit here"))?;
        }
        let surely = |known: &&Known| {
            known.keeps() && !known.may_expire(self.exchange.answered_ms) && known.perhaps.is_none()
        };
        let missing = self.shadow.of(self.customer).filter(surely).count() > holds.len();
        require(!missing, "C1", || format!("{}: a hold is not listed", self.customer))
    }

    fn granted(&mut self, answer: &Answer) -> Judged {
        let exchange = self.exchange;
        let plan = self.shadow.plan();
        require(answer.lines == *self.lines, "answer", || {
            format!("asked for {:?}, got {answer:?}", self.lines)
        })?;
        require(!self.is_doomed(), "S1", || format!("a doomed basket was granted: {answer:?}"))?;
        let closes_ms = plan.closes_ms().unwrap_or(u64::MAX);
        let opens_ms = if exchange.reached_ms >= OPENS_MS { 0 } else { OPENS_MS };
        require((opens_ms..closes_ms).contains(&answer.created_ms), "T1", || {
            format!("granted at {} ms, open from {OPENS_MS} to {closes_ms}", answer.created_ms)
        })?;
        let gifts = self.lines.iter().filter_map(|&(item, _)| plan.good(item).gift);
        let given = |good| answer.gifts.iter().any(|&(other, _)| other == good);
        let missing = gifts.clone().find(|gift| !given(gift.good));
        let required = gifts.clone().all(|gift| given(gift.good) || !gift.required);
        require(required, "S1", || format!("no gift: {answer:?}"))?;
        // Of a replay nobody knows when it went without.
        if let Some(gift) = missing.filter(|_| !answer.replayed) {
            let latest = self.shadow.ungiven.entry((gift.good, gift.quantity)).or_default();
            *latest = exchange.sent_ns.max(*latest);
        }
        let unheard = self.shadow.is_unanswered(self.customer, self.key);
        let may_replay = self.customer.is_shared() || unheard;
        require(may_replay || !answer.replayed, "K1", || {
            format!("a replay of nothing: {answer:?}")
        })?;
        require(self.shadow.by_id(answer.id).is_none(), "K1", || {
            format!("{}: one hold under two keys: {answer:?}", self.customer)
        })?;
        if !answer.replayed {
            let (number, sent_ns) = (answer.number, exchange.sent_ns);
            self.shadow.granted.push(Granted {
                number,
                sent_ns,
                answered_ns: exchange.answered_ns,
            });
            self.shadow.changes += 1;
            require(answer.state == HoldState::Held, "answer", || format!("{answer:?} is new"))?;
            let created = (exchange.sent_ms..=exchange.answered_ms).contains(&answer.created_ms);
            require(created, "answer", || format!("{answer:?} was made at another time"))?;
        }
        self.shadow.learn(Known::new(self.customer, self.key, answer));
        Ok(())
    }

    fn is_doomed(&self) -> bool {
        self.shadow.plan().profile == Profile::DoomedBaskets && self.lines.len() > 1
    }

    fn sold_out(&mut self, available: u32) -> Judged {
        let short = self.lines.iter().any(|&(_, units)| available < units);
        require(short, "S2", || format!("{available} left of {:?}: enough", self.lines))?;
        // INVARIANT(S2): in these plans there always is one for a single.
        let single = self.lines.as_slice() == [(0, 1)];
        let exact = single && self.shadow.plan().singles_never_refused();
        require(!exact, "S2", || format!("a single was refused: {available} left"))?;
        // One unit of the first item is always left there, so 0 is the missing gift: the basket
        // had taken everything else.
        if self.is_doomed() && available == 0 {
            self.shadow.undone += 1;
        }
        let sent_ns = self.exchange.sent_ns;
        match self.shadow.refused.get_mut(self.lines) {
            Some(latest) => *latest = sent_ns,
            None => {
                self.shadow.refused.insert(self.lines.clone(), sent_ns);
            }
        }
        Ok(())
    }
}

/// An answer shows a known hold as it is.
fn seen(shadow: &mut Shadow, exchange: &Exchange, id: HoldId, answer: &Answer) -> Judged {
    let Some(known) = shadow.by_id(id) else {
        return Err(strange(exchange, "a hold of this client"));
    };
    let same = answer.id == id
        && answer.number == known.number
        && answer.lines == known.lines
        && (answer.gifts == known.gifts || was_paid(known, answer))
        && (known.created_ms.0..=known.created_ms.1).contains(&answer.created_ms);
    require(same, "K1", || format!("{known:?} was shown as {answer:?}"))?;
    let expected = (answer.state == known.state && !known.is_gone)
        || (answer.state == HoldState::Expired && known.may_expire(exchange.answered_ms))
        || known.perhaps.is_some_and(|(state, _)| state == answer.state)
        || (known.customer.is_shared() && known.state == HoldState::Held);
    require(expected, "answer", || format!("{known:?} was shown as {answer:?}"))?;
    let back = refunds::is_fair(known, answer);
    require(back, "S1", || format!("{known:?} was shown as {answer:?}"))?;
    let on_time = answer.state != HoldState::Held
        || known.customer.is_shared()
        || known.perhaps.is_some()
        || answer
            .expires_ms
            .is_some_and(|ms| (known.expires_ms.0..=known.expires_ms.1).contains(&ms));
    require(on_time, "answer", || format!("{known:?} was shown to expire: {answer:?}"))?;
    if let (Some(paid), HoldState::Confirmed, None, false) =
        (known.payment, answer.state, known.perhaps, known.customer.is_shared())
    {
        let shown = answer.payment.as_deref() == Some(paid.to_string().as_str());
        require(shown, "answer", || format!("{known:?} was shown with {:?}", answer.payment))?;
    }
    if answer.state != known.state || known.perhaps.is_some() {
        let paid = answer.state == HoldState::Confirmed;
        let payment = known.perhaps.and_then(|(_, payment)| payment).filter(|_| paid);
        if let Some(expires_ms) = answer.expires_ms {
            shadow.extend(id, expires_ms);
        }
        shadow.turn(id, answer.state, payment);
        shadow.given(id, &answer.gifts);
    }
    shadow.came_back(id, &answer.back);
    if let (HoldState::Held, Some(expires_ms)) = (answer.state, answer.expires_ms) {
        shadow.saw(id, answer.created_ms, expires_ms);
    }
    Ok(())
}

/// Whether a payment without an answer was taken, perhaps late and with other gifts.
fn was_paid(known: &Known, answer: &Answer) -> bool {
    answer.state == HoldState::Confirmed
        && known.perhaps.is_some_and(|(state, _)| state == HoldState::Confirmed)
}

/// What a change of a hold may find it to be: its state, or expired, or what was left open.
pub(crate) fn may_be(known: &Known, state: HoldState, ms: u64) -> bool {
    (known.state == state && !known.is_gone)
        || (state == HoldState::Expired && known.may_expire(ms))
        || known.perhaps.is_some_and(|(perhaps, _)| perhaps == state)
        || (known.customer.is_shared() && known.state == HoldState::Held)
}

pub(crate) fn of<'s>(
    shadow: &'s Shadow,
    exchange: &Exchange,
    id: HoldId,
) -> Result<&'s Known, Violation> {
    shadow.by_id(id).ok_or_else(|| strange(exchange, "a hold of this client"))
}

fn confirm(shadow: &mut Shadow, exchange: &Exchange, id: HoldId, payment: Payment) -> Judged {
    let known = of(shadow, exchange, id)?;
    let may = |state| may_be(known, state, exchange.answered_ms);
    let (held, late) = (may(HoldState::Held), may(HoldState::Expired));
    let paid = known.payment;
    match &exchange.reply {
        Reply::Hold(answer) => {
            let again = may(HoldState::Confirmed) && paid.is_none_or(|paid| paid == payment);
            require(held || again || late, "answer", || {
                format!("{known:?} was confirmed: {answer:?}")
            })?;
            if known.state == HoldState::Expired && known.perhaps.is_none() {
                paid_late(shadow, exchange, known)?;
            }
            let shown = answer.id == id
                && (answer.number, &answer.lines) == (known.number, &known.lines)
                && (answer.gifts == known.gifts || late || was_paid(known, answer))
                && answer.state == HoldState::Confirmed
                && answer.payment.as_deref() == Some(payment.to_string().as_str());
            require(shown, "answer", || format!("confirmed {known:?}, got {answer:?}"))?;
            let changes = u64::from(known.state != HoldState::Confirmed);
            shadow.changes += changes;
            shadow.turn(id, HoldState::Confirmed, Some(payment));
            shadow.given(id, &answer.gifts);
            Ok(())
        }
        Reply::No(No::Conflict) if may(HoldState::Confirmed) && paid != Some(payment) => Ok(()),
        Reply::No(No::WrongState) if may(HoldState::Released) || may(HoldState::Refunded) => Ok(()),
        Reply::No(No::Expired) if may(HoldState::Expired) => {
            shadow.turn(id, HoldState::Expired, None);
            Ok(())
        }
        Reply::Unknown => {
            if matches!(known.state, HoldState::Held | HoldState::Expired) {
                shadow.doubt(id, HoldState::Confirmed, Some(payment));
            }
            Ok(())
        }
        _ => Err(strange(exchange, &format!("what becomes of {known:?}"))),
    }
}

/// A hold that had surely expired was paid for: within the limit, and before the closing.
fn paid_late(shadow: &Shadow, exchange: &Exchange, known: &Known) -> Judged {
    let plan = shadow.plan();
    let (surely, _) = shadow.units(known.customer, exchange.answered_ms);
    let units = surely + known.units();
    // INVARIANT(C1): what it is paid for counts again.
    require(plan.limit == 0 || units <= plan.limit, "C1", || {
        format!("{known:?} was paid for late: {units} units of at most {}", plan.limit)
    })?;
    let closes_ms = plan.closes_ms().unwrap_or(u64::MAX);
    // INVARIANT(T1): nothing new is sold once the drop is closed.
    require(exchange.sent_ms.max(exchange.reached_ms) < closes_ms, "T1", || {
        format!("{known:?} was paid for after the closing")
    })
}

fn release(shadow: &mut Shadow, exchange: &Exchange, id: HoldId) -> Judged {
    let known = of(shadow, exchange, id)?;
    let may = |state| may_be(known, state, exchange.answered_ms);
    match &exchange.reply {
        Reply::Hold(answer) => {
            require(answer.id == id, "answer", || format!("released {id}, got {answer:?}"))?;
            let released = answer.state == HoldState::Released
                && (may(HoldState::Held) || may(HoldState::Released));
            let expired = answer.state == HoldState::Expired && may(HoldState::Expired);
            require(released || expired, "answer", || format!("{known:?}: released {answer:?}"))?;
            if known.state == HoldState::Held {
                shadow.changes += u64::from(released);
                shadow.gave_back_ns = exchange.answered_ns;
            }
            shadow.turn(id, answer.state, None);
            Ok(())
        }
        Reply::No(No::WrongState) if may(HoldState::Confirmed) || may(HoldState::Refunded) => {
            Ok(())
        }
        Reply::Unknown => {
            if known.state == HoldState::Held {
                shadow.gave_back_ns = exchange.answered_ns;
                shadow.doubt(id, HoldState::Released, None);
            }
            Ok(())
        }
        _ => Err(strange(exchange, &format!("what becomes of {known:?}"))),
    }
}

/// What a hold may be that was confirmed or given up.
const OVER: [HoldState; 3] = [HoldState::Confirmed, HoldState::Released, HoldState::Refunded];

fn extend(shadow: &mut Shadow, exchange: &Exchange, id: HoldId) -> Judged {
    let known = of(shadow, exchange, id)?;
    let may = |state| may_be(known, state, exchange.answered_ms);
    let closes_ms = shadow.plan().closes_ms().unwrap_or(u64::MAX);
    let ttl_ms = shadow.plan().ttl_ms;
    let at = |now: u64, created_ms: u64, expires_ms: u64| {
        (now + ttl_ms).min(created_ms + 2 * ttl_ms).max(expires_ms)
    };
    let earliest = at(exchange.sent_ms, known.created_ms.0, known.expires_ms.0);
    let latest = at(exchange.answered_ms, known.created_ms.1, known.expires_ms.1);
    match &exchange.reply {
        Reply::Hold(answer) => {
            require(may(HoldState::Held) && answer.state == HoldState::Held, "answer", || {
                format!("extended {known:?}, got {answer:?}")
            })?;
            // A deadline that is not known for sure is shown as it turns out.
            let open = known.perhaps.is_some();
            let range = if open { known.expires_ms.0..=latest } else { earliest..=latest };
            let Some(expires_ms) = answer.expires_ms.filter(|ms| range.contains(ms)) else {
                let text = format!("extended {known:?} to {range:?}, got {answer:?}");
                return Err(Violation::of("answer", text));
            };
            let changes = u64::from(expires_ms > known.expires_ms.1);
            shadow.changes += changes;
            shadow.extend(id, expires_ms);
            Ok(())
        }
        Reply::No(No::WrongState) if OVER.into_iter().any(may) => Ok(()),
        Reply::No(No::Closed) if exchange.answered_ms.max(exchange.reached_ms) >= closes_ms => {
            Ok(())
        }
        Reply::No(No::Expired) if may(HoldState::Expired) => {
            shadow.turn(id, HoldState::Expired, None);
            Ok(())
        }
        Reply::Unknown => {
            if known.state == HoldState::Held {
                shadow.doubt(id, HoldState::Held, None);
                shadow.may_extend(id, latest);
            }
            Ok(())
        }
        _ => Err(strange(exchange, &format!("what becomes of {known:?}"))),
    }
}

fn find(shadow: &mut Shadow, exchange: &Exchange, customer: Customer) -> Judged {
    let Reply::Holds(answers) = &exchange.reply else {
        return match exchange.reply {
            Reply::Unknown => Ok(()),
            _ => Err(strange(exchange, "a list")),
        };
    };
    let certain = !customer.is_shared() && shadow.is_settled(customer);
    let expected = shadow.of(customer).count().min(LISTED_MAX);
    require(!certain || answers.len() == expected, "answer", || {
        format!("{customer} has {expected} holds, was shown {answers:?}")
    })?;
    let ordered = answers.windows(2).all(|two| matches!(two, [a, b] if a.number > b.number));
    require(ordered, "O1", || format!("newest first: {answers:?}"))?;
    for answer in answers {
        if certain || shadow.by_id(answer.id).is_some() {
            seen(shadow, exchange, answer.id, answer)?;
        }
    }
    Ok(())
}
