//! Credentials that are wrong in every way we could think of, and keys that change.

use jangteo_gateway::access::{Key, Keyring, Scope, TokenKey};
use ring::signature::KeyPair;
use serde_json::{Value, json};

use crate::clients::{Resp, http};
use crate::shop::{OPENS_MS, Shop, items};
use crate::tokens::{
    Guarded, SHARED, base64, bearer, claims, ed_dsa, hs256, pair, token, token_keys, unsigned,
};

const FIND: &str = "GET /v1/drops/t-1/holds";

fn guarded() -> Guarded {
    Guarded::open("", &items(&[("a", 9)]), None)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("c-1");
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims("c-1");
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn a_token_is_good_with_either_algorithm_and_with_or_without_a_kid() {
    let guarded = guarded();
    let now = OPENS_MS / 1_000;
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    let good = [
        token(&claims("c-1")),
        ed_dsa(&json!({"alg": "EdDSA"}), &claims("c-1")),
        hs256(&header("HS256", "shared"), &claims("c-1"), SHARED),
        hs256(&json!({"alg": "HS256"}), &claims("c-1"), SHARED),
        token(&with("aud", json!(["shop", "jangteo"]))),
        token(&with("nbf", json!(now))),
        token(&with("nbf", Value::Null)),
        token(&with("exp", json!(now as f64 + 0.5))),
        token(&with("iss", json!("shop"))),
    ];
    for token in good {
        let answer = http(guarded.shop.service.http(), FIND, &[&bearer(&token)], "");
        assert_eq!(answer.status, 200, "{token}: {answer:?}");
    }
}

#[test]
fn keys_that_share_a_secret_are_told_apart_by_their_audience() {
    let guarded = guarded();
    let (boss, _) = Key::generate("boss", Scope::Operate).unwrap();
    let public = base64(pair().public_key());
    let hmac = |audience: &str| TokenKey::hs256(SHARED, audience).unwrap();
    let keys = vec![
        hmac("shop"),
        hmac("app"),
        hmac("kiosk").named("kiosk").unwrap(),
        TokenKey::ed_dsa(&public, "shop").unwrap(),
        TokenKey::ed_dsa(&public, "app").unwrap(),
    ];
    guarded.access.replace(Keyring::new(vec![boss], keys).unwrap()).unwrap();
    let status =
        |token: String| http(guarded.shop.service.http(), FIND, &[&bearer(&token)], "").status;
    let header = |alg: &str| json!({ "alg": alg });
    let kiosk = json!({"alg": "HS256", "kid": "kiosk"});
    let table = [("shop", 200, 200), ("app", 200, 200), ("kiosk", 200, 401), ("jangteo", 401, 401)];
    for (audience, by_secret, by_pair) in table {
        let claims = with("aud", json!(audience));
        assert_eq!(status(hs256(&header("HS256"), &claims, SHARED)), by_secret, "{audience}");
        assert_eq!(status(ed_dsa(&header("EdDSA"), &claims)), by_pair, "{audience}");
        let named = status(hs256(&kiosk, &claims, SHARED));
        assert_eq!(named, if audience == "kiosk" { 200 } else { 401 }, "{audience} of the kiosk");
        let forged = hs256(&header("HS256"), &claims, b"another secret of thirty-two bytes");
        assert_eq!(status(forged), 401, "{audience}");
    }
}

/// Every one of these is somebody's idea of how to get past a verifier.
fn forged() -> Vec<(&'static str, String)> {
    let now = OPENS_MS / 1_000;
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid, "typ": "JWT"});
    let good = token(&claims("c-1"));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let public = pair().public_key().as_ref().to_vec();
    let mut own_key = header("EdDSA", "2026-11");
    own_key["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": base64([9; 32])});
    let other = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let by_other = |header: &Value| {
        let text = unsigned(header, &claims("c-1"));
        format!("{text}.{}", base64(other.sign(text.as_bytes())))
    };
    let list = json!(["c-1", "jangteo", now + 60]);
    let mut flipped = signature.to_owned().into_bytes();
    flipped[3] = if flipped[3] == b'A' { b'B' } else { b'A' };
    vec![
        ("expired", token(&with("exp", json!(now)))),
        ("expired long ago", token(&with("exp", json!(-1)))),
        ("no end", token(&without("exp"))),
        ("an end that is a text", token(&with("exp", json!("99999999999")))),
        ("an end that is true", token(&with("exp", json!(true)))),
        ("an end beyond all", token(&with("exp", json!(1e300)))),
        ("not begun", token(&with("nbf", json!(now + 1)))),
        ("a beginning that is a text", token(&with("nbf", json!("0")))),
        ("another audience", token(&with("aud", json!("other")))),
        ("audiences without ours", token(&with("aud", json!(["other", "jangteo2"])))),
        ("no audience", token(&without("aud"))),
        ("no customer", token(&without("sub"))),
        ("an empty customer", token(&claims(""))),
        ("a customer with a space", token(&claims("c 1"))),
        ("a customer too long", token(&claims(&"c".repeat(65)))),
        ("a customer that is a number", token(&with("sub", json!(1)))),
        ("an area that is a list", token(&with("area", json!(["seoul"])))),
        ("an empty area", token(&with("area", json!("")))),
        ("claims that are a list", token(&list)),
        ("another kid", ed_dsa(&header("EdDSA", "2026-10"), &claims("c-1"))),
        ("the other key's kid", ed_dsa(&header("EdDSA", "shared"), &claims("c-1"))),
        ("a kid that is a path", ed_dsa(&header("EdDSA", "../../dev/null"), &claims("c-1"))),
        ("none", format!("{}.", unsigned(&header("none", "2026-11"), &claims("c-1")))),
        ("None, signed", ed_dsa(&header("None", "2026-11"), &claims("c-1"))),
        ("no algorithm", ed_dsa(&json!({"kid": "2026-11"}), &claims("c-1"))),
        ("a small letter", ed_dsa(&header("eddsa", "2026-11"), &claims("c-1"))),
        ("the public key as secret", hs256(&header("HS256", "2026-11"), &claims("c-1"), &public)),
        ("likewise, as text", {
            hs256(&header("HS256", "2026-11"), &claims("c-1"), base64(&public).as_bytes())
        }),
        ("likewise, without a kid", hs256(&json!({"alg": "HS256"}), &claims("c-1"), &public)),
        ("an empty secret", hs256(&header("HS256", "shared"), &claims("c-1"), b"")),
        ("HS256 by the name of EdDSA", hs256(&header("EdDSA", "shared"), &claims("c-1"), SHARED)),
        ("a key of its own", by_other(&own_key)),
        ("another signer", by_other(&header("EdDSA", "2026-11"))),
        ("an extension", {
            ed_dsa(&json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}), &claims("c-1"))
        }),
        ("no signature", format!("{signed}.")),
        ("a changed signature", format!("{signed}.{}", String::from_utf8(flipped).unwrap())),
        ("a changed payload", format!("{head}.{}.{signature}", base64(claims("c-2").to_string()))),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("empty parts", "..".to_owned()),
        ("padding", format!("{good}=")),
        ("another alphabet", format!("{head}.{payload}+.{signature}")),
        ("a token in a token", base64(&good)),
        ("too long", token(&with("iss", json!("x".repeat(6_000))))),
        ("far too long", "a.".repeat(15_000)),
    ]
}

