//! Every call on a hold in every state, in every phase in which a hold can be in it.

use crate::common::{hold, one_item, open_sale};
use jangteo::{Engine, Hold, HoldState, ManualClock, Pending, Phase, Refund, Refusal, Sale};

const TTL_MS: u64 = 600_000;

const STATES: [HoldState; 5] = [
    HoldState::Held,
    HoldState::Confirmed,
    HoldState::Released,
    HoldState::Expired,
    HoldState::Refunded,
];
const PHASES: [Phase; 4] = [Phase::Open, Phase::Paused, Phase::Closed, Phase::Settled];

/// A call, and its answers to a hold that is held, confirmed, released, expired, refunded.
/// `same`: the hold as it was. In brackets: what is answered once the drop is closed.
const TABLE: [(&str, [&str; 5]); 5] = [
    ("confirm p", ["confirmed", "same", "wrong_state", "confirmed (expired)", "wrong_state"]),
    ("confirm q", ["confirmed", "conflict", "wrong_state", "confirmed (expired)", "wrong_state"]),
    ("release", ["released", "wrong_state", "same", "same", "wrong_state"]),
    ("extend", ["extended (closed)", "wrong_state", "wrong_state", "expired", "wrong_state"]),
    ("refund", ["wrong_state", "refunded", "wrong_state", "expired", "same"]),
];

/// Brings a new hold into a state.
fn in_state(engine: &Engine, sale: &Sale, clock: &ManualClock, state: HoldState) -> Hold {
    let held = hold(sale, "c-1", "k").unwrap();
    let ended = |answer: Result<Pending<Hold>, Refusal>| answer.unwrap().wait().unwrap();
    match state {
        HoldState::Held => held,
        HoldState::Confirmed => ended(sale.confirm(&held.id, "p")),
        HoldState::Released => ended(sale.release(&held.id)),
        HoldState::Expired => {
            clock.advance(TTL_MS);
            assert_eq!(engine.tick(), 1);
            seen(sale, &held)
        }
        HoldState::Refunded => {
            ended(sale.confirm(&held.id, "p"));
            ended(sale.refund(&held.id, &Refund::all()))
        }
        other => unreachable!("{other:?} is not in the table"),
    }
}

fn seen(sale: &Sale, hold: &Hold) -> Hold {
    sale.get(&hold.id).unwrap().wait().unwrap()
}

fn turn(engine: &Engine, sale: &Sale, phase: Phase) {
    match phase {
        Phase::Paused => drop(sale.pause().unwrap().wait().unwrap()),
        Phase::Closed => drop(sale.close().unwrap().wait().unwrap()),
        Phase::Settled => {
            turn(engine, sale, Phase::Closed);
            drop(engine.settle("t", &[]).unwrap().wait().unwrap());
        }
        _ => {}
    }
    assert_eq!(sale.view().0.phase, phase);
}

fn call(sale: &Sale, name: &str, hold: &Hold) -> Result<Hold, Refusal> {
    let answer = match name {
        "confirm p" => sale.confirm(&hold.id, "p"),
        "confirm q" => sale.confirm(&hold.id, "q"),
        "release" => sale.release(&hold.id),
        "extend" => sale.extend(&hold.id),
        _ => sale.refund(&hold.id, &Refund::all()),
    };
    answer.map(|pending| pending.wait().unwrap())
}

/// What an answer was, in the words of the table.
fn word(before: &Hold, answer: &Result<Hold, Refusal>) -> String {
    let json = |hold: &Hold| serde_json::to_value(hold).unwrap();
    match answer {
        Ok(after) if json(after) == json(before) => "same".to_owned(),
        Ok(after) if after.state == before.state => "extended".to_owned(),
        Ok(after) => after.state.name().to_owned(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

#[test]
fn every_call_answers_every_state_in_every_phase_as_the_contract_says() {
    let mut cells = 0;
    for (name, row) in TABLE {
        for (state, expected) in STATES.into_iter().zip(row) {
            for phase in PHASES {
                let (engine, sale, clock) = open_sale("hold_ttl = \"10m\"", &one_item(9));
                let before = in_state(&engine, &sale, &clock, state);
                if (state, phase) == (HoldState::Held, Phase::Settled) {
                    turn(&engine, &sale, Phase::Closed);
                    assert!(matches!(engine.settle("t", &[]), Err(Refusal::WrongState)));
                    continue; // nothing is settled while a hold is live
                }
                clock.advance(1); // what is extended is moved
                turn(&engine, &sale, phase);
                let before = seen(&sale, &before);
                let counts = sale.view().0.items;
                let answer = call(&sale, name, &before);
                let is_over = matches!(phase, Phase::Closed | Phase::Settled);
                let (open, over) = expected.split_once(" (").unwrap_or((expected, expected));
                let expected = match (phase, open) {
                    (Phase::Paused, "extended") => "same", // no deadline shows while time stands still
                    _ if is_over => over.trim_end_matches(')'),
                    _ => open,
                };
                let found = word(&before, &answer);
                assert_eq!(found, expected, "{name} on {} while {phase:?}", state.name());
                let after = seen(&sale, &before);
                assert_eq!(after.number, before.number);
                if answer.is_err() || found == "same" {
                    assert_eq!(word(&before, &Ok(after)), "same", "{name} changed {state:?}");
                    assert_eq!(sale.view().0.items, counts, "{name} moved units");
                } else {
                    assert_eq!(word(&after, &answer), "same", "it is as it was answered");
                }
                let audit = sale.audit().wait().unwrap();
                assert!(audit.ok, "{name} on {state:?} while {phase:?}: {:?}", audit.violations);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, TABLE.len() * (STATES.len() * PHASES.len() - 1));
}
