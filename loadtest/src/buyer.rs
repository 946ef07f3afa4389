//! What one simulated buyer does: a pure function of what it knows and what it hears.

use std::sync::Arc;

use crate::call::{Ask, HoldSeen, HoldState, Outcome, Wire, Word};
use crate::persona::{AfterWin, Persona};
use crate::plan::{Heard, Plan, Think};

/// Most times one buyer repeats requests that were lost or met a passing fault.
const REPEATS_MAX: u8 = 20;
/// Most keys one buyer uses up.
const ATTEMPTS_MAX: u16 = 60;

/// One buyer: how it behaves, and what it knows so far.
#[derive(Debug)]
pub(crate) struct Buyer {
    persona: Persona,
    /// Keys used so far; the latest is the one in use.
    attempt: u16,
    /// Requests planned or under way.
    pending: u8,
    repeats: u8,
    /// Whether a request under the latest key may have taken effect unheard.
    unresolved: bool,
    /// Whether that ever was so.
    doubted: bool,
    /// Whether it was refused and is not at its first try any more.
    refused: bool,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    hold: Arc<str>,
    attempt: u16,
    paid: bool,
}

impl Buyer {
    pub(crate) fn new(persona: Persona) -> Self {
        Self {
            persona,
            attempt: 1,
            pending: if persona.double_click { 2 } else { 1 },
            repeats: 0,
            unresolved: false,
            doubted: false,
            refused: false,
            own: None,
        }
    }

    /// What each click of the first visit asks, and over which wire.
    pub(crate) const fn first_ask(&self) -> (Ask, Wire) {
        (Ask::Hold { attempt: 1 }, self.persona.wire)
    }

    /// Whether its first try is still open: it may yet win, and then give back.
    pub(crate) const fn is_undecided(&self) -> bool {
        self.pending > 0 && !self.refused && self.own.is_none()
    }

    /// Requests planned or under way.
    pub(crate) const fn pending(&self) -> u8 {
        self.pending
    }

    /// The latest key.
    pub(crate) const fn attempt(&self) -> u16 {
        self.attempt
    }

    /// Whether it went home with nothing.
    pub(crate) const fn is_empty_handed(&self) -> bool {
        self.own.is_none()
    }