#[test]
fn no_forged_token_is_anybody() {
    let guarded = guarded();
    for (what, token) in forged() {
        let answer = http(guarded.shop.service.http(), FIND, &[&bearer(&token)], "");
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{what}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(challenge, "Bearer realm=\"jangteo\", error=\"invalid_token\"", "{what}");
        let mut client = Resp::connect(guarded.shop.service.resp());
        let reply =
            client.until_close(&[Some(&format!("AUTH {token}")), Some("PING"), Some("QUIT")]);
        let refused = "-WRONGPASS invalid username-password pair or user is disabled. \
            -NOAUTH Authentication required. +OK";
        assert_eq!(reply, refused, "{what}");
    }
}

#[test]
fn no_twisted_header_is_anybody() {
    let guarded = guarded();
    let address = guarded.shop.service.http();
    let secret = &guarded.sell;
    let find = "GET /v1/drops/t-1/holds?customer=c-1";
    assert_eq!(http(address, find, &[&format!("authorization: bearer  {secret}")], "").status, 200);
    for value in [
        String::new(),
        "Bearer".to_owned(),
        secret.clone(),
        format!("Basic {secret}"),
        format!("Bearer\t{secret}"),
        format!("Bearer {} {}", &secret[..9], &secret[9..]),
        format!("Bearer {secret} {secret}"),
        format!("Bearer {secret},Bearer {secret}"),
        format!("Bearer \"{secret}\""),
        format!("Bearer {}", secret.to_uppercase()),
        format!("Bearer {}", &secret[..secret.len() - 1]),
        format!("Bearer {secret}0"),
        format!("Bearer {}", guarded.sell.trim_start_matches("jt_")),
    ] {
        let answer = http(address, find, &[&format!("Authorization: {value}")], "");
        assert_eq!(answer.status, 401, "{value}");
    }
    let (one, two) = (bearer(secret), bearer(&guarded.operate));
    for pair in [[&one, &one], [&one, &two]] {
        let answer = http(address, find, &pair.map(String::as_str), "");
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"));
    }
}

