//! Writes the record: one answer at a time.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::{Answer, Ask, Call, HoldSeen, HoldState, Outcome, Word};
use crate::crowd::{Basket, Crowd};
use crate::names;
use crate::progress::Progress;
use crate::record::{Doubt, Grant, Record, SoldOut};

/// Customer and attempt: the crowd's short form of a key.
type Key = (u32, u16);

pub(crate) struct Recorder<'a> {
    record: Record,
    progress: &'a Progress,
    by_key: HashMap<Key, usize>,
    by_id: HashMap<Arc<str>, usize>,
    /// Keys with an answer in doubt, each with the instant its first such request left.
    doubts: HashMap<Key, i64>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(crowd: &Crowd, progress: &'a Progress) -> Self {
        Self {
            record: Record::new(crowd),
            progress,
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            doubts: HashMap::new(),
        }
    }

    /// A call leaves: from now on it may take effect.
    pub(crate) fn asked(&mut self, call: &Call, now_us: i64) {
        self.progress.sent.add_one();
        match &call.ask {
            Ask::Hold { .. } => {}
            Ask::Confirm { hold } => {
                if let Some(grant) = self.grant(hold) {
                    grant.confirm_asked_us.get_or_insert(now_us);
                }
            }
            Ask::Release { hold } => {
                if let Some(grant) = self.grant(hold) {
                    grant.release_asked_us.get_or_insert(now_us);
                }
            }
        }
    }

    /// An answer arrives.
    pub(crate) fn heard(&mut self, answer: &Answer) {
        self.count(answer);
        match (&answer.call.ask, &answer.outcome) {
            (Ask::Hold { attempt }, Outcome::Hold(seen)) => self.hold_seen(answer, *attempt, seen),
            (Ask::Hold { attempt }, outcome) => self.hold_refused(answer, *attempt, outcome),
            (Ask::Confirm { hold } | Ask::Release { hold }, Outcome::Hold(seen)) => {
                self.changed(hold, seen, answer.received_us);
            }
            (Ask::Confirm { hold }, Outcome::Refused(Word::Expired)) => {
                self.settle(hold, HoldState::Expired, answer.received_us);
            }
            (Ask::Confirm { .. } | Ask::Release { .. }, _) => {}
        }
    }

    /// An answer the contract does not allow.
    pub(crate) fn surprise(&mut self, answer: &Answer, what: &str) {
        let Answer { call, outcome, .. } = answer;
        self.record.surprises.add(|| format!("{what}: {:?} answered {outcome:?}", call.ask));
    }

    /// The run is over and `pending` requests of this customer have no answer.
    pub(crate) fn unanswered(&mut self, customer: u32, attempt: u16, pending: u8) {
        self.record.unanswered += u64::from(pending);
        self.doubts.insert((customer, attempt), i64::MIN);
        if let Some(grant) = self.grant_of((customer, attempt)) {
            grant.asked_us = i64::MIN;
            grant.doubted = true;
        }
    }

    pub(crate) fn finish(mut self, empty_handed: u32) -> Record {
        self.record.empty_handed = empty_handed;
        self.record.doubts = self
            .doubts
            .into_keys()
            .map(|(customer, attempt)| Doubt {
                customer: names::customer(customer),
                key: names::key(customer, attempt),
            })
            .collect();
        self.record
    }

    fn count(&mut self, answer: &Answer) {
        let Answer { call, sent_us, received_us, outcome, .. } = answer;
        let late_us = u64::try_from(sent_us - call.scheduled_us).unwrap_or(0);
        self.record.slip.add(late_us, call.waited);
        let wire = self.record.wire_mut(call.wire);
        wire.calls += 1;
        wire.offered += u64::from(matches!(call.ask, Ask::Hold { .. }));
        if *outcome == Outcome::Lost {
            wire.lost += 1;
            self.progress.lost.add_one();
            return;
        }
        let elapsed_us = |from_us: i64| u64::try_from(received_us - from_us).unwrap_or(0);
        wire.latency_us.saturating_record(elapsed_us(call.scheduled_us));
        wire.service_us.saturating_record(elapsed_us(*sent_us));
        match (&call.ask, outcome) {
            (_, Outcome::Refused(word)) => {
                *wire.refused.entry(*word).or_default() += 1;
                if matches!(call.ask, Ask::Hold { .. }) {
                    self.progress.refused.add_one();
                }
            }
            (Ask::Hold { .. }, Outcome::Hold(seen)) if seen.replayed => {
                wire.replayed += 1;
                self.progress.replayed.add_one();
            }
            (Ask::Hold { .. }, Outcome::Hold(_)) => wire.granted += 1,
            (Ask::Confirm { .. }, Outcome::Hold(_)) => {
                wire.confirmed += 1;
                self.progress.confirmed.add_one();
            }
            (Ask::Release { .. }, Outcome::Hold(_)) => {
                wire.released += 1;
                self.progress.released.add_one();
            }
            (_, Outcome::Odd(_) | Outcome::Lost) => {}
        }
    }

    fn hold_seen(&mut self, answer: &Answer, attempt: u16, seen: &HoldSeen) {
        let key = (answer.call.customer, attempt);
        let doubt = self.doubts.get(&key).copied();
        let Some(grant) = self.grant_of(key).filter(|grant| grant.id == seen.id) else {
            self.granted(answer, key, seen);
            return;
        };
        grant.fresh_answers += u32::from(!seen.replayed);
        grant.asked_us = grant.asked_us.min(answer.sent_us).min(doubt.unwrap_or(i64::MAX));
        let stale = grant.settled_us.is_some_and(|settled_us| settled_us < answer.sent_us)
            && grant.state != seen.state;
        if grant.number != seen.number {
            self.surprise(answer, "a replay with another number");
        } else if stale {
            self.surprise(answer, "a replay does not show the state acknowledged before it");
        }
    }

    fn granted(&mut self, answer: &Answer, key: Key, seen: &HoldSeen) {
        let doubt = self.doubts.get(&key).copied();
        let index = self.record.grants.len();
        let (customer, attempt) = key;
        let Some(basket) = self.basket(customer) else { return };
        self.record.grants.push(Grant {
            id: Arc::clone(&seen.id),
            number: seen.number,
            customer: names::customer(customer),
            key: names::key(customer, attempt),
            basket,
            state: seen.state,
            asked_us: answer.sent_us.min(doubt.unwrap_or(i64::MAX)),
            granted_us: answer.received_us,
            confirm_asked_us: None,
            release_asked_us: None,
            settled_us: (seen.state != HoldState::Held).then_some(answer.received_us),
            fresh_answers: u32::from(!seen.replayed),
            doubted: doubt.is_some(),
        });
        self.by_key.entry(key).or_insert(index);
        self.by_id.entry(Arc::clone(&seen.id)).or_insert(index);
        self.progress.granted.add_one();
    }

    fn basket(&self, customer: u32) -> Option<Basket> {
        Basket::of(&self.record.baskets, customer).cloned()
    }

    fn hold_refused(&mut self, answer: &Answer, attempt: u16, outcome: &Outcome) {
        let key = (answer.call.customer, attempt);
        let Answer { sent_us, received_us, .. } = *answer;
        let basket = self.basket(answer.call.customer);
        if let (Outcome::Refused(Word::SoldOut), Some(basket)) = (outcome, basket) {
            self.record.sold_out.push(SoldOut { basket, sent_us, received_us });
        }
        if outcome.in_doubt() {
            let first_us = self.doubts.entry(key).or_insert(sent_us);
            *first_us = sent_us.min(*first_us);
        }
        let Some(grant) = self.grant_of(key) else { return };
        grant.doubted |= outcome.in_doubt();
        if grant.granted_us < sent_us && !outcome.worth_repeating() {
            self.surprise(answer, "a granted key was forgotten");
        }
    }

    /// The answer to a confirmation or a release.
    fn changed(&mut self, hold: &Arc<str>, seen: &HoldSeen, received_us: i64) {
        let Some(grant) = self.grant(hold) else { return };
        if grant.id != seen.id || grant.number != seen.number {
            let (id, number) = (Arc::clone(&grant.id), grant.number);
            self.record.surprises.add(|| {
                format!("hold {id}, number {number}, was answered as {}, {}", seen.id, seen.number)
            });
        } else if seen.state != HoldState::Held {
            self.settle(hold, seen.state, received_us);
        }
    }

    fn settle(&mut self, hold: &Arc<str>, state: HoldState, received_us: i64) {
        if let Some(grant) = self.grant(hold) {
            grant.state = state;
            grant.settled_us.get_or_insert(received_us);
        }
    }

    fn grant(&mut self, hold: &Arc<str>) -> Option<&mut Grant> {
        let index = *self.by_id.get(hold)?;
        self.record.grants.get_mut(index)
    }

    fn grant_of(&mut self, key: Key) -> Option<&mut Grant> {
        let index = *self.by_key.get(&key)?;
        self.record.grants.get_mut(index)
    }
}
