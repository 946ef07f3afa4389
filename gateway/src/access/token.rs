//! Customers' tokens: JSON Web Tokens (RFC 7519) in compact form, signed with EdDSA or HS256.
//!
//! IMPORTANT: what a token says of itself chooses nothing. The algorithm belongs to the key: a
//! key is tried only on a token that names the key's own algorithm, so a public key never serves as
//! the secret of another algorithm, and `none` is no key's. Keys, addresses and certificates that a
//! token's header may carry are not looked at.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jangteo::limits::AREA_MAX;
use jangteo::{Timestamp, check_customer};
use ring::{hmac, signature};
use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

use crate::limits::{HMAC_SECRET_BYTES_MIN, TOKEN_TEXT_MAX};

/// A key that tokens are verified with. Debug shows nothing secret.
#[derive(Clone, Debug)]
pub struct TokenKey {
    kid: Option<String>,
    verifier: Verifier,
    audience: String,
}

#[derive(Clone, Debug)]
enum Verifier {
    EdDsa([u8; 32]),
    Hs256(hmac::Key),
}

/// Why something is no key for tokens. Its text repeats nothing of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTokenKey(&'static str);

impl fmt::Display for BadTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadTokenKey {}

/// What stands before the key itself in a public key of Ed25519 as X.509 has it (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

impl TokenKey {
    /// A public key of Ed25519: its 32 bytes in base64, with either alphabet (a JWK's `x`), or PEM.
    /// `audience` is what a token's `aud` has to be.
    ///
    /// # Errors
    /// It is no such key, or the audience is not 1 to 128 characters.
    pub fn ed_dsa(public: &str, audience: &str) -> Result<Self, BadTokenKey> {
        let lines = public.lines().filter(|line| !line.starts_with("-----"));
        let text: String = lines.flat_map(str::split_whitespace).collect();
        let text = text.replace('-', "+").replace('_', "/");
        let padding = "=".repeat(text.len().wrapping_neg() % 4);
        let bytes = STANDARD.decode(format!("{text}{padding}")).unwrap_or_default();
        let key = bytes.strip_prefix(&ED25519_PREFIX).unwrap_or(&bytes);
        let key = key.try_into().map_err(|_| {
            BadTokenKey("must be a public key of Ed25519: 32 bytes in base64, or PEM")
        })?;
        Self::new(Verifier::EdDsa(key), audience)
    }

    /// A secret for HMAC with SHA-256, shared with whoever signs the tokens.
    ///
    /// # Errors
    /// It is shorter than 32 bytes, or the audience is not 1 to 128 characters.
    pub fn hs256(secret: &[u8], audience: &str) -> Result<Self, BadTokenKey> {
        if secret.len() < HMAC_SECRET_BYTES_MIN {
            return Err(BadTokenKey("a secret must have at least 32 bytes"));
        }
        Self::new(Verifier::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)), audience)
    }

    fn new(verifier: Verifier, audience: &str) -> Result<Self, BadTokenKey> {
        if !(1..=TOKEN_TEXT_MAX).contains(&audience.len()) {
            return Err(BadTokenKey("the audience must be 1 to 128 characters"));
        }
        Ok(Self { kid: None, verifier, audience: audience.to_owned() })
    }

    /// The same key, by an id: it serves tokens that name this `kid` and tokens that name none.
    ///
    /// # Errors
    /// The id is not 1 to 128 characters.
    pub fn named(self, kid: &str) -> Result<Self, BadTokenKey> {
        if !(1..=TOKEN_TEXT_MAX).contains(&kid.len()) {
            return Err(BadTokenKey("the kid must be 1 to 128 characters"));
        }
        Ok(Self { kid: Some(kid.to_owned()), ..self })
    }

    const fn algorithm(&self) -> &'static str {
        match self.verifier {
            Verifier::EdDsa(_) => "EdDSA",
            Verifier::Hs256(_) => "HS256",
        }
    }

    /// Whether this key is one that the header asks for.
    fn is_meant_by(&self, header: &Header<'_>) -> bool {
        let named = |kid: &str| self.kid.as_deref() == Some(kid);
        header.alg == self.algorithm() && header.kid.as_deref().is_none_or(named)
    }

    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::EdDsa(key) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                key.verify(signed, signature).is_ok()
            }
            Verifier::Hs256(key) => hmac::verify(key, signed, signature).is_ok(),
        }
    }
}

/// What a token that was verified says.
#[derive(Debug)]
pub(crate) struct Token {
    customer: String,
    area: Option<String>,
    drop: Option<String>,
    expires_at: Timestamp,
}

impl Token {
    pub(crate) fn customer(&self) -> &str {
        &self.customer
    }

    pub(crate) fn only_area(&self) -> Option<&str> {
        self.area.as_deref()
    }

    pub(crate) fn only_drop(&self) -> Option<&str> {
        self.drop.as_deref()
    }

    pub(crate) const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// What is read of a token's header.
#[derive(serde::Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    /// Extensions that must be understood: there are none that we do.
    crit: Option<IgnoredAny>,
}

/// What is read of a token's payload.
#[derive(serde::Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: Instant,
    nbf: Option<Instant>,
    area: Option<String>,
    drop: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(all) => all.iter().any(|one| one == audience),
        }
    }
}

/// Seconds since 1970, with or without a fraction; anything but a number is refused.
struct Instant(Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Seconds).map(|ms| Self(Timestamp::from_ms(ms)))
    }
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since 1970")
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<u64, E> {
        Ok(seconds.saturating_mul(1_000))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<u64, E> {
        let since = Duration::try_from_secs_f64(seconds).map_err(|_| E::custom("no instant"))?;
        Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The token in `text`, if one of the keys signed it for its own audience and it is valid now.
pub(super) fn verify(
    keys: &[TokenKey],
    text: &[u8],
    now: impl FnOnce() -> Timestamp,
) -> Option<Token> {
    if keys.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = object(&header)?;
    if header.crit.is_some() {
        return None;
    }
    // A dot more would be in the payload, and is no letter of its alphabet.
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let meant = keys.iter().filter(|key| key.is_meant_by(&header));
    let signing = |key: &&TokenKey| key.has_signed(signed.as_bytes(), &signature);
    let mut signers = meant.filter(signing).peekable();
    // What nobody signed is not read.
    signers.peek()?;
    let claims: Claims = object(&payload)?;
    let now = now();
    let timely = now < claims.exp.0 && claims.nbf.is_none_or(|nbf| nbf.0 <= now);
    let area = claims.area.as_deref().is_none_or(|area| {
        (1..=AREA_MAX).contains(&area.len()) && area.bytes().all(|b| b.is_ascii_graphic())
    });
    // Keys of several audiences may share a secret.
    let fine = timely && area && signers.any(|key| claims.aud.has(&key.audience));
    check_customer(&claims.sub).ok().filter(|()| fine)?;
    let (customer, expires_at) = (claims.sub, claims.exp.0);
    Some(Token { customer, area: claims.area, drop: claims.drop, expires_at })
}

/// Reads a JSON object. By itself a struct could also be written as a list of its values.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    bytes.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(bytes).ok())?
}
