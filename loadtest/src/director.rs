//! Plays a crowd: sends what is due, and plans what an answer leads to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::buyer::Buyer;
use crate::call::{Answer, Ask, Call, Wire};
use crate::client::Clients;
use crate::crowd::{Crowd, SendError};
use crate::plan::{Plan, Think};
use crate::progress::Progress;
use crate::record::Record;
use crate::recorder::Recorder;
use crate::schedule::{Schedule, Visit};
use crate::timeline::Timeline;

/// Most answers taken before the clock is looked at again.
const HEARD_MAX: usize = 256;

/// Sends a crowd and returns what it was told, when every buyer has finished its script or the
/// time of [`Crowd::give_up_after_ms`] is over.
///
/// Call it a few seconds before the opening. The loop that sends never waits for an answer; it
/// wakes once a millisecond at best, so a call leaves up to about a millisecond after its intended
/// instant, and more when the runtime is busy: [`Record::slip`] says how much. Run it on a
/// current-thread runtime of its own thread (with I/O and time enabled) to keep the service, if
/// that is in the same process, from delaying it.
///
/// # Errors
///
/// A crowd that contradicts itself, an opening that is past or too near, or no connection at the
/// start. A connection that breaks later is no error: its calls are lost, and it is opened again.
pub async fn send(crowd: &Crowd, progress: &Progress) -> Result<Record, SendError> {
    crowd.check()?;
    let timeline = Timeline::to(crowd.opens_at_ms).ok_or(SendError::TooLate)?;
    let schedule = Schedule::draw(crowd);
    let (clients, answers) = Clients::connect(crowd, timeline).await?;
    let now_us = timeline.now_us();
    if schedule.visits.first().is_some_and(|visit| visit.at_us < now_us) {
        return Err(SendError::TooLate);
    }
    let director = Director {
        timeline,
        clients,
        visits: schedule.visits.into_iter().peekable(),
        buyers: schedule.personas.into_iter().map(Buyer::new).collect(),
        agenda: BinaryHeap::new(),
        planned: 0,
        in_flight: 0,
        undecided: crowd.customers,
        abandoning: 0,
        recorder: Recorder::new(crowd, progress),
        rng: StdRng::seed_from_u64(crowd.seed.wrapping_add(1)),
    };
    let give_up_us = i64::from(crowd.give_up_after_ms) * 1_000;
    Ok(director.run(answers, give_up_us).await)
}

struct Director<'a> {
    timeline: Timeline,
    clients: Clients,
    visits: std::iter::Peekable<std::vec::IntoIter<Visit>>,
    buyers: Vec<Buyer>,
    agenda: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    in_flight: u64,
    /// Buyers whose first try is still open.
    undecided: u32,
    /// Holds whose buyer will give them back.
    abandoning: u32,
    recorder: Recorder<'a>,
    rng: StdRng,
}

/// A follow-up at its intended instant; `order` keeps two of the same instant apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at_us: i64,
    order: u64,
    customer: u32,
    wire: Wire,
    ask: Ask,
}

impl Director<'_> {
    async fn run(mut self, mut answers: UnboundedReceiver<Answer>, give_up_us: i64) -> Record {
        let mut heard = Vec::with_capacity(HEARD_MAX);
        let pause = tokio::time::sleep_until(self.timeline.instant(give_up_us).into());
        tokio::pin!(pause);
        loop {
            let now_us = self.timeline.now_us();
            self.send_due(now_us);
            let wake_us = match self.next_us() {
                Some(next_us) => next_us.min(give_up_us),
                None if self.in_flight > 0 => give_up_us,
                None => break,
            };
            if now_us >= give_up_us {
                break;
            }
            pause.as_mut().reset(self.timeline.instant(wake_us).into());
            tokio::select! {
                count = answers.recv_many(&mut heard, HEARD_MAX) => {
                    if count == 0 {
                        break; // no connection is left
                    }
                    for answer in heard.drain(..) {
                        self.hear(&answer);
                    }
                }
                () = &mut pause => {}
            }
        }
        self.finish()
    }

    fn next_us(&mut self) -> Option<i64> {
        let visit_us = self.visits.peek().map(|visit| visit.at_us);
        let planned_us = self.agenda.peek().map(|Reverse(planned)| planned.at_us);
        visit_us.into_iter().chain(planned_us).min()
    }

    fn send_due(&mut self, now_us: i64) {
        self.clients.start_round();
        while let Some(Visit { at_us, customer }) =
            self.visits.next_if(|visit| visit.at_us <= now_us)
        {
            let Some(buyer) = buyer(&mut self.buyers, customer) else { continue };
            let (ask, wire) = buyer.first_ask();
            self.send(now_us, Planned { at_us, order: 0, customer, wire, ask });
        }
        while self.agenda.peek().is_some_and(|Reverse(planned)| planned.at_us <= now_us) {
            if let Some(Reverse(planned)) = self.agenda.pop() {
                self.send(now_us, planned);
            }
        }
    }

    fn send(&mut self, now_us: i64, planned: Planned) {
        let Planned { at_us: scheduled_us, customer, wire, ask, .. } = planned;
        let call = Call { customer, ask, wire, scheduled_us, waited: false };
        self.recorder.asked(&call, now_us);
        self.in_flight += 1;
        self.clients.send(call);
    }

    fn hear(&mut self, answer: &Answer) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Answer { call, outcome, received_us, connection, .. } = answer;
        if call.wire == Wire::Http {
            self.clients.freed_http(*connection);
        }
        self.recorder.heard(answer);
        let units_may_return = self.undecided > 0 || self.abandoning > 0;
        let Some(buyer) = buyer(&mut self.buyers, call.customer) else { return };
        let was_undecided = buyer.is_undecided();
        let heard = buyer.hear(&call.ask, outcome, units_may_return);
        self.undecided -= u32::from(was_undecided && !buyer.is_undecided());
        self.abandoning -= u32::from(matches!(call.ask, Ask::Release { .. }));
        if let Some(what) = heard.surprise {
            self.recorder.surprise(answer, what);
        }
        if let Some(plan) = heard.plan {
            self.plan(call.customer, plan, *received_us);
        }
    }

    fn plan(&mut self, customer: u32, plan: Plan, heard_us: i64) {
        let Plan { ask, wire, think } = plan;
        self.abandoning += u32::from(matches!(ask, Ask::Release { .. }));
        let from_us = if think == Think::UntilOpening { heard_us.max(0) } else { heard_us };
        let at_us = from_us + self.rng.random_range(think.range_us());
        self.planned += 1;
        self.agenda.push(Reverse(Planned { at_us, order: self.planned, customer, wire, ask }));
    }

    fn finish(mut self) -> Record {
        let unsent = self.visits.map(|visit| visit.customer);
        let unsent = unsent.chain(self.agenda.into_iter().map(|Reverse(planned)| planned.customer));
        for customer in unsent {
            if let Some(buyer) = buyer(&mut self.buyers, customer) {
                buyer.forget_plan();
            }
        }
        let mut empty_handed = 0;
        for (customer, buyer) in (0..).zip(&self.buyers) {
            empty_handed += u32::from(buyer.is_empty_handed());
            if buyer.pending() > 0 {
                self.recorder.unanswered(customer, buyer.attempt(), buyer.pending());
            }
        }
        self.recorder.finish(empty_handed)
    }
}

fn buyer(buyers: &mut [Buyer], customer: u32) -> Option<&mut Buyer> {
    buyers.get_mut(usize::try_from(customer).ok()?)
}
