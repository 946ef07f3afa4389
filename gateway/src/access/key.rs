//! Keys of shops and operators: a name, what it may do, and the hash of its secret.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use siphasher::sip::SipHasher13;
use subtle::{Choice, ConstantTimeEq};

use crate::limits::KEY_NAME_MAX;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything about any customer's holds.
    Sell,
    /// That, and everything else.
    Operate,
}

impl Scope {
    /// The word for it in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sell => "sell",
            Self::Operate => "operate",
        }
    }
}

impl FromStr for Scope {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        match text {
            "sell" => Ok(Self::Sell),
            "operate" => Ok(Self::Operate),
            _ => Err(BadKey("the scope must be \"sell\" or \"operate\"")),
        }
    }
}

/// Why something is no key. Its text repeats nothing of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey(pub(super) &'static str);

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadKey {}

/// Bytes of a hash, and of the randomness in a secret.
const BYTES: usize = 32;

/// The SHA-256 of a secret: all that the service knows of it. A secret is 256 random bits, so
/// neither salt nor stretching would add anything. Not shown by `Debug`.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; BYTES]);

impl SecretHash {
    /// The hash of a secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(digest(&SHA256, secret).as_ref());
        Self(bytes)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(super) fn same(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl FromStr for SecretHash {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = BadKey("the hash must be 64 hexadecimal digits");
        if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad);
        }
        let mut bytes = [0; BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or(bad)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// What stands for the name of a key where calls are counted; keys of one name share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyTag(u64);

impl KeyTag {
    pub(crate) const fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// One key. Several may share a name, so that a secret can be changed without an outage.
///
/// ```
/// use jangteo_gateway::access::{Key, Scope, SecretHash};
///
/// let (key, secret) = Key::generate("shop", Scope::Sell)?;
/// assert!(secret.starts_with("jt_"));
/// let hash = SecretHash::of(secret.as_bytes()).to_hex();
/// let same: Key = format!("shop:sell:{hash}").parse()?;
/// assert_eq!((same.name(), same.scope()), (key.name(), key.scope()));
/// # Ok::<(), jangteo_gateway::access::BadKey>(())
/// ```
#[derive(Clone, Debug)]
pub struct Key {
    name: String,
    scope: Scope,
    hash: SecretHash,
}

impl Key {
    /// A key whose secret has this hash.
    ///
    /// # Errors
    /// The name is not 1 to 64 letters, digits, dots, underscores and hyphens.
    pub fn new(name: &str, scope: Scope, hash: SecretHash) -> Result<Self, BadKey> {
        Ok(Self { name: Self::check_name(name)?, scope, hash })
    }

    /// The name, if it may be a key's.
    pub(crate) fn check_name(name: &str) -> Result<String, BadKey> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fine = (1..=KEY_NAME_MAX).contains(&name.len()) && name.bytes().all(allowed);
        let bad = BadKey("the name must be 1 to 64 letters, digits, dots, underscores, hyphens");
        fine.then(|| name.to_owned()).ok_or(bad)
    }

    /// A new key and its secret: `jt_` and 256 random bits. The secret is nowhere else.
    ///
    /// # Errors
    /// The name is wrong, or the system gives no randomness.
    pub fn generate(name: &str, scope: Scope) -> Result<(Self, String), BadKey> {
        let mut bytes = [0; BYTES];
        let random = SystemRandom::new().fill(&mut bytes);
        random.map_err(|_| BadKey("the system gives no randomness"))?;
        let secret = format!("jt_{}", hex(&bytes));
        Ok((Self::new(name, scope, SecretHash::of(secret.as_bytes()))?, secret))
    }

    /// Its name, which is also the user of RESP.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn tag(&self) -> KeyTag {
        KeyTag(SipHasher13::new().hash(self.name.as_bytes()))
    }

    /// The hash of its secret.
    #[must_use]
    pub const fn hash(&self) -> &SecretHash {
        &self.hash
    }
}

/// `name:scope:sha256`, as in `JANGTEO_KEYS`.
impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.split(':');
        let (Some(name), Some(scope), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadKey("a key is name:scope:sha256"));
        };
        Self::new(name, scope.parse()?, hash.parse()?)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(SecretHash::of(b"abc").to_hex(), abc);
        let read: SecretHash = abc.to_ascii_uppercase().parse().unwrap();
        assert!(bool::from(read.same(&SecretHash::of(b"abc"))));
        assert!(!bool::from(read.same(&SecretHash::of(b"abd"))));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let hash = SecretHash::of(b"x").to_hex();
        for text in [
            String::new(),
            hash.clone(),
            format!("shop:sell:{hash}:more"),
            format!("shop:buy:{hash}"),
            format!(":sell:{hash}"),
            format!("a b:sell:{hash}"),
            format!("{}:sell:{hash}", "a".repeat(65)),
            format!("shop:sell: {hash}"),
            format!("shop:sell:{}", &hash[1..]),
            format!("shop:sell:+{}", &hash[1..]),
            "shop:sell:jt_0123".to_owned(),
        ] {
            let error = text.parse::<Key>().unwrap_err().to_string();
            assert!(!error.contains(&hash) && !error.contains("jt_"), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_never_the_same_and_debug_shows_neither_secret_nor_hash() {
        let (one, first) = Key::generate("shop", Scope::Sell).unwrap();
        let (_, second) = Key::generate("shop", Scope::Sell).unwrap();
        assert_eq!(first.len(), "jt_".len() + 64);
        assert_ne!(first, second);
        let shown = format!("{one:?}");
        assert!(shown.contains("shop") && !shown.contains(&one.hash.to_hex()), "{shown}");
        assert!(!shown.contains(&first[3..]), "{shown}");
    }
}
