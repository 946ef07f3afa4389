//! What must not be seen is not: in answers, in `Debug`, in logs.

use std::process::Stdio;

use jangteo_gateway::Tls;
use jangteo_gateway::access::{Access, Key, Keyring, Scope, TokenKey};
use jangteo_gateway::config::{Config, Flags};

use crate::clients::{Resp, http};
use crate::configuration::Files;
use crate::shop::items;
use crate::tls::fixture;
use crate::tokens::{Guarded, SHARED, bearer, claims, token, token_keys};

/// Fails if the text has any of these, or eight bytes of them in a row.
#[track_caller]
fn has_none(text: &str, secrets: &[&str]) {
    for secret in secrets {
        for part in secret.as_bytes().windows(8.min(secret.len())) {
            let part = std::str::from_utf8(part).unwrap();
            // The beginning of every secret, and of every token.
            if !"jt_eyJ".contains(part) && !secret.starts_with(part) {
                assert!(!text.contains(part), "{part} of a secret is in {text}");
            }
        }
    }
}

#[test]
fn debug_shows_no_secret() {
    let (key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    let hash = key.hash().to_hex();
    let shared = std::str::from_utf8(SHARED).unwrap();
    let bytes = format!("{:?}", SHARED);
    let access = Access::by(Keyring::new(vec![key.clone()], token_keys()).unwrap());
    let tls = Tls::open(&fixture("one-cert.pem"), &fixture("one-key.pem")).unwrap();
    let private = std::fs::read_to_string(fixture("one-key.pem")).unwrap();
    let files = Files::new();
    let signing = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let file = files.secret("secret", signing);
    let config = files.file(
        "jangteo.toml",
        &format!(
            "[[webhooks]]\nurl = \"https://shop.example/hidden-hooks\"\nsecret_file = \"{file}\"\n\
         [[token_keys]]\nalg = \"HS256\"\nsecret = \"{shared}\"\naudience = \"a\"\n\
         [[keys]]\nname = \"shop\"\nscope = \"sell\"\nsha256 = \"{hash}\"\n"
        ),
    );
    let flags = Flags { config: Some(config.into()), ..Flags::default() };
    let config = Config::read(&flags, |_| None).unwrap();
    let shown = format!(
        "{access:?} {key:?} {tls:?} {config:?} {:#?} {:?}",
        config,
        TokenKey::hs256(SHARED, "a").unwrap()
    );
    has_none(&shown, &[&secret, &hash, shared, private.lines().nth(1).unwrap(), &signing[6..]]);
    assert!(!shown.contains(&bytes[1..20]), "{shown}");
    assert!(shown.contains("shop.example") && !shown.contains("hidden-hooks"), "{shown}");
}

#[test]
fn no_answer_repeats_a_credential_or_a_customer() {
    let guarded = Guarded::open("", &items(&[("a", 9)]), None);
    let customer = "pseudonym-of-somebody";
    let good = token(&claims(customer));
    let (bad, wrong) = (good.replace('.', "x."), guarded.sell.replace("jt_", "jt_0"));
    let find = "GET /v1/drops/t-1/holds?customer=another-pseudonym";
    for credential in [&good, &bad, &wrong, &guarded.sell] {
        let answer = http(guarded.shop.service.http(), find, &[&bearer(credential)], "");
        let all = format!("{answer:?}");
        has_none(&all, &[credential]);
        assert!(!all.contains(customer) && !all.contains("another-pseudonym"), "{all}");
        let mut client = Resp::connect(guarded.shop.service.resp());
        let auth = format!("AUTH shop {credential}");
        let reply = client.until_close(&[Some(&auth), Some("DROP.FIND t-1 c-1"), Some("QUIT")]);
        has_none(&reply, &[credential]);
    }
}

#[test]
fn logs_have_neither_credentials_nor_customers() {
    let files = Files::new();
    let (key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    let hash = key.hash().to_hex();
    let config = files.file(
        "jangteo.toml",
        &format!("[[keys]]\nname = \"shop\"\nscope = \"sell\"\nsha256 = \"{hash}\"\n"),
    );
    let mut served =
        files.serve(&["--config", &config], &[("JANGTEO_LOG", "trace")], Stdio::piped());
    let wrong = secret.replace("jt_", "jt_0");
    for credential in [&secret, &wrong] {
        let line = "GET /v1/drops/t-1/holds?customer=pseudonym-of-somebody";
        _ = http(served.http, line, &[&bearer(credential)], "");
        let mut client = Resp::connect(served.resp);
        let auth = format!("AUTH shop {credential}");
        let find = "DROP.FIND t-1 pseudonym-of-somebody";
        _ = client.until_close(&[Some(&auth), Some(find), Some("QUIT")]);
    }
    files.file("jangteo.toml", &format!("[[keys]]\nname = \"{secret}\"\nsha256 = \"{secret}\"\n"));
    served.hang_up();
    served.wait_for_log("stay as they were");
    let log = served.stop();
    assert!(log.contains("keys[0].sha256"), "{log}");
    has_none(&log, &[&secret, &wrong, &hash]);
    assert!(!log.contains("pseudonym"), "{log}");
}