    /// A planned request will never be sent: the run is over.
    pub(crate) const fn forget_plan(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// Takes in one answer. `units_may_return`: somebody may yet give a unit back.
    pub(crate) fn hear(&mut self, ask: &Ask, outcome: &Outcome, units_may_return: bool) -> Heard {
        self.pending = self.pending.saturating_sub(1);
        let heard = match (ask, outcome) {
            (Ask::Hold { attempt }, Outcome::Hold(seen)) => self.sees_hold(*attempt, seen),
            (Ask::Hold { attempt }, _) if self.own.is_some() => {
                self.owner_refused(*attempt, outcome)
            }
            (Ask::Hold { .. }, _) => self.refused(outcome, units_may_return),
            (Ask::Confirm { .. }, _) => self.hears_of_payment(ask, outcome),
            (Ask::Release { .. }, _) => self.hears_of_release(ask, outcome),
        };
        if heard.plan.is_some() {
            self.pending += 1;
        }
        heard
    }

    fn sees_hold(&mut self, attempt: u16, seen: &HoldSeen) -> Heard {
        match &self.own {
            Some(own) if own.attempt == attempt => Heard::default(), // the other click, or a replay
            Some(_) => self.pays(), // one too many; the verdict says so
            None => {
                self.own = Some(Own { hold: seen.id.clone(), attempt, paid: false });
                match seen.state {
                    HoldState::Held => self.wins(),
                    _ => Heard::default(), // confirmed as granted, or over before it was heard of
                }
            }
        }
    }

    fn wins(&mut self) -> Heard {
        match self.persona.after_win {
            AfterWin::Abandon if !self.refused => {
                self.plans_own(Think::Abandon, |hold| Ask::Release { hold })
            }
            AfterWin::ComeBackWithNewKey => {
                self.attempt += 1;
                self.plans(Ask::Hold { attempt: self.attempt }, Think::ComeBack)
            }
            AfterWin::Abandon | AfterWin::Pay | AfterWin::ComeBackWithSameKey => self.pays(),
        }
    }

    fn pays(&self) -> Heard {
        if self.own.as_ref().is_some_and(|own| own.paid) {
            return Heard::default();
        }
        self.plans_own(Think::Pay, |hold| Ask::Confirm { hold })
    }

    /// A refusal to somebody who has a hold: to its other click, or to its wish for a second unit.
    fn owner_refused(&mut self, attempt: u16, outcome: &Outcome) -> Heard {
        if self.own.as_ref().is_some_and(|own| own.attempt == attempt) {
            return Heard::default(); // it may have been first; the record knows the instants
        }
        let mut heard = self.pays();
        if !outcome.worth_repeating() && *outcome != Outcome::Refused(Word::LimitReached) {
            heard.surprise = Some("a customer at the limit was not told so");
        }
        heard
    }

    fn refused(&mut self, outcome: &Outcome, units_may_return: bool) -> Heard {
        self.unresolved |= outcome.in_doubt();
        self.doubted |= outcome.in_doubt();
        if self.pending > 0 {
            return Heard::default(); // the other click may still win
        }
        let same = Ask::Hold { attempt: self.attempt };
        if self.unresolved || outcome.worth_repeating() {
            self.unresolved = false;
            return self.repeats(same);
        }
        match outcome {
            Outcome::Refused(Word::NotOpen) => self.repeats(same).later(Think::UntilOpening),
            Outcome::Refused(Word::SoldOut) => {
                self.refused = true;
                if !(self.persona.hopeful && units_may_return && self.attempt < ATTEMPTS_MAX) {
                    return Heard::default();
                }
                self.attempt += 1;
                self.plans(Ask::Hold { attempt: self.attempt }, Think::Hope)
            }
            Outcome::Refused(Word::LimitReached) if self.doubted => Heard::default(),
            Outcome::Refused(Word::LimitReached) => {
                Heard::surprise("limit_reached to a customer who holds nothing")
            }
            Outcome::Refused(Word::Closed | Word::AreaNotServed) => Heard::default(),
            _ => Heard::surprise("no such answer to a sound hold request"),
        }
    }

    fn hears_of_payment(&mut self, ask: &Ask, outcome: &Outcome) -> Heard {
        match outcome {
            Outcome::Hold(HoldSeen { state: HoldState::Confirmed, .. }) => {
                let Some(own) = &mut self.own else { return Heard::default() };
                own.paid = true;
                if self.persona.after_win != AfterWin::ComeBackWithSameKey {
                    return Heard::default();
                }
                let ask = Ask::Hold { attempt: own.attempt };
                let plan = Plan { ask, wire: self.persona.wire.other(), think: Think::ComeBack };
                Heard { plan: Some(plan), surprise: None }
            }
            Outcome::Refused(Word::Expired) => Heard::default(),
            _ if outcome.worth_repeating() => self.repeats(ask.clone()),
            _ => Heard::surprise("no such answer to the payment of a live hold"),
        }
    }

    fn hears_of_release(&mut self, ask: &Ask, outcome: &Outcome) -> Heard {
        match outcome {
            Outcome::Hold(HoldSeen { state: HoldState::Released | HoldState::Expired, .. }) => {
                Heard::default()
            }
            _ if outcome.worth_repeating() => self.repeats(ask.clone()),
            _ => Heard::surprise("no such answer to the release of a live hold"),
        }
    }

    fn repeats(&mut self, ask: Ask) -> Heard {
        if self.repeats == REPEATS_MAX {
            return Heard::default();
        }
        self.repeats += 1;
        self.plans(ask, Think::Repeat)
    }

    fn plans_own(&self, think: Think, ask: fn(Arc<str>) -> Ask) -> Heard {
        match &self.own {
            Some(own) => self.plans(ask(own.hold.clone()), think),
            None => Heard::default(),
        }
    }

    fn plans(&self, ask: Ask, think: Think) -> Heard {
        Heard { plan: Some(Plan { ask, wire: self.persona.wire, think }), surprise: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Persona =
        Persona { wire: Wire::Resp, double_click: false, after_win: AfterWin::Pay, hopeful: false };

    fn hold(attempt: u16) -> Ask {
        Ask::Hold { attempt }
    }

    fn confirm() -> Ask {
        Ask::Confirm { hold: "h1".into() }
    }

    fn release() -> Ask {
        Ask::Release { hold: "h1".into() }
    }

    fn seen(state: HoldState, replayed: bool) -> Outcome {
        Outcome::Hold(HoldSeen { id: "h1".into(), number: 1, state, replayed })
    }

    fn granted() -> Outcome {
        seen(HoldState::Held, false)
    }

    fn no(word: Word) -> Outcome {
        Outcome::Refused(word)
    }

    /// What follows an answer: nothing, a plan (over RESP unless said), or a surprise.
    #[derive(Debug, PartialEq)]
    enum Then {
        Rests,
        Asks(Ask, Think),
        Crosses(Ask, Think),
        Wonders,
    }
    use Then::{Asks, Crosses, Rests, Wonders};

    fn play(persona: Persona, script: &[(Ask, Outcome, Then)]) -> Buyer {
        let mut buyer = Buyer::new(persona);
        for (step, (ask, outcome, then)) in script.iter().enumerate() {
            let heard = buyer.hear(ask, outcome, true);
            let did = match (heard.surprise, heard.plan) {
                (Some(_), _) => Wonders,
                (None, None) => Rests,
                (None, Some(Plan { ask, wire: Wire::Resp, think })) => Asks(ask, think),
                (None, Some(Plan { ask, wire: Wire::Http, think })) => Crosses(ask, think),
            };
            assert_eq!(did, *then, "step {step}: {ask:?} answered {outcome:?}");
        }
        buyer
    }

    #[test]
    fn a_plain_winner_pays() {
        let buyer = play(
            PLAIN,
            &[
                (hold(1), granted(), Asks(confirm(), Think::Pay)),
                (confirm(), seen(HoldState::Confirmed, false), Rests),
            ],
        );
        assert!(!buyer.is_empty_handed());
        assert_eq!(buyer.pending(), 0);
    }

    #[test]
    fn an_early_bird_comes_again_at_the_opening_with_the_same_key() {
        play(
            PLAIN,
            &[
                (hold(1), no(Word::NotOpen), Asks(hold(1), Think::UntilOpening)),
                (hold(1), granted(), Asks(confirm(), Think::Pay)),
            ],
        );
    }

    #[test]
    fn a_double_clicker_has_one_hold_and_pays_once() {
        let twice = Persona { double_click: true, ..PLAIN };
        play(
            twice,
            &[
                (hold(1), granted(), Asks(confirm(), Think::Pay)),
                (hold(1), seen(HoldState::Held, true), Rests),
                (confirm(), seen(HoldState::Confirmed, false), Rests),
            ],
        );
        let buyer = play(
            twice,
            &[
                (hold(1), no(Word::SoldOut), Rests),
                (hold(1), granted(), Asks(confirm(), Think::Pay)),
            ],
        );
        assert!(!buyer.is_empty_handed(), "one click of two was enough");
        let hopeful = Persona { hopeful: true, ..twice };
        play(
            hopeful,
            &[
                (hold(1), no(Word::SoldOut), Rests),
                (hold(1), no(Word::SoldOut), Asks(hold(2), Think::Hope)),
            ],
        );
    }

    #[test]
    fn a_winner_with_a_new_key_hears_the_limit_and_pays_for_the_first() {
        let greedy = Persona { after_win: AfterWin::ComeBackWithNewKey, ..PLAIN };
        play(
            greedy,
            &[
                (hold(1), granted(), Asks(hold(2), Think::ComeBack)),
                (hold(2), no(Word::LimitReached), Asks(confirm(), Think::Pay)),
                (confirm(), seen(HoldState::Confirmed, false), Rests),
            ],
        );
        play(
            greedy,
            &[
                (hold(1), granted(), Asks(hold(2), Think::ComeBack)),
                (hold(2), no(Word::SoldOut), Wonders),
            ],
        );
    }

    #[test]
    fn a_winner_with_the_same_key_sees_the_order_over_the_other_wire() {
        let buyer = play(
            Persona { after_win: AfterWin::ComeBackWithSameKey, ..PLAIN },
            &[
                (hold(1), granted(), Asks(confirm(), Think::Pay)),
                (confirm(), seen(HoldState::Confirmed, false), Crosses(hold(1), Think::ComeBack)),
                (hold(1), seen(HoldState::Confirmed, true), Rests),
            ],
        );
        assert_eq!(buyer.pending(), 0);
    }

    #[test]
    fn an_abandoner_gives_back_unless_it_had_to_hope() {
        let fickle = Persona { after_win: AfterWin::Abandon, hopeful: true, ..PLAIN };
        play(
            fickle,
            &[
                (hold(1), granted(), Asks(release(), Think::Abandon)),
                (release(), no(Word::Overloaded), Asks(release(), Think::Repeat)),
                (release(), seen(HoldState::Released, false), Rests),
            ],
        );
        play(
            fickle,
            &[
                (hold(1), no(Word::SoldOut), Asks(hold(2), Think::Hope)),
                (hold(2), granted(), Asks(confirm(), Think::Pay)),
            ],
        );
    }

    #[test]
    fn a_hopeful_buyer_leaves_when_no_unit_can_return() {
        let mut buyer = Buyer::new(Persona { hopeful: true, ..PLAIN });
        assert!(buyer.is_undecided());
        assert!(buyer.hear(&hold(1), &no(Word::SoldOut), true).plan.is_some());
        assert!(!buyer.is_undecided());
        assert_eq!(buyer.hear(&hold(2), &no(Word::SoldOut), false), Heard::default());
        assert!(buyer.is_empty_handed());
        play(PLAIN, &[(hold(1), no(Word::SoldOut), Rests)]);
    }

    #[test]
    fn what_is_in_doubt_is_asked_again_under_the_same_key_or_payment() {
        play(
            PLAIN,
            &[
                (hold(1), Outcome::Lost, Asks(hold(1), Think::Repeat)),
                (hold(1), no(Word::OutcomeUnknown), Asks(hold(1), Think::Repeat)),
                (hold(1), seen(HoldState::Held, true), Asks(confirm(), Think::Pay)),
                (confirm(), Outcome::Lost, Asks(confirm(), Think::Repeat)),
                (confirm(), seen(HoldState::Confirmed, false), Rests),
            ],
        );
        // A lost first click is settled before the buyer takes its refused second click to heart.
        play(
            Persona { double_click: true, hopeful: true, ..PLAIN },
            &[
                (hold(1), Outcome::Lost, Rests),
                (hold(1), no(Word::SoldOut), Asks(hold(1), Think::Repeat)),
            ],
        );
    }

    #[test]
    fn patience_ends() {
        let mut buyer = Buyer::new(PLAIN);
        let repeats =
            (0..100).take_while(|_| buyer.hear(&hold(1), &Outcome::Lost, true).plan.is_some());
        assert_eq!(repeats.count(), usize::from(REPEATS_MAX));
    }

    #[test]
    fn answers_outside_the_contract_are_surprises() {
        let table = [
            (hold(1), no(Word::LimitReached)),
            (hold(1), no(Word::UnknownSku)),
            (hold(1), no(Word::Malformed)),
            (hold(1), Outcome::Odd("+OK".to_owned())),
            (confirm(), no(Word::UnknownHold)),
            (confirm(), seen(HoldState::Held, false)),
            (release(), no(Word::WrongState)),
            (release(), seen(HoldState::Held, false)),
        ];
        for (ask, outcome) in table {
            play(PLAIN, &[(ask, outcome, Wonders)]);
        }
    }
}