#[test]
fn a_name_over_resp_is_the_keys_or_the_customers_or_the_default() {
    let guarded = guarded();
    let resp = guarded.shop.service.resp();
    let customer = token(&claims("c-1"));
    let ok = [
        format!("AUTH {}", guarded.sell),
        format!("AUTH shop {}", guarded.sell),
        format!("AUTH default {}", guarded.sell),
        format!("AUTH c-1 {customer}"),
        format!("AUTH default {customer}"),
    ];
    for command in ok {
        assert_eq!(Resp::connect(resp).until_close(&[Some(&command), Some("QUIT")]), "+OK +OK");
    }
    let hello = format!("HELLO 3 AUTH boss {}", guarded.operate);
    let reply = Resp::connect(resp).until_close(&[Some(&hello), Some("PING"), Some("QUIT")]);
    assert!(reply.starts_with("%7 ") && reply.ends_with("+PONG +OK"), "{reply}");
    for command in [
        format!("AUTH boss {}", guarded.sell),
        format!("AUTH SHOP {}", guarded.sell),
        format!("AUTH c-2 {customer}"),
        format!("HELLO 3 AUTH boss {}", guarded.sell),
        "AUTH shop shop".to_owned(),
    ] {
        let reply = Resp::connect(resp).until_close(&[Some(&command), Some("QUIT")]);
        assert_eq!(reply, "-WRONGPASS invalid username-password pair or user is disabled. +OK");
    }
}

#[test]
fn open_connections_are_judged_by_the_keys_of_now() {
    let guarded = guarded();
    let resp = guarded.shop.service.resp();
    let clients = [&guarded.sell, &guarded.operate, &token(&claims("c-1"))].map(|credential| {
        let mut client = Resp::connect(resp);
        assert_eq!(client.one(&format!("AUTH {credential}")), "+OK");
        assert_eq!(client.one("PING"), "+PONG");
        client
    });
    let boss = Key::new("boss", Scope::Operate, secret_hash(&guarded.operate)).unwrap();
    let (new, secret) = Key::generate("shop", Scope::Sell).unwrap();
    guarded.access.replace(Keyring::new(vec![boss, new], Vec::new()).unwrap()).unwrap();
    let [sell, mut operate, customer] = clients;
    assert_eq!(operate.one("PING"), "+PONG");
    for mut gone in [sell, customer] {
        let auth = format!("AUTH {secret}");
        let reply = gone.until_close(&[Some("PING"), Some(&auth), Some("PING"), Some("QUIT")]);
        assert_eq!(reply, "-NOAUTH Authentication required. +OK +PONG +OK");
    }
    let old = http(guarded.shop.service.http(), FIND, &[&bearer(&guarded.sell)], "");
    assert_eq!(old.status, 401);
}

fn secret_hash(secret: &str) -> jangteo_gateway::access::SecretHash {
    jangteo_gateway::access::SecretHash::of(secret.as_bytes())
}

#[test]
fn a_token_that_expires_ends_what_its_connection_may() {
    let guarded = guarded();
    let mut client = Resp::connect(guarded.shop.service.resp());
    assert_eq!(client.one(&format!("AUTH {}", token(&claims("c-1")))), "+OK");
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF").starts_with("$26"));
    guarded.shop.clock.advance(59_999);
    assert!(client.one("DROP.FIND t-1 c-1").starts_with("*1"));
    guarded.shop.clock.advance(1);
    let reply = client.until_close(&[Some("DROP.FIND t-1 c-1"), Some("QUIT")]);
    assert_eq!(reply, "-NOAUTH Authentication required. +OK");
}

#[test]
fn an_open_service_that_gets_a_key_is_open_no_more() {
    let access = jangteo_gateway::access::Access::loopback();
    let options = jangteo::Engine::options().durability(jangteo::Durability::Memory);
    let file = crate::shop::campaign_file("", &items(&[("a", 9)]));
    let shop = Shop::guarded(options, OPENS_MS, &file, access.clone(), None);
    let mut client = Resp::connect(shop.service.resp());
    assert_eq!(client.one("PING"), "+PONG");
    let find = "GET /v1/drops/t-1/holds?customer=c-1";
    assert_eq!(http(shop.service.http(), find, &["Authorization: Bearer x"], "").status, 200);
    let (key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    access.replace(Keyring::new(vec![key], token_keys()).unwrap()).unwrap();
    let auth = format!("AUTH shop {secret}");
    let reply = client.until_close(&[Some("PING"), Some(&auth), Some("PING"), Some("QUIT")]);
    assert_eq!(reply, "-NOAUTH Authentication required. +OK +PONG +OK");
    assert_eq!(http(shop.service.http(), find, &[], "").status, 401);
    let elsewhere = ["Host: shop.example", "X-Forwarded-For: 10.0.0.1", &bearer(&secret)];
    assert_eq!(http(shop.service.http(), find, &elsewhere, "").status, 200);
}

#[test]
fn no_other_site_may_call_from_a_browser() {
    let guarded = guarded();
    let address = guarded.shop.service.http();
    let origin = "Origin: https://shop.example";
    let ask = ["Access-Control-Request-Method: POST", origin];
    let answers = [
        http(address, "OPTIONS /v1/drops/t-1/holds", &ask, ""),
        http(address, "GET /v1/drops", &[origin], ""),
        http(address, FIND, &[origin, &bearer(&token(&claims("c-1")))], ""),
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [405, 200, 200]);
    for answer in answers {
        let names = answer.header_names().join(" ").to_ascii_lowercase();
        assert!(!names.contains("access-control"), "{names}");
    }
}
