//! The waiting line on every face.

use jangteo::{Engine, HoldOrWait, HoldRequest, Refusal, Sale, WaitId};
use redis::{Connection, RedisError, Value, cmd};
use serde_json::Value as Json;

use super::operation::Operation;
use super::outcome::{Ids, Outcome, Shown, WaitShown};
use super::resp_reply::{field, integer, refused_by_resp, text};
use crate::clients::{Answer, http};
use crate::shop::Shop;

fn waits(wait: WaitShown) -> Outcome {
    Outcome { waits: vec![wait], ..Outcome::default() }
}

/// What both wires make of a request for a hold.
pub(super) fn hold(
    sale: &Sale,
    request: &HoldRequest<'_>,
    wait: bool,
    ids: &mut Ids,
) -> Result<Outcome, Refusal> {
    let held = if wait {
        sale.hold_or_wait(request)?.wait().unwrap()
    } else {
        match sale.hold(request) {
            Ok(hold) => HoldOrWait::Hold(hold.wait().unwrap()),
            Err(Refusal::Waiting(wait)) => HoldOrWait::Wait(wait.wait().unwrap()),
            Err(refusal) => return Err(refusal),
        }
    };
    Ok(match held {
        HoldOrWait::Hold(hold) => {
            Outcome { holds: vec![Shown::of(&hold, ids)], ..Outcome::default() }
        }
        HoldOrWait::Wait(wait) => waits(WaitShown::of(&wait, ids)),
    })
}

pub(super) fn by_library(
    engine: &Engine,
    operation: &Operation,
    wait: &str,
    ids: &mut Ids,
) -> Result<Outcome, Refusal> {
    let id: WaitId = wait.parse().map_err(|_| Refusal::UnknownWait)?;
    let sale = engine.sale_of_wait(&id).ok_or(Refusal::UnknownWait)?;
    if matches!(operation, Operation::Leave(_)) {
        sale.leave(&id)?.wait().unwrap();
        return Ok(Outcome::default());
    }
    Ok(waits(WaitShown::of(&sale.wait(&id)?.wait().unwrap(), ids)))
}

pub(super) fn over_http(
    shop: &Shop,
    operation: &Operation,
    wait: &str,
    credential: Option<&str>,
    ids: &mut Ids,
) -> Outcome {
    let verb = if matches!(operation, Operation::Leave(_)) { "DELETE" } else { "GET" };
    let headers: Vec<&str> = credential.into_iter().collect();
    let answer = http(shop.service.http(), &format!("{verb} /v1/waits/{wait}"), &headers, "");
    match (verb, answer.status) {
        (_, 400..) => Outcome::refused(answer.code()),
        ("DELETE", 204) => Outcome::default(),
        ("GET", 200) => waits(shown_by_http(&answer.json(), ids)),
        _ => panic!("{verb}: {answer:?}"),
    }
}

/// The wait in the answer to a request for a hold, if there is one in it.
pub(super) fn in_answer(answer: &Answer, ids: &mut Ids) -> Option<Outcome> {
    let json = answer.json();
    json.get("place")?;
    let waiting = json["state"] == "waiting";
    assert_eq!(answer.status, if waiting { 202 } else { 200 });
    assert_eq!(answer.header("location").is_some(), waiting);
    Some(waits(shown_by_http(&json, ids)))
}

fn shown_by_http(wait: &Json, ids: &mut Ids) -> WaitShown {
    assert_eq!(wait["hold"].is_string(), wait["state"] == "granted");
    WaitShown {
        id: ids.place_of_wait(wait["id"].as_str().unwrap()),
        state: wait["state"].as_str().unwrap().to_owned(),
        place: wait["place"].as_i64().unwrap_or(-1),
    }
}

pub(super) fn over_resp(
    connection: &mut Connection,
    operation: &Operation,
    wait: &str,
    ids: &mut Ids,
) -> Outcome {
    let leaves = matches!(operation, Operation::Leave(_));
    let verb = if leaves { "DROP.LEAVE" } else { "DROP.WAITING" };
    let reply: Result<Value, RedisError> = cmd(verb).arg(wait).query(connection);
    match reply {
        Err(error) => refused_by_resp(&error, ids),
        Ok(Value::Okay) if leaves => Outcome::default(),
        Ok(reply) => in_reply(&reply, ids).unwrap_or_else(|| panic!("{verb}: {reply:?}")),
    }
}

/// The wait in a reply, if there is one in it.
pub(super) fn in_reply(reply: &Value, ids: &mut Ids) -> Option<Outcome> {
    reply.as_map_iter()?.find(|(name, _)| text(name) == "wait")?;
    Some(waits(WaitShown {
        id: ids.place_of_wait(&text(&field(reply, "wait"))),
        state: text(&field(reply, "state")),
        place: integer(&field(reply, "place")),
    }))
}
