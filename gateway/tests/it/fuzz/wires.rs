//! RESP frames, bodies of holds, credentials.

use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use jangteo_gateway::access::{Access, Keyring};
use jangteo_gateway::http::router;
use jangteo_gateway::resp::{Parser, Protocol, Reply, Request as RespRequest, encode_command};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::driver::Fuzz;
use crate::shop::{OPENS_MS, Shop};
use crate::tokens::{claims, token, token_keys};
use crate::wire::{feed, feed_whole};

/// The folder of a target's corpus.
pub(super) fn corpus(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/fuzz/corpus", name].iter().collect()
}

#[test]
fn resp_frames() {
    let words = [
        "*",
        "$",
        "\r\n",
        "*3\r\n",
        "$4\r\n",
        "DROP.HOLD",
        "DROP.LIST",
        "HELLO",
        "AUTH",
        "SETNAME",
        "CLIENT",
        "COMMAND",
        "GETKEYS",
        "INFO",
        "KEY",
        "AREA",
        "BRIEF",
        "\"",
        "\\x41",
        "'",
    ];
    let fuzz = Fuzz {
        name: "resp_frames",
        corpus: &corpus("resp_frames"),
        seeds: Vec::new(),
        words: &words,
        changes: 20_000,
    };
    fuzz.run(|input| {
        let whole = feed_whole(input);
        let cut = input.iter().map(|byte| usize::from(*byte)).sum::<usize>() % (input.len() + 1);
        assert_eq!(feed(input, &[cut]), whole, "how the bytes arrive matters, cut at {cut}");
        let (commands, end) = whole;
        let mut said = vec![end.map_or_else(|error| error, |_| "whole".to_owned())];
        for command in commands {
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            let mut wire = Vec::new();
            encode_command(&words, &mut wire);
            let mut parser = Parser::default();
            let frame = parser.next(&wire).unwrap().unwrap();
            said.push(match RespRequest::parse(frame.args) {
                Ok(RespRequest::Sale(command)) => command.name().to_owned(),
                Ok(_) => "session".to_owned(),
                Err(refused) => {
                    let mut out = Vec::new();
                    Reply::new(Protocol::Resp3, &mut out).error(&refused);
                    let ends = out.iter().filter(|byte| **byte == b'\n').count();
                    assert!(out.starts_with(b"-") && out.ends_with(b"\r\n") && ends == 1);
                    let text = refused.to_string();
                    text.split(['\'', ':']).next().unwrap().to_owned()
                }
            });
        }
        format!("{:?} {:?}", said[0], said.last())
    });
}

/// A service that is called without a socket.
struct Called {
    router: Router,
    runtime: Runtime,
}

impl Called {
    fn new(shop: &Shop, access: Access) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { router: router(shop.engine.clone(), access), runtime }
    }

    /// The status and the JSON of an answer.
    fn call(&self, request: Request<Body>) -> (StatusCode, serde_json::Value) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, serde_json::from_slice(&body).expect("every answer is JSON"))
        })
    }
}

#[test]
fn bodies_of_holds() {
    let shop = Shop::open("limit_per_customer = 3", &[("a", 1_000_000), ("b", 2)]);
    let called = Called::new(&shop, Access::loopback());
    let words = [
        "{", "}", "[", "]", "\"", ":", ",", "null", "true", "\\u0000", "\\ud800", "customer",
        "lines", "sku", "quantity", "area", "wait", "a", "b", "1.0", "1e3",
    ];
    let fuzz = Fuzz {
        name: "bodies_of_holds",
        corpus: &corpus("bodies_of_holds"),
        seeds: Vec::new(),
        words: &words,
        changes: 3_000,
    };
    fuzz.run(|input| {
        let request = Request::post("/v1/drops/t-1/holds")
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .body(Body::from(input.to_vec()));
        let (status, json) = called.call(request.unwrap());
        match status.as_u16() {
            201 => {
                assert_eq!(json["state"], "held");
                let asked: serde_json::Value = serde_json::from_slice(input).unwrap();
                assert_eq!(json["customer"], asked["customer"]);
                "granted".to_owned()
            }
            400 | 403 | 404 | 409 | 413 => {
                assert_eq!(json["status"], status.as_u16());
                format!("{} {}", json["code"], json["detail"])
            }
            _ => panic!("{status}: {json}"),
        }
    });
    assert!(shop.engine.sale("t-1").unwrap().audit().wait().unwrap().ok);
}

#[test]
fn credentials_of_customers() {
    let access = Access::by(Keyring::new(Vec::new(), token_keys()).unwrap());
    let shop = Shop::open("", &[("a", 9)]);
    let called = Called::new(&shop, access);
    let mut long = claims("c-1");
    long["exp"] = (OPENS_MS / 1_000 + 86_400).into();
    let good = token(&long);
    let words = [".", "=", "==", "e30", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9", "_", "-"];
    let fuzz = Fuzz {
        name: "credentials_of_customers",
        corpus: &corpus("credentials_of_customers"),
        seeds: vec![good.clone().into_bytes()],
        words: &words,
        changes: 3_000,
    };
    fuzz.run(|input| {
        let Ok(header) = HeaderValue::from_bytes(&[b"Bearer ", input].concat()) else {
            return "no header".to_owned();
        };
        let request =
            Request::get("/v1/holds/x").header("Host", "localhost").header("Authorization", header);
        let (status, json) = called.call(request.body(Body::empty()).unwrap());
        let spaces = input.iter().take_while(|byte| **byte == b' ').count();
        let expected = if &input[spaces..] == good.as_bytes() { 404 } else { 401 };
        assert_eq!(status.as_u16(), expected, "{json}");
        json["detail"].to_string()
    });
}
