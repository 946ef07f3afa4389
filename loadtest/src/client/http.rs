//! One HTTP/1.1 connection, kept alive, one request at a time.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::pool::{Link, Target};
use crate::call::{Ask, Call, HoldSeen, HoldState, Outcome, Word};
use crate::crowd::Line;
use crate::names;

/// Longest answer taken, in bytes.
const ANSWER_MAX: usize = 64 << 10;

type Sender = SendRequest<Full<Bytes>>;

/// Carries calls until their channel closes; connects again when the connection breaks.
pub(super) async fn run(mut link: Link, stream: TcpStream) {
    let host = link.address.to_string();
    let mut sender = start(stream).await;
    while let Some(call) = link.calls.recv().await {
        if sender.as_ref().is_none_or(Sender::is_closed) {
            sender = match link.connect().await {
                Ok(stream) => start(stream).await,
                Err(_) => None,
            };
        }
        let sent_us = link.timeline.now_us();
        let outcome = match (&mut sender, request(&call, &link.target, &host)) {
            (Some(open), Some(request)) => exchange(open, request).await,
            _ => None,
        };
        if outcome.is_none() {
            sender = None;
        }
        let received_us = link.timeline.now_us();
        link.answer(call, sent_us, received_us, outcome.unwrap_or(Outcome::Lost));
    }
}

async fn start(stream: TcpStream) -> Option<Sender> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    // Ends by itself when the sender is dropped; its error shows at the request it breaks.
    tokio::spawn(connection);
    Some(sender)
}

/// Sends one request and reads its answer whole; `None` if the connection broke.
async fn exchange(sender: &mut Sender, request: Request<Full<Bytes>>) -> Option<Outcome> {
    sender.ready().await.ok()?;
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = read(body).await?;
    Some(outcome(head.status, &head.headers, &body))
}

async fn read(body: Incoming) -> Option<Bytes> {
    Some(Limited::new(body, ANSWER_MAX).collect().await.ok()?.to_bytes())
}

#[derive(Serialize)]
struct HoldBody<'a> {
    customer: &'a str,
    lines: Vec<LineBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    area: Option<&'a str>,
}

#[derive(Serialize)]
struct LineBody<'a> {
    sku: &'a str,
    quantity: u32,
}

impl<'a> LineBody<'a> {
    fn of(line: &'a Line) -> Self {
        Self { sku: &line.sku, quantity: line.units }
    }
}

#[derive(Serialize)]
struct ConfirmBody<'a> {
    payment: &'a str,
}

/// The request of a call; `None` if the drop's id or the hold's cannot be part of a path.
fn request(call: &Call, target: &Target, host: &str) -> Option<Request<Full<Bytes>>> {
    let json = Request::builder()
        .method(Method::POST)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json");
    let (builder, body) = match &call.ask {
        Ask::Hold { attempt } => {
            let customer = names::customer(call.customer);
            let lines = target.lines(call.customer).iter().map(LineBody::of).collect();
            let body = HoldBody { customer: &customer, lines, area: target.area.as_deref() };
            let builder = json
                .uri(format!("/v1/drops/{}/holds", target.drop))
                .header("idempotency-key", names::key(call.customer, *attempt));
            (builder, serde_json::to_vec(&body).ok()?)
        }
        Ask::Confirm { hold } => {
            let payment = names::payment(call.customer);
            let body = serde_json::to_vec(&ConfirmBody { payment: &payment }).ok()?;
            (json.uri(format!("/v1/holds/{hold}/confirm")), body)
        }
        Ask::Release { hold } => (json.uri(format!("/v1/holds/{hold}/release")), b"{}".to_vec()),
    };
    builder.body(Full::new(Bytes::from(body))).ok()
}

#[derive(Deserialize)]
struct HoldAnswer {
    id: String,
    number: u64,
    state: String,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

fn outcome(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let known = if status == StatusCode::OK || status == StatusCode::CREATED {
        hold(headers, body).map(Outcome::Hold)
    } else {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        problem.and_then(|problem| Word::from_code(&problem.code)).map(Outcome::Refused)
    };
    known.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        Outcome::Odd(format!("{status} {}", text.chars().take(200).collect::<String>()))
    })
}

fn hold(headers: &HeaderMap, body: &[u8]) -> Option<HoldSeen> {
    let HoldAnswer { id, number, state } = serde_json::from_slice(body).ok()?;
    let replayed = headers.get("idempotent-replayed").is_some_and(|value| value == "true");
    Some(HoldSeen { id: id.into(), number, state: HoldState::parse(&state)?, replayed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Wire;
    use crate::crowd::Basket;

    fn sent(ask: Ask) -> (String, HeaderMap, String) {
        let target = Target {
            drop: "uroad-2020-1".to_owned(),
            baskets: vec![Basket::one("onion-3kg")],
            area: Some("seoul".to_owned()),
        };
        let call = Call { customer: 42, ask, wire: Wire::Http, scheduled_us: 0, waited: false };
        let (head, body) = request(&call, &target, "127.0.0.1:7480").unwrap().into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        let line = format!("{} {}", head.method, head.uri);
        (line, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn requests_are_spelled_as_the_contract_says() {
        let (line, headers, body) = sent(Ask::Hold { attempt: 2 });
        assert_eq!(line, "POST /v1/drops/uroad-2020-1/holds");
        assert_eq!(headers["idempotency-key"], "k-00000042-2");
        assert_eq!(headers["host"], "127.0.0.1:7480");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(
            body,
            r#"{"customer":"c-00000042","lines":[{"sku":"onion-3kg","quantity":1}],"area":"seoul"}"#,
        );
        let (line, _, body) = sent(Ask::Confirm { hold: "abc".into() });
        assert_eq!(line, "POST /v1/holds/abc/confirm");
        assert_eq!(body, r#"{"payment":"pay-00000042"}"#);
        let (line, _, body) = sent(Ask::Release { hold: "abc".into() });
        assert_eq!((line.as_str(), body.as_str()), ("POST /v1/holds/abc/release", "{}"));
    }

    #[test]
    fn answers_are_told_apart_by_status_header_and_code() {
        let hold = br#"{"id":"abc","number":7,"state":"held","customer":"c-1","payment":null}"#;
        let seen = |replayed| {
            Outcome::Hold(HoldSeen {
                id: "abc".into(),
                number: 7,
                state: HoldState::Held,
                replayed,
            })
        };
        let none = HeaderMap::new();
        let mut again = HeaderMap::new();
        again.insert("idempotent-replayed", "true".parse().unwrap());
        assert_eq!(outcome(StatusCode::CREATED, &none, hold), seen(false));
        assert_eq!(outcome(StatusCode::OK, &again, hold), seen(true));
        let sold_out = br#"{"type":"/problems/sold_out","code":"sold_out","available":0}"#;
        assert_eq!(outcome(StatusCode::CONFLICT, &none, sold_out), Outcome::Refused(Word::SoldOut),);
        for body in [&br#"{"code":"what"}"#[..], b"<html>", b""] {
            let odd = outcome(StatusCode::BAD_GATEWAY, &none, body);
            assert!(matches!(odd, Outcome::Odd(_)), "{odd:?}");
        }
        assert!(matches!(outcome(StatusCode::OK, &none, b"{}"), Outcome::Odd(_)));
    }
}
