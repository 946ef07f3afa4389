//! The keys that are valid at one time, and who a credential makes its bearer.

use std::sync::Arc;

use jangteo::Timestamp;

use super::caller::{Caller, Identity, Proof};
use super::key::{BadKey, Key, SecretHash};
use super::token::{self, TokenKey};
use crate::limits::{CREDENTIAL_BYTES_MAX, KEYS_MAX};

/// The name that Redis clients send for a user who has none.
const NO_NAME: &[u8] = b"default";

/// All keys that are valid at one time. Without any, the service is open to its own machine and to
/// nobody else.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<Key>,
    token_keys: Vec<TokenKey>,
}

impl Keyring {
    /// A keyring of these keys, and of the keys by which customers' tokens are verified.
    ///
    /// # Errors
    /// More than 256 of either kind, or two keys with the same secret.
    pub fn new(keys: Vec<Key>, token_keys: Vec<TokenKey>) -> Result<Self, BadKey> {
        if KEYS_MAX < keys.len() || KEYS_MAX < token_keys.len() {
            return Err(BadKey("there must not be more than 256 keys"));
        }
        let twice = |(at, key): (usize, &Key)| {
            let mut before = keys.iter().take(at);
            before.any(|other| other.hash().same(key.hash()).into())
        };
        if keys.iter().enumerate().any(twice) {
            return Err(BadKey("two keys have the same hash"));
        }
        Ok(Self { keys, token_keys })
    }

    /// Whether there is no key of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.token_keys.is_empty()
    }

    /// How many keys, and how many keys for tokens.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.keys.len(), self.token_keys.len())
    }

    /// Who everybody is without a credential: somebody only if there is no key.
    pub(crate) fn anonymous(&self) -> Option<Identity> {
        self.is_empty().then_some(Identity { proof: Proof::None, caller: Caller::Anyone })
    }

    /// Who the bearer of this credential is, a key's secret or a token, if it is valid. A `name`
    /// has to be the key's, or the token's customer.
    pub(crate) fn identify(
        &self,
        credential: &[u8],
        name: Option<&[u8]>,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Identity> {
        if CREDENTIAL_BYTES_MAX < credential.len() {
            return None;
        }
        let fits = |own: &str| name.is_none_or(|name| name == own.as_bytes() || name == NO_NAME);
        let hash = SecretHash::of(credential);
        if let Some(key) = self.find(&hash) {
            let caller = Caller::Key(key.scope(), key.tag());
            return fits(key.name()).then_some(Identity { proof: Proof::Secret(hash), caller });
        }
        let token = token::verify(&self.token_keys, credential, now)?;
        fits(token.customer()).then(|| Identity {
            proof: Proof::Token(credential.into()),
            caller: Caller::Customer(Arc::new(token)),
        })
    }

    /// Who an identity from an earlier keyring is by this one.
    pub(crate) fn identify_again(
        &self,
        identity: &Identity,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Identity> {
        match &identity.proof {
            Proof::None => self.anonymous(),
            Proof::Secret(hash) => {
                let key = self.find(hash)?;
                let caller = Caller::Key(key.scope(), key.tag());
                Some(Identity { proof: Proof::Secret(*hash), caller })
            }
            Proof::Token(text) => self.identify(text, None, now),
        }
    }

    /// The key of that hash. Looks at every key, so that the time says nothing about which it is or
    /// how near a guess has come.
    fn find(&self, hash: &SecretHash) -> Option<&Key> {
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.hash().same(hash)) {
                found = Some(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn never() -> Timestamp {
        panic!("a key's secret is judged without the clock")
    }

    #[test]
    fn a_secret_is_found_under_its_name_and_any_client_that_sends_none() {
        let (old, first) = Key::generate("shop", Scope::Sell).unwrap();
        let (new, second) = Key::generate("shop", Scope::Sell).unwrap();
        let (boss, third) = Key::generate("boss", Scope::Operate).unwrap();
        let ring = Keyring::new(vec![old, new, boss], Vec::new()).unwrap();
        for secret in [&first, &second] {
            for name in [None, Some(&b"shop"[..]), Some(b"default")] {
                let found = ring.identify(secret.as_bytes(), name, never).unwrap();
                assert!(matches!(found.caller(), Caller::Key(Scope::Sell, _)));
            }
            assert!(ring.identify(secret.as_bytes(), Some(b"boss"), never).is_none());
        }
        let found = ring.identify(third.as_bytes(), Some(b"boss"), never).unwrap();
        assert!(matches!(found.caller(), Caller::Key(Scope::Operate, _)));
        for wrong in [first.to_uppercase(), format!("{first} "), first[1..].to_owned()] {
            assert!(ring.identify(wrong.as_bytes(), None, never).is_none());
        }
        assert!(ring.identify(b"", None, never).is_none());
    }

    #[test]
    fn a_key_that_is_gone_is_no_identity_any_more() {
        let (key, secret) = Key::generate("shop", Scope::Operate).unwrap();
        let hash = *key.hash();
        let ring = Keyring::new(vec![key], Vec::new()).unwrap();
        let identity = ring.identify(secret.as_bytes(), None, never).unwrap();
        let lowered = Key::new("shop", Scope::Sell, hash).unwrap();
        let lowered = Keyring::new(vec![lowered], Vec::new()).unwrap();
        let again = lowered.identify_again(&identity, never).unwrap();
        assert!(matches!(again.caller(), Caller::Key(Scope::Sell, _)));
        let (other, _) = Key::generate("shop", Scope::Operate).unwrap();
        let changed = Keyring::new(vec![other], Vec::new()).unwrap();
        assert!(changed.identify_again(&identity, never).is_none());
        let anonymous = Keyring::default().anonymous().unwrap();
        assert!(changed.identify_again(&anonymous, never).is_none());
    }

    #[test]
    fn the_same_secret_twice_and_too_many_keys_are_refused() {
        let (key, _) = Key::generate("shop", Scope::Sell).unwrap();
        let same = Key::new("other", Scope::Operate, *key.hash()).unwrap();
        assert!(Keyring::new(vec![key, same], Vec::new()).is_err());
        let many = (0..=KEYS_MAX).map(|_| Key::generate("a", Scope::Sell).unwrap().0).collect();
        assert!(Keyring::new(many, Vec::new()).is_err());
    }
}
