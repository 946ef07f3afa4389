//! Keys, and tokens as a shop would sign them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jangteo::{Durability, Engine, Options};
use jangteo_gateway::Tls;
use jangteo_gateway::access::{Access, Key, Keyring, Scope, TokenKey};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::shop::{OPENS_MS, Shop, campaign_file};

/// The shared secret of the tests.
pub(crate) const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";
const AUDIENCE: &str = "jangteo";

/// Base64 as tokens have it.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The pair whose public key the service knows.
pub(crate) fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The keys by which the service of the tests verifies tokens.
pub(crate) fn token_keys() -> Vec<TokenKey> {
    let public = base64(pair().public_key());
    vec![
        TokenKey::ed_dsa(&public, AUDIENCE).unwrap().named("2026-11").unwrap(),
        TokenKey::hs256(SHARED, AUDIENCE).unwrap().named("shared").unwrap(),
    ]
}

/// What a good token of that customer says, for the next minute.
pub(crate) fn claims(customer: &str) -> Value {
    json!({"sub": customer, "aud": AUDIENCE, "exp": OPENS_MS / 1_000 + 60})
}

/// The first two parts of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64(header.to_string()), base64(claims.to_string()))
}

/// Signed with [`pair`].
pub(crate) fn ed_dsa(header: &Value, claims: &Value) -> String {
    let text = unsigned(header, claims);
    let signature = base64(pair().sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Signed with any secret.
pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text = unsigned(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = base64(hmac::sign(&key, text.as_bytes()));
    format!("{text}.{signature}")
}

/// A good token.
pub(crate) fn token(claims: &Value) -> String {
    ed_dsa(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "2026-11"}), claims)
}

/// A service with a key of either scope, and their secrets.
pub(crate) struct Guarded {
    pub(crate) shop: Shop,
    pub(crate) access: Access,
    pub(crate) sell: String,
    pub(crate) operate: String,
}

impl Guarded {
    pub(crate) fn open(rules: &str, items: &str, tls: Option<Tls>) -> Self {
        Self::with(Engine::options().durability(Durability::Memory), rules, items, tls)
    }

    pub(crate) fn with(options: Options, rules: &str, items: &str, tls: Option<Tls>) -> Self {
        let (shop_key, sell) = Key::generate("shop", Scope::Sell).unwrap();
        let (boss_key, operate) = Key::generate("boss", Scope::Operate).unwrap();
        let keyring = Keyring::new(vec![shop_key, boss_key], token_keys()).unwrap();
        let access = Access::by(keyring);
        let file = campaign_file(rules, items);
        let shop = Shop::guarded(options, OPENS_MS, &file, access.clone(), tls);
        Self { shop, access, sell, operate }
    }
}

/// The header line of a credential.
pub(crate) fn bearer(credential: &str) -> String {
    format!("Authorization: Bearer {credential}")
}
